"""Servers to measure, each a process on loopback and a free port, ended by its pid."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import directories
from tests.bench.directories import Size
from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
SINK = shutil.which("smtp-sink", path="/usr/sbin:" + os.environ.get("PATH", ""))


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    process: subprocess.Popen[str]
    folder: Path
    seconds: float  # from its start to its being ready


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gateway-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def configured(
    folder: Path, port: int, relay: str = "", more: str = "", size: Size | None = None, url: str = ""
) -> Path:
    """The shipped configuration with another port, no limits, `relay` instead of its [relay], `more` tables, a
    directory of that size besides its own, and the store at another url."""
    text = (ROOT / "gateway.toml").read_text()
    text = text.replace('listen = "127.0.0.1:2525"', f'listen = "127.0.0.1:{port}"')
    text = re.sub(r"^(\w+_per_\w+|alarm_above) = \d+", r"\1 = 1000000", text, flags=re.MULTILINE)
    if relay:
        begin = text.index('transport = "maildir"')
        text = text[:begin] + relay + text[text.index("[trust]") :]
    if url:
        text = text.replace('url = "sqlite:///var/gateway.db"', f'url = "{url}"')
    if size:
        directories.write(folder / "directory", size)
        text = text.replace("include = []", directories.INCLUDE, 1)
    path = folder / "gateway.toml"
    path.write_text(f"{text}\n{more}")
    return path


@contextlib.contextmanager
def started(command: list[str], folder: Path, port: int) -> Iterator[Server]:
    """A process that prints a line when it is ready; its log goes to a file."""
    begin = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"{command} didn't start: {(folder / 'log').read_text()[-2000:]}")
        yield Server(port, process, folder, time.perf_counter() - begin)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def daemon(relay: str = "", intake: str = "", size: Size | None = None) -> Iterator[Server]:
    """The whole gateway. `intake`: more ways in than SMTP. `size`: of its directory."""
    with scratch() as folder:
        port = free_port()
        with started(running(configured(folder, port, relay, intake, size)), folder, port) as server:
            yield server


def running(config: Path) -> list[str]:
    """The command that runs the daemon."""
    return [sys.executable, "-m", "gateway", "run", "--config", str(config)]


@contextlib.contextmanager
def keeping() -> Iterator[Server]:
    """The gateway's intake and store, nothing else."""
    with scratch() as folder:
        port = free_port()
        path = configured(folder, port)
        with started([sys.executable, "-m", "tests.bench.keeping", str(path)], folder, port) as server:
            yield server


@contextlib.contextmanager
def discarding() -> Iterator[Server]:
    """A bare aiosmtpd."""
    with scratch() as folder:
        port = free_port()
        with started([sys.executable, "-m", "tests.bench.peers.discard", str(port)], folder, port) as server:
            yield server


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Postfix's smtp-sink, which takes everything and keeps nothing.

    Raises:
        RuntimeError: it isn't there.
    """
    if SINK is None:
        raise RuntimeError("smtp-sink isn't installed (Debian: postfix)")
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([SINK, *user, f"127.0.0.1:{port}", "1000"])
    try:
        await_port(port)
        yield port
    finally:
        process.kill()
        process.wait()


def await_port(port: int, seconds: float = 15.0) -> None:
    """Wait until somebody listens there.

    Raises:
        RuntimeError: nobody did in time.
    """
    awaited(lambda: _listens(port), f"whoever listens on port {port}", seconds)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def load(port: int, clients: int, mails: int, size: int, first: int, greeting: str = "EHLO") -> float:
    """Mails per second that the server took; it speaks LMTP if it is greeted by `LHLO`.

    Raises:
        RuntimeError: it refused one, or broke off.
    """
    arguments = (port, clients, mails, size, first, greeting)
    command = [sys.executable, "-m", "tests.bench.load", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout)


@contextlib.contextmanager
def asking(server: Server) -> Iterator[sqlite3.Connection]:
    """The store of a daemon, to read beside it."""
    with contextlib.closing(sqlite3.connect(f"file:{server.folder}/var/gateway.db?mode=ro", uri=True)) as store:
        yield store


def filed(server: Server) -> int:
    """How many mails it has filed or set aside, as its log says."""
    return len(re.findall(r'"event": "mail_(?:filed|set_aside)"', (server.folder / "log").read_text()))


def await_filed(server: Server, count: int, pause: float = 0.02) -> None:
    """Wait until so many are.

    Raises:
        RuntimeError: they weren't in time.
    """
    awaited(lambda: filed(server) >= count, f"{count} mails filed", 300, pause)


def awaited(true: Callable[[], bool], what: str, seconds: float = 60.0, pause: float = 0.02) -> None:
    """Look again and again until it is true.

    Raises:
        RuntimeError: it wasn't in time.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause)


def memory(process: int, kind: str = "Pss") -> int:
    """Octets of a process and its children; 0 for one that has ended.

    Shared pages count for their share (PSS). `Pss_Anon`: what it made itself, without the files that others share.
    """
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    pss = next(line for line in rollup.splitlines() if line.startswith(f"{kind}:"))
    return int(pss.split()[1]) * 1024 + sum(memory(int(child), kind) for child in children)


def cpu(process: int) -> float:
    """Seconds of a core that a process and its children have taken, those that have ended included."""
    return own_cpu(process) + children_cpu(process)


def own_cpu(process: int) -> float:
    """Seconds of a core that a process has taken itself; 0 for one that has ended."""
    return _ticks(process, 11, 13)  # utime, stime (proc(5))


def children_cpu(process: int) -> float:
    """Seconds of a core that its children have taken."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return _ticks(process, 13, 15) + sum(cpu(int(child)) for child in children)  # cutime, cstime


def _ticks(process: int, begin: int, end: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[begin:end])) / os.sysconf("SC_CLK_TCK")
