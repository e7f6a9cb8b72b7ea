"""The suite: every attack with its constants, and what CI runs of it."""

import math
import random
from dataclasses import dataclass
from typing import Callable

import before_publish
import http2
import lives
import messages
import names
import pages
import pictures
import places
import viewers
from client import Knobs, Outcome, Target


@dataclass(frozen=True)
class Number:
    """A constant of an attack, and between what a variation takes another."""

    constant: int
    least: int
    most: int

    def varied(self, chance: random.Random) -> int:
        """Small numbers are as likely as large ones."""
        low, high = math.log(self.least), math.log(self.most)
        return min(self.most, max(self.least, round(math.exp(chance.uniform(low, high)))))


@dataclass(frozen=True)
class Choice:
    """A constant that is a word."""

    constant: str
    words: tuple[str, ...]

    def varied(self, chance: random.Random) -> str:
        return chance.choice(self.words)


# A key of the healthy publisher, where there is one.
KEY = "kQ7vJ2mX9pL4"
PLACES = ("--max-streams", "40")
# Everything is decoded, watched or not: what strangers publish, strangers can ask for.
DECODED = (*PLACES, "--transcode", "always")
# Why an attack is not in the short form that CI runs.
TIMING = "its verdict is a time, which a loaded CI machine cannot give"
LONG = "it holds, and CI has not the time for all that do"


@dataclass(frozen=True)
class Attack:
    """One attack. `left_out` says why CI does not run it; where it is empty, CI does."""

    name: str
    run: Callable[[Target, Knobs], Outcome]
    knobs: dict[str, Number | Choice]
    left_out: str = ""
    seconds: float = 12
    covers: tuple[str, ...] = ()
    options: tuple[str, ...] = PLACES
    key: str = ""
    reads_log: bool = True
    # Whether its server has a certificate, and with it HTTP/2.
    wants_tls: bool = False
    # Whether it has servers of its own: no healthy stream beside it.
    is_alone: bool = False
    # Whether it is after places: newcomers have to get in while it goes on.
    wants_places: bool = False

    def constants(self) -> Knobs:
        return {name: knob.constant for name, knob in self.knobs.items()}

    def varied(self, chance: random.Random) -> Knobs:
        return {name: knob.varied(chance) for name, knob in self.knobs.items()}


def _control(unit: str) -> dict[str, Number | Choice]:
    return {
        "unit": Choice(unit, (unit,)),
        "connections": Number(30, 8, 80),
        "addresses": Number(8, 1, 40),
        "block_bytes": Number(262144, 512, 1 << 20),
    }


def _dear(clip: str) -> dict[str, Number | Choice]:
    return {
        "clip": Choice(clip, (clip,)),
        "publishers": Number(30, 6, 38),
        "rate": Number(60, 25, 1000),
    }


def _publishers(**more: Number | Choice) -> dict[str, Number | Choice]:
    return {"publishers": Number(8, 2, 20), **more}


ATTACKS = [
    # Cost of pictures
    Attack(
        "parameter_sets",
        pictures.parameter_sets,
        {
            "publishers": Number(1, 1, 8),
            "pictures": Number(30000, 5000, 60000),
            "sets": Number(15, 2, 15),
            "padding": Number(4050, 100, 4080),
            "a_millisecond": Number(80, 1, 500),
        },
        LONG,
        options=DECODED,
        covers=("V6",),
    ),
    Attack(
        "one_access_unit",
        pictures.one_access_unit,
        {
            "publishers": Number(9, 2, 30),
            "slices": Number(1000, 100, 4000),
            "units": Number(1, 1, 6),
            "hangs_up": Choice("yes", ("yes", "no")),
        },
        LONG,
        options=DECODED,
    ),
    Attack(
        "backlog",
        pictures.backlog,
        {"publishers": Number(9, 2, 30), "pictures": Number(4200, 300, 6000)},
        LONG,
        options=DECODED,
    ),
    Attack("dear_idr", pictures.dear_pictures, _dear("large_idr"), LONG, options=DECODED),
    Attack(
        "dear_skip_cabac", pictures.dear_pictures, _dear("large_skip_cabac"), LONG, options=DECODED
    ),
    Attack(
        "dear_skip_cavlc", pictures.dear_pictures, _dear("large_skip_cavlc"), LONG, options=DECODED
    ),
    Attack(
        "changing_headers",
        pictures.changing_headers,
        _publishers(step_ms=Number(33, 1, 100)),
        LONG,
        options=DECODED,
        covers=("V8",),
    ),
    Attack(
        "changing_sizes",
        pictures.changing_sizes,
        _publishers(step_ms=Number(33, 1, 100)),
        LONG,
        options=DECODED,
        covers=("V8",),
    ),
    Attack(
        "large_messages",
        pictures.large_messages,
        _publishers(bytes=Number(6_900_000, 100_000, 16_000_000)),
        LONG,
        options=DECODED,
    ),
    Attack(
        "many_units",
        pictures.many_units,
        _publishers(units=Number(4096, 100, 100_000)),
        LONG,
        options=DECODED,
        covers=("V6",),
    ),
    Attack(
        "endless_gop",
        pictures.endless_gop,
        _publishers(step_ms=Number(33, 1, 1000)),
        LONG,
        options=DECODED,
        covers=("V7",),
    ),
    # Cost of messages
    Attack(
        "composition_times",
        messages.composition_times,
        _publishers(offset_ms=Number(9990, 1, 8_388_607)),
        LONG,
        options=DECODED,
    ),
    Attack(
        "random_times",
        messages.random_times,
        _publishers(edge=Number(16_000_000, 1, 0xFFFFFFFF)),
        LONG,
        options=DECODED,
    ),
    Attack("faster_than_time", messages.faster_than_time, _publishers(), LONG, options=DECODED),
    Attack(
        "tiny_sound",
        messages.tiny_sound,
        _publishers(messages=Number(2000, 100, 8000), a_millisecond=Number(4, 1, 400)),
        LONG,
        options=DECODED,
    ),
    Attack(
        "tiny_messages",
        messages.tiny_messages,
        _publishers(messages=Number(16384, 100, 60000)),
        LONG,
        options=DECODED,
    ),
    Attack(
        "metadata",
        messages.metadata,
        _publishers(repeats=Number(200, 1, 1000)),
        LONG,
        options=DECODED,
    ),
    Attack(
        "mp3_noise",
        messages.mp3_noise,
        _publishers(bytes=Number(1437, 5, 60000)),
        LONG,
        options=DECODED,
    ),
    Attack(
        "noise",
        messages.noise,
        _publishers(bytes=Number(20000, 3000, 200_000)),
        LONG,
        options=DECODED,
    ),
    # Before anything is published
    Attack("flood_empty", before_publish.control_flood, _control("empty")),
    Attack("flood_abort", before_publish.control_flood, _control("abort"), LONG),
    Attack("flood_unknown", before_publish.control_flood, _control("unknown"), LONG),
    Attack("flood_set_chunk_size", before_publish.control_flood, _control("set_chunk_size"), LONG),
    Attack("flood_window", before_publish.control_flood, _control("window"), LONG),
    Attack(
        "flood_ping",
        before_publish.answer_flood,
        {
            "unit": Choice("ping", ("ping",)),
            "connections": Number(8, 2, 40),
            "reads": Choice("yes", ("yes", "no")),
        },
        LONG,
    ),
    Attack(
        "flood_connect",
        before_publish.answer_flood,
        {
            "unit": Choice("connect", ("connect",)),
            "connections": Number(8, 2, 40),
            "reads": Choice("yes", ("yes", "no")),
        },
        LONG,
    ),
    Attack(
        "flood_create_stream",
        before_publish.answer_flood,
        {
            "unit": Choice("create_stream", ("create_stream",)),
            "connections": Number(8, 2, 40),
            "reads": Choice("no", ("yes", "no")),
        },
        LONG,
    ),
    Attack(
        "declared_messages",
        before_publish.declared_messages,
        {
            "connections": Number(24, 4, 60),
            "chunk_streams": Number(60, 4, 200),
            "piece_bytes": Number(4096, 1, 65536),
        },
        covers=("V6",),
    ),
    Attack(
        "chunk_sizes",
        before_publish.chunk_sizes,
        {
            "connections": Number(6, 2, 20),
            "size": Number(4095, 1, 0x7FFFFFFF),
            "bytewise": Number(40, 1, 200),
        },
        covers=("V3",),
    ),
    Attack(
        "amf_bombs",
        before_publish.amf_bombs,
        {
            "connections": Number(6, 2, 20),
            "depth": Number(10000, 5, 20000),
            "count": Number(50000, 10, 60000),
        },
        covers=("V4",),
    ),
    Attack(
        "garbage",
        before_publish.garbage,
        {"connections": Number(6, 2, 20), "bytes": Number(20000, 1, 200_000)},
    ),
    Attack(
        "publish_and_close",
        before_publish.publish_and_close,
        {"connections": Number(1, 1, 8), "batch": Number(20, 1, 200)},
        LONG,
    ),
    # Places, names and keys
    Attack(
        "idle_publishers",
        places.idle_publishers,
        {
            "publishers": Number(9, 5, 30),
            "addresses": Number(1, 1, 3),
            "pause_ms": Number(7000, 500, 9000),
        },
        LONG,
        seconds=24,
        options=(),
        wants_places=True,
    ),
    Attack(
        "trickling_publishers",
        places.trickling_publishers,
        {
            "publishers": Number(9, 5, 30),
            "addresses": Number(1, 1, 3),
            "pause_ms": Number(4000, 500, 9000),
        },
        LONG,
        seconds=24,
        options=(),
        wants_places=True,
    ),
    Attack(
        "half_open",
        before_publish.half_open,
        {
            "kind": Choice("drip", ("drip", "version", "silent")),
            "connections": Number(400, 50, 800),
            "addresses": Number(8, 1, 16),
        },
        LONG,
        seconds=20,
        covers=("V17",),
        wants_places=True,
    ),
    Attack(
        "silent_connections",
        before_publish.half_open,
        {
            "kind": Choice("silent", ("silent",)),
            "connections": Number(400, 50, 800),
            "addresses": Number(8, 1, 16),
        },
        LONG,
        seconds=20,
        covers=("V17",),
        wants_places=True,
    ),
    Attack(
        "guessed_keys",
        places.guessed_keys,
        {"connections": Number(40, 4, 80), "addresses": Number(1, 1, 4)},
        LONG,
        covers=("V14", "V17"),
        key=KEY,
        wants_places=True,
    ),
    Attack("race_for_a_name", places.race_for_a_name, {"publishers": Number(60, 10, 100)}),
    Attack("takeover", places.takeover, {"guess": Number(1, 1, 1 << 30)}, covers=("V14",), key=KEY),
    Attack(
        "takeover_in_a_flood",
        places.takeover_in_a_flood,
        {"connections": Number(30, 8, 79), "addresses": Number(4, 1, 20)},
        seconds=20,
    ),
    Attack(
        "hostile_names",
        names.hostile_names,
        {"length": Number(60000, 129, 60000), "connections": Number(6, 1, 12)},
        covers=("V1", "V9", "V10", "V13"),
        seconds=20,
    ),
    Attack(
        "told_urls",
        names.told_urls,
        {"in_name": Choice("no", ("yes", "no"))},
        covers=("V12",),
    ),
    Attack("short_visits", names.short_visits, {"pause_ms": Number(5, 1, 200)}, LONG),
    Attack(
        "stuck_log",
        names.short_visits,
        {"pause_ms": Number(1, 1, 20)},
        LONG,
        seconds=20,
        reads_log=False,
    ),
    # Viewers
    Attack(
        "slow_heads",
        viewers.slow_heads,
        {"connections": Number(300, 50, 900), "pause_ms": Number(1500, 200, 5000)},
    ),
    Attack(
        "never_reads",
        viewers.never_reads,
        {"connections": Number(100, 20, 400), "requests": Number(1, 1, 200)},
    ),
    Attack(
        "pipelining",
        viewers.pipelining,
        {"connections": Number(20, 4, 80), "block": Number(100, 1, 1000)},
        LONG,
    ),
    Attack(
        "pinned_segments",
        viewers.pinned_segments,
        {
            "segments": Number(60, 10, 90),
            "read_bytes": Number(120_000, 10_000, 1_600_000),
            "picture_bytes": Number(6_900_000, 1_000_000, 6_900_000),
        },
        LONG,
        seconds=40,
    ),
    Attack(
        "http_noise",
        viewers.http_noise,
        {"connections": Number(6, 2, 20), "bytes": Number(4000, 2, 100_000)},
        covers=("V16",),
    ),
    Attack(
        "hostile_paths",
        viewers.hostile_paths,
        {
            "connections": Number(4, 1, 12),
            "depth": Number(30, 2, 60),
            "length": Number(4000, 200, 60000),
        },
        covers=("V2", "V10"),
    ),
    Attack(
        "foreign_pages",
        viewers.foreign_pages,
        {"pause_ms": Number(50, 1, 500)},
        LONG,
        covers=("V11",),
    ),
    Attack(
        "wake_everything",
        viewers.wake_everything,
        {"streams": Number(10, 4, 10), "viewers": Number(60, 10, 120)},
        LONG,
        seconds=40,
        options=(*PLACES, "--renditions", "P144p30fps16x9,P240p30fps16x9,P360p30fps16x9"),
    ),
    # HTTP/2
    Attack(
        "rapid_reset",
        http2.rapid_reset,
        {
            "way": Choice(http2.EVERY_WAY, (http2.EVERY_WAY, *http2.TAKEN_BACK)),
            "connections": Number(24, 4, 80),
            "batch": Number(100, 1, 2000),
            "reads": Choice("no", ("yes", "no")),
        },
        wants_tls=True,
        covers=("V19",),
    ),
    Attack(
        "endless_headers",
        http2.endless_headers,
        {
            "connections": Number(18, 6, 60),
            "bytes": Number(16384, 1, 16384),
            "bombs": Number(20, 1, 200),
            "repeats": Number(4000, 50, 12000),
        },
        wants_tls=True,
        covers=("V20",),
    ),
    Attack(
        "unread_answers",
        http2.unread_answers,
        {"connections": Number(20, 10, 80), "batch": Number(500, 1, 5000)},
        LONG,
        wants_tls=True,
        covers=("V22",),
    ),
    Attack(
        "zero_windows",
        http2.zero_windows,
        {
            "connections": Number(30, 4, 90),
            "of_each": Number(1, 1, 8),
            "picture_bytes": Number(6_900_000, 1_000_000, 6_900_000),
            "window": Choice("never", ("never", "a_byte")),
        },
        LONG,
        seconds=60,
        wants_tls=True,
        covers=("V21",),
    ),
    Attack(
        "http2_noise",
        http2.http2_noise,
        {"connections": Number(8, 4, 24), "frames": Number(6, 1, 40)},
        LONG,
        wants_tls=True,
        covers=("V16",),
    ),
    # Pages, and what is made when it is asked for
    Attack(
        "posters",
        pages.posters,
        {
            "clip": Choice("large_noise", ("large_noise", "large_idr")),
            "publishers": Number(12, 2, 38),
            "connections": Number(60, 10, 150),
        },
        LONG,
        seconds=20,
    ),
    Attack(
        "cmaf_and_light",
        pages.cmaf_and_light,
        {
            "streams": Number(10, 2, 10),
            "viewers": Number(60, 10, 120),
            "times": Number(2, 1, 4),
            "made_up_one_of": Number(1, 1, 9),
        },
        LONG,
        seconds=30,
    ),
    Attack(
        "page_names",
        pages.page_names,
        {
            "connections": Number(6, 1, 12),
            "length": Number(4000, 130, 60000),
            "streams": Number(14, 4, 14),
        },
        covers=("V10", "V13"),
    ),
    # The process
    Attack(
        "killed",
        lives.killed,
        {"lives": Number(2, 2, 4), "repeats": Number(60, 5, 200)},
        LONG,
        is_alone=True,
    ),
    Attack(
        "asked_to_end",
        lives.asked_to_end,
        {"connections": Number(30, 5, 60), "slices": Number(4000, 500, 4000)},
        TIMING,
        is_alone=True,
    ),
    Attack(
        "started_again",
        lives.started_again,
        {"key": Number(1, 1, 1 << 30), "lives": Number(2, 2, 4)},
        covers=("V15",),
        is_alone=True,
    ),
    Attack(
        "webhooks",
        lives.webhooks,
        {"publishers": Number(4, 1, 10)},
        LONG,
        covers=("V5", "V18"),
        is_alone=True,
    ),
]

# The vulnerabilities that other servers had, and an attack here that is of the kind.
KNOWN = {
    "V1": "files written by a name that climbs (Node-Media-Server)",
    "V2": "files read by a path that climbs (mediamtx, xiu, Wowza, owncast)",
    "V3": "a chunk size that changes in a message (nginx-rtmp)",
    "V4": "AMF that is cut, nested or of another type (nginx-rtmp, Node-Media-Server)",
    "V5": "a redirect to a name of any length (nginx-http-flv)",
    "V6": "messages, NAL units and access units without a limit (mediamtx)",
    "V7": "no IDR picture, ever (SRS)",
    "V8": "parameter sets that change in the stream (openh264)",
    "V9": "a stream's name in a shell command (SRS)",
    "V10": "markup and redirects by name (SRS, mediamtx)",
    "V11": "the operator's port and pages of other sites (owncast, mediamtx)",
    "V12": "requests to where a user says (owncast)",
    "V13": "keys in statistics (AVideo)",
    "V14": "guessing keys, and how long a wrong one takes (mediamtx)",
    "V15": "what was forbidden is allowed after a restart (Ant Media)",
    "V16": "HTTP that is none (mediamtx)",
    "V17": "one peer's wrong key, or half handshake, holds up others (mediamtx)",
    "V18": "a service that is asked and does not answer (nginx-rtmp)",
    "V19": "streams opened and reset (CVE-2023-44487: most HTTP/2 servers; CVE-2025-8671)",
    "V20": "header blocks without an end (CVE-2024-27316: Apache httpd, Go, nghttp2)",
    "V21": "answers to peers that open no window (CVE-2019-9517: Apache httpd)",
    "V22": "PING and SETTINGS whose answers nobody reads (CVE-2019-9512, CVE-2019-9515: Go)",
}


def uncovered() -> list[str]:
    """Known vulnerabilities that no attack is about."""
    covered = {number for attack in ATTACKS for number in attack.covers}
    return [number for number in KNOWN if number not in covered]
