"""Mails that are too much for whoever reads them: bombs inside bounds, and readers that die (R10)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway import waiting
from gateway.reading.question import Question
from gateway.reading.readers import Readers, Unreadable
from tests.builders import incoming, keep, listed, make_context, opened, raw_mail
from tests.fuzz.bombs import bombs
from tests.servers.poisoned import COMMAND, POISONS
from tests.trials.case import Case, Counted, When, scratch

_ROOT = Path(__file__).resolve().parents[3]
_SECONDS, _MEGABYTES = 5.0, 256.0
_WAITS = 5.0  # seconds that an ordinary mail may wait behind a hostile one
_HARMLESS = frozenset({"print"})
_SMALL = 1_000_000  # octets of the mails that the standard library is given, too
_STANDARD = """
import email, email.policy, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (700 << 20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
for part in mail.walk():
    for name in part.keys():
        str(part[name])
    part.get_filename()
    if not part.is_multipart():
        part.get_content() if part.get_content_maintype() == "text" else part.get_payload(decode=True)
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
sys.exit(int(line.split()[1]) > 256 * 1024)
"""

_WITHIN = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30,) * 2)
sys.path.insert(0, {root!r})
from gateway.reading.question import Question
from tests.builders import raw_mail
from tests.servers.poisoned import read
try:
    read(raw_mail(subject="poison {poison}"), Question())
except Exception:
    pass
print(read(raw_mail(subject="ordinary"), Question()).subject)
"""


# --- bombs ---------------------------------------------------------------------------------------------------


def _ours() -> Counted:
    return asyncio.run(_read_all())


async def _read_all() -> Counted:
    """How many bombs took more than the time or the memory, or couldn't be read."""
    over = tries = 0
    async with Readers() as readers:
        for _, raw in bombs():
            tries += 1
            await readers.prepare()
            over += await _over(readers, raw)
    return Counted(tries, over, "mails")


async def _over(readers: Readers, raw: bytes) -> bool:
    """The seconds are the processor's, which a busy machine doesn't lengthen."""
    pid = readers._idle[-1]._process.pid
    _forget(pid)
    before = _processor(pid)
    try:
        await readers.read(raw, Question(domain="support.example.org", seconds=_SECONDS * 10))
    except Unreadable:
        return True
    return _processor(pid) - before > _SECONDS or _peak(pid) > _MEGABYTES


def _processor(pid: int) -> float:
    """Seconds that a process has had of the processor (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> float:
    """The most memory that it held since that was forgotten, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def _forget(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _standard() -> Counted:
    """The same of the standard library's own reading, of the small ones, each in a process of the same bounds."""
    found = [raw for _, raw in bombs() if len(raw) < _SMALL]
    return Counted(len(found), sum(map(_too_much, found)), "mails")


def _too_much(raw: bytes) -> bool:
    try:
        run = subprocess.run(
            [sys.executable, "-I", "-c", _STANDARD], input=raw, timeout=20, check=False, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return True
    return run.returncode != 0


# --- readers that die ----------------------------------------------------------------------------------------


def _beside() -> Counted:
    """Of ordinary mails that come right after a hostile one: how many aren't filed soon after."""
    poisons = sorted(POISONS.keys() - _HARMLESS)
    return Counted(len(poisons), sum(not _filed_soon(poison) for poison in poisons), "mails")


def _filed_soon(poison: str) -> bool:
    with scratch() as folder:
        return asyncio.run(_worked(folder, poison))


async def _worked(folder: Path, poison: str) -> bool:
    situation = make_context(folder)
    hostile, ordinary = raw_mail(subject=f"poison {poison}", identifier="p@x"), raw_mail(identifier="o@x")
    with opened(folder) as store:
        async with Readers(COMMAND) as readers:
            await readers.prepare()
            keep(store, incoming(hostile), incoming(ordinary))
            planned = asyncio.Event()
            loop = waiting.run(
                store,
                lambda: situation,
                readers,
                _unscanned,
                owner="security",
                arrived=asyncio.Event(),
                planned=planned,
                now=lambda: datetime.now(UTC),
            )
            begun, running = time.monotonic(), asyncio.create_task(loop)
            await planned.wait()
            soon = time.monotonic() - begun < _WAITS and len(listed(store)) == 1 and not running.done()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return soon


async def _unscanned(_: object) -> None:
    """No antivirus is asked."""


def _within() -> Counted:
    """The same, read in the process that files: it is gone, or never gets to the ordinary mail."""
    poisons = sorted(POISONS.keys() - _HARMLESS)
    return Counted(len(poisons), sum(not _survives(poison) for poison in poisons), "mails")


def _survives(poison: str) -> bool:
    program = _WITHIN.format(root=str(_ROOT), poison=poison)
    try:
        run = subprocess.run(
            [sys.executable, "-I", "-c", program], timeout=_WAITS + 5, check=False, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0 and run.stdout.strip().endswith(b"ordinary")


CASES: tuple[Case, ...] = (
    Case(
        key="R10-bombs",
        trial="mails made to take time and memory: nested, repeated, endless, packed, at most 25 MB",
        promise="each is read within 5 s and 256 MB",
        defended=_ours,
        control=_standard,
        removed="the standard library's parser, on those of at most 1 MB",
        when=When.FULL,
    ),
    Case(
        key="R10-crash",
        trial="a mail that aborts, stops, fills or deceives the process that reads it",
        promise="the next mail is filed within 5 s",
        defended=_beside,
        control=_within,
        removed="reading in the process that files",
        when=When.SHORT,
    ),
)
