"""A server, a healthy publisher, a viewer, and somebody new who wants in now and then."""

import subprocess
import threading
import time
from pathlib import Path

import client
from server import Sample, Server, launcher
from viewer import RENDITION, Viewer

HEALTHY = "healthy"
# From the publisher's start to two segments of both renditions, on a loaded machine.
WARM_WITHIN = 40
PROBE_PAUSE = 3.0


class Stage:
    """Everything that an attack is to leave as it is."""

    def __init__(
        self,
        binary: str,
        folder: Path,
        options: list[str],
        key: str,
        server_core: int | None,
        reads_log: bool,
        wants_tls: bool,
    ) -> None:
        self.server = Server(binary, folder, options, server_core, reads_log, wants_tls)
        self.key = key
        url = f"rtmp://127.0.0.1:{self.server.rtmp}/{HEALTHY}" + (f"/{key}" if key else "")
        with (folder / "publisher.log").open("wb") as log:
            self.publisher = subprocess.Popen(
                [*launcher(None), binary, "publish", "test", url, "--size", "640x360"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.viewer = Viewer(self.server.http, HEALTHY)
        self.newcomers = Newcomers(self.server, key)
        try:
            self._wait_until_warm()
        except RuntimeError:
            self.close()
            raise

    def _wait_until_warm(self) -> None:
        end = time.monotonic() + WARM_WITHIN
        begin = time.time()
        while any(
            len(self.viewer.seen(one, begin - 60, time.time() + 60)) < 3
            for one in (RENDITION, "source")
        ):
            if (
                time.monotonic() > end
                or not self.server.is_running()
                or self.publisher.poll() is not None
            ):
                raise RuntimeError(
                    f"no healthy stream: {self.server.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.1)

    def close(self) -> None:
        self.viewer.stop()
        self.newcomers.stop()
        for process in (self.publisher, self.server.process):
            process.kill()
            process.wait()
        self.server.read_log_again()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Newcomers:
    """Honest publishers, each from a new address, one every few seconds of an attack."""

    def __init__(self, server: Server, key: str) -> None:
        self.server, self.key = server, key
        self.asked = self.accepted = 0
        self._asks, self._stops = threading.Event(), threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def begin(self) -> None:
        self.asked = self.accepted = 0
        self._asks.set()

    def end(self) -> tuple[int, int]:
        """How many were accepted, of how many."""
        self._asks.clear()
        return self.accepted, self.asked

    def stop(self) -> None:
        self._stops.set()
        self._asks.set()

    def ask(self) -> bool:
        target = client.Target("", "", 0, "", rtmp=self.server.rtmp)
        self.asked += 1
        name = f"newcomer{self.asked}" + (f"/{self.key}" if self.key else "")
        try:
            with client.Client(target, f"127.240.{self.asked % 250}.7") as newcomer:
                accepted = newcomer.publish(name, patience=5) is client.Answer.ACCEPTED
        except OSError:
            accepted = False
        self.accepted += accepted
        return accepted

    def _run(self) -> None:
        while self._asks.wait() and not self._stops.is_set():
            # The attack gets under way first.
            if not self._stops.wait(PROBE_PAUSE) and self._asks.is_set():
                self.ask()


class Watch:
    """What /proc and the log say while an attack runs, a few times a second."""

    PERIOD = 0.2
    LOG_WINDOW = 5.0

    def __init__(self, server: Server) -> None:
        self.server = server
        self.before = server.sample() or Sample(0, 0, 0)
        self.rss_peak = self.before.rss_mib
        self.lines = [(time.monotonic(), server.log_lines())]
        self.children: list[str] = []

    def look(self) -> Sample | None:
        sample = self.server.sample()
        if sample is not None:
            self.rss_peak = max(self.rss_peak, sample.rss_mib)
            self.children = self.children or self.server.children()
        self.lines.append((time.monotonic(), self.server.log_lines()))
        return sample

    def log_lines_a_second(self) -> float:
        """In the worst five seconds, or in all the time where it was shorter."""
        worst = 0.0
        for at, (begin, count) in enumerate(self.lines):
            later = [one for one in self.lines[at:] if one[0] <= begin + self.LOG_WINDOW]
            worst = max(worst, (later[-1][1] - count) / self.LOG_WINDOW)
        return worst

    def is_back(self, slack: int) -> bool:
        """Descriptors and threads are as they were."""
        sample = self.look()
        if sample is None:
            return False
        threads, descriptors = (
            sample.threads - self.before.threads,
            sample.descriptors - self.before.descriptors,
        )
        return threads <= slack and descriptors <= slack
