"""The units: systemd itself finds nothing to say against them, and finds them closed enough."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.reading import frames
from tests.servers import filtered
from tests.servers.ports import free_ports

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
ANALYZE = shutil.which("systemd-analyze")
SYSUSERS = shutil.which("systemd-sysusers")
ACTIVATE = shutil.which("systemd-socket-activate")
MOST_EXPOSED = 1.1

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze isn't installed (Debian: systemd)")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def copied(folder: Path, extra: str = "") -> list[Path]:
    """The units with a program that is there in the place of the installed one, as users activate them."""
    made = []
    timed = [f"gateway-{what}.{kind}" for what in ("health", "backup") for kind in ("service", "timer")]
    for unit in ("gateway.service", "gateway.socket", *timed):
        text = (UNITS / unit).read_text(encoding="utf-8")
        text, replaced = re.subn(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        assert replaced == unit.endswith(".service")
        path = folder / unit
        path.write_text(re.sub(extra, r"\1", text, flags=re.MULTILINE) if extra else text, encoding="utf-8")
        made.append(path)
    return made


@needs_systemd
@pytest.mark.parametrize("extra", ["", r"^#([A-Z][A-Za-z]+=)"], ids=["as they are", "every option taken"])
def test_systemd_is_content(tmp_path: Path, extra: str) -> None:
    assert ANALYZE
    result = run(ANALYZE, "verify", *copied(tmp_path, extra))
    assert (result.returncode, result.stderr) == (0, "")


@needs_systemd
def test_the_service_is_closed(tmp_path: Path) -> None:
    assert ANALYZE
    result = run(ANALYZE, "security", "--offline=true", UNITS / "gateway.service")
    found = re.search(r"exposure level for gateway\.service: ([\d.]+)", result.stdout)
    assert found, result.stdout + result.stderr
    assert float(found[1]) <= MOST_EXPOSED


@pytest.mark.skipif(SYSUSERS is None, reason="systemd-sysusers isn't installed (Debian: systemd)")
def test_sysusers_makes_the_account_of_the_service(tmp_path: Path) -> None:
    assert SYSUSERS
    (tmp_path / "etc").mkdir()
    result = run(SYSUSERS, f"--root={tmp_path}", UNITS / "gateway.sysusers.conf")
    assert result.returncode == 0, result.stderr
    accounts = (tmp_path / "etc/passwd").read_text("utf-8")
    assert re.search(r"^gateway:.*:/var/lib/gateway:/\S*nologin$", accounts, re.MULTILINE)


def settings_of(unit: str) -> dict[str, str]:
    lines = (UNITS / unit).read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_service_fits_the_daemon() -> None:
    """What the daemon does by itself: it says when it is ready, ends within ten seconds, exits 78 on a bad file."""
    service = settings_of("gateway.service")
    assert service["Type"] == "notify"
    assert service["RestartPreventExitStatus"] == "78"
    assert int(service["TimeoutStopSec"].removesuffix("s")) > 10
    assert service["ExecReload"].endswith("-HUP $MAINPID")
    assert service["User"] == settings_of("gateway.socket")["SocketUser"] == "gateway"


@needs_systemd
def test_the_service_lets_mails_be_read_in_processes_of_their_own() -> None:
    """They are started, and bounded by themselves: glibc's setrlimit is the system call prlimit64."""
    assert ANALYZE
    lines = (UNITS / "gateway.service").read_text("utf-8").splitlines()
    (denied,) = (line.partition("=~")[2].split() for line in lines if line.startswith("SystemCallFilter=~"))
    told = run(ANALYZE, "syscall-filter", *denied).stdout.split()
    assert "setpriority" in told
    assert not {"prlimit64", "execve", "vfork", "clone", "clone3", "pipe2", "socketpair"} & set(told)
    service = settings_of("gateway.service")
    assert int(service["TasksMax"]) >= 32
    assert int(service["MemoryMax"].removesuffix("G")) >= 2


def named(*sets: str) -> set[str]:
    """The system calls of systemd's sets, and of the sets in these."""
    found: set[str] = set()
    for each in sets:
        lines = map(str.strip, run(ANALYZE or "", "syscall-filter", each).stdout.splitlines()[1:])
        names = {line for line in lines if line and not line.startswith("#")}
        inner = {name for name in names if name.startswith("@")}
        found |= (names - inner) | (named(*inner) if inner else set())
    return found


@needs_systemd
@pytest.mark.skipif(filtered.LIBRARY is None, reason="libseccomp isn't installed (Debian: libseccomp2)")
def test_mail_is_read_behind_the_filter_of_the_service(tmp_path: Path) -> None:
    lines = (UNITS / "gateway.service").read_text("utf-8").splitlines()
    allowed, denied = set[str](), set[str]()
    for words in (line.partition("=")[2] for line in lines if line.startswith("SystemCallFilter=")):
        (denied if words.startswith("~") else allowed).update(words.removeprefix("~").split())
    calls = tmp_path / "allowed"
    calls.write_text("\n".join(named("@default", *allowed) - named(*denied) | {"execve"}), encoding="ascii")

    def behind(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = (sys.executable, "-m", "tests.servers.filtered", str(calls), sys.executable, *arguments)
        return subprocess.run(command, input=b"", capture_output=True, timeout=60, cwd=ROOT, check=False)

    reader = behind("-m", "gateway.reading")
    assert (reader.returncode, reader.stdout) == (0, frames.READY)
    assert b"PermissionError" in behind("-c", "import os; os.nice(5)").stderr, "there is no filter"


# --- the daemon in the hands of systemd ------------------------------------------------------------------


class Supervised:
    """A daemon that is started by the first connection to `port`, is watched, and tells what it does."""

    def __init__(self, folder: Path, *more: str) -> None:
        (self.port,) = free_ports(1)
        config = folder / "gateway.toml"
        text = (ROOT / "gateway.toml").read_text("utf-8").replace('listen = "127.0.0.1:2525"', 'listen = "systemd"')
        # Where mail may come from other machines, no agent may share our domain.
        config.write_text(text.replace("manon.manager@support.", "manon.manager@mairie."), encoding="utf-8")
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ear.bind(str(folder / "notify"))
        self.ear.settimeout(60)
        told = (f"--setenv=NOTIFY_SOCKET={folder / 'notify'}", "--setenv=WATCHDOG_USEC=1500000")
        daemon = (sys.executable, "-m", "gateway", "run", "--config", str(config))
        command = (ACTIVATE or "", "-l", f"127.0.0.1:{self.port}", *more, *told, *daemon)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)

    def connect(self) -> smtplib.SMTP:
        """The socket may not be open yet; the daemon surely isn't, and still nobody is turned away."""
        while self.process.poll() is None:
            try:
                return smtplib.SMTP("127.0.0.1", self.port, timeout=60)
            except ConnectionRefusedError:
                continue
        raise AssertionError("it has ended")

    def hears(self, line: str) -> list[str]:
        """The next message, but for signs of life if they aren't what is waited for."""
        while True:
            lines = self.ear.recv(4096).decode().split("\n")
            if line == "WATCHDOG=1" or lines != ["WATCHDOG=1"]:
                assert line in lines
                return lines

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.ear.close()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    made = Supervised(tmp_path)
    yield made
    made.close()


needs_activation = pytest.mark.skipif(
    ACTIVATE is None, reason="systemd-socket-activate isn't installed (Debian: systemd)"
)


@needs_activation
def test_the_daemon_keeps_to_what_the_service_says(supervised: Supervised) -> None:
    """It takes the socket it is handed, tells when it is ready, reloads, lives and ends."""
    with supervised.connect() as client:
        assert client.ehlo()[0] == 250
    assert any(line.startswith("STATUS=taking mail") for line in supervised.hears("READY=1"))
    supervised.process.send_signal(signal.SIGHUP)
    assert any(line.startswith("MONOTONIC_USEC=") for line in supervised.hears("RELOADING=1"))
    supervised.hears("READY=1")
    assert supervised.ear.recv(4096) == b"WATCHDOG=1"
    supervised.process.terminate()
    supervised.hears("STOPPING=1")
    assert supervised.process.wait(60) == 0


@needs_activation
def test_a_socket_that_nobody_listens_on_is_a_faulty_configuration(tmp_path: Path) -> None:
    """Otherwise its clients would wait for ever."""
    made = Supervised(tmp_path, "-l", str(tmp_path / "one-too-many"))
    try:
        with contextlib.suppress(smtplib.SMTPServerDisconnected, ConnectionResetError):
            made.connect()
        assert made.process.wait(60) == 78
    finally:
        made.close()
