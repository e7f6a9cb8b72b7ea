"""The life of the process itself: killed, asked to end, started again. On servers of its own."""

import re
import socket
import subprocess
import threading
import time
from pathlib import Path

import before_publish
import clips
import pictures
import viewers
import web
from client import Answer, Client, Knobs, Outcome, Target, address, packed
from server import Server

# After SIGTERM (docs/threads.md: half of 4.5 s for the workers, and the rest).
ENDS_WITHIN = 5.0


def served(target: Target, *options: str, folder: str = "own") -> tuple[Server, Target]:
    """A server of its own, and the target that it is."""
    server = Server(target.binary, Path(target.scratch) / folder, [*target.options, *options])
    own = Target(target.binary, target.scratch, target.seconds, target.seed)
    own.rtmp, own.http, own.admin, own.process = (
        server.rtmp,
        server.http,
        server.admin,
        server.process.pid,
    )
    return server, own


def killed(target: Target, knobs: Knobs) -> Outcome:
    """SIGKILL behind a publisher who was faster than time: no number of a segment comes again."""
    outcome, listed = Outcome(), []
    tags = clips.clip("small")
    for life in range(knobs["lives"]):
        server, own = served(target)
        try:
            with Client(own) as client:
                client.publish("fast")
                for repeat in range(knobs["repeats"]):
                    client.send(
                        b"".join(
                            packed(tag.kind, repeat * 10000 + tag.timestamp, tag.body)
                            for tag in tags
                        )
                    )
                outcome.counts["attempts"] += 1
                numbers = _numbers_when_listed(own, "fast")
            outcome.check(bool(numbers), f"life {life} lists nothing")
            again = [number for number in numbers if listed and number <= max(listed)]
            outcome.check(
                not again,
                f"life {life} lists numbers that an earlier one had listed: {again[:1]} and more",
            )
            listed += numbers
        finally:
            server.kill()
    return outcome


def _numbers_when_listed(target: Target, name: str) -> list[int]:
    numbers: list[int] = []
    for _ in range(40):
        text = web.request(target.http, f"/stream/{name}/source.m3u8").text
        found = [int(number) for number in re.findall(r"/(\d+)\.ts", text)]
        if found and found == numbers:
            return numbers
        numbers = found
        time.sleep(0.25)
    return numbers


def asked_to_end(target: Target, knobs: Knobs) -> Outcome:
    """SIGTERM in the middle of other attacks: the server ends, with exit code 0, in time."""
    outcome = Outcome()
    count = knobs["connections"]
    loads = [
        (
            before_publish.control_flood,
            {"unit": "empty", "connections": count, "addresses": 8, "block_bytes": 262144},
        ),
        (pictures.dear_pictures, {"clip": "large_idr", "publishers": count, "rate": 60}),
        (
            pictures.one_access_unit,
            {"publishers": 4, "slices": knobs["slices"], "units": 3, "hangs_up": "no"},
        ),
        (viewers.slow_heads, {"connections": 20 * count, "pause_ms": 1500}),
    ]
    for load, its_knobs in loads:
        server, own = served(target)
        own.end = time.monotonic() + 6
        attack = threading.Thread(target=load, args=(own, its_knobs), daemon=True)
        attack.start()
        time.sleep(4)
        outcome.counts["attempts"] += 1
        begin = time.monotonic()
        code = server.terminate(20)
        took = time.monotonic() - begin
        outcome.counts["worst end in ms"] = max(outcome.counts["worst end in ms"], int(1000 * took))
        outcome.check(code == 0, f"under {load.__name__} SIGTERM gives exit code {code}")
        outcome.check(
            took < ENDS_WITHIN, f"under {load.__name__} it ends {took:.1f} s after SIGTERM"
        )
        attack.join()
    return outcome


def started_again(target: Target, knobs: Knobs) -> Outcome:
    """V15: what a key forbids stays forbidden when the process is started again."""
    outcome, key = Outcome(), f"key{knobs['key']}"
    for life in range(knobs["lives"]):
        server, own = served(target, "--publish-key", key)
        try:
            for name, wanted in (("a", False), ("a/wrong", False), (f"a/{key}", True)):
                outcome.counts["attempts"] += 1
                with Client(own, address(life)) as client:
                    accepted = client.publish(name, patience=15) is Answer.ACCEPTED
                    outcome.check(
                        accepted == wanted,
                        f"life {life}: key {name!r} is {'taken' if accepted else 'refused'}",
                    )
        finally:
            server.kill()
    return outcome


# What a webhook may do instead of answering. V5: a Location that fits nowhere.
WEBHOOKS = {
    "location": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/"
    + b"x" * 70000
    + b"\r\nContent-Length: 0\r\n\r\n",
    "noise": bytes(range(256)) * 400,
    "endless": b"HTTP/1.1 200 OK\r\n" + b"X-More: y\r\n" * 20000,
    "closes": b"",
    "silent": None,
}


def webhooks(target: Target, knobs: Knobs) -> Outcome:
    """V5, V18: the webhook that is asked redirects, babbles, closes, or says nothing."""
    outcome = Outcome()
    help_text = subprocess.run(
        [target.binary, "serve", "--help"], capture_output=True, text=True
    ).stdout
    if "--auth-webhook" not in help_text:
        outcome.skipped = "this server has no --auth-webhook"
        return outcome
    with socket.create_server(("127.0.0.1", 0)) as hook:
        answers: list[bytes | None] = [b""]
        threading.Thread(target=_answer, args=(hook, answers), daemon=True).start()
        server, own = served(
            target, "--auth-webhook", f"http://127.0.0.1:{hook.getsockname()[1]}/auth"
        )
        try:
            for kind, answer in WEBHOOKS.items():
                answers[0] = answer
                for index in range(knobs["publishers"]):
                    outcome.counts["attempts"] += 1
                    with Client(own, address(index)) as client:
                        taken = client.publish(f"hook{index}", patience=6) is Answer.ACCEPTED
                        outcome.check(not taken, f"a webhook that is {kind} lets publishers in")
                outcome.check(
                    web.request(own.http, "/healthz").status == 200,
                    f"viewers wait for a webhook: {kind}",
                )
            answers[0] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            with Client(own, address(60)) as client:
                outcome.check(
                    client.publish("good", patience=6) is Answer.ACCEPTED,
                    "a webhook's yes is not heard",
                )
        finally:
            server.kill()
    return outcome


def _answer(hook: socket.socket, answers: list[bytes | None]) -> None:
    """Answers every connection as the list says at that moment; silent ones are kept open."""
    kept = []
    while True:
        try:
            connection = hook.accept()[0]
            connection.recv(65536)
            if answers[0] is None:
                kept.append(connection)
                continue
            connection.sendall(answers[0])
            connection.close()
        except OSError:
            if hook.fileno() == -1:
                return
