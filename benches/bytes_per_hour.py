#!/usr/bin/env python3
"""What an hour of each rendition of a live stream costs a viewer, by the segments that are listed now.

Counts what a player fetches: segments, the playlist (compressed) once for each, and the heads of HTTP/1.1. The
newest segment is left out, as it may be short where the stream has just ended.

    python3 benches/bytes_per_hour.py http://127.0.0.1:8935 NAME
"""

import gzip
import http.client
import json
import re
import sys
import urllib.parse


def main():
    server, name = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
    connection = http.client.HTTPConnection(server.netloc)

    def get(path):
        """The body as it means, and the bytes of the whole answer."""
        for _ in range(10):
            connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            body = answer.read()
            # Where a segment is not made in time, it is there soon.
            if answer.status != 503:
                break
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
        # The status line, each field with ": " and a line's end, and an empty line.
        size = 17 + sum(len(key) + len(value) + 4 for key, value in answer.getheaders()) + 2 + len(body)
        return (gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body), size

    facts = json.loads(get(f"/watch/{name}/stream.json")[0])
    print("| Rendition | HLS: kbit/s | MB an hour | CMAF: kbit/s | MB an hour |\n|---|---|---|---|---|")
    for rendition in (choice["name"] for choice in facts["choices"]):
        cells = []
        for folder in (f"/stream/{name}/", f"/stream/{name}/cmaf/"):
            playlist, head = get(f"{folder}{rendition}.m3u8")
            listed = re.findall(r"#EXTINF:([\d.]+),\n(\S+)", playlist.decode())[-5:-1]
            seconds = sum(float(duration) for duration, _ in listed)
            size = sum(head + get(urllib.parse.urljoin(folder, uri))[1] for _, uri in listed)
            cells += [f"{size * 8 / seconds / 1000:.1f}", f"{size * 3600 / seconds / 1e6:.1f}"]
        print(f"| `{rendition}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
