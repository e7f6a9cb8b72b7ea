"""Publishers whose messages are odd: times, sound, metadata, noise, and how many there are."""

import collections
import struct

import clips
import wire
from client import Answer, Client, Knobs, Outcome, Target, address, again_and_again, packed


def _publishing(target: Target, knobs: Knobs, name: str, more):
    """Publishers who begin as honest ones do, and then send what `more` makes, at full speed.

    `more(index, round)` gives the bytes of one round and how many messages they are.
    """
    small = clips.clip("small")
    begin = b"".join(packed(tag.kind, tag.timestamp, tag.body) for tag in small[:3])

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            counts["accepted"] += (
                client.publish(f"{name}{index}_{counts['attempts']}") is Answer.ACCEPTED
            )
            client.send(begin)
            number = 0
            while target.goes_on():
                data, messages = more(index, number)
                client.send(data)
                number += 1
                counts["messages"] += messages

    return again_and_again(target, knobs["publishers"], session)


def composition_times(target: Target, knobs: Knobs) -> Outcome:
    """Pictures that are to be shown hours away from when they are decoded."""
    tags = [tag for tag in clips.clip("small")[3:200]]
    offsets = (0, 8388607, -8388608, 9999, 10000, 10001, -1000, -1001, -1, knobs["offset_ms"])

    def more(index: int, number: int) -> tuple[bytes, int]:
        chance, data = target.random(f"{index} {number}"), b""
        for at, tag in enumerate(tags):
            body = tag.body
            if tag.kind == wire.VIDEO:
                body = body[:2] + struct.pack(">i", chance.choice(offsets))[1:] + body[5:]
            data += packed(tag.kind, 5 * (number * len(tags) + at), body)
        return data, len(tags)

    return _publishing(target, knobs, "composition", more)


def random_times(target: Target, knobs: Knobs) -> Outcome:
    """Timestamps that jump with every message."""
    tags = clips.clip("small")[3:200]
    edges = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFE, 0xFFFFFF, knobs["edge"])

    def more(index: int, number: int) -> tuple[bytes, int]:
        chance = target.random(f"{index} {number}")
        stamps = [chance.choice((chance.getrandbits(32), *edges)) for _ in tags]
        return b"".join(packed(tag.kind, stamp, tag.body) for tag, stamp in zip(tags, stamps)), len(
            tags
        )

    return _publishing(target, knobs, "times", more)


def faster_than_time(target: Target, knobs: Knobs) -> Outcome:
    """A good stream, as fast as the server takes it."""
    tags = clips.clip("small")[3:]

    def more(_: int, number: int) -> tuple[bytes, int]:
        return b"".join(
            packed(tag.kind, number * 10000 + tag.timestamp, tag.body) for tag in tags
        ), len(tags)

    return _publishing(target, knobs, "fast", more)


def tiny_sound(target: Target, knobs: Knobs) -> Outcome:
    """AAC frames of a byte or two, thousands in a millisecond."""
    a_round = knobs["messages"]

    def more(index: int, number: int) -> tuple[bytes, int]:
        chance = target.random(f"{index} {number}")
        frames = (
            b"\xaf\x01\x21",
            b"\xaf\x01\x21\x10",
            b"\xaf\x01\xff\xf1",
            b"\xaf\x01" + chance.randbytes(9),
        )
        stamps = (number * a_round + at for at in range(a_round))
        return (
            b"".join(
                packed(wire.AUDIO, stamp // knobs["a_millisecond"], chance.choice(frames))
                for stamp in stamps
            ),
            a_round,
        )

    return _publishing(target, knobs, "sound", more)


def tiny_messages(target: Target, knobs: Knobs) -> Outcome:
    """Messages of one byte, two bytes on the wire each."""
    count = knobs["messages"]
    first = wire.header(wire.AUDIO, 1, 4) + b"\xaf"
    block = (wire.basic_header(3, 4) + b"\xaf") * count

    def more(_: int, number: int) -> tuple[bytes, int]:
        return (block if number else first), count

    return _publishing(target, knobs, "tiny", more)


def metadata(target: Target, knobs: Knobs) -> Outcome:
    """Metadata at full speed, each with another name, of control characters and markup."""

    def more(index: int, number: int) -> tuple[bytes, int]:
        chance, data = target.random(f"{index} {number}"), b""
        for at in range(100):
            encoder = (f"x{chance.getrandbits(40)}" + '\x1b[31m<script>\r\n"') * knobs["repeats"]
            values = wire.ecma_array(
                {
                    "encoder": wire.text(encoder),
                    "framerate": wire.number(chance.random() * 1000),
                    "width": wire.number(4),
                }
            )
            data += packed(
                wire.DATA,
                number * 100 + at,
                wire.text("@setDataFrame") + wire.text("onMetaData") + values,
            )
        return data, 100

    return _publishing(target, knobs, "metadata", more)


def mp3_noise(target: Target, knobs: Knobs) -> Outcome:
    """MP3 headers of every rate, with noise behind them."""
    heads = (b"\xff\xfb\x90\x64", b"\xff\xfb\xe0\x00", b"\xff\xf3\x10\x00", b"\xff\xe3\x18\xc4")

    def more(index: int, number: int) -> tuple[bytes, int]:
        chance, data = target.random(f"{index} {number}"), b""
        for at in range(100):
            body = (
                b"\x2f"
                + chance.choice(heads)
                + chance.randbytes(chance.choice((10, 413, 1000, knobs["bytes"])))
            )
            data += packed(wire.AUDIO, 10 * (100 * number + at), body)
        return data, 100

    return _publishing(target, knobs, "mp3", more)


def noise(target: Target, knobs: Knobs) -> Outcome:
    """Tags that begin as good ones do and go on as noise."""
    video = (
        b"\x17\x01\0\0\0",
        b"\x27\x01\0\0\0",
        b"\x17\0\0\0\0",
        b"\x90avc1",
        b"\x17\x02\0\0\0",
        b"",
    )
    sound = (b"\xaf\0", b"\xaf\x01", b"\x2f", b"\x90mp4a", b"")

    def more(index: int, number: int) -> tuple[bytes, int]:
        chance, data = target.random(f"{index} {number}"), b""
        for at in range(50):
            kind = chance.choice((wire.AUDIO, wire.VIDEO, wire.VIDEO, wire.DATA))
            begin = {wire.AUDIO: sound, wire.VIDEO: video, wire.DATA: (b"",)}[kind]
            body = chance.choice(begin) + chance.randbytes(
                chance.choice((1, 5, 20, 200, 2000, knobs["bytes"]))
            )
            data += packed(kind, 10 * (50 * number + at), body)
        return data, 50

    return _publishing(target, knobs, "noise", more)
