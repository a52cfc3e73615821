"""A run as it is kept: the machine, and of each measure its figures, or why there are none. JSON on disk."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter

from tests.bench.figures import Figure, reason

_DEBIAN = (
    "postfix", "dovecot-core", "isync", "getmail6", "notmuch", "mailman3", "rails", "puma", "postgresql-15", "sqlite3"
)  # fmt: skip
_PYTHON = ("aiosmtpd", "aiosmtplib", "mail-parser", "SQLAlchemy", "uvloop")


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure: when (ISO, UTC), how long (s), the machine's load before and after (1 minute's mean)."""

    name: str
    at: str
    seconds: float
    rounds: int
    load: tuple[float, float]
    figures: tuple[Figure, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """`machine`: what it was made on. Measures that were made again replace what they said before."""

    machine: str = ""
    versions: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()


_RUN = TypeAdapter(Run)


def load(path: Path) -> Run:
    return _RUN.validate_json(path.read_bytes()) if path.is_file() else Run()


def save(path: Path, run: Run) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_RUN.dump_json(run, indent=1) + b"\n")


def added(run: Run, measured: Measured, order: Sequence[str]) -> Run:
    """The run with this measure instead of what it said before; measures stand in `order`."""
    kept = {m.name: m for m in (*run.measured, measured) if m.name in order}
    return replace(run, measured=tuple(kept[name] for name in order if name in kept))


def measure(name: str, rounds: int, work: Callable[[], list[Figure]]) -> Measured:
    """What the work comes to. It may fail: that is said, and the others go on."""
    at, before, begin = f"{datetime.now(UTC):%Y-%m-%d %H:%M}", os.getloadavg()[0], time.monotonic()
    figures: Sequence[Figure] = ()
    failure = ""
    try:
        figures = work()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is this measure's alone)
        failure = f"{type(error).__name__}: {reason(error)}"
    load = (round(before, 2), round(os.getloadavg()[0], 2))
    return Measured(name, at, round(time.monotonic() - begin, 1), rounds, load, tuple(figures), failure)


def machine() -> str:
    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ": unknown")
    memory = int(next(line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")).split()[1])
    model = cpu.partition(":")[2].strip()
    return f"{os.cpu_count()} cores ({model}), {memory / 1_048_576:.0f} GiB, Linux {platform.release().split('-')[0]}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def versions() -> tuple[str, ...]:
    """Of what takes part: Python, its libraries, Debian's packages where there are any."""
    ours = [f"CPython {platform.python_version()}", *(f"{name} {version(name)}" for name in _PYTHON)]
    if shutil.which("dpkg-query") is None:
        return tuple(ours)
    asked = ["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *_DEBIAN]
    told = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    return (*ours, *(line for line in told.splitlines() if not line.endswith(" ")))
