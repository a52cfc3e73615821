"""A daemon whose every step on its folder is recorded while it works; and what its folder was like at any moment."""

from __future__ import annotations

import hashlib
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import log
from tests.chaos.disk import Disk
from tests.chaos.trace import CALLS, OPTIONS, STRACE, Did, Step, steps
from tests.servers.gateway import COMMAND, Gateway, configuration, eventually

_ACKNOWLEDGED = b"250 2.0.0 Kept as "
Promised = Callable[[bytes], Iterable[str]]  # what is said → the mails (`log.mail_id`) that are ours from then on


def kept(said: bytes) -> Iterator[str]:
    """What an SMTP server is told."""
    if said.startswith(_ACKNOWLEDGED):
        yield said.removeprefix(_ACKNOWLEDGED)[:16].decode()


@dataclass(frozen=True, slots=True)
class Recording:
    """`before`: the folder as it was; `steps`: what the daemon did to it then, and said on its connections."""

    before: Path
    steps: Sequence[Step]
    promised: Promised = kept

    def moments(self, after: int = 0) -> Iterator[tuple[int, Disk, frozenset[str]]]:
        """Each step's number, the disk before it, and the mails acknowledged by then, it included.

        An acknowledgement counts from the moment in which it begins to be said.
        """
        disk, ours = Disk(self.before), set[str]()
        for number, step in enumerate(self.steps):
            ours |= self._acknowledged_by(step)
            if number >= after:
                yield number, disk, frozenset(ours)
            disk.do(step)

    def end(self) -> Disk:
        """The disk after all of it."""
        disk = Disk(self.before)
        for step in self.steps:
            disk.do(step)
        return disk

    @property
    def acknowledged(self) -> int:
        return len(set[str]().union(*map(self._acknowledged_by, self.steps)))

    @property
    def left(self) -> dict[str, bytes]:
        """The files of the mails that left, as they are in the end."""
        written: dict[str, bytes] = {}
        for step in self.steps:
            if step.path.startswith("sent/tmp/") and step.did is Did.WRITE:
                written[Path(step.path).name] = written.get(Path(step.path).name, b"") + step.octets
        return written

    def _acknowledged_by(self, step: Step) -> set[str]:
        return set(self.promised(step.octets)) if step.did is Did.SAID else set()


def identifier(raw: bytes) -> str:
    """By which a mail is acknowledged."""
    return log.mail_id(hashlib.sha256(raw).hexdigest())


def recorded(
    place: Path,
    work: Callable[[Gateway], None],
    program: Sequence[str | Path] = (COMMAND,),
    config: str | None = None,
    promised: Promised = kept,
) -> Recording:
    """Start a daemon in an empty folder, let it `work`, kill it."""
    folder, before, record = place / "gateway", place / "before", place / "record"
    traced = (STRACE, *OPTIONS, "-e", f"trace={CALLS}", "-o", str(record), *program)
    with Gateway(folder, config or configuration(), traced) as gateway:
        shutil.copytree(folder, before)
        gateway.start()
        gateway.program = (COMMAND,)  # commands aren't recorded
        tracer = _tracer(gateway.pid)
        try:
            work(gateway)
        finally:
            gateway.signal(signal.SIGKILL)
            gateway.ended()
            eventually(lambda: _gone(tracer), "the end of the record")
    shutil.rmtree(folder)  # so that nobody looks at it by mistake
    return Recording(before, [step for step in steps(record, folder) if step.path != "log"], promised)


def _tracer(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("TracerPid:")[2].split()[0])


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
