"""What a mail and an entry of the directory cost: processor, disk, memory. `docs/scale.md` is computed from these."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.bench import servers
from tests.bench.directories import Size
from tests.bench.figures import Figure, interleaved

CLIENTS, OCTETS = 10, 4000
ENTRIES = 100_000
_SMALL = Size(demarches=1000, agents=1000)
# Beside the small directory, each has so many more of one kind.
_LARGER = {
    "démarche": replace(_SMALL, demarches=_SMALL.demarches + ENTRIES),
    "agent": replace(_SMALL, agents=_SMALL.agents + ENTRIES),
    "dossier": replace(_SMALL, dossiers=ENTRIES),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a mail: milliseconds of a core from the first octet to the last notification's hand-over; kilobytes."""

    cpu: float
    database: float
    raw: float


def sized(rounds: int, mails: int) -> list[Figure]:
    costs = interleaved(rounds, {"mail": partial(_mails, mails)}, {}).values["mail"]
    what = f"a mail of {OCTETS // 1000} kB"
    figures = [
        Figure(f"{what}: processor, from accepted to notified", "ms", tuple(cost.cpu for cost in costs)),
        Figure(f"{what}: database", "kB", tuple(cost.database for cost in costs)),
        Figure(f"{what}: raw archive", "kB", tuple(cost.raw for cost in costs)),
    ]
    small = {"": partial(_resting, _SMALL)}
    found = interleaved(rounds, {**small, **{name: partial(_resting, size) for name, size in _LARGER.items()}}, {})
    for name in _LARGER:
        pairs = zip(found.values[name], found.values[""], strict=True)
        values = tuple((more - less) / ENTRIES / 1000 for more, less in pairs)
        figures.append(Figure(f"memory, each {name} of the directory", "kB", values))
    return figures


@contextlib.contextmanager
def _mails(count: int) -> Iterator[Callable[[int], Cost]]:
    with servers.daemon() as server:
        cost(server, count, 0)  # the readers are there from then on
        yield lambda number: cost(server, count, number + 1)


def cost(server: servers.Server, count: int, number: int) -> Cost:
    """Of each of `count` mails, the `number`-th time that as many are sent."""
    before = spent(server)
    servers.load(server.port, CLIENTS, count, OCTETS, number * count)
    servers.await_filed(server, (number + 1) * count)
    servers.awaited(lambda: not undelivered(server), "an outbox in which nothing waits", 300)
    return each(before, spent(server), count)


def each(before: tuple[float, int, int], after: tuple[float, int, int], count: int) -> Cost:
    """What was spent between the two, on each of so many mails."""
    cpu, database, raw = ((now - then) / count for now, then in zip(after, before, strict=True))
    return Cost(cpu * 1000, database / 1000, raw / 1000)


def spent(server: servers.Server) -> tuple[float, int, int]:
    """Seconds of a core, octets of the database (whether or not they stand in its file yet), of the raw archive."""
    with servers.asking(server) as store:
        pages, octets = (store.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return servers.cpu(server.process.pid), pages * octets, _folder(server.folder / "var" / "raw")


def undelivered(server: servers.Server) -> int:
    with servers.asking(server) as store:
        asked = "SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'sending', 'deferred')"
        return int(store.execute(asked).fetchone()[0])


def _folder(folder: Path) -> int:
    return sum(os.path.getsize(path) for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def _resting(size: Size) -> Iterator[Callable[[int], float]]:
    """Octets of a daemon with that directory: those it made itself, since what it shares depends on who else runs."""

    def measured(_: int) -> float:
        with servers.daemon(size=size) as server:
            return servers.memory(server.process.pid, "Pss_Anon")

    yield measured
