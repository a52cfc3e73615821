"""The disk fails or is full: senders are told « later », and what was kept is there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from tests.chaos import careless
from tests.chaos.aftermath import after_a_cut, aftermath, arrived, done, filed, tried
from tests.chaos.cases.kills import mails
from tests.chaos.disk import Keeps
from tests.chaos.recording import Recording
from tests.chaos.trace import ATTACHED, CALLS, STRACE, lacking, steps
from tests.servers.crowd import offer
from tests.servers.gateway import COMMAND, Gateway, configuration, eventually
from tests.trials.case import Case, Counted, When, scratch

_MOST = 40  # calls of a kind that are made to fail, one by one
_SOON = 10.0  # seconds in which mail is taken again
_WHILE = 8  # mails that are offered while it lasts
_MORE = (b"x" * 70 + b"\r\n") * 20_000  # makes a mail larger than the room that a pack has


# --- calls that fail -------------------------------------------------------------------------------------


@contextmanager
def _failing(gateway: Gateway, call: str, error: str, which: int, before: Path, record: Path) -> Iterator[None]:
    """While this lasts, the `which`th call of this kind, of each thread, fails.

    All steps are recorded, and its folder is copied to `before`: it is stopped meanwhile, so that none is missed.
    """
    fault = f"inject={call}:error={error}:when={which}"
    gateway.signal(signal.SIGSTOP)
    eventually(lambda: _all(gateway.pid, "State:\tT", "State:\tt"), "the daemon stopped")
    shutil.copytree(gateway.folder, before)
    command = [STRACE, *ATTACHED, "-e", f"trace={CALLS}", "-e", fault, "-o", str(record), "-p", str(gateway.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _all(gateway.pid, f"TracerPid:\t{tracer.pid}\n"), "strace at work")
        gateway.signal(signal.SIGCONT)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()


def _all(pid: int, *words: str) -> bool:
    """Whether the status of each thread holds one of these."""
    states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return all(any(word in state for word in words) for state in states)


def _each_call(program: careless.Program, call: str, error: str, *, fresh: bool) -> Counted:
    """Each such call fails in turn while a mail comes in and is filed; then the power is cut.

    `call`: one, or several by commas, of which the n-th of each fails. `fresh`: the daemon is started anew before
    each, and has yet to open what it needs.

    Wrong is a mail that was acknowledged and isn't there then, one that « left » and lies nowhere, one refused
    for good, one that isn't taken afterwards. What is missed after one cut isn't looked for again after the next.
    """
    wrong = tries = 0
    over = filed if "ftruncate" in call else done  # what can't be cut off stays in its pack until the next start
    with scratch() as place, Gateway(place / "gateway", configuration(), program) as gateway:
        folder = gateway.folder
        gateway.start()
        stream = mails(10_000)
        kept = [_kept(gateway, next(stream))]
        for which in range(1, _MOST):
            before, record, after = (place / f"{name}{which}" for name in ("before", "record", "after"))
            if fresh:
                gateway.restart()
            _quiet(gateway, over)
            with _failing(gateway, call, error, which, before, record):
                there = arrived(folder)
                reply = offer(gateway.port, next(stream))
                gateway.until(lambda: _failed(record) or arrived(folder) > there, "the mail kept, or a failed call")  # noqa: B023
                _quiet(gateway, over)
            if not _failed(record):
                break
            tries += 1
            wrong += reply.startswith("5")
            kept += [reply.split()[-1]] if reply.startswith("2") else []
            recording = Recording(before, steps(record, folder, before))
            found = after_a_cut(recording.end(), Keeps(0.0), after, kept, recording.left)
            wrong += found.wrong > 0
            kept = [mail for mail in kept if mail not in found.lost]
            kept.append(_kept(gateway, next(stream)))
            shutil.rmtree(before)
        gateway.stop()
        return Counted(tries, wrong + aftermath(folder, kept).wrong, "calls")


def _failed(record: Path) -> bool:
    """Whether a call was made to fail."""
    return b"INJECTED" in record.read_bytes()


def _quiet(gateway: Gateway, over: Callable[[Path], bool]) -> None:
    """A folder that fails is left alone for a while, so this may take one."""
    folder = gateway.folder
    gateway.until(lambda: over(folder) and tried(folder), "every mail done and tried", patience=120)


def _kept(gateway: Gateway, mail: bytes) -> str:
    """Hand a mail in until it is taken, soon; by what it was acknowledged."""
    reply = gateway.until(lambda: _only(offer(gateway.port, mail), "2"), "mail taken", patience=_SOON)
    return reply.split()[-1]


def _only(reply: str, begins: str) -> str:
    return reply if reply.startswith(begins) else ""


# --- a full disk -----------------------------------------------------------------------------------------


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@cache
def _no_mount() -> str:
    with scratch() as folder:
        try:
            with _small_disk(folder):
                return ""
        except (OSError, subprocess.CalledProcessError):
            return "no file system can be mounted here"


def _full(program: careless.Program) -> Counted:
    """The disk is filled to its last octet by somebody else, and emptied again.

    At first mails are too large for the room that the open pack has, and the daemon goes on. Then they fit, and it is
    killed before there is room for what the database is to know of them.
    """
    with scratch() as folder, _small_disk(folder), Gateway(folder, configuration(), program) as gateway:
        gateway.start()
        ballast, small = folder / "ballast", mails(10_000)
        large = (next(small) + _MORE for _ in range(1_000))

        def end_killed() -> None:
            gateway.kill()
            ballast.unlink()
            gateway.start()

        survived = trouble(gateway, lambda: _fill(ballast), ballast.unlink, "24", large)
        gateway.start()
        killed = trouble(gateway, lambda: _fill(ballast), end_killed, "24", small)
        return Counted(survived.tries + killed.tries, survived.through + killed.through, "mails")


def _fill(ballast: Path) -> None:
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
        while file.write(b"\0"):
            pass


# --- mail meanwhile --------------------------------------------------------------------------------------


class _Client(threading.Thread):
    """Hands one mail in, however long it takes; the reply is added to `replies`."""

    def __init__(self, port: int, mail: bytes, replies: list[str]) -> None:
        super().__init__(target=lambda: replies.append(offer(port, mail, patience=60)))


def trouble(
    gateway: Gateway,
    begin: Callable[[], object],
    end: Callable[[], object],
    allowed: str,
    stream: Iterator[bytes],
) -> Counted:
    """Mail before, while and after something is wrong: how it is answered, and whether what was taken is there.

    `allowed`: how replies may begin that are given while it lasts, which is until all have one. Then it is killed.
    """
    kept = [_kept(gateway, next(stream)) for _ in range(3)]
    gateway.until(lambda: done(gateway.folder), "every mail done")
    replies: list[str] = []
    clients = [_Client(gateway.port, next(stream), replies) for _ in range(_WHILE)]
    begin()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    end()
    wrong = sum(reply[:1] not in set(allowed) for reply in replies)
    kept += [reply.split()[-1] for reply in replies if reply.startswith("2")]
    kept.append(_kept(gateway, next(stream)))
    gateway.until(lambda: done(gateway.folder), "every mail done")
    os.kill(gateway.pid, signal.SIGKILL)
    gateway.ended()
    return Counted(len(replies), wrong + len(aftermath(gateway.folder, kept).lost), "mails")


LATER = "nobody is refused for good; what is acknowledged is there, and mail is taken again within ten seconds"


_HEEDING, KEEPING = "heeding what a sync answers", "keeping before acknowledging"


def _calls(call: str, error: str, defence: str, removed: str, when: When = When.FULL, *, fresh: bool = False) -> Case:
    words = call.replace(",", " and then ")
    just = " just after a start" if fresh else ""
    return Case(
        key=f"fault-{call.replace(',', '-')}-{error}".lower(),
        trial=f"{words} fails with {error}, each in turn, while a mail comes in and is filed{just}; "
        "then the power is cut",
        promise=LATER,
        defended=lambda: _each_call((COMMAND,), call, error, fresh=fresh),
        control=lambda: _each_call(careless.program(defence), call, error, fresh=fresh),
        removed=removed,
        when=when,
        lacks=lacking,
    )


CASES = (
    _calls("fdatasync", "EIO", "heed", _HEEDING, When.SHORT),
    _calls("fsync", "EIO", "heed", _HEEDING),
    _calls("fdatasync,ftruncate", "EIO", "heed", _HEEDING),
    *(_calls("pwrite64", error, "answer", KEEPING) for error in ("EIO", "ENOSPC")),
    *(_calls("openat", error, "answer", KEEPING, fresh=True) for error in ("EIO", "ENOSPC")),
    _calls("rename", "EIO", "placed", "heeding that a mail that leaves didn't get its name"),
    Case(
        key="disk-full",
        trial="the disk is filled to its last octet, and emptied; once more, and the daemon is killed meanwhile",
        promise=LATER,
        defended=lambda: _full((COMMAND,)),
        control=lambda: _full(careless.program("answer")),
        removed=KEEPING,
        lacks=_no_mount,
    ),
)
