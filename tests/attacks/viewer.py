"""The viewer beside an attack: follows two playlists and fetches every segment once."""

import datetime
import re
import threading
import time
from dataclasses import dataclass

import web

RENDITION = "P144p30fps16x9"
PICTURES_A_SECOND = 30
POLL = 0.2
TS_PACKET_BYTES = 188
H264_STREAM_TYPE = 0x1B


@dataclass(frozen=True)
class Segment:
    """A segment that was listed, and whether it could be had."""

    rendition: str
    number: int
    duration: float
    # When it could be played, behind when its last picture was taken, both by the wall clock.
    delay: float
    pictures: int
    is_good: bool
    seen_at: float

    @property
    def pictures_of_60(self) -> float:
        """As if it had 60 pictures: two seconds of them."""
        return 60 * self.pictures / (self.duration * PICTURES_A_SECOND)


@dataclass(frozen=True)
class Gap:
    """Segments that the playlist never showed."""

    rendition: str
    count: int
    seen_at: float


class Viewer:
    """Two threads that watch until they are told to stop."""

    def __init__(self, port: int, name: str) -> None:
        self.port, self.name = port, name
        self.segments: list[Segment] = []
        self.gaps: list[Gap] = []
        self._stops = threading.Event()
        for rendition in (RENDITION, "source"):
            threading.Thread(target=self._follow, args=(rendition,), daemon=True).start()

    def stop(self) -> None:
        self._stops.set()

    def seen(self, rendition: str, begin: float, end: float) -> list[Segment]:
        return [
            one
            for one in list(self.segments)
            if one.rendition == rendition and begin <= one.seen_at < end
        ]

    def lost(self, begin: float, end: float) -> int:
        """Segments of both that were not listed, were listed and not to be had, or did not come."""
        missing = sum(gap.count for gap in list(self.gaps) if begin <= gap.seen_at < end)
        for rendition in (RENDITION, "source"):
            seen = self.seen(rendition, begin, end)
            missing += sum(not one.is_good for one in seen)
            # What came fills the time, but for the segment that has just begun and the one before.
            longest = max((one.duration for one in seen), default=2.0)
            silence = (end - begin) - sum(one.duration for one in seen)
            missing += max(0, int(silence / longest) - 2)
        return missing

    def _follow(self, rendition: str) -> None:
        last: int | None = None
        while not self._stops.is_set():
            answer = web.request(self.port, f"/stream/{self.name}/{rendition}.m3u8")
            listed = _listed(answer.text) if answer.status == 200 else []
            if listed and last is None:
                last = listed[-1][0] - 1
            new = [one for one in listed if last is None or one[0] > last]
            if new and last is not None and new[0][0] > last + 1:
                self.gaps.append(Gap(rendition, new[0][0] - last - 1, time.time()))
            for number, uri, duration, ends_at in new:
                segment = web.request(self.port, uri)
                good = segment.status == 200 and len(segment.body) % TS_PACKET_BYTES == 0
                pictures = pictures_in(segment.body) if good else 0
                now = time.time()
                self.segments.append(
                    Segment(
                        rendition,
                        number,
                        duration,
                        now - ends_at,
                        pictures,
                        good and pictures > 0,
                        now,
                    )
                )
                last = number
            self._stops.wait(POLL)


def _listed(playlist: str) -> list[tuple[int, str, float, float]]:
    """Number, URI, duration, and the wall clock at the end, of each segment."""
    sequence = re.search(r"^#EXT-X-MEDIA-SEQUENCE:(\d+)", playlist, re.MULTILINE)
    number = int(sequence[1]) if sequence else 0
    listed, duration, begins_at = [], 0.0, 0.0
    for line in playlist.splitlines():
        if line.startswith("#EXTINF:"):
            duration = float(line[8:].split(",")[0])
        elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            text = line.split(":", 1)[1].replace("Z", "+00:00")
            begins_at = datetime.datetime.fromisoformat(text).timestamp()
        elif line and not line.startswith("#"):
            listed.append((number, line, duration, begins_at + duration))
            number += 1
            begins_at += duration
    return listed


def pictures_in(data: bytes) -> int:
    """Pictures of a transport stream: PES packets that begin in the H.264 track."""
    begins = [
        at
        for at in range(0, len(data), TS_PACKET_BYTES)
        if data[at] == 0x47 and data[at + 1] & 0x40
    ]
    video = _video_pid(data, begins)
    return sum(_pid(data, at) == video for at in begins)


def _video_pid(data: bytes, begins: list[int]) -> int | None:
    tables = set()
    for at in begins:
        section = at + 5 + data[at + 4]
        if _pid(data, at) == 0:
            tables.add((data[section + 10] & 0x1F) << 8 | data[section + 11])
        elif _pid(data, at) in tables:
            length = (data[section + 1] & 0x0F) << 8 | data[section + 2]
            entry = section + 12 + ((data[section + 10] & 0x0F) << 8 | data[section + 11])
            while entry + 5 <= section + 3 + length - 4:
                if data[entry] == H264_STREAM_TYPE:
                    return (data[entry + 1] & 0x1F) << 8 | data[entry + 2]
                entry += 5 + ((data[entry + 3] & 0x0F) << 8 | data[entry + 4])
    return None


def _pid(data: bytes, at: int) -> int:
    return (data[at + 1] & 0x1F) << 8 | data[at + 2]
