"""HTTP/2 as strangers speak it: streams taken back, endless headers, windows that stay shut."""

import collections
import itertools
import struct
import threading
import time
from typing import Callable

import h2
import h264
import web
import wire
from client import Answer, Client, Knobs, Outcome, Target, address, again_and_again, packed

# What a connection may hand in before the server must have ended it. All of it is more than the
# sockets' buffers on both sides hold.
MOST_STREAMS = 200_000
MOST_HEADER_BYTES = 16 << 20
# A viewer beside an attack waits so long for an answer.
PATIENCE = 10
NO_TLS = "there is no openssl to make a certificate"
# Some are there at once, some wait for a decoder.
PATHS = (
    "/healthz",
    "/stream/healthy.m3u8",
    "/watch/healthy/poster.jpg",
    "/stream/healthy/cmaf/P90p10fps16x9.m3u8",
    "/stream/healthy/audio.m3u8",
    "/watch/healthy",
)


def _beside_a_viewer(
    target: Target,
    connections: int,
    session: Callable[[int, collections.Counter], None],
    pause: float = 0.1,
) -> Outcome:
    """The attack, and somebody who asks for a playlist by HTTP/2 meanwhile."""
    if not target.https:
        return Outcome(skipped=NO_TLS)
    outcome = Outcome()

    def look() -> None:
        while target.goes_on():
            time.sleep(1)
            try:
                with h2.Connection(target, address(199), patience=PATIENCE) as connection:
                    answer = connection.ask("/stream/healthy/source.m3u8")
                outcome.check(answer.is_200, "a viewer beside it gets no playlist by HTTP/2")
            except OSError as error:
                outcome.check(False, f"a viewer beside it has no HTTP/2: {type(error).__name__}")
            outcome.counts["looks"] += 1

    viewer = threading.Thread(target=look, daemon=True)
    viewer.start()
    attack = again_and_again(target, connections, session, pause)
    viewer.join(PATIENCE)
    outcome.add(attack)
    return outcome


def _self_dependent(stream: int) -> bytes:
    return h2.frame(h2.PRIORITY, 0, stream, struct.pack(">IB", stream, 15))


# What is done to a stream when it has just been opened: by the client (CVE-2023-44487), or so that
# the server resets it (CVE-2025-8671), or nothing, where there are too many of them already.
TAKEN_BACK: dict[str, Callable[[int], bytes]] = {
    "reset": h2.reset,
    "no_increment": lambda stream: h2.window_update(stream, 0),
    "overflow": lambda stream: h2.window_update(stream, h2.LAST_STREAM) * 2,
    "data_behind_the_end": lambda stream: h2.frame(h2.DATA, h2.END_STREAM, stream, b"more"),
    "itself": _self_dependent,
    "too_many": lambda stream: b"",
}
EVERY_WAY = "all"


def rapid_reset(target: Target, knobs: Knobs) -> Outcome:
    """V19: streams that are opened and taken back at once, by the client or by a fault of it."""
    ways = list(TAKEN_BACK) if knobs["way"] == EVERY_WAY else [knobs["way"]]
    most: collections.Counter = collections.Counter()

    def session(index: int, counts: collections.Counter) -> None:
        way = ways[(index + counts["attempts"]) % len(ways)]
        stream, paths = 1, itertools.cycle(PATHS)
        try:
            with h2.Connection(target, address(index)) as connection:
                connection.greet()
                while target.goes_on():
                    batch = b""
                    for path in itertools.islice(paths, knobs["batch"]):
                        batch += h2.opened(stream, h2.request(path)) + TAKEN_BACK[way](stream)
                        stream += 2
                    connection.send(batch)
                    if knobs["reads"] == "yes":
                        connection.discard()
        finally:
            counts["streams"] += stream // 2
            most[way] = max(most[way], stream // 2)

    outcome = _beside_a_viewer(target, knobs["connections"], session)
    for way, streams in most.items():
        outcome.check(
            streams < MOST_STREAMS, f"{way}: one connection may open {streams} streams for nothing"
        )
    return outcome


def _headers(body: bytes, flags: int = 0) -> bytes:
    return h2.frame(h2.HEADERS, h2.END_STREAM | flags, 1, body)


def _more(body: bytes, flags: int = 0) -> bytes:
    return h2.frame(h2.CONTINUATION, flags, 1, body)


def _blocks(kind: str, bytes_each: int) -> tuple[bytes, bytes]:
    """How a header block begins, and what comes behind it again and again."""
    begin, bytes_each = _headers(h2.request("/healthz")), min(bytes_each, h2.LARGEST_FRAME)
    field = h2.literal(b"x-more", b"a" * max(1, bytes_each - 12))[:bytes_each]
    large = h2.literal(b"x-large", b"a" * 3900, is_kept=True)
    match kind:
        case "fields":
            return begin, _more(field)
        case "empty":
            return begin, _more(b"") * 100
        case "cookies":
            return begin, _more(h2.literal(b"cookie", b"a=b") * 1000)
        case "one_field":
            # Its length says that it goes on for a gigabyte.
            declared = b"\x00" + h2.string(b"x-long") + h2.integer(1 << 30, 7)
            return _headers(h2.request("/healthz") + declared), _more(b"a" * bytes_each)
        case "table":
            # Each byte of it is a header of 4 KB.
            bomb = _more(h2.indexed(62) * bytes_each)
            return _headers(h2.request("/healthz") + large), bomb
        case "sizes":
            return _headers(h2.integer(4096, 5, 0x20)), _more(h2.integer(0, 5, 0x20) * bytes_each)
    raise ValueError(kind)


BLOCKS = ("fields", "empty", "cookies", "one_field", "table", "sizes")


def endless_headers(target: Target, knobs: Knobs) -> Outcome:
    """V20: header blocks that never end, or end and were a thousand times larger than they came."""
    outcome = Outcome()

    def session(index: int, counts: collections.Counter) -> None:
        kind = BLOCKS[(index + counts["attempts"]) % len(BLOCKS)]
        begin, more = _blocks(kind, knobs["bytes"])
        sent = 0
        with h2.Connection(target, address(index)) as connection:
            connection.greet()
            connection.send(begin)
            while target.goes_on():
                connection.send(more)
                counts["bytes"] += len(more)
                sent += len(more)
                outcome.check(
                    sent < MOST_HEADER_BYTES, f"{kind}: a header block of {sent >> 20} MiB is taken"
                )

    def bomb(index: int, counts: collections.Counter) -> None:
        """Whole requests: a kilobyte or two that are a list of megabytes."""
        with h2.Connection(target, address(100 + index)) as connection:
            connection.greet({h2.HEADER_TABLE_SIZE: 0xFFFFFFFF})
            large = h2.literal(b"x-large", b"a" * 3900, is_kept=True)
            for number in range(1, 2 * knobs["bombs"], 2):
                block = h2.request("/healthz", large, h2.indexed(62) * knobs["repeats"])
                connection.send(h2.opened(number, block[: h2.LARGEST_FRAME]))
                counts["bombs"] += 1
                if number == 1:
                    answer = connection.answer(1, PATIENCE)
                    size = 4000 * knobs["repeats"] >> 10
                    outcome.check(
                        not answer.is_200, f"a request with {size} KiB of headers is answered"
                    )

    def either(index: int, counts: collections.Counter) -> None:
        (bomb if index % 3 == 2 else session)(index, counts)

    outcome.add(_beside_a_viewer(target, knobs["connections"], either))
    return outcome


def unread_answers(target: Target, knobs: Knobs) -> Outcome:
    """V22: frames that want an answer, or only a look, from whoever reads none of the answers."""
    question = h2.frame(h2.PING, body=bytes(8))
    nothing = h2.opened(1, h2.request("/healthz"), h2.END_HEADERS)
    many = 0xFFFFFFFF
    units = {
        "ping": (b"", question),
        "pong": (b"", h2.frame(h2.PING, h2.ACK, body=bytes(8))),
        "settings": (b"", h2.settings({})),
        "changing_settings": (
            b"",
            h2.settings({h2.HEADER_TABLE_SIZE: 0, h2.INITIAL_WINDOW_SIZE: 0})
            + h2.settings({h2.HEADER_TABLE_SIZE: many, h2.INITIAL_WINDOW_SIZE: many >> 1}),
        ),
        "priority": (b"", h2.frame(h2.PRIORITY, 0, 7, struct.pack(">IB", 5, 15))),
        "empty_data": (nothing, h2.frame(h2.DATA, 0, 1)),
        "padding": (nothing, h2.frame(h2.DATA, h2.PADDED, 1, b"\xff" + bytes(255))),
        "window": (b"", h2.window_update(0, 1)),
        "unknown": (b"", h2.frame(0xBB, 0xFF, 0, bytes(8))),
        "acknowledged": (b"", h2.frame(h2.SETTINGS, h2.ACK)),
        "goaway": (b"", h2.frame(h2.GOAWAY, body=bytes(8))),
    }
    kinds = list(units)

    def session(index: int, counts: collections.Counter) -> None:
        begin, unit = units[kinds[(index + counts["attempts"]) % len(kinds)]]
        with h2.Connection(target, address(index), receive_buffer=4096, patience=2) as connection:
            connection.greet()
            connection.send(begin)
            while target.goes_on():
                connection.send(unit * knobs["batch"])
                counts["frames"] += knobs["batch"]

    return _beside_a_viewer(target, knobs["connections"], session)


# An HTTP/2 connection over which nothing has come of its requests is ended in this time: four
# target durations, and up to 30 s until it is looked for, and a little for a loaded machine.
ENDED_WITHIN = 45


def zero_windows(target: Target, knobs: Knobs) -> Outcome:
    """V21: a publisher of the largest segments, and viewers who ask for them and open no window."""
    if not target.https:
        return Outcome(skipped=NO_TLS)
    outcome, asked = Outcome(), set()
    publisher = threading.Thread(
        target=_publish_large, args=(target, knobs["picture_bytes"], outcome.counts), daemon=True
    )
    publisher.start()

    def session(index: int, counts: collections.Counter) -> None:
        with h2.Connection(target, address(index), receive_buffer=16384) as connection:
            connection.greet({h2.INITIAL_WINDOW_SIZE: 0})
            begin, stream = time.monotonic(), 1
            while target.goes_on():
                for uri in _new_segments(target, asked, index, knobs["of_each"]):
                    connection.send(h2.opened(stream, h2.request(uri)))
                    stream += 2
                    counts["pinned"] += 1
                # As if it lived: a byte of each, and a question that is answered.
                if knobs["window"] == "a_byte":
                    for older in range(max(1, stream - 16), stream, 2):
                        connection.send(h2.window_update(older, 1))
                connection.send(h2.frame(h2.PING, body=bytes(8)))
                connection.discard()
                outcome.check(
                    time.monotonic() - begin < ENDED_WITHIN,
                    f"a viewer who takes nothing is kept for {ENDED_WITHIN} s",
                )
                time.sleep(0.5)

    outcome.add(again_and_again(target, knobs["connections"], session))
    publisher.join(2)
    return outcome


def _publish_large(target: Target, size: int, counts: collections.Counter) -> None:
    picture = h264.picture([b"\x65\xb8" + b"\x55" * size])
    header = h264.configuration([h264.sps(64, 64, h264.HIGH_422, 30)], [h264.pps()])
    while target.goes_on():
        try:
            with Client(target, address(120)) as client:
                counts["accepted"] += client.publish("pinned") is Answer.ACCEPTED
                client.tag(wire.VIDEO, 0, header)
                for stamp in itertools.count(0, 500):
                    if not target.goes_on():
                        return
                    client.send(packed(wire.VIDEO, stamp, picture))
                    counts["bytes"] += len(picture)
        except OSError as error:
            counts[type(error).__name__] += 1
        time.sleep(1)


def _new_segments(
    target: Target, asked: set[tuple[str, int]], index: int, of_each: int
) -> list[str]:
    """Those listed now that fewer than so many connections have asked for."""
    new = []
    for name in ("pinned", "healthy"):
        listed = web.request(target.http, f"/stream/{name}/source.m3u8", patience=3).text
        for uri in web.segments(listed):
            place = (uri, index % of_each)
            if place not in asked:
                asked.add(place)
                new.append(uri)
    # No more than the server takes of one connection at once.
    return new[:8]


def http2_noise(target: Target, knobs: Knobs) -> Outcome:
    """V16: good frames with bytes turned over, in any order; HTTP/2 on the port that has none."""
    outcome = Outcome()
    good = [
        h2.opened(1, h2.request("/stream/healthy/source.m3u8")),
        h2.opened(3, h2.request("/", h2.literal(b"range", b"bytes=0-1"), method=b"OPTIONS")),
        h2.opened(5, h2.request("/healthz"), h2.END_HEADERS) + h2.frame(h2.DATA, 1, 5, b"abc"),
        h2.opened(7, h2.request("*", method=b"CONNECT")),
        h2.opened(9, h2.request(b"//evil.example/\x00\r\n<x>")),
        h2.opened(11, h2.literal(b":status", b"200") + h2.request("/")),
        h2.opened(13, h2.request("/", h2.literal(b"te", b"gzip"), h2.literal(b"Upper", b"a"))),
        h2.settings({h2.MAX_FRAME_SIZE: 1, h2.INITIAL_WINDOW_SIZE: 0xFFFFFFFF}),
        h2.settings({h2.MAX_CONCURRENT_STREAMS: 0, h2.MAX_HEADER_LIST_SIZE: 0}),
        h2.frame(h2.PUSH_PROMISE, h2.END_HEADERS, 1, struct.pack(">I", 2) + h2.request("/")),
        h2.frame(h2.HEADERS, h2.PADDED | h2.END_HEADERS, 15, b"\xff" + h2.request("/")),
        h2.window_update(0, h2.LAST_STREAM),
        h2.reset(1),
        h2.frame(h2.PING, h2.ACK, body=bytes(8)),
    ]

    def session(index: int, counts: collections.Counter) -> None:
        chance = target.random(f"{index} {counts['attempts']}")
        data = bytearray(b"".join(chance.choices(good, k=knobs["frames"])))
        for _ in range(chance.randrange(0, 6)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        if index % 4 == 3:
            answer = web.raw(target.http, address(index), h2.PREFACE + data, patience=0.1)
            is_taken = answer.startswith(b"HTTP/1.1 2")
            outcome.check(not is_taken, "HTTP/2's preface is answered as a request")
            return
        with h2.Connection(target, address(index)) as connection:
            connection.send(bytes(data) if chance.random() < 0.1 else h2.PREFACE + h2.settings({}))
            connection.send(bytes(data))
            heard = connection.hear(0.1)
        counts["frames heard"] += sum(1 for _ in h2.frames(heard))
        blocks = [body for kind, _, _, body in h2.frames(heard) if kind == h2.HEADERS]
        # `:status: 500`, by the static table.
        outcome.check(
            not any(block.startswith(b"\x8e") for block in blocks), f"500 for {bytes(data)[:80]!r}"
        )

    outcome.add(_beside_a_viewer(target, knobs["connections"], session, pause=0.005))
    return outcome
