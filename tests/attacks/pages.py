"""Pages, lists, stills, and segments that are made or written when they are first asked for."""

import collections
import hashlib
import hmac
import itertools
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterator
from urllib.parse import quote, urljoin

import clips
import web
import wire
from client import Answer, Client, Knobs, Outcome, Target, address, again_and_again, packed
from lives import served
from names import ALLOWED
from server import Server

# Stills (docs/limits.md).
STILL_BYTES = 6144
STILL_EVERY = 5.0
STILL_WAITS = 8.0


class Publishers:
    """Streams that begin with these bytes and go on with others, until it is over."""

    def __init__(self, target: Target, outcome: Outcome) -> None:
        self.target, self.outcome = target, outcome
        self.clients: list[Client] = []

    def __enter__(self) -> "Publishers":
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.socket.close()

    def add(self, name: str, begin: bytes, app: str = "live") -> Client:
        client = Client(self.target, address(len(self.clients)))
        self.clients.append(client)
        taken = client.publish(name, app) is Answer.ACCEPTED
        self.outcome.counts["accepted"] += taken
        if taken:
            client.send(begin)
        return client


def posters(target: Target, knobs: Knobs) -> Outcome:
    """Stills of pictures that are dear to decode, of all streams, as often as they are answered."""
    outcome = Outcome()
    video = clips.pictures(clips.clip(knobs["clip"]))
    idr = video[1].body
    names = [f"dear{index}" for index in range(knobs["publishers"])]
    stills: dict[str, set[bytes]] = collections.defaultdict(set)
    begin = time.monotonic()

    def publish(publishers: Publishers) -> None:
        clients = [publishers.add(name, packed(wire.VIDEO, 0, video[0].body)) for name in names]
        for stamp in itertools.count(0, 1000):
            if not target.goes_on():
                return
            for client in clients:
                try:
                    client.send(packed(wire.VIDEO, stamp, idr))
                    outcome.counts["pictures"] += 1
                except OSError as error:
                    outcome.counts[type(error).__name__] += 1
            time.sleep(1)

    def ask(index: int, counts: collections.Counter) -> None:
        name = [*names, "healthy", "nobody"][(index + counts["attempts"]) % (len(names) + 2)]
        path = f"/watch/{name}/poster.jpg?{'v' * (index % 9)}={index}.{counts['attempts']}"
        method = b"HEAD" if index % 8 == 7 else b"GET"
        line = method + f" {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n".encode()
        line += b"Cache-Control: no-cache\r\nPragma: no-cache\r\n\r\n"
        answer = web.raw(target.http, address(index), line, patience=STILL_WAITS + 4)
        head, _, body = answer.partition(b"\r\n\r\n")
        whose = name if name in ("healthy", "nobody") else "dear"
        counts[f"{whose} {head[9:12].decode('latin-1')}"] += 1
        outcome.check(head[9:12] in (b"200", b"404", b"503", b""), f"{name}: {head[:40]!r}")
        if head[9:12] == b"200" and body:
            outcome.check(body.startswith(b"\xff\xd8"), f"the still of {name} is no JPEG")
            outcome.check(len(body) <= STILL_BYTES, f"the still of {name} has {len(body)} bytes")
            stills[name].add(body)

    with Publishers(target, outcome) as publishers:
        publisher = threading.Thread(target=publish, args=(publishers,), daemon=True)
        publisher.start()
        outcome.add(again_and_again(target, knobs["connections"], ask, pause=0.001))
        publisher.join(2)
    outcome.check(outcome.counts["healthy 200"] > 0, "there is no still of the healthy stream")
    for name, different in stills.items():
        most = (time.monotonic() - begin) / STILL_EVERY + 2
        outcome.check(len(different) <= most, f"{len(different)} stills of {name} were made")
    return outcome


def cmaf_and_light(target: Target, knobs: Knobs) -> Outcome:
    """All renditions in both containers of many streams at once, and what only looks like them."""
    outcome, small = Outcome(), clips.clip("small")
    begin = b"".join(packed(tag.kind, tag.timestamp, tag.body) for tag in small)
    while target.goes_on():
        outcome.counts["attempts"] += 1
        names = [f"light{outcome.counts['attempts']}_{n}" for n in range(knobs["streams"])]
        try:
            with Publishers(target, outcome) as publishers:
                for name in names:
                    publishers.add(name, begin)
                _ask_in_both_containers(target, names, knobs, outcome)
        except OSError as error:
            outcome.counts[type(error).__name__] += 1
        time.sleep(0.5)
    return outcome


def _ask_in_both_containers(
    target: Target, names: list[str], knobs: Knobs, outcome: Outcome
) -> None:
    chance = target.random(names[0])

    def ask(path: str) -> tuple[str, web.Response]:
        # What is asked for at the end of the time is answered in time, too.
        patience = max(0.5, min(12.0, target.end + 3 - time.monotonic()))
        return path, web.request(target.http, path, patience=patience)

    with ThreadPoolExecutor(knobs["viewers"]) as pool:
        playlists = set()
        ends = (".m3u8", "/cmaf/index.m3u8")
        masters = [f"/stream/{name}{end}" for name in names for end in ends]
        for path, answer in pool.map(ask, masters):
            lines = answer.text.splitlines()
            playlists |= {urljoin(path, line) for line in lines if line.endswith(".m3u8")}
            playlists |= {urljoin(path, uri) for uri in re.findall(r'URI="([^"]+)"', answer.text)}
        for path, answer in pool.map(ask, [f"/watch/{name}/stream.json" for name in names]):
            choices = json.loads(answer.body)["choices"] if answer.status == 200 else []
            for choice in (choice["name"] for choice in choices):
                stream = f"/stream/{path.split('/')[2]}"
                playlists |= {f"{stream}/{choice}.m3u8", f"{stream}/cmaf/{choice}.m3u8"}
        uris: list[str] = []
        for path, answer in pool.map(ask, chance.sample(sorted(playlists), len(playlists))):
            outcome.counts[f"playlists {answer.status}"] += 1
            lines = [line for line in answer.text.splitlines() if line and line[0] != "#"]
            uris += [urljoin(path, line) for line in lines]
            uris += [urljoin(path, uri) for uri in re.findall(r'URI="([^"]+)"', answer.text)]
        made_up = [_made_up(uri, chance) for uri in uris[:: knobs["made_up_one_of"]]]
        asked = [*uris * knobs["times"], *made_up]
        chance.shuffle(asked)
        seen: dict[str, bytes] = {}
        for path, answer in pool.map(ask, asked):
            if not target.goes_on():
                pool.shutdown(wait=False, cancel_futures=True)
                break
            _judge_media(outcome, path, answer, path in uris, seen)


def _made_up(uri: str, chance) -> str:
    """Like it, and nothing that there is."""
    folder, _, file = uri.rpartition("/")
    digits, _, kind = file.partition(".")
    stream = "/".join(folder.split("/")[:3])
    return chance.choice(
        [
            f"{folder}/{chance.randrange(1 << 64)}.{kind}",
            f"{folder}/{digits}.{'ts' if kind == 'm4s' else 'm4s'}",
            f"{folder}/{chance.randrange(1 << 64):016x}.mp4",
            f"{folder}/{digits}0.{kind}",
            f"{folder}/0{digits}.{kind}",
            f"{folder}/-{digits}.{kind}",
            f"{folder}x/{file}",
            f"{stream}/cmaf/cmaf/{file}",
            f"{stream}/cmaf/P{chance.randrange(5000, 9999)}p30fps16x9.m3u8",
            f"{stream}/cmaf/{'index' * chance.randrange(2, 20)}.m3u8",
            f"{stream}/audio/cmaf/{file}",
            f"{stream}x/cmaf/index.m3u8",
        ]
    )


def _judge_media(
    outcome: Outcome, path: str, answer: web.Response, is_listed: bool, seen: dict[str, bytes]
) -> None:
    kind = path.rpartition(".")[2] if is_listed else "made up"
    outcome.counts[f"{kind} {answer.status}"] += 1
    if not is_listed:
        outcome.check(answer.status in (0, 404), f"{path!r} is answered with {answer.status}")
        return
    # 404: it was listed so long ago; 503: there are too many; 0: it was the attacker who gave up.
    outcome.check(answer.status in (0, 200, 404, 503), f"{kind}: status {answer.status}")
    if answer.status == 503:
        outcome.check("retry-after" in answer.headers, f"{kind}: 503 without Retry-After")
    if answer.status == 200:
        is_good = {
            "ts": answer.body[:1] == b"\x47" and len(answer.body) % 188 == 0,
            "m4s": answer.body[4:8] in (b"moof", b"styp", b"sidx", b"prft", b"emsg"),
            "mp4": answer.body[4:8] == b"ftyp",
        }
        outcome.check(is_good.get(kind, False), f"a segment called .{kind} is none")
        digest = hashlib.sha256(answer.body).digest()
        outcome.check(seen.setdefault(path, digest) == digest, f"a .{kind} is not the same twice")


# Behind each character that means something to a page, a list or a header comes this.
MARK = "x7q"
MEANINGFUL = ["<", ">", '"', "'", "&", "`", "\n", "\r\n", "\0", "\\", "{{", "${", "\u2028", "]]>"]
# A name that may be, and looks like part of the address of something else.
LOOKALIKES = [
    "embed",
    "poster.jpg",
    "stream.json",
    "streams.json",
    "watch.js",
    "index",
    "page",
    "~",
    "-",
    "_.",
    "a.html",
    "javascript",
    "__proto__",
    "x" * 128,
]
PAGES = ["/watch/{}", "/watch/{}/embed", "/watch/{}/stream.json", "/watch/{}/poster.jpg"]
LISTS = ["/", "/streams.json", "/index.m3u8"]
SECRET = "the secret of who may watch"


def _hostile_texts(length: int) -> Iterator[str]:
    for text in MEANINGFUL:
        yield f"a{text}{MARK}"
        yield f"<script>alert('{text}{MARK}')</script>"
    yield from ("..", "../a", "a/../../healthy", "healthy/..", "//evil.example", "current", ".a")
    yield from ("a" * 129, "a" * length, "%", "%zz", "healthy.", " healthy", "HEALTHY", "")


def _spellings(text: str) -> Iterator[str]:
    """As it is, encoded once, and encoded twice; the bytes of it, each as a character."""
    raw = text.encode().decode("latin-1")
    yield from dict.fromkeys([raw, quote(text, safe=""), quote(quote(text, safe=""), safe="")])


def page_names(target: Target, knobs: Knobs) -> Outcome:
    """V10, V13: pages and lists of names that are markup, and streams that none may list."""
    outcome = Outcome()
    small = clips.clip("small")[:200]
    begin = b"".join(packed(tag.kind, tag.timestamp, tag.body) for tag in small)
    markup = wire.ecma_array({"encoder": wire.text(f'"><script>{MARK}')})
    begin += packed(wire.DATA, 0, wire.text("@setDataFrame") + wire.text("onMetaData") + markup)
    others = [
        threading.Thread(target=_closed, args=(target, begin, outcome, *one), daemon=True)
        for one in enumerate(CLOSED)
    ]
    for other in others:
        other.start()
    texts = list(_hostile_texts(knobs["length"]))

    def look(index: int, counts: collections.Counter) -> None:
        turn = (index + counts["attempts"] * knobs["connections"]) % len(texts)
        for spelling in _spellings(texts[turn]):
            for page in PAGES:
                _look(target, outcome, page.format(spelling), counts)
            for query in ("token", "q", "data", "v", spelling):
                _look(target, outcome, f"/watch/healthy?{query}={spelling}", counts)
                _look(target, outcome, f"{LISTS[turn % 3]}?{query}={spelling}", counts)
            if not target.goes_on():
                return

    with Publishers(target, outcome) as publishers:
        chosen = LOOKALIKES[: knobs["streams"]]
        for name in chosen:
            publishers.add(name, begin)
        # Nobody was told what it is called.
        publishers.add("", begin, app="/")
        unnamed = _unnamed(target, {*chosen, "healthy"})
        outcome.check(bool(unnamed), "a publisher without a name has no stream")
        outcome.add(again_and_again(target, knobs["connections"], look, pause=0.001))
        _judge_lists(target, outcome, unnamed)
    for other in others:
        other.join(max(1, target.end + 4 - time.monotonic()))
        outcome.check(not other.is_alive(), "a server of its own did not answer in time")
    return outcome


def _unnamed(target: Target, known: set[str]) -> set[str]:
    """Names that the server made up: eight hexadecimal digits."""
    streams = json.loads(web.request(target.admin, "/status").body or b'{"streams": []}')["streams"]
    names = {stream["name"] for stream in streams}
    return {name for name in names - known if re.fullmatch("[0-9a-f]{8}", name)}


def _look(target: Target, outcome: Outcome, path: str, counts: collections.Counter) -> None:
    """One request, whose bytes are sent as they are, and whatever of it comes back."""
    counts["requests"] += 1
    line = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    source = address(counts["requests"] % 50)
    answer = web.raw(target.http, source, line.encode("latin-1"), patience=3)
    head, _, body = answer.partition(b"\r\n\r\n")
    _judge_page(outcome, path, head, body.decode("utf-8", "replace"), counts)


def _judge_page(
    outcome: Outcome, path: str, head: bytes, body: str, counts: collections.Counter
) -> None:
    shown, headers = repr(path[:60]), head.lower().decode("latin-1")
    counts[f"status {headers[9:12]}"] += 1
    outcome.check(headers[9:12] not in ("500", "301", "302", "307"), f"{shown}: {headers[9:12]}")
    outcome.check("\r\nlocation:" not in headers, f"{shown} redirects")
    outcome.check(MARK not in headers, f"{shown} comes back in the answer's head")
    for text in MEANINGFUL:
        outcome.check(f"{text}{MARK}" not in body, f"{shown} comes back with {text!r} in it")
    outcome.check("<script>" not in body, f"{shown}: a script stands in the answer")
    if "\r\ncontent-type: text/html" in headers:
        counts["pages"] += 1
        _judge_html(outcome, shown, path.split("?")[0], headers, body)


def _judge_html(outcome: Outcome, shown: str, path: str, headers: str, body: str) -> None:
    found = re.search(r"\r\ncontent-security-policy: ([^\r]*)", headers)
    words = [word.split() for word in (found[1] if found else "").split(";")]
    policy = {word[0]: word[1:] for word in words if word}
    outcome.check(bool(policy), f"{shown} has no Content-Security-Policy")
    outcome.check(policy.get("default-src") == ["'none'"], f"{shown}: others may be loaded")
    outcome.check(policy.get("script-src") == ["'self'"], f"{shown}: other scripts may run")
    outcome.check(policy.get("base-uri") == ["'none'"], f"{shown}: the base may change")
    outcome.check(policy.get("form-action") == ["'none'"], f"{shown}: forms may be sent")
    framed = ["*"] if path.endswith("/embed") and path.count("/") == 3 else ["'none'"]
    outcome.check(policy.get("frame-ancestors") == framed, f"{shown}: who may frame it is wrong")
    outcome.check("x-content-type-options: nosniff" in headers, f"{shown} may be sniffed")
    outcome.check("referrer-policy: no-referrer" in headers, f"{shown} tells its address")
    for script in re.findall(r"<script[^>]*>[^<]*", body, re.IGNORECASE):
        is_ours = re.fullmatch(r'<script async src="(\.\./)*page/watch\.js\?v=[\w-]+">', script)
        outcome.check(bool(is_ours), f"{shown} has the script {script[:60]!r}")
    inline = re.search(r"<[^>]*\son\w+\s*=|javascript:|<iframe|<base", body, re.IGNORECASE)
    outcome.check(inline is None, f"{shown} has {inline[0][-40:]!r} in it" if inline else "")


def _judge_lists(target: Target, outcome: Outcome, hidden: set[str]) -> None:
    """They are well formed, have what they shall have, and nothing of what is hidden."""
    answers = {path: web.request(target.http, path) for path in LISTS}
    for path, answer in answers.items():
        outcome.check(answer.status == 200, f"{path} is answered with {answer.status}")
        shown = [name for name in hidden if name in answer.text]
        outcome.check(not shown, f"{path} lists {shown}, which nobody named")
    listed = json.loads(answers["/streams.json"].body or b'{"streams": []}')["streams"]
    for name in (stream["name"] for stream in listed):
        outcome.check(ALLOWED.fullmatch(name) is not None, f"{name[:40]!r} is listed")
    outcome.check("healthy" in [stream["name"] for stream in listed], "healthy is not listed")
    lines = answers["/index.m3u8"].text.splitlines()
    outcome.check(lines[:1] == ["#EXTM3U"], "/index.m3u8 is no list of channels")
    for channel, uri in zip(lines[1::2], lines[2::2], strict=False):
        name = channel.removeprefix("#EXTINF:-1,")
        is_right = ALLOWED.fullmatch(name) and uri == f"stream/{name}.m3u8"
        outcome.check(bool(is_right), f"/index.m3u8 has {channel[:40]!r} and {uri[:40]!r}")


def _token(name: str, second: str) -> str:
    signed = hmac.new(SECRET.encode(), f"{name}\n{second}".encode(), hashlib.sha256)
    return f"{second}-{signed.hexdigest()[:32]}"


def _wrong_tokens() -> Iterator[str]:
    """Of another stream, over, of another length, and the right one written otherwise."""
    later = str(int(time.time()) + 600)
    right = _token("hidden", later)
    yield from ("", "-", later, f"{later}-", "0-0", f"{later}-{'0' * 32}", right[:-1], right + "0")
    yield from (_token("other", later), _token("hidden", "1"), f"0{right}", f"+{right}")
    yield from (f"%20{right}", f"{right}%00", f"{right}%0a", f"{right}<{MARK}", right.upper())
    yield from (_token("hidden", f"0{later}"), _token("hidden", f"{later}\n").replace("\n", "%0a"))
    yield right.replace("-", "%2d")
    yield from (_token("hidden", f"{1 << 64}"), _token("hidden", f"-{later}"))


def _tokens_are_wanted(own: Target, outcome: Outcome, counts: collections.Counter) -> None:
    paths = [page.format("hidden") for page in PAGES]
    paths += [f"/stream/hidden{end}" for end in (".m3u8", "/source.m3u8", "/cmaf/index.m3u8")]
    paths += ["/stream/hidden/cmaf/audio.m3u8"]
    right = _token("hidden", str(int(time.time()) + 600))
    for path in paths:
        for token in _wrong_tokens():
            answer = web.request(own.http, f"{path}?token={token}")
            nobody = web.request(own.http, f"{path.replace('hidden', 'nobody')}?token={token}")
            counts["requests"] += 2
            outcome.check(answer.status in (400, 403), f"{path} with {token!r}: {answer.status}")
            outcome.check(answer.body == nobody.body, f"{path} tells whether there is a stream")
            outcome.check(f"<{MARK}" not in answer.text, f"{path} gives its token back")
            twice = web.request(own.http, f"{path}?token={token}&token={right}")
            outcome.check(twice.status in (400, 403), f"{path} with a second token: {twice.status}")
    page = web.request(own.http, f"/watch/hidden?token={right}")
    outcome.check(page.status == 200, f"the right token is answered with {page.status}")
    for path in ("/watch/hidden", "/watch/hidden/embed", "/watch/nobody"):
        _look(own, outcome, path, counts)
        for text in MEANINGFUL[:6]:
            for spelling in _spellings(f"a{text}{MARK}"):
                query = f"token={right}&token={spelling}&q={spelling}"
                _look(own, outcome, f"{path}?{query}", counts)


def _pages_are_none(own: Target, outcome: Outcome, counts: collections.Counter) -> None:
    for path in [*LISTS, *(page.format("hidden") for page in PAGES), "/page/watch.js"]:
        counts["requests"] += 1
        status = web.request(own.http, path).status
        outcome.check(status == 404, f"without pages {path} is answered with {status}")


def _nothing_more(own: Target, outcome: Outcome, counts: collections.Counter) -> None:
    """Who knows the name gets the page."""
    counts["requests"] += 1
    status = web.request(own.http, "/watch/hidden").status
    outcome.check(status == 200, f"an unlisted page is answered with {status}")


Closed = tuple[tuple[str, ...], Callable[[Target, Outcome, collections.Counter], None]]
# Servers that list nothing, and what else is true of each.
CLOSED: list[Closed] = [
    (("--viewer-secret", SECRET), _tokens_are_wanted),
    (("--unlisted",), _nothing_more),
    (("--no-page",), _pages_are_none),
]


def _closed(
    target: Target, begin: bytes, outcome: Outcome, index: int, closed: Closed
) -> None:
    """A server of its own, none of whose streams may be listed."""
    options, judge = closed
    server, own = served(target, *options, folder=f"closed{index}")
    counts: collections.Counter = collections.Counter()
    try:
        with Publishers(own, Outcome()) as publishers:
            publishers.add("hidden", begin)
            outcome.check(_plays(own, server), f"{options[0]}: its stream does not play")
            for path in (*LISTS, *(f"{path}?{query}" for path in LISTS for query in ("q=hidden",))):
                text = web.request(own.http, path).text
                counts["requests"] += 1
                outcome.check("hidden" not in text, f"{options[0]}: {path} lists a stream")
            judge(own, outcome, counts)
    finally:
        server.kill()
    outcome.counts.update(counts)


def _plays(own: Target, server: Server) -> bool:
    """Waits until it does, for a while."""
    token, end = _token("hidden", str(int(time.time()) + 60)), time.monotonic() + 8
    while server.is_running() and time.monotonic() < end:
        if web.request(own.http, f"/stream/hidden.m3u8?token={token}").status == 200:
            return True
        time.sleep(0.05)
    return False
