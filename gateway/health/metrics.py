"""Health as figures, in the text format that Prometheus reads (text/plain; version=0.0.4)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from gateway.health.gaps import Gap, Kind
from gateway.store.vitals import Vitals

_Sample = tuple[Mapping[str, str], float]


def text(seen: Vitals, gaps: Sequence[Gap], end: str, now: datetime) -> str:
    """Every figure, with its meaning. `end`: the last step of a test mail that came through."""
    return "".join(_lines(seen, gaps, end, now))


def _lines(seen: Vitals, gaps: Sequence[Gap], end: str, now: datetime) -> Iterator[str]:
    found = {gap.kind: gap.count for gap in gaps}
    done = seen.arrivals - seen.waiting.count - seen.aside.count
    yield from _figure("healthy", "gauge", "1: nothing is wrong", 0 if gaps else 1)
    yield from _figure("looked_timestamp_seconds", "gauge", "when this was found", now.timestamp())
    yield from _series("gap", "gauge", "how much of it is wrong", [({"kind": k}, found.get(k, 0)) for k in Kind])
    yield from _figure("accepted_total", "counter", "mails that came in", seen.arrivals)
    yield from _figure("filed_total", "counter", "mails that are filed, or were there already", done)
    yield from _figure("database_octets", "gauge", "how large the database is", seen.octets)
    yield from _figure("waiting", "gauge", "mails that wait to be filed", seen.waiting.count)
    age = _age(seen.waiting.since, now)
    yield from _figure("waiting_oldest_seconds", "gauge", "for how long the oldest of them waits", age)
    yield from _figure("aside", "gauge", "mails that are set aside", seen.aside.count)
    yield from _figure("deliveries_total", "counter", "mails that were planned to leave", seen.deliveries)
    states = [({"state": state.value}, count) for state, count in seen.open.items()]
    yield from _series("outbox", "gauge", "deliveries that aren't done", states)
    yield from _figure("overdue_oldest_seconds", "gauge", "overdue deliveries", _age(seen.overdue.since, now))
    yield from _figure("held", "gauge", "mails whose attachments wait for the antivirus", seen.held.count)
    through = _age(seen.rounds.get(end), now)
    yield from _figure("canary_seconds", "gauge", "since a test mail last came through the whole way", through)
    looks = [({"mailbox": box.name}, _age(box.looked_at, now)) for box in seen.boxes]
    yield from _series("mailbox_looked_seconds", "gauge", "since when a mailbox wasn't looked at", looks)
    alive = [({"daemon": each.name}, _age(each.seen_at, now)) for each in seen.daemons if each.ended_at is None]
    yield from _series("daemon_seen_seconds", "gauge", "since when a daemon said nothing", alive)


def _age(since: datetime | None, now: datetime) -> float:
    return round((now - since).total_seconds(), 3) if since is not None else 0


def _figure(name: str, kind: str, words: str, value: float) -> Iterator[str]:
    return _series(name, kind, words, [({}, value)])


def _series(name: str, kind: str, words: str, samples: Sequence[_Sample]) -> Iterator[str]:
    yield f"# HELP gateway_{name} {words}\n# TYPE gateway_{name} {kind}\n"
    for labels, value in samples:
        named = ",".join(f'{label}="{_escaped(of)}"' for label, of in labels.items())
        yield f"gateway_{name}{{{named}}} {value:.15g}\n" if named else f"gateway_{name} {value:.15g}\n"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write(file: Path, octets: str) -> None:
    """Put a file there whole: who reads it meanwhile reads the one before. It holds nobody's secrets."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(octets, encoding="utf-8")
    fresh.chmod(0o644)
    fresh.replace(file)
