#!/usr/bin/env python3
"""How much of what viewers ask nginx for reaches feathercast: contrib/nginx/feathercast.conf, measured.

Starts a server, a publisher (ffmpeg) and nginx on loopback, lets viewers watch one live stream by way of nginx, and
prints what they asked for, what nginx asked for, and what it cost. Needs ffmpeg and nginx.

    python3 benches/proxied/run.py target/dist/feathercast --viewers 2000 --seconds 60
"""

import argparse
import asyncio
import collections
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The share of viewers that watch each rendition.
RENDITIONS = [("P144p30fps16x9", 0.5), ("P90p10fps16x9", 0.25), ("source", 0.25)]
# How often a viewer asks for its playlist: once a target duration, as players do.
PERIOD = 2.0


def free_ports(count):
    """Addresses on loopback of this process alone."""
    pid = os.getpid()
    host = f"127.{pid >> 16 & 127 | 64}.{pid >> 8 & 255}.{pid & 255 or 1}"
    return [f"{host}:{20000 + number}" for number in range(count)]


def nginx_conf(folder, http, https, feathercast):
    """The configuration as it is in contrib/, but for addresses and folders."""
    text = (ROOT / "contrib/nginx/feathercast.conf").read_text()
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for documented, here in [
        ("/var/cache/nginx/", f"{folder}/"),
        ("listen 80;", f"listen {http} backlog=4096;"),
        ("listen 443 ", f"listen {https} "),
        ("/etc/letsencrypt/live/live.example.com/fullchain.pem", str(certificate)),
        ("/etc/letsencrypt/live/live.example.com/privkey.pem", str(key)),
        ("server 127.0.0.1:8935;", f"server {feathercast};"),
    ]:
        assert documented in text, documented
        text = text.replace(documented, here)
    kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = "".join(f"{kind}_temp_path {folder}/temporary;" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    return (f"{user} daemon off; worker_processes 1; worker_rlimit_nofile 16384; pid {folder}/pid; "
            f"error_log {folder}/error.log; events {{ worker_connections 8192; }}\n"
            f"http {{ access_log off; {temporary} include /etc/nginx/mime.types;\n{text} }}\n")


def metric(admin, name):
    text = urllib.request.urlopen(f"http://{admin}/metrics").read().decode()
    return int(float(re.search(rf"^{name} (\S+)$", text, re.M)[1]))


def cpu_seconds(pids):
    """User and system time of these processes so far."""
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Tally:
    """What all viewers together asked for and got."""

    def __init__(self):
        self.playlists = self.segments = self.bytes = 0
        self.failures = collections.Counter()
        self.addresses = set()
        self.cache = collections.Counter()


class Viewer:
    """One connection to nginx that is kept, as a browser's is."""

    def __init__(self, address, rendition, tally):
        self.host, self.port = address.split(":")
        self.path = f"/stream/cam/{rendition}.m3u8"
        self.tally, self.seen = tally, None
        self.reader = self.writer = None

    async def get(self, path):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, int(self.port))
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: live\r\nAccept-Encoding: identity\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = int(re.search(r"(?i)\r\ncontent-length: (\d+)", head)[1])
        body = await self.reader.readexactly(length)
        status = int(head[9:12])
        self.tally.bytes += len(head) + length
        cached = re.search(r"\r\nX-Cache-Status: (\w+)", head)
        return status, cached[1] if cached else "-", body

    async def watch(self, starts, until):
        """Asks for the playlist once a period, and for each segment once, from the third to last on."""
        await asyncio.sleep(starts)
        while time.monotonic() < until:
            next_look = time.monotonic() + PERIOD
            try:
                status, cached, body = await self.get(self.path)
                self.tally.playlists += 1
                self.tally.cache["playlist", cached] += 1
                if status != 200:
                    self.tally.failures["playlist", status] += 1
                    body = b""
                listed = [line for line in body.decode().splitlines() if line.startswith("/")]
                for uri in listed[-3:] if self.seen is None else listed:
                    if self.seen is None or uri > self.seen:
                        self.seen = uri
                        status, cached, _ = await self.get(uri)
                        self.tally.segments += 1
                        self.tally.addresses.add(uri)
                        self.tally.cache["segment", cached] += 1
                        if status != 200:
                            self.tally.failures["segment", status] += 1
            except (OSError, asyncio.IncompleteReadError) as error:
                self.tally.failures["connection", type(error).__name__] += 1
                self.writer = None
            await asyncio.sleep(max(0.0, next_look - time.monotonic()))


async def crowd(address, viewers, seconds):
    tally = Tally()
    until = time.monotonic() + seconds
    watching, number = [], 0
    for rendition, share in RENDITIONS:
        for _ in range(round(viewers * share)):
            # They come within one period: half of them in the same tenth of a second, which is the harder case.
            starts = 0.1 * number / viewers if number % 2 else PERIOD * number / viewers
            watching.append(Viewer(address, rendition, tally).watch(starts, until))
            number += 1
    await asyncio.gather(*watching)
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("feathercast", type=pathlib.Path)
    parser.add_argument("--viewers", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="proxied-"))
    rtmp, http, admin, front, secure = free_ports(5)
    children = []
    try:
        clip = folder / "clip.flv"
        subprocess.run(
            ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30:duration=20",
             "-f", "lavfi", "-i", "sine=duration=20", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "300k",
             "-maxrate", "300k", "-bufsize", "600k", "-g", "60", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k",
             clip], check=True)
        log = open(folder / "server.log", "wb")
        server = subprocess.Popen(
            [asked.feathercast.resolve(), "--rtmp-addr", rtmp, "--http-addr", http, "--admin-addr", admin,
             "--trusted-proxies", rtmp.split(":")[0]], stdout=log, stderr=log)
        children.append(server)
        (folder / "nginx.conf").write_text(nginx_conf(folder, front, secure, http))
        nginx = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
        children.append(nginx)
        time.sleep(1)
        publisher = subprocess.Popen(
            ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip, "-c", "copy",
             "-flvflags", "no_duration_filesize", "-f", "flv", f"rtmp://{rtmp}/cam"])
        children.append(publisher)
        while True:
            try:
                playlist = urllib.request.urlopen(f"http://{http}/stream/cam/source.m3u8").read().decode()
                if playlist.count("#EXTINF") >= 6:
                    break
            except OSError:
                pass
            time.sleep(0.5)
        workers = [int(pid) for pid in
                   pathlib.Path(f"/proc/{nginx.pid}/task/{nginx.pid}/children").read_text().split()]
        names = ["feathercast_http_playlist_requests_total", "feathercast_http_segment_requests_total",
                 "feathercast_http_sent_bytes_total"]
        before = [metric(admin, name) for name in names]
        cpu = [cpu_seconds([server.pid]), cpu_seconds(workers)]
        began = time.monotonic()
        tally = asyncio.run(crowd(front, asked.viewers, asked.seconds))
        passed = time.monotonic() - began
        playlists, segments, sent = (metric(admin, name) - it for name, it in zip(names, before))
        cpu = [cpu_seconds([server.pid]) - cpu[0], cpu_seconds(workers) - cpu[1]]
        print(f"{asked.viewers} viewers of {len(RENDITIONS)} renditions for {passed:.0f} s")
        print(f"playlists: viewers asked {tally.playlists} times, nginx {playlists} times "
              f"({playlists / passed / len(RENDITIONS):.2f} a second and rendition)")
        print(f"segments: viewers asked {tally.segments} times for {len(tally.addresses)}, nginx {segments} times")
        print(f"bytes: viewers got {tally.bytes / 1e6:.1f} MB, feathercast sent {sent / 1e6:.1f} MB")
        print(f"core: feathercast {cpu[0] / passed:.3f}, nginx {cpu[1] / passed:.3f}")
        print(f"failures: {dict(tally.failures) or 'none'}; caches: {dict(tally.cache)}")
        return 0 if segments == len(tally.addresses) and not tally.failures else 1
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    raise SystemExit(main())
