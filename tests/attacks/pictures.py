"""Publishers whose pictures are dear: in the decoder, in the muxer, in memory, in places."""

import collections
import time

import clips
import h264
import wire
from client import Answer, Client, Knobs, Outcome, Target, address, again_and_again, crowd, packed


def parameter_sets(target: Target, knobs: Knobs) -> Outcome:
    """The most and longest parameter sets, and then tiny pictures that each bring all of them."""
    sets = [h264.pps(index, padding=knobs["padding"]) for index in range(knobs["sets"])]
    # 4:2:2 plays as source alone: no transcoder slows the muxer down.
    configuration = h264.configuration([h264.sps(64, 64, h264.HIGH_422, 30)], sets)
    idr = h264.picture([b"\x65\xb8\x00\x01\x02"])

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            counts["accepted"] += client.publish(f"sets{index}") is Answer.ACCEPTED
            client.tag(wire.VIDEO, 0, configuration)
            for sent in range(0, knobs["pictures"], 200):
                if not target.goes_on():
                    break
                stamps = range(sent, sent + 200)
                client.send(
                    b"".join(
                        packed(wire.VIDEO, stamp // knobs["a_millisecond"], idr) for stamp in stamps
                    )
                )
                counts["pictures"] += 200

    return again_and_again(target, knobs["publishers"], session)


def one_access_unit(target: Target, knobs: Knobs) -> Outcome:
    """One access unit of hundreds of slices that each cover the whole picture, and gone."""
    video = clips.pictures(clips.clip("large_skip_cavlc"))
    idr, skipped = h264.slices_of(video[1].body), h264.slices_of(video[2].body)
    burst = packed(wire.VIDEO, 0, video[0].body) + packed(wire.VIDEO, 0, video[1].body)
    # The same slice twice first: a decoder that refuses it makes room for one that does not.
    burst += packed(wire.VIDEO, 20, h264.picture(idr * 2)) + packed(wire.VIDEO, 40, video[1].body)
    for number in range(knobs["units"]):
        unit = h264.picture(skipped * knobs["slices"], is_key=False)
        burst += packed(wire.VIDEO, 80 + 33 * number, unit)

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            counts["accepted"] += client.publish(f"slices{index}") is Answer.ACCEPTED
            client.send(burst)
            if knobs["hangs_up"] == "no":
                time.sleep(3)

    return again_and_again(target, knobs["publishers"], session, pause=1)


def backlog(target: Target, knobs: Knobs) -> Outcome:
    """Thousands of the largest pictures in one burst, stamped a millisecond apart, and gone."""
    video = clips.pictures(clips.clip("large_idr"))
    idrs = [tag.body for tag in video[1:]]
    burst = packed(wire.VIDEO, 0, video[0].body)
    burst += b"".join(packed(wire.VIDEO, n, idrs[n % len(idrs)]) for n in range(knobs["pictures"]))

    def body(index: int, counts: collections.Counter) -> None:
        counts["attempts"] += 1
        with Client(target, address(index), patience=6) as client:
            counts["accepted"] += client.publish(f"backlog{index}") is Answer.ACCEPTED
            client.send(burst)

    outcome = Outcome(crowd(knobs["publishers"], body))
    # Nothing is left of it but what the server still works on.
    while target.goes_on():
        time.sleep(0.2)
    return outcome


def dear_pictures(target: Target, knobs: Knobs) -> Outcome:
    """The largest pictures there may be, more of them a second than any machine decodes."""
    video = clips.pictures(clips.clip(knobs["clip"]))
    rate = knobs["rate"]
    idr, others = video[1].body, [tag.body for tag in video[2:]]

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            counts["accepted"] += (
                client.publish(f"dear{index}_{counts['attempts']}") is Answer.ACCEPTED
            )
            client.tag(wire.VIDEO, 0, video[0].body)
            begin, sent = time.monotonic(), 0
            while target.goes_on():
                batch = b""
                for number in range(sent, sent + 25):
                    body = idr if number % (2 * rate) == 0 else others[number % len(others)]
                    batch += packed(wire.VIDEO, number * 1000 // rate, body)
                client.send(batch)
                sent += 25
                counts["pictures"] += 25
                time.sleep(max(0.0, sent / rate - (time.monotonic() - begin)))

    return again_and_again(target, knobs["publishers"], session, pause=0.5)


def changing_headers(target: Target, knobs: Knobs) -> Outcome:
    """V8: another picture size with every picture, most of them not as the pictures are."""
    sizes = [
        (4096, 2304),
        (16, 16),
        (1920, 1088),
        (64, 2304),
        (4096, 16),
        (2048, 2048),
        (16384, 16384),
        (4096, 2320),
    ]

    def session(index: int, counts: collections.Counter) -> None:
        chance = target.random(index)
        with Client(target, address(index)) as client:
            counts["accepted"] += client.publish(f"headers{index}") is Answer.ACCEPTED
            stamp = 0
            while target.goes_on():
                batch = b""
                for _ in range(20):
                    stamp += knobs["step_ms"]
                    width, height = chance.choice(sizes)
                    header = h264.configuration([h264.sps(width, height)], [h264.pps()])
                    idr = h264.picture([b"\x65\xb8\x00\x04" + chance.randbytes(30)])
                    batch += packed(wire.VIDEO, stamp, header) + packed(wire.VIDEO, stamp, idr)
                client.send(batch)
                counts["headers"] += 20

    return again_and_again(target, knobs["publishers"], session)


def changing_sizes(target: Target, knobs: Knobs) -> Outcome:
    """V8: good streams of eight sizes, another one with every picture."""
    sizes = [
        (4096, 2304),
        (16, 16),
        (1280, 720),
        (64, 64),
        (3840, 2160),
        (128, 96),
        (1920, 1080),
        (320, 2000),
    ]
    streams = [clips.sized(width, height) for width, height in sizes]

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            counts["accepted"] += client.publish(f"sizes{index}") is Answer.ACCEPTED
            stamp = 0
            while target.goes_on():
                batch = b""
                for header, idr in ((stream[0], stream[1]) for stream in streams):
                    stamp += knobs["step_ms"]
                    batch += packed(wire.VIDEO, stamp, header.body) + packed(
                        wire.VIDEO, stamp, idr.body
                    )
                client.send(batch)
                counts["pictures"] += len(streams)

    return again_and_again(target, knobs["publishers"], session)


def large_messages(target: Target, knobs: Knobs) -> Outcome:
    """IDR pictures of megabytes of noise."""
    small = clips.clip("small")

    def session(index: int, counts: collections.Counter) -> None:
        noise = target.random(index).randbytes(1000) * (knobs["bytes"] // 1000)
        body = h264.picture([b"\x65" + noise])
        with Client(target, address(index)) as client:
            counts["accepted"] += client.publish(f"large{index}") is Answer.ACCEPTED
            for tag in small[:3]:
                client.tag(tag.kind, tag.timestamp, tag.body)
            stamp = 0
            while target.goes_on():
                stamp += 33
                client.tag(wire.VIDEO, stamp, body)
                counts["bytes"] += len(body)

    return again_and_again(target, knobs["publishers"], session)


def many_units(target: Target, knobs: Knobs) -> Outcome:
    """Pictures of as many NAL units as fit, one byte each or none."""
    small = clips.clip("small")
    one_byte = h264.picture([b"\x65"] * knobs["units"])
    empty = h264.picture([b""] * knobs["units"])

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            counts["accepted"] += client.publish(f"units{index}") is Answer.ACCEPTED
            for tag in small[:3]:
                client.tag(tag.kind, tag.timestamp, tag.body)
            stamp = 0
            while target.goes_on():
                stamp += 33
                client.send(packed(wire.VIDEO, stamp, one_byte) + packed(wire.VIDEO, stamp, empty))
                counts["pictures"] += 2

    return again_and_again(target, knobs["publishers"], session)


def endless_gop(target: Target, knobs: Knobs) -> Outcome:
    """V7: one IDR picture, and then hours of others, as fast as they are taken."""
    video = clips.pictures(clips.clip("small"))
    others = [tag.body for tag in video if not tag.is_header and tag.body[0] >> 4 != 1]

    def session(index: int, counts: collections.Counter) -> None:
        with Client(target, address(index)) as client:
            counts["accepted"] += client.publish(f"endless{index}") is Answer.ACCEPTED
            client.send(b"".join(packed(wire.VIDEO, 0, tag.body) for tag in video[:2]))
            stamp = 0
            while target.goes_on():
                batch = b""
                for body in others:
                    stamp += knobs["step_ms"]
                    batch += packed(wire.VIDEO, stamp, body)
                client.send(batch)
                counts["pictures"] += len(others)

    return again_and_again(target, knobs["publishers"], session)
