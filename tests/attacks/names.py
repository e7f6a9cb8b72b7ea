"""Names, keys and URLs that mean something to a shell, a file system, a page or a log."""

import collections
import json
import re
import socket
import time

import clips
import web
import wire
from client import Answer, Client, Knobs, Outcome, Target, address, crowd, packed

# What a stream may be called, as the documentation says it.
ALLOWED = re.compile(r"[A-Za-z0-9._~-]{1,128}")
SECRET = "s3cretOfThePublisher"

CLIMBING = [
    "..",
    "../../../../tmp/x",
    "%2e%2e%2ftmp",
    "a/../../b",
    "/etc/passwd",
    "//x",
    "a\\..\\b",
    ".",
    ".hidden",
    "...",
]
SHELL = [
    "$(touch pwned)",
    "`touch pwned`",
    "a;touch pwned",
    "a|touch pwned",
    "--help",
    "-",
    "~",
    "${HOME}",
    "a&b",
    "a'b",
    'a"b',
]
MARKUP = [
    "<script>alert(1)</script>",
    "<!--",
    "a,b",
    'a="b"',
    "{{7*7}}",
    "a?key=1&key=2",
    "a#b",
    "a%00b",
]
CONTROL = [
    "a\0b",
    "a\r\nSet-Cookie: x=1",
    "a\nb",
    "\x1b[31mred",
    "a\tb",
    "a\u2028b",
    "\u202eevil",
    "\x7f",
]
TAKEN = [
    "current",
    "current.m3u8",
    "x.ts",
    "source",
    "P144p30fps16x9",
    "healthz",
    "status",
    "metrics",
    "HEALTHY",
    "healthy.",
]
UNUSUAL = [
    "",
    " ",
    " a",
    "\xe9" * 64,
    "\U0001f4a9",
    b"\xff\xfe",
    b"\xc0\xae\xc0\xae",
    "x" * 128,
    "x" * 129,
    "x" * 4096,
]


def hostile_names(target: Target, knobs: Knobs) -> Outcome:
    """V1, V9, V10, V13: names that are paths, commands and markup; keys that must stay secret."""
    outcome = Outcome()
    names: list[str | bytes] = [
        *CLIMBING,
        *SHELL,
        *MARKUP,
        *CONTROL,
        *TAKEN,
        *UNUSUAL,
        "x" * knobs["length"],
    ]
    begin = b"".join(packed(tag.kind, tag.timestamp, tag.body) for tag in clips.clip("small")[:120])
    encoder = wire.ecma_array({"encoder": wire.text('E\x1b[31m\r\nX-Injected: y"<b>\u202e\0')})
    metadata = packed(wire.DATA, 0, wire.text("@setDataFrame") + wire.text("onMetaData") + encoder)

    def body(index: int, counts: collections.Counter) -> None:
        for app, stream in _wishes(names)[index :: knobs["connections"]]:
            if not target.goes_on():
                break
            counts["attempts"] += 1
            try:
                with Client(target, address(index)) as client:
                    if client.publish(stream, app, patience=1) is Answer.ACCEPTED:
                        counts["accepted"] += 1
                        client.send(metadata + begin)
                        client.hear(0.05)
            except OSError as error:
                counts[type(error).__name__] += 1
            if counts["attempts"] % 8 == 0:
                _look_at_the_operators_port(target, outcome)

    while target.goes_on():
        outcome.counts.update(crowd(knobs["connections"], body))
    _look_at_the_operators_port(target, outcome)
    return outcome


def _wishes(names: list[str | bytes]) -> list[tuple[str | bytes, str | bytes]]:
    """App and stream, of each name in the place of either, and with a key."""
    wishes: list[tuple[str | bytes, str | bytes]] = []
    for name in names:
        text = name if isinstance(name, str) else name.decode("latin-1")
        wishes += [(name, ""), ("live", name)]
        # Without a name the next word is one.
        wishes += [("live", f"{text}/{SECRET}")] if text.strip() else []
    return wishes


def _look_at_the_operators_port(target: Target, outcome: Outcome) -> None:
    status, metrics = web.request(target.admin, "/status"), web.request(target.admin, "/metrics")
    outcome.check(status.status == 200 == metrics.status, "the operator gets no answer")
    if status.status != 200:
        return
    for path, body in (("/status", status.body), ("/metrics", metrics.body)):
        outcome.check(
            not any(byte < 32 and byte != 10 for byte in body), f"control characters in {path}"
        )
        outcome.check(SECRET.encode() not in body, f"a key in {path}")
    for stream in json.loads(status.body)["streams"]:
        outcome.check(
            ALLOWED.fullmatch(stream["name"]) is not None,
            f"a stream is called {stream['name'][:40]!r}",
        )


def told_urls(target: Target, knobs: Knobs) -> Outcome:
    """V12: commands full of URLs, and a door behind them at which nobody has any business."""
    outcome = Outcome()
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setblocking(False)
        url = f"http://127.0.0.1:{door.getsockname()[1]}/latest/meta-data"
        told = {name: wire.text(url) for name in ("tcUrl", "swfUrl", "pageUrl", "redirect", "url")}
        while target.goes_on():
            outcome.counts["attempts"] += 1
            name = f"told{outcome.counts['attempts']}"
            try:
                with Client(target, address(outcome.counts["attempts"])) as client:
                    client.shake_hands()
                    client.send(
                        wire.command("connect", 1, wire.record({"app": wire.text("live"), **told}))
                    )
                    client.send(wire.command("createStream", 2, wire.NULL))
                    client.ask(f"{name}?redirect={url}" if knobs["in_name"] == "yes" else name)
                    client.answer(1)
                    client.send(wire.command("play", 4, wire.NULL, wire.text(url), stream=1))
                    client.hear(0.05)
            except OSError as error:
                outcome.counts[type(error).__name__] += 1
            outcome.check(
                not _somebody_came(door), "the server fetches a URL that a publisher told it"
            )
    return outcome


def _somebody_came(door: socket.socket) -> bool:
    try:
        door.accept()[0].close()
        return True
    except BlockingIOError:
        return False


def short_visits(target: Target, knobs: Knobs) -> Outcome:
    """Publishers under ever new names who begin and are gone, each worth a few log lines."""
    outcome = Outcome()
    begin = b"".join(packed(tag.kind, tag.timestamp, tag.body) for tag in clips.clip("small")[:4])
    while target.goes_on():
        outcome.counts["attempts"] += 1
        try:
            with Client(target, address(outcome.counts["attempts"]), patience=3) as client:
                name = f"visit{outcome.counts['attempts']}"
                outcome.counts[client.publish(name, patience=1).value] += 1
                client.send(begin)
        except OSError as error:
            outcome.counts[type(error).__name__] += 1
        time.sleep(knobs["pause_ms"] / 1000)
    return outcome
