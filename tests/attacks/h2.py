"""Just enough of HTTP/2 (RFC 9113) and HPACK (RFC 7541), over TLS, to lie with."""

import socket
import ssl
import struct
import time
from dataclasses import dataclass
from typing import Iterator

import web
from client import Target

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Types of frames (RFC 9113, 6).
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
# Flags; what they mean depends on the type.
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20
# Settings (6.5.2).
HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 3, 4
MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 5, 6
CANCEL = 8

LARGEST_FRAME = 16384
LAST_STREAM = (1 << 31) - 1
# `:status: 200`, by the static table (RFC 7541, appendix A).
INDEXED_200 = 0x88


def frame(kind: int, flags: int = 0, stream: int = 0, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def settings(values: dict[int, int]) -> bytes:
    body = b"".join(struct.pack(">HI", *pair) for pair in values.items())
    return frame(SETTINGS, body=body)


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def integer(value: int, prefix_bits: int, first: int = 0) -> bytes:
    """5.1 of RFC 7541; `first` has what stands before the prefix."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([first | value])
    encoded, value = bytearray([first | most]), value - most
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def string(text: bytes) -> bytes:
    """As it is: without Huffman's code."""
    return integer(len(text), 7) + text


def literal(name: bytes, value: bytes, is_kept: bool = False) -> bytes:
    """A header with its name (6.2.2); `is_kept` puts it into the table (6.2.1)."""
    return (b"\x40" if is_kept else b"\x00") + string(name) + string(value)


def indexed(index: int) -> bytes:
    """A header of the tables (6.1); 62 is the one that was put there last."""
    return integer(index, 7, 0x80)


def request(path: str | bytes, *more: bytes, method: bytes = b"GET") -> bytes:
    """The header block of a good request, and whatever shall stand behind it."""
    target = path if isinstance(path, bytes) else path.encode("latin-1")
    wanted = [(b":method", method), (b":scheme", b"https"), (b":path", target)]
    wanted += [(b":authority", b"localhost")]
    return b"".join(literal(name, value) for name, value in wanted) + b"".join(more)


def opened(stream: int, block: bytes, flags: int = END_HEADERS | END_STREAM) -> bytes:
    return frame(HEADERS, flags, stream, block)


def frames(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, stream and body of each that is whole."""
    at = 0
    while at + 9 <= len(data):
        length = int.from_bytes(data[at : at + 3], "big")
        kind, flags, stream = struct.unpack(">BBI", data[at + 3 : at + 9])
        if at + 9 + length > len(data):
            return
        yield kind, flags, stream & LAST_STREAM, data[at + 9 : at + 9 + length]
        at += 9 + length


def is_200(block: bytes) -> bool:
    """Whether the answer to the first request of a connection has this status."""
    at = 0
    # New sizes of the table may stand in front (RFC 7541, 4.2).
    while at < len(block) and block[at] >> 5 == 1:
        at += 1
        if block[at - 1] & 31 == 31:
            while block[at] & 128:
                at += 1
            at += 1
    return block[at : at + 1] == bytes([INDEXED_200])


@dataclass
class Answer:
    """What came for the first request of a connection."""

    is_200: bool = False
    body: bytes = b""
    is_whole: bool = False


class Connection:
    """A blocking connection to the TLS port, on which HTTP/2 was agreed."""

    def __init__(
        self, target: Target, source: str, receive_buffer: int = 0, patience: float = 5
    ) -> None:
        plain = web.open_socket(target.https, source, receive_buffer, patience)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.patience = patience
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket = context.wrap_socket(plain)
        except OSError:
            plain.close()
            raise
        if self.socket.selected_alpn_protocol() != "h2":
            self.socket.close()
            raise ConnectionError("no HTTP/2")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def greet(self, values: dict[int, int] | None = None) -> None:
        self.send(PREFACE + settings(values or {}))

    def hear(self, patience: float, most: int = 1 << 20) -> bytes:
        """What the server says until it says nothing for so long, or closes."""
        heard = b""
        self.socket.settimeout(patience)
        try:
            while len(heard) < most and (data := self.socket.recv(65536)):
                heard += data
        except OSError:
            pass
        self.socket.settimeout(self.patience)
        return heard

    def discard(self) -> None:
        """Takes what has come; raises where the server has closed."""
        self.socket.settimeout(0)
        try:
            while True:
                if not self.socket.recv(1 << 16):
                    raise ConnectionError("closed by the server")
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        finally:
            self.socket.settimeout(self.patience)

    def ask(self, path: str | bytes, *more: bytes, method: bytes = b"GET") -> Answer:
        """A good request, the first of the connection, and its answer."""
        self.greet()
        self.send(frame(SETTINGS, ACK) + opened(1, request(path, *more, method=method)))
        return self.answer(1, self.patience)

    def answer(self, wanted: int, patience: float) -> Answer:
        """What comes for a stream; no window is opened, so it has to be short."""
        answer, heard, end = Answer(), b"", time.monotonic() + patience
        while not answer.is_whole and time.monotonic() < end:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except OSError:
                break
            if not data:
                break
            heard += data
            answer = Answer()
            for kind, flags, stream, body in frames(heard):
                if stream != wanted:
                    continue
                answer.is_200 = answer.is_200 or kind == HEADERS and is_200(body)
                answer.body += body if kind == DATA else b""
                ends = kind in (DATA, HEADERS) and flags & END_STREAM or kind == RST_STREAM
                answer.is_whole = answer.is_whole or bool(ends)
        self.socket.settimeout(self.patience)
        return answer
