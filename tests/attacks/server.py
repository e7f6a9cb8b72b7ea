"""The server under attack, as a process: its ports, its log, and what it takes of the machine."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import web

MIB = 1 << 20
UP_WITHIN = 10
# The log says when somebody reads it again; a pipe holds 64 KiB of it.
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """What /proc says of a process."""

    rss_mib: float
    threads: int
    descriptors: int


class Server:
    """A running `feathercast serve`, on loopback ports that were free."""

    def __init__(
        self,
        binary: str,
        folder: Path,
        options: list[str],
        core: int | None = None,
        reads_log: bool = True,
        wants_tls: bool = False,
    ) -> None:
        self.folder = folder
        self.rtmp, self.http, self.admin, self.rtmps, self.https = free_ports(5)
        shutil.rmtree(folder, ignore_errors=True)
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.log = folder / "server.log"
        self.pipe: int | None = None
        self._log_bytes = self._log_lines = 0
        addresses = [("rtmp", self.rtmp), ("http", self.http), ("admin", self.admin)]
        listen = [
            word for name, port in addresses for word in (f"--{name}-addr", f"127.0.0.1:{port}")
        ]
        files = certificate(folder.parent / "tls") if wants_tls else None
        if files is None:
            self.rtmps = self.https = 0
        else:
            listen += ["--tls-cert", str(files[0]), "--tls-key", str(files[1])]
            listen += ["--rtmps-addr", f"127.0.0.1:{self.rtmps}"]
            listen += ["--https-addr", f"127.0.0.1:{self.https}"]
        command = [*launcher(core), binary, "serve", *listen, *options]
        self.log.touch()
        if reads_log:
            output = self.log.open("wb")
        else:
            self.pipe, end = os.pipe()
            output = os.fdopen(end, "wb")
        with output:
            environment = {**os.environ, "NO_COLOR": "1"}
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.home,
                env=environment,
            )
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        end = time.monotonic() + UP_WITHIN
        while web.request(self.http, "/healthz", patience=1).status != 200:
            if time.monotonic() > end or not self.is_running():
                self.kill()
                raise RuntimeError(
                    f"the server did not come up: {self.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.05)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def sample(self) -> Sample | None:
        """None where the process is gone."""
        folder = Path("/proc") / str(self.process.pid)
        try:
            status = (folder / "status").read_text()
            resident = int((folder / "statm").read_text().split()[1]) * PAGE / MIB
            threads = int(status.split("Threads:")[1].split()[0])
            return Sample(resident, threads, len(os.listdir(folder / "fd")))
        except (OSError, IndexError, ValueError):
            return None

    def log_lines(self) -> int:
        """Lines written so far."""
        with self.log.open("rb") as log:
            log.seek(self._log_bytes)
            data = log.read()
        self._log_bytes += len(data)
        self._log_lines += data.count(b"\n")
        return self._log_lines

    def panics(self) -> int:
        return self.log.read_bytes().count(b"panicked")

    def children(self) -> list[str]:
        """Processes that it has started: there are none, ever."""
        folder = Path(f"/proc/{self.process.pid}/task")
        try:
            return " ".join((task / "children").read_text() for task in folder.iterdir()).split()
        except OSError:
            return []

    def read_log_again(self) -> None:
        """Empties the pipe that nobody read, from now on."""
        if self.pipe is None:
            return
        pipe, self.pipe = self.pipe, None

        def read() -> None:
            with os.fdopen(pipe, "rb") as source, self.log.open("ab") as log:
                while data := source.read1(65536):
                    log.write(data)
                    log.flush()

        threading.Thread(target=read, daemon=True).start()

    def terminate(self, patience: float) -> int | None:
        """SIGTERM; the exit code, or None where it still ran after so many seconds."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def launcher(core: int | None) -> list[str]:
    """The words that start a program so that it ends with us, and on one core if asked."""
    tether = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    return tether if core is None else [*tether, "taskset", "--cpu-list", str(core)]


def certificate(folder: Path) -> tuple[Path, Path] | None:
    """A certificate that vouches for itself, and its key; None where nothing here makes one."""
    files = folder / "certificate.pem", folder / "key.pem"
    if not shutil.which("openssl"):
        return None
    if not files[1].exists():
        folder.mkdir(parents=True, exist_ok=True)
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        about = ["-days", "2", "-subj", "/CN=localhost"]
        where = ["-out", str(files[0]), "-keyout", str(files[1])]
        command = ["openssl", "req", "-x509", *kind, *about, *where]
        subprocess.run(command, check=True, capture_output=True)
    return files


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
