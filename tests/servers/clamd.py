"""clamd: the real one with a signature database of our own, and one that misbehaves in every manner.

`Clamd(folder)` starts the first, on a socket in `folder`; it knows one signature, EICAR's.
`Pretended(folder, manner)` answers as `MANNERS` say. `close()` ends either.
"""

from __future__ import annotations

import os
import shutil
import socket
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.inspection.clamd import PROBE
from tests.patience import PATIENCE

CLAMD = shutil.which("clamd", path=os.pathsep.join(("/usr/sbin", "/usr/local/sbin", os.environ.get("PATH", ""))))
MISSING = "clamd isn't installed (Debian: clamav-daemon)"
SIGNATURE = "Eicar-Test-Signature"
_CONFIG = """\
LocalSocket {folder}/clamd.ctl
DatabaseDirectory {folder}/signatures
TemporaryDirectory {folder}
Foreground yes
StreamMaxLength {limit}
AlertExceedsMax yes
MaxThreads 4
"""


class Clamd:
    """The real one. `socket` is what `antivirus.socket` wants."""

    def __init__(self, folder: Path, limit: str = "30M") -> None:
        assert CLAMD, MISSING
        (folder / "signatures").mkdir()
        (folder / "signatures/test.ndb").write_text(f"{SIGNATURE}:0:*:{PROBE.hex()}\n")
        (folder / "clamd.conf").write_text(_CONFIG.format(folder=folder, limit=limit))
        self.socket = f"unix:{folder}/clamd.ctl"
        command = [CLAMD, "--config-file", str(folder / "clamd.conf")]
        with (folder / "clamd.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        _await(folder / "clamd.ctl", lambda: (folder / "clamd.log").read_text("utf-8", "replace"))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)


def _await(path: Path, log: Callable[[], str]) -> None:
    """Wait until somebody listens there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            return
        assert time.monotonic() < deadline, log()
        time.sleep(0.01)


# --- one that misbehaves --------------------------------------------------------------------------------------


class Session(socketserver.StreamRequestHandler):
    """One connection: `octets` reads what is to be looked at, `say` answers."""

    server: _Server

    def handle(self) -> None:
        with suppress(OSError):
            manner = self.server.manner
            (MANNERS[manner] if isinstance(manner, str) else manner)(self)

    def octets(self) -> bytes:
        self.rfile.read(len(b"zINSTREAM\0"))
        pieces = []
        while length := struct.unpack("!I", self.rfile.read(4))[0]:
            pieces.append(self.rfile.read(length))
        return b"".join(pieces)

    def say(self, words: bytes) -> None:
        self.wfile.write(words)
        self.wfile.flush()

    def wait(self) -> None:
        """Until the client gives up, or the server ends."""
        self.connection.settimeout(0.05)
        while not self.server.ended.is_set():
            with suppress(TimeoutError):
                if not self.connection.recv(65_536):
                    return


def _honest(session: Session) -> None:
    """It finds EICAR where it stands as it is, and decodes nothing."""
    session.say(b"stream: Eicar FOUND\0" if PROBE in session.octets() else b"stream: OK\0")


def _says(words: bytes) -> Callable[[Session], None]:
    def manner(session: Session) -> None:
        session.octets()
        session.say(words)

    return manner


def _early(session: Session) -> None:
    session.say(b"stream: OK\0")
    session.wait()


def impatient(session: Session) -> None:
    """It speaks about the beginning of a file before it has seen the rest."""
    session.rfile.read(len(b"zINSTREAM\0"))
    beginning = session.rfile.read(struct.unpack("!I", session.rfile.read(4))[0])
    session.say(b"stream: Eicar FOUND\0" if PROBE in beginning else b"stream: OK\0")
    session.wait()


def _hangs(session: Session) -> None:
    session.octets()
    session.wait()


def _drips(session: Session) -> None:
    session.octets()
    for octet in b"stream: OK":
        session.say(bytes((octet,)))
        session.server.ended.wait(0.3)
    session.wait()


def _deaf(session: Session) -> None:
    session.server.ended.wait()


Manner = str | Callable[[Session], None]
# What each does to every question; only the honest one may ever be believed that something is clean.
MANNERS: dict[str, Callable[[Session], None]] = {
    "honest": _honest,
    "lies": _says(b"stream: OK\0"),
    "hangs": _hangs,
    "deaf": _deaf,
    "drips": _drips,
    "early": _early,
    "hangs up": lambda _: None,
    "dies": _says(b""),
    "stops in the middle": _says(b"stream: OK"),
    "size": _says(b"INSTREAM size limit exceeded. ERROR\0"),
    "error": _says(b"stream: Can't allocate memory ERROR\0"),
    "not looked at": _says(b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0"),
    "another form": _says(b"instream(local): OK\0"),
    "another file": _says(b"mail: OK\0"),
    "both": _says(b"stream: OK\nstream: Eicar FOUND\0"),
    "lower case": _says(b"stream: ok\0"),
    "garbage": _says(bytes(range(255, 0, -1)) + b"\0"),
    "nothing": _says(b"\0"),
    "endless": _says(b"stream: OK" * 100_000),
}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 50

    def __init__(self, path: str, manner: Manner) -> None:
        super().__init__(path, Session)
        self.manner = manner
        self.ended = threading.Event()


class Pretended:
    """Answers in a manner of `MANNERS`, or in one that it is given. `socket` is what `antivirus.socket` wants."""

    def __init__(self, folder: Path, manner: Manner = "honest") -> None:
        self._path = folder / "pretended.ctl"
        self.socket = f"unix:{self._path}"
        self._server = _Server(str(self._path), manner)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def behave(self, manner: Manner) -> None:
        self._server.manner = manner

    def close(self) -> None:
        self._server.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


@contextmanager
def pretended(folder: Path, manner: Manner = "honest") -> Iterator[Pretended]:
    server = Pretended(folder, manner)
    try:
        yield server
    finally:
        server.close()
