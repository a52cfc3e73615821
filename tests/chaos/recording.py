"""A daemon whose every step on its folder is recorded while it works; and what its folder was like at any moment."""

from __future__ import annotations

import hashlib
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import log
from tests.chaos.disk import Disk
from tests.chaos.trace import CALLS, OPTIONS, STRACE, Did, Step, steps
from tests.servers.gateway import COMMAND, Gateway, configuration, eventually

_ACKNOWLEDGED = b"250 2.0.0 Kept as "


@dataclass(frozen=True, slots=True)
class Recording:
    """`before`: the folder as it was; `steps`: what the daemon did to it then, and said to its clients."""

    before: Path
    steps: Sequence[Step]

    def moments(self, after: int = 0) -> Iterator[tuple[int, Disk, frozenset[str]]]:
        """Each step's number, the disk before it, and the mails (`log.mail_id`) acknowledged by then, it included.

        An acknowledgement counts from the moment in which it begins to be said.
        """
        disk, kept = Disk(self.before), set[str]()
        for number, step in enumerate(self.steps):
            if step.did is Did.SAID and step.octets.startswith(_ACKNOWLEDGED):
                kept.add(step.octets.removeprefix(_ACKNOWLEDGED)[:16].decode())
            if number >= after:
                yield number, disk, frozenset(kept)
            disk.do(step)

    @property
    def acknowledged(self) -> int:
        return sum(step.octets.startswith(_ACKNOWLEDGED) for step in self.steps)


def identifier(raw: bytes) -> str:
    """By which a mail is acknowledged."""
    return log.mail_id(hashlib.sha256(raw).hexdigest())


def recorded(
    place: Path,
    work: Callable[[Gateway], None],
    program: Sequence[str | Path] = (COMMAND,),
    config: str | None = None,
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
    return Recording(before, [step for step in steps(record, folder) if step.path != "log"])


def _tracer(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("TracerPid:")[2].split()[0])


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
