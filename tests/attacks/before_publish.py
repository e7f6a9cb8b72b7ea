"""Connections that cost the server something before, or instead of, publishing anything."""

import collections
import random
import struct
import time

import wire
from client import (
    Answer,
    C0_C1,
    CHUNK_BYTES,
    Client,
    Knobs,
    Outcome,
    Target,
    address,
    again_and_again,
)

# Declared as the length of a message: the most that a header can say.
MOST = 0xFFFFFF


def control_flood(target: Target, knobs: Knobs) -> Outcome:
    """Full speed of messages that mean nothing, one byte each where that is possible."""
    unit = {
        # A chunk of type 3 behind an empty message is one more empty message.
        "empty": wire.basic_header(3, 3),
        "abort": wire.control(wire.ABORT, 6),
        "unknown": wire.message(99, b"", 3, stream=0),
        "set_chunk_size": wire.control(wire.SET_CHUNK_SIZE, 4096),
        # Acknowledgements are asked for after each byte that the server sends, and are never sent.
        "window": wire.control(wire.WINDOW, 1),
    }[knobs["unit"]]
    block = unit * (knobs["block_bytes"] // len(unit))

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index % knobs["addresses"])) as client:
            client.shake_hands()
            client.send(wire.control(wire.SET_CHUNK_SIZE, CHUNK_BYTES))
            client.send(wire.message(99, b"", 3, stream=0))
            while target.goes_on():
                client.send(block)
                counts["bytes"] += len(block)

    return again_and_again(target, knobs["connections"], session)


def answer_flood(target: Target, knobs: Knobs) -> Outcome:
    """What makes the server answer, again and again; some never read the answers."""
    many = {f"k{index:03}": wire.text("v" * 50) for index in range(900)}
    unit = {
        "ping": wire.message(wire.USER_CONTROL, struct.pack(">HI", 6, 7), 2, stream=0),
        "connect": wire.command(
            "connect", 1, wire.record({"app": wire.text("live"), **many}), chunk=CHUNK_BYTES
        ),
        "create_stream": wire.command("createStream", 4, wire.NULL),
    }[knobs["unit"]]
    block = unit * max(1, 8192 // len(unit))
    reads = knobs["reads"] == "yes"

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index), receive_buffer=0 if reads else 4096) as client:
            client.open()
            while target.goes_on():
                client.send(block)
                counts["bytes"] += len(block)
                if reads:
                    client.discard()

    return again_and_again(target, knobs["connections"], session)


def declared_messages(target: Target, knobs: Knobs) -> Outcome:
    """Many chunk streams that each declare a long message and send a little of it now and then."""
    streams, piece = knobs["chunk_streams"], knobs["piece_bytes"]

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            if index % 2:
                counts["accepted"] += client.publish(f"declared{index}") is Answer.ACCEPTED
            else:
                client.open()
            client.send(wire.control(wire.SET_CHUNK_SIZE, piece))
            # Some at numbers of one byte, of two and of three.
            numbers = [
                8 + (stream * 331 if index % 3 else stream) % 65000 for stream in range(streams)
            ]
            for number in numbers:
                client.send(wire.header(wire.VIDEO, MOST, number) + b"z" * piece)
            while target.goes_on():
                for number in numbers:
                    client.send(wire.basic_header(3, number) + b"y" * piece)
                counts["rounds"] += 1
                time.sleep(0.5)

    return again_and_again(target, knobs["connections"], session)


def chunk_sizes(target: Target, knobs: Knobs) -> Outcome:
    """V3: chunk sizes that are none, that overflow, and that change in the middle of a message."""
    sizes = [0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, knobs["size"]]
    outcome = Outcome()

    def session(index: int, counts: collections.Counter) -> None:
        chance = target.random(index)
        with Client(target, address(index)) as client:
            if index % 2:
                client.publish(f"chunks{index}")
            else:
                client.open()
            # Half a message in chunks of 4096, and the rest in others.
            client.send(wire.control(wire.SET_CHUNK_SIZE, 4096))
            client.send(wire.header(wire.VIDEO, 3 * 4096, 6) + bytes(4096))
            for size in chance.sample(sizes, len(sizes)):
                client.send(wire.control(wire.SET_CHUNK_SIZE, size))
                client.send(wire.basic_header(3, 6) + bytes(chance.choice((1, 64, 4096, 20000))))
                counts["sizes"] += 1
            # What is left of it one byte a chunk, as fast as it goes.
            client.send(wire.control(wire.SET_CHUNK_SIZE, 1))
            bytewise = wire.message(wire.VIDEO, bytes(64), 6, chunk=1) * 50
            for _ in range(knobs["bytewise"]):
                client.send(bytewise)
            client.hear(0.2)

    outcome.add(again_and_again(target, knobs["connections"], session))
    return outcome


def amf_bombs(target: Target, knobs: Knobs) -> Outcome:
    """V4: commands cut at every byte, arguments of wrong types, nesting and counts that lie."""
    chance = target.random()
    bombs = list(_bombs(chance, knobs["depth"], knobs["count"]))

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            client.shake_hands()
            client.send(wire.control(wire.SET_CHUNK_SIZE, CHUNK_BYTES))
            if index % 2:
                client.connect_to("live")
            for bomb in bombs[index :: knobs["connections"]]:
                counts["bombs"] += 1
                client.send(
                    wire.message(wire.COMMAND, bomb, 3, stream=index % 2, chunk=CHUNK_BYTES)
                )
                client.hear(0.002)
                if client.is_closed:
                    break

    return again_and_again(target, knobs["connections"], session, pause=0.02)


def _bombs(chance: random.Random, depth: int, count: int):
    """Bodies of command messages."""
    connect = wire.text("connect") + wire.number(1) + wire.record({"app": wire.text("live")})
    publish = wire.text("publish") + wire.number(3) + wire.NULL + wire.text("a") + wire.text("live")
    for whole in (connect, publish):
        for end in range(len(whole)):
            yield whole[:end]
    values = [
        wire.NULL,
        wire.number(float("nan")),
        b"\x01\x01",
        b"\x06",
        b"\x0b" + bytes(10),
        b"\x0f",
        b"\xff",
        b"",
    ]
    values += [
        wire.ecma_array({}, declared=0xFFFFFFFF),
        b"\x0a" + struct.pack(">I", 0xFFFFFFFF),
        b"\x07\xff\xff",
    ]
    for name in (
        "connect",
        "createStream",
        "publish",
        "releaseStream",
        "FCPublish",
        "deleteStream",
        "play",
    ):
        for value in values:
            yield wire.text(name) + value * 4
            yield wire.text(name) + wire.number(2) + value + wire.text("x")
    # Objects in objects, arrays in arrays, with and without an end.
    yield wire.text("connect") + wire.number(1) + b"\x03\x00\x01a" * depth
    yield wire.text("connect") + wire.number(1) + b"\x0a\x00\x00\x00\x01" * depth
    yield wire.text("connect") + wire.number(1) + b"\x03\x00\x01a" * depth + wire.OBJECT_END * depth
    # Many small values, a count that is not there, and a string longer than the message.
    yield wire.text("connect") + wire.number(1) + wire.NULL * count
    yield wire.text("connect") + wire.number(1) + b"\x0a" + struct.pack(
        ">I", count * 1000
    ) + wire.NULL * 4
    yield wire.text("connect") + wire.number(1) + b"\x0c\x7f\xff\xff\xff" + bytes(100)
    for _ in range(40):
        yield wire.text("publish") + chance.randbytes(chance.randrange(1, 400))


def garbage(target: Target, knobs: Knobs) -> Outcome:
    """Bytes that are no RTMP, and RTMP with bytes turned over."""

    def session(index: int, counts: collections.Counter) -> None:
        chance = target.random(f"{index} {counts['attempts']}")
        with Client(target, address(index)) as client:
            if index % 3 == 0:
                client.send(chance.randbytes(knobs["bytes"]))
            else:
                good = wire.control(wire.SET_CHUNK_SIZE, CHUNK_BYTES)
                good += wire.command(
                    "connect", 1, wire.record({"app": wire.text("live")}), chunk=CHUNK_BYTES
                )
                good += wire.command(
                    "publish", 3, wire.NULL, wire.text("g"), stream=1, chunk=CHUNK_BYTES
                )
                damaged = bytearray(good)
                for _ in range(chance.randrange(1, 8)):
                    damaged[chance.randrange(len(damaged))] = chance.getrandbits(8)
                client.shake_hands()
                client.send(bytes(damaged) * 3)
            client.hear(0.05)

    return again_and_again(target, knobs["connections"], session, pause=0.01)


def publish_and_close(target: Target, knobs: Knobs) -> Outcome:
    """One connection publishes one name after the other and closes each at once."""

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            client.open()
            while target.goes_on():
                batch = b""
                for _ in range(knobs["batch"]):
                    counts["names"] += 1
                    name = wire.text(f"cycle{index}_{counts['names']}")
                    batch += wire.command(
                        "publish", 3, wire.NULL, name, stream=1, chunk=CHUNK_BYTES
                    )
                    batch += wire.command("closeStream", 0, wire.NULL, stream=1, chunk=CHUNK_BYTES)
                client.send(batch)
                client.discard()

    return again_and_again(target, knobs["connections"], session, pause=0.01)


def half_open(target: Target, knobs: Knobs) -> Outcome:
    """V17: connections that stop in the handshake, or behind it, or send a byte a second."""
    kind, counts = knobs["kind"], collections.Counter()
    clients: list[Client] = []
    while target.goes_on():
        clients = [client for client in clients if not _has_gone(client)]
        while len(clients) < knobs["connections"] and target.goes_on():
            counts["attempts"] += 1
            client = _half_open(target, kind, address(counts["attempts"] % knobs["addresses"]))
            if client is None:
                # Refused: whatever is free is taken again a moment later.
                counts["refused"] += 1
                break
            clients.append(client)
        counts["most open"] = max(counts["most open"], len(clients))
        if kind == "drip":
            for client in clients:
                _drip(client)
        time.sleep(0.5)
    return Outcome(counts)


def _half_open(target: Target, kind: str, source: str) -> Client | None:
    try:
        client = Client(target, source, patience=1)
    except OSError:
        return None
    try:
        if kind == "silent":
            client.shake_hands()
        elif kind == "version":
            client.send(C0_C1[:1])
        else:
            client.send(C0_C1[:2])
    except OSError:
        client.socket.close()
        return None
    return client


def _has_gone(client: Client) -> bool:
    client.socket.setblocking(False)
    try:
        while data := client.socket.recv(4096):
            del data
    except BlockingIOError:
        return False
    except OSError:
        pass
    client.socket.close()
    return True


def _drip(client: Client) -> None:
    try:
        client.socket.send(b"x")
    except OSError:
        # The next look finds it gone.
        pass
