"""Viewers who cost more than they watch, requests that are none, and pages of other sites."""

import collections
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import clips
import h264
import web
import wire
from client import Answer, Client, Knobs, Outcome, Target, address, again_and_again, packed

HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
# What a hostile path may be answered with.
REFUSALS = (400, 403, 404, 405, 408, 413, 414, 431, 501, 505)


def slow_heads(target: Target, knobs: Knobs) -> Outcome:
    """Requests whose head grows by a byte a second."""

    def session(index: int, counts: collections.Counter) -> None:
        with web.open_socket(target.http, address(index)) as connection:
            connection.sendall(HEAD + b"X-Slow: ")
            while target.goes_on():
                time.sleep(knobs["pause_ms"] / 1000)
                connection.sendall(b"b")
                counts["bytes"] += 1

    return again_and_again(target, knobs["connections"], session)


def never_reads(target: Target, knobs: Knobs) -> Outcome:
    """Asks for the healthy stream's segments and takes none of them."""

    def session(index: int, counts: collections.Counter) -> None:
        playlist = web.request(target.http, "/stream/healthy/source.m3u8").text
        uris = web.segments(playlist)
        if not uris:
            return
        with web.open_socket(target.http, address(index), receive_buffer=2048) as connection:
            asked = f"GET {uris[index % len(uris)]} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            connection.sendall(asked * knobs["requests"])
            counts["requests"] += knobs["requests"]
            while target.goes_on():
                time.sleep(0.2)

    return again_and_again(target, knobs["connections"], session)


def pipelining(target: Target, knobs: Knobs) -> Outcome:
    """Thousands of requests one behind the other, and no answer is read."""
    block = b"GET /stream/healthy/source.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n" * knobs["block"]

    def session(index: int, counts: collections.Counter) -> None:
        with web.open_socket(
            target.http, address(index), receive_buffer=4096, patience=1
        ) as connection:
            while target.goes_on():
                connection.sendall(block)
                counts["requests"] += knobs["block"]

    return again_and_again(target, knobs["connections"], session)


def pinned_segments(target: Target, knobs: Knobs) -> Outcome:
    """A publisher of the largest segments, each with a viewer who reads just enough to stay."""
    counts: collections.Counter = collections.Counter()
    readers: dict[str, socket.socket] = {}
    with Client(target, address(0)) as client:
        counts["accepted"] += client.publish("pinned") is Answer.ACCEPTED
        client.tag(
            wire.VIDEO, 0, h264.configuration([h264.sps(64, 64, h264.HIGH_422, 30)], [h264.pps()])
        )
        picture = h264.picture([b"\x65\xb8" + b"\x55" * knobs["picture_bytes"]])
        stamp = 0
        try:
            while target.goes_on() and len(readers) < knobs["segments"]:
                for _ in range(4):
                    client.tag(wire.VIDEO, stamp, picture)
                    stamp += 500
                counts["bytes"] += 4 * len(picture)
                _pin(target, readers, counts)
                _read_a_little(readers, knobs["read_bytes"])
        except OSError as error:
            counts[type(error).__name__] += 1
    while target.goes_on():
        _read_a_little(readers, knobs["read_bytes"])
        time.sleep(2)
    return Outcome(counts)


def _pin(target: Target, readers: dict[str, socket.socket], counts: collections.Counter) -> None:
    listed = web.request(target.http, "/stream/pinned/source.m3u8", patience=2).text
    for uri in web.segments(listed):
        if uri in readers:
            continue
        counts["attempts"] += 1
        reader = web.open_socket(target.http, address(len(readers)), receive_buffer=16384)
        reader.sendall(f"GET {uri} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        readers[uri] = reader


def _read_a_little(readers: dict[str, socket.socket], most: int) -> None:
    for reader in readers.values():
        reader.setblocking(False)
        try:
            taken = 0
            while taken < most and (data := reader.recv(16384)):
                taken += len(data)
        except OSError:
            # Nothing there, or closed by the server, as it should be.
            pass


def http_noise(target: Target, knobs: Knobs) -> Outcome:
    """V16: bytes that are no HTTP, and requests with bytes turned over, to both ports."""
    outcome = Outcome()
    good = [
        b"GET /stream/healthy/source.m3u8 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-10\r\n\r\n",
        b"POST /streams/nobody/kick HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
        b'GET /stream/healthy.m3u8?a=b&c=%00 HTTP/1.1\r\nHost: a\r\nIf-None-Match: "x"\r\n\r\n',
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"GET /status?page=0&limit=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]

    def session(index: int, counts: collections.Counter) -> None:
        chance = target.random(f"{index} {counts['attempts']}")
        if chance.random() < 0.2:
            data = chance.randbytes(chance.randrange(1, knobs["bytes"]))
        else:
            mutated = bytearray(chance.choice(good))
            for _ in range(chance.randrange(1, 6)):
                at = chance.randrange(len(mutated))
                mutated[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
            data = bytes(mutated)
        port = target.admin if index % 3 == 0 else target.http
        answer = web.raw(port, address(index), data, patience=0.1)
        outcome.check(b"HTTP/1.1 500" not in answer, f"500 for {data[:80]!r}")

    outcome.add(again_and_again(target, knobs["connections"], session, pause=0.005))
    return outcome


def hostile_paths(target: Target, knobs: Knobs) -> Outcome:
    """V2, V10: paths that climb, redirect or carry markup, to both ports."""
    outcome = Outcome()
    climbs = ["../" * depth + "etc/passwd" for depth in (1, 3, knobs["depth"])]
    climbs += [
        climb.replace("../", other)
        for climb in climbs[:2]
        for other in ("%2e%2e/", "..%2f", "..\\", "%c0%ae%c0%ae/")
    ]
    names = climbs + [
        "//evil.example/",
        "/\\evil.example",
        "<script>alert(1)</script>",
        "a%00b",
        "a\x00b",
        "%",
        "%zz",
    ]
    names += [
        "~root",
        ".git/config",
        "a" * knobs["length"],
        "healthy/source/-1.ts",
        "healthy/source/1e3.ts",
        "*",
        "..;/",
    ]
    forms = [
        "/stream/{}",
        "/stream/{}.m3u8",
        "/stream/healthy/{}",
        "/stream/healthy/source/{}.ts",
        "/{}",
        "/streams/{}/kick",
    ]

    def session(index: int, counts: collections.Counter) -> None:
        for name in names[index :: knobs["connections"]]:
            for path in (form.format(name) for form in forms):
                for port in (target.http, target.admin):
                    counts["requests"] += 1
                    method = "POST" if path.endswith("/kick") else "GET"
                    line = (
                        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                    )
                    _judge(
                        outcome,
                        path,
                        web.raw(port, address(index), line.encode("latin-1"), patience=1),
                    )

    outcome.add(again_and_again(target, knobs["connections"], session, pause=0.05))
    return outcome


def _judge(outcome: Outcome, path: str, answer: bytes) -> None:
    head = answer.split(b"\r\n\r\n")[0].lower()
    status = int(answer[9:12]) if answer[9:12].isdigit() else 0
    # Nothing at all is fine: the connection was closed.
    outcome.check(status in (0, *REFUSALS), f"{path[:60]!r} is answered with {status}")
    outcome.check(b"\r\nlocation:" not in head, f"{path[:60]!r} redirects")
    outcome.check(b"text/html" not in head, f"{path[:60]!r} is answered with HTML")
    outcome.check(b"<script" not in answer.lower(), f"{path[:60]!r} comes back")
    outcome.check(b"root:" not in answer, f"{path[:60]!r} gives a file of the system")


def foreign_pages(target: Target, knobs: Knobs) -> Outcome:
    """V11: pages of other sites ask the operator's port, also by a name of their own."""
    outcome = Outcome()
    hosts = [
        "evil.example",
        "127.0.0.1.evil.example",
        "[::1].evil.example",
        "[::1]evil",
        "localhost.evil.example",
    ]
    while target.goes_on():
        outcome.counts["attempts"] += 1
        origin = {"Origin": f"https://evil{outcome.counts['attempts']}.example"}
        for port in (target.http, target.admin):
            for path in ("/status", "/metrics", "/stream/healthy.m3u8", "/healthz"):
                answer = web.request(port, path, headers=origin)
                allowed = answer.headers.get("access-control-allow-origin", "")
                outcome.check(origin["Origin"] != allowed, f"{path} reflects the origin")
                outcome.check(
                    "access-control-allow-credentials" not in answer.headers,
                    f"{path} allows credentials",
                )
                outcome.check(
                    port == target.http or not allowed,
                    f"{path} of the operator's port allows other origins",
                )
        kicked = web.request(target.admin, "/streams/healthy/kick", "POST", origin)
        outcome.check(kicked.status in (401, 403), f"a page may kick: {kicked.status}")
        for host in hosts:
            answer = web.request(target.admin, "/status", headers={"Host": host})
            outcome.check(
                answer.status in (400, 401, 403), f"Host {host} reads /status: {answer.status}"
            )
        time.sleep(knobs["pause_ms"] / 1000)
    return outcome


def wake_everything(target: Target, knobs: Knobs) -> Outcome:
    """Every segment of every rendition of ten streams is asked for at once, again and again."""
    small, outcome = clips.clip("small"), Outcome()
    while target.goes_on():
        outcome.counts["attempts"] += 1
        names = [f"woken{outcome.counts['attempts']}_{index}" for index in range(knobs["streams"])]
        clients: list[Client] = []
        try:
            for index, name in enumerate(names):
                client = Client(target, address(index))
                clients.append(client)
                outcome.counts["accepted"] += client.publish(name) is Answer.ACCEPTED
                # Ten seconds at once: five segments that are listed and not made.
                client.send(b"".join(packed(tag.kind, tag.timestamp, tag.body) for tag in small))
            _ask_for_everything(target, names, knobs["viewers"], outcome.counts)
        except OSError as error:
            outcome.counts[type(error).__name__] += 1
        finally:
            for client in clients:
                client.socket.close()
        time.sleep(1)
    return outcome


def _ask_for_everything(
    target: Target, names: list[str], viewers: int, counts: collections.Counter
) -> None:
    with ThreadPoolExecutor(viewers) as pool:
        masters = pool.map(
            lambda name: web.request(target.http, f"/stream/{name}.m3u8").text, names
        )
        lists = [
            f"/stream/{line}"
            for text in masters
            for line in text.splitlines()
            if line.endswith(".m3u8")
        ]
        playlists = pool.map(lambda path: web.request(target.http, path).text, lists)
        uris = [uri for text in playlists for uri in web.segments(text)]
        for answer in pool.map(lambda uri: web.request(target.http, uri), uris):
            counts[f"segments {answer.status}"] += 1
