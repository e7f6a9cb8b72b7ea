"""An RTMP client that says what it is told to say, and crowds of them."""

import collections
import fcntl
import random
import socket
import struct
import termios
import threading
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Callable

import wire

HANDSHAKE_BYTES = 1536
C0_C1 = b"\x03" + bytes(8) + bytes(index * 11 % 253 for index in range(HANDSHAKE_BYTES - 8))
# From now on: larger than any message that is sent whole, so that a message is one chunk.
CHUNK_BYTES = 65536

Knobs = dict[str, int | str]


class Answer(Enum):
    """What became of a wish to publish."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    CLOSED = "closed"
    SILENT = "silent"


@dataclass
class Target:
    """The server under attack, and for how long."""

    binary: str
    scratch: str
    seconds: float
    seed: str
    rtmp: int = 0
    http: int = 0
    # 0 where the server has no TLS.
    https: int = 0
    admin: int = 0
    process: int = 0
    key: str = ""
    options: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.end = time.monotonic() + self.seconds

    def goes_on(self) -> bool:
        return time.monotonic() < self.end

    def random(self, salt: object = "") -> random.Random:
        return random.Random(f"{self.seed} {salt}")


# Whoever reads them has seen enough then.
MOST_FINDINGS = 20


@dataclass
class Outcome:
    """What an attack did: counts, and whatever it saw that must never be seen."""

    counts: collections.Counter = field(default_factory=collections.Counter)
    findings: list[str] = field(default_factory=list)
    # Why nothing was done, where nothing could be.
    skipped: str = ""

    def check(self, holds: bool, finding: str) -> None:
        if not holds and len(self.findings) < MOST_FINDINGS and finding not in self.findings:
            self.findings.append(finding)

    def add(self, other: "Outcome") -> None:
        self.counts.update(other.counts)
        self.findings += [finding for finding in other.findings if finding not in self.findings]
        self.skipped = self.skipped or other.skipped


def address(index: int) -> str:
    """An address of the loopback network, each in a /16 of its own for the first 200."""
    return f"127.{20 + index % 200}.{index // 200 % 250}.9"


class Client:
    """A blocking connection to the RTMP port."""

    def __init__(
        self,
        target: Target,
        source: str = "127.0.0.1",
        patience: float = 5,
        receive_buffer: int = 0,
    ) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patience)
        self.patience = patience
        self.is_closed = False
        try:
            self.socket.bind((source, 0))
            self.socket.connect(("127.0.0.1", target.rtmp))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        # What the kernel still holds would be sent for minutes after the attacker has gone: it goes
        # along with him.
        if self._unsent():
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _unsent(self) -> int:
        try:
            return struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))[0]
        except OSError:
            return 0

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def shake_hands(self) -> None:
        self.send(C0_C1)
        missing = 1 + 2 * HANDSHAKE_BYTES
        while missing:
            data = self.socket.recv(missing)
            if not data:
                raise ConnectionError("closed in the handshake")
            missing -= len(data)
        self.send(bytes(HANDSHAKE_BYTES))

    def open(self, app: str | bytes = "live") -> None:
        """Everything up to the wish to publish."""
        self.shake_hands()
        self.send(wire.control(wire.SET_CHUNK_SIZE, CHUNK_BYTES))
        self.connect_to(app)

    def connect_to(self, app: str | bytes) -> None:
        known = {
            "app": wire.text(app),
            "type": wire.text("nonprivate"),
            "tcUrl": wire.text("rtmp://127.0.0.1/live"),
        }
        self.send(wire.command("connect", 1, wire.record(known), chunk=CHUNK_BYTES))
        self.send(wire.command("createStream", 2, wire.NULL, chunk=CHUNK_BYTES))

    def ask(self, name: str | bytes) -> None:
        self.send(
            wire.command(
                "publish",
                3,
                wire.NULL,
                wire.text(name),
                wire.text("live"),
                stream=1,
                chunk=CHUNK_BYTES,
            )
        )

    def publish(self, name: str | bytes, app: str | bytes = "live", patience: float = 3) -> Answer:
        self.open(app)
        self.ask(name)
        return self.answer(patience)

    def answer(self, patience: float = 3) -> Answer:
        """Waits for what the server says to a wish to publish."""
        heard, end = b"", time.monotonic() + patience
        while time.monotonic() < end:
            heard += self.hear(0.05)
            if b"NetStream.Publish.Start" in heard:
                return Answer.ACCEPTED
            if b"NetStream.Publish." in heard or b"Rejected" in heard or b"_error" in heard:
                return Answer.REFUSED
            if self.is_closed:
                return Answer.CLOSED
        return Answer.SILENT

    def hear(self, patience: float) -> bytes:
        """What the server says until it says nothing for so long."""
        heard = b""
        self.socket.settimeout(patience)
        try:
            while data := self.socket.recv(65536):
                heard += data
            self.is_closed = True
        except TimeoutError:
            pass
        except OSError:
            self.is_closed = True
        self.socket.settimeout(self.patience)
        return heard

    def discard(self) -> None:
        """Takes what has come, so that the server's answers never fill the socket."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(1 << 16):
                pass
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(self.patience)

    def tag(self, kind: int, timestamp: int, body: bytes) -> None:
        self.send(packed(kind, timestamp, body))


def packed(kind: int, timestamp: int, body: bytes) -> bytes:
    """An FLV tag as a message, on the chunk stream of its kind."""
    chunk_stream = {wire.AUDIO: 4, wire.DATA: 5, wire.VIDEO: 6}[kind]
    return wire.message(kind, body, chunk_stream, timestamp & 0xFFFFFFFF, chunk=CHUNK_BYTES)


def crowd(count: int, body: Callable[[int, collections.Counter], None]) -> collections.Counter:
    """Runs a body in so many threads; what they count, and which connections broke, together."""
    counters = [collections.Counter() for _ in range(count)]

    def guarded(index: int) -> None:
        try:
            body(index, counters[index])
        except OSError as error:
            counters[index][type(error).__name__] += 1

    threads = [
        threading.Thread(target=guarded, args=(index,), daemon=True) for index in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counters, collections.Counter())


def again_and_again(
    target: Target,
    count: int,
    session: Callable[[int, collections.Counter], None],
    pause: float = 0.1,
) -> Outcome:
    """A crowd of whom each begins a new session when one has ended, until the attack is over."""

    def body(index: int, counts: collections.Counter) -> None:
        while target.goes_on():
            counts["attempts"] += 1
            try:
                session(index, counts)
            except OSError as error:
                counts[type(error).__name__] += 1
            time.sleep(pause)

    return Outcome(crowd(count, body))
