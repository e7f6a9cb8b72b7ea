"""Who takes places without using them, and who wants the place or the key of somebody else."""

import collections
import threading
import time

import before_publish
import wire
from client import Answer, Client, Knobs, Outcome, Target, address, again_and_again, crowd

# Wrong keys that one address may try in a second before somebody must say that nothing slows it.
GUESSES_A_SECOND = 5


def idle_publishers(target: Target, knobs: Knobs) -> Outcome:
    """Publishes, and sends twelve bytes now and then that are no media."""

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index % knobs["addresses"])) as client:
            answer = client.publish(f"idle{index}")
            counts[answer.value] += 1
            while answer is Answer.ACCEPTED and target.goes_on():
                client.send(wire.message(99, b"", 3, stream=0))
                time.sleep(knobs["pause_ms"] / 1000)

    return again_and_again(target, knobs["publishers"], session)


def trickling_publishers(target: Target, knobs: Knobs) -> Outcome:
    """Publishes, and sends a frame of sound every few seconds, so that it is not silent."""

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index % knobs["addresses"])) as client:
            answer = client.publish(f"trickle{index}")
            counts[answer.value] += 1
            stamp = 0
            while answer is Answer.ACCEPTED and target.goes_on():
                client.tag(wire.AUDIO, stamp, b"\xaf\x01\x21\x10")
                stamp += knobs["pause_ms"]
                time.sleep(knobs["pause_ms"] / 1000)

    return again_and_again(target, knobs["publishers"], session)


def guessed_keys(target: Target, knobs: Knobs) -> Outcome:
    """V14, V17: keys for the healthy stream's name, as many as the server answers."""
    begin = time.monotonic()

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index % knobs["addresses"])) as client:
            name = f"healthy/guess{index}_{counts['attempts']}"
            answer = client.publish(name, patience=2)
            counts[answer.value] += 1

    outcome = again_and_again(target, knobs["connections"], session, pause=0)
    rate = outcome.counts["refused"] / (time.monotonic() - begin) / knobs["addresses"]
    outcome.check(
        rate < GUESSES_A_SECOND, f"{rate:.0f} guesses a second from one address, never slowed"
    )
    outcome.check(outcome.counts["accepted"] == 0, "a wrong key was taken")
    return outcome


def race_for_a_name(target: Target, knobs: Knobs) -> Outcome:
    """Many ask for one name in the same moment: one gets it."""
    outcome, rounds = Outcome(), 0
    while target.goes_on():
        rounds += 1
        start, end = threading.Barrier(knobs["publishers"]), threading.Barrier(knobs["publishers"])

        def body(index: int, counts: collections.Counter) -> None:
            counts["attempts"] += 1
            try:
                with Client(target, address(index)) as client:
                    client.open()
                    start.wait(5)
                    client.ask(f"race{rounds}")
                    answer = client.answer(4)
                    counts[answer.value] += 1
                    # Who has the name keeps it until everybody was answered.
                    end.wait(10)
            except threading.BrokenBarrierError:
                counts["late"] += 1

        counts = crowd(knobs["publishers"], body)
        outcome.check(
            counts["accepted"] <= 1, f"{counts['accepted']} publishers of one name at once"
        )
        outcome.counts.update(counts)
    return outcome


def takeover(target: Target, knobs: Knobs) -> Outcome:
    """Strangers ask for the healthy stream's name, however it is written, with wrong keys."""
    outcome, wrong = Outcome(), f"guess{knobs['guess']}"
    wishes = [
        ("live", "healthy"),
        ("healthy", ""),
        ("healthy", wrong),
        ("live", f"healthy?key={wrong}"),
    ]
    wishes += [("live/healthy", ""), ("live", "healthy/"), ("live", "healthy/" + target.key[:-1])]
    wishes += [("live", "healthy?key="), (f"healthy?key={wrong}", "")]
    while target.goes_on():
        for index, (app, name) in enumerate(wishes):
            outcome.counts["attempts"] += 1
            try:
                with Client(target, address(index)) as client:
                    taken = client.publish(name, app, patience=2) is Answer.ACCEPTED
                    outcome.check(
                        not taken, f"app {app!r}, name {name!r} takes the healthy stream over"
                    )
            except OSError as error:
                outcome.counts[type(error).__name__] += 1
        time.sleep(0.5)
    return outcome


def takeover_in_a_flood(target: Target, knobs: Knobs) -> Outcome:
    """Without keys a silent publisher's name is free, and a busy server hears nobody."""
    outcome, flooded = Outcome(), []
    flood = {
        "unit": "empty",
        "connections": knobs["connections"],
        "addresses": knobs["addresses"],
        "block_bytes": 262144,
    }
    thread = threading.Thread(
        target=lambda: flooded.append(before_publish.control_flood(target, flood)), daemon=True
    )
    thread.start()
    while target.goes_on():
        outcome.counts["takeovers"] += 1
        try:
            with Client(target, address(150)) as client:
                taken = client.publish("healthy", patience=2) is Answer.ACCEPTED
                outcome.check(not taken, "a stranger takes over a name whose publisher is there")
        except OSError as error:
            outcome.counts[type(error).__name__] += 1
        time.sleep(0.3)
    thread.join()
    for one in flooded:
        outcome.add(one)
    return outcome
