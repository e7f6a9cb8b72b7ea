"""Bytes on the wire: AMF0 values and RTMP chunks, right or wrong as an attack wants them.

Written from Adobe's RTMP 1.0 and AMF0 specifications, apart from the product's crates, so that a
mistake there is not made twice.
"""

import struct

# Message types (RTMP 1.0, 5.4 and 7.1).
SET_CHUNK_SIZE, ABORT, USER_CONTROL, WINDOW = 1, 2, 4, 5
AUDIO, VIDEO, DATA, COMMAND = 8, 9, 18, 20

# The largest timestamp that fits a header; a larger one follows it in four bytes (5.3.1.3).
EXTENDED = 0xFFFFFF

NULL = b"\x05"
OBJECT_END = b"\x00\x00\x09"


def number(value: float) -> bytes:
    return b"\x00" + struct.pack(">d", value)


def text(value: str | bytes) -> bytes:
    """A string, or a long string where two bytes cannot say how long it is."""
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    if len(data) <= 0xFFFF:
        return b"\x02" + struct.pack(">H", len(data)) + data
    return b"\x0c" + struct.pack(">I", len(data)) + data


def properties(pairs: dict[str, bytes]) -> bytes:
    """The inside of an object: names and encoded values, with the end mark."""
    encoded = [
        struct.pack(">H", len(name.encode())) + name.encode() + value
        for name, value in pairs.items()
    ]
    return b"".join(encoded) + OBJECT_END


def record(pairs: dict[str, bytes]) -> bytes:
    """An object."""
    return b"\x03" + properties(pairs)


def ecma_array(pairs: dict[str, bytes], declared: int | None = None) -> bytes:
    """An ECMA array, which may declare another count than it has."""
    return (
        b"\x08"
        + struct.pack(">I", len(pairs) if declared is None else declared)
        + properties(pairs)
    )


def basic_header(form: int, chunk_stream: int) -> bytes:
    """5.3.1.1: one to three bytes, by the number of the chunk stream."""
    if chunk_stream < 64:
        return bytes([form << 6 | chunk_stream])
    rest = chunk_stream - 64
    if rest < 256:
        return bytes([form << 6, rest])
    return bytes([form << 6 | 1, rest & 0xFF, rest >> 8])


def header(kind: int, length: int, chunk_stream: int, timestamp: int = 0, stream: int = 1) -> bytes:
    """The header of a chunk of type 0, which declares a message of `length` bytes."""
    is_extended = timestamp >= EXTENDED
    fields = struct.pack(">I", EXTENDED if is_extended else timestamp)[1:]
    fields += (
        struct.pack(">I", min(length, 0xFFFFFF))[1:] + bytes([kind]) + struct.pack("<I", stream)
    )
    return (
        basic_header(0, chunk_stream)
        + fields
        + (struct.pack(">I", timestamp) if is_extended else b"")
    )


def message(
    kind: int, body: bytes, chunk_stream: int, timestamp: int = 0, stream: int = 1, chunk: int = 128
) -> bytes:
    """A whole message: a chunk of type 0, and as many of type 3 as the chunk size asks for."""
    head = header(kind, len(body), chunk_stream, timestamp, stream)
    if len(body) <= chunk:
        return head + body
    more = basic_header(3, chunk_stream)
    if timestamp >= EXTENDED:
        more += struct.pack(">I", timestamp)
    pieces = [head + body[:chunk]]
    pieces += [more + body[at : at + chunk] for at in range(chunk, len(body), chunk)]
    return b"".join(pieces)


def command(
    name: str, transaction: int, *values: bytes, stream: int = 0, chunk: int = 128
) -> bytes:
    body = text(name) + number(transaction) + b"".join(values)
    return message(COMMAND, body, 3, stream=stream, chunk=chunk)


def control(kind: int, value: int) -> bytes:
    """A protocol control message whose body is one number of four bytes."""
    return message(kind, struct.pack(">I", value), 2, stream=0)
