"""HTTP as attackers and judges need it: good requests, and bytes as they are."""

import http.client
import re
import socket
from dataclasses import dataclass


@dataclass
class Response:
    """Status 0 says that there was none."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


NONE = Response(0, {}, b"")


def request(
    port: int,
    path: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    patience: float = 10,
) -> Response:
    """One request on a connection of its own. The path goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    # A path that is not valid is what is to be sent.
    connection._validate_path = lambda _: None  # type: ignore[attr-defined]
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, names, response.read())
    except (OSError, http.client.HTTPException, UnicodeError):
        return NONE
    finally:
        connection.close()


def open_socket(
    port: int, source: str, receive_buffer: int = 0, patience: float = 3
) -> socket.socket:
    """A connection from an address of the loopback network."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(patience)
    try:
        connection.bind((source, 0))
        connection.connect(("127.0.0.1", port))
    except OSError:
        connection.close()
        raise
    return connection


def raw(port: int, source: str, data: bytes, patience: float = 0.5) -> bytes:
    """What comes back for these bytes, until the server closes or says nothing for a while."""
    heard = b""
    with open_socket(port, source) as connection:
        connection.sendall(data)
        connection.settimeout(patience)
        try:
            while len(heard) < 1 << 20 and (more := connection.recv(65536)):
                heard += more
        except OSError:
            pass
    return heard


def segments(playlist: str) -> list[str]:
    """The URIs of a media playlist."""
    return re.findall(r"^/stream/.*\.ts$", playlist, re.MULTILINE)
