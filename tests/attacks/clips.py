"""What attackers publish, made by ffmpeg once and kept."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import wire

# Where they are kept; whoever starts an attack says where.
folder = Path(".")

# 4096x2304: the largest picture that is decoded, and here one of a few kilobytes.
LARGE = "color=c=gray:s=4096x2304:r=30"
ULTRAFAST = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-threads", "1"]
RECIPES = {
    # What an honest publisher sends, a small one.
    "small": [
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=320x240:r=30",
        "-f",
        "lavfi",
        "-i",
        "sine",
        "-t",
        "10",
    ]
    + ULTRAFAST
    + ["-g", "30", "-b:v", "150k", "-c:a", "aac", "-b:a", "48k"],
    "large_idr": ["-f", "lavfi", "-i", LARGE, "-frames:v", "26"]
    + ULTRAFAST
    + ["-x264-params", "cabac=1:keyint=1"],
    # The same size, and as many bits as an access unit may have: the dearest that is decoded.
    "large_noise": ["-f", "lavfi", "-i", f"{LARGE},noise=alls=100:allf=t", "-frames:v", "2"]
    + ULTRAFAST
    + ["-x264-params", "cabac=1:keyint=1:qp=32"],
    "large_skip_cabac": ["-f", "lavfi", "-i", LARGE, "-frames:v", "12"]
    + ULTRAFAST
    + ["-x264-params", "cabac=1:keyint=250"],
    "large_skip_cavlc": ["-f", "lavfi", "-i", LARGE, "-frames:v", "12"]
    + ULTRAFAST
    + ["-x264-params", "cabac=0:keyint=250"],
}


@dataclass(frozen=True)
class Tag:
    kind: int
    timestamp: int
    body: bytes

    @property
    def is_header(self) -> bool:
        """Says how to decode, and is no picture and no sound."""
        return self.kind == wire.DATA or (len(self.body) > 1 and self.body[1] == 0)


def sized(width: int, height: int) -> list[Tag]:
    """Two pictures of one size: the header and the pictures."""
    source = f"color=c=red:s={width}x{height}:r=30"
    recipe = ["-f", "lavfi", "-i", source, "-frames:v", "2"] + ULTRAFAST
    return pictures(made(f"{width}x{height}", recipe))


def clip(name: str) -> list[Tag]:
    return made(name, RECIPES[name])


def pictures(tags: list[Tag]) -> list[Tag]:
    """The video tags: a header and what can be decoded by it."""
    return [tag for tag in tags if tag.kind == wire.VIDEO and len(tag.body) > 5]


def made(name: str, recipe: list[str]) -> list[Tag]:
    """An FLV file of the scratch folder, made where it is not there."""
    path = folder / f"{name}.flv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Attacks that begin together write one each, and the last one stays.
        draft = path.with_suffix(f".{os.getpid()}.flv")
        command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *recipe, str(draft)]
        subprocess.run(command, check=True)
        draft.replace(path)
    return tags_of(path.read_bytes())


def tags_of(data: bytes) -> list[Tag]:
    """The tags of an FLV file (Video File Format Specification, annex E.3)."""
    tags, at = [], 9 + 4
    while at + 11 <= len(data):
        length = int.from_bytes(data[at + 1 : at + 4], "big")
        timestamp = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        tags.append(Tag(data[at], timestamp, data[at + 11 : at + 11 + length]))
        at += 11 + length + 4
    return tags
