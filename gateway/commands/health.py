"""`health`: is all well? Read from the store alone, whether a daemon runs or not."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import asdict
from datetime import datetime

from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.output import Shown, many, when
from gateway.config import Settings
from gateway.errors import StoreError
from gateway.health import canary, checks, metrics, signs
from gateway.health.gaps import WORDS, Gap, Kind, Sight
from gateway.store import engines, schema
from gateway.store.database import Store
from gateway.store.places import packs_for
from gateway.store.vitals import Vitals, vitals

# What only a daemon can find: it is told as it was last seen.
_SEEN_FROM_INSIDE = frozenset({Kind.RAW, Kind.SENDING})


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_health)
    made.add_argument("--metrics", action="store_true", help="as figures, in Prometheus' text format")


OFFERED = {"health": _parser}


def _health(options: argparse.Namespace) -> Shown:
    return health(typed.settings(options), utc_now(), as_metrics=options.metrics)


def health(settings: Settings, now: datetime, *, as_metrics: bool) -> Shown:
    """Status 0: nothing is wrong; 1: something is.

    Raises:
        StoreError: the store can't be read, so nobody can tell.
    """
    file = engines.file_of(settings.store.url)
    if file is not None and not file.exists():
        raise StoreError(f"there is no store yet: {file} is made by the first start of the daemon")
    with closing(Store(settings.store.url, packs_for(settings.store))) as store:
        schema.require(store.engine)
        seen = store.read_now(lambda connection: vitals(connection, now, checks.PATIENCE))
    found = _found(seen, settings, now)
    status = 1 if found else 0
    if as_metrics:
        text = metrics.text(seen, found, canary.end(settings), now)
        return Shown({"metrics": text}, (text.rstrip("\n"),), status)
    return Shown(
        _document(seen, found), tuple(line for gap in found for line in _lines(gap)) or (_well(seen),), status
    )


def _found(seen: Vitals, settings: Settings, now: datetime) -> tuple[Gap, ...]:
    inside = tuple(
        Gap(Kind(one.kind), one.count, one.since, one.examples)
        for one in seen.standing
        if one.kind in _SEEN_FROM_INSIDE
    )
    return (*signs.silent(seen.daemons, now), *checks.found(Sight(seen, settings, now)), *inside)


def _document(seen: Vitals, found: tuple[Gap, ...]) -> dict[str, object]:
    began = {one.kind: one.began_at for one in seen.standing}
    told = [
        {**asdict(gap), "alarm_since": began.get(gap.kind), "what": WORDS[gap.kind][0], "do": WORDS[gap.kind][1]}
        for gap in found
    ]
    return {
        "healthy": not found,
        "gaps": told,
        "accepted": seen.arrivals,
        "waiting": seen.waiting.count,
        "waiting_since": seen.waiting.since,
        "aside": seen.aside.count,
        "outbox": {state.value: count for state, count in seen.open.items()},
        "daemons": [asdict(daemon) for daemon in seen.daemons if daemon.ended_at is None],
        "mailboxes": [{"name": box.name, "looked_at": box.looked_at} for box in seen.boxes],
    }


def _lines(gap: Gap) -> tuple[str, ...]:
    what, remedy = WORDS[gap.kind]
    much = f" ({gap.count})" if gap.count > 1 else ""
    since = f", since {when(gap.since)}" if gap.since else ""
    named = f": {', '.join(gap.examples)}" if gap.examples else ""
    return f"WRONG {gap.kind}: {what}{much}{since}{named}", f"      {remedy}"


def _well(seen: Vitals) -> str:
    """One line, as monitoring shows it."""
    going = sum(seen.open.values())
    waiting = seen.waiting.count
    wait = "waits" if waiting == 1 else "wait"
    return f"OK: {many(seen.arrivals, 'mail')} accepted, {waiting} {wait} to be filed, {going} to be sent"
