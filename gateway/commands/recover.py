"""`recover`: mail that lies in the packs, and that the store doesn't know, is taken in."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import islice

from gateway import peers
from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, many, when
from gateway.store import arrivals, audit, journal, opening, outbox, rounds, salvage
from gateway.store.arrivals import Entry
from gateway.store.database import Store, Tx
from gateway.store.salvage import Damage, Found

_BATCH = 100


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_recover)
    made.add_argument("--apply", action="store_true", help="take it in")


OFFERED = {"recover": _parser}


def _recover(options: argparse.Namespace) -> Shown:
    settings = typed.settings(options)
    with opening.private(), opening.alone(settings), opening.opened(settings) as store:
        peers.assert_none(store)
        return recovered(store, typed.typed_by(options), utc_now(), apply=options.apply)


def recovered(store: Store, by: Operator, now: datetime, *, apply: bool) -> Shown:
    """Look for it; with `apply` take it in: the daemon files it. What it causes is held, since it was filed before.

    Raises:
        StoreError: the packs or the database can't be had now.
    """
    # What the daemon's next start would enter comes first: it wasn't filed before, and nothing of it is held.
    entered = journal.take_up(store) if apply else 0
    damages: list[Damage] = []
    times: list[datetime] = []
    extents = store.read_now(arrivals.extents)
    take = _kept if apply else _strange
    for batch in _batches(_mails(salvage.unknown(store.packs, extents), damages)):
        fresh = store.write_now(partial(take, batch))
        times += [each.arrival["received_at"] for each in fresh]
    if apply and times:
        words = f"recovered {many(len(times), 'mail')} from the packs"
        store.write_now(lambda tx: audit.record(tx, at=now, by=by.name, what=words, proof=by.proof))
    return _shown(times, entered, damages, apply=apply)


def _strange(batch: list[Entry], tx: Tx) -> list[Entry]:
    return arrivals.strange(tx.connection, batch)


def _kept(batch: list[Entry], tx: Tx) -> list[Entry]:
    fresh = arrivals.adopt(tx, batch)
    last = max((each.arrival["received_at"] for each in fresh), default=None)
    before = rounds.last(tx.connection, outbox.RESTORED)
    if last is not None and (before is None or before < last):
        rounds.made(tx, outbox.RESTORED, last)
    return fresh


def _mails(found: Iterable[Found | Damage], damages: list[Damage]) -> Iterator[Entry]:
    """One mail's octets at a time are in memory."""
    for each in found:
        if isinstance(each, Damage):
            damages.append(each)
        else:
            yield Entry.of(each.mail, each.at)


def _batches(found: Iterator[Entry]) -> Iterator[list[Entry]]:
    while batch := list(islice(found, _BATCH)):
        yield batch


def _shown(times: list[datetime], entered: int, damages: list[Damage], *, apply: bool) -> Shown:
    """`entered`: how many mails besides that were to be entered anyway."""
    first, last = (min(times), max(times)) if times else (None, None)
    document = {
        "mails": len(times) + entered,
        "first": first,
        "last": last,
        "applied": apply,
        "damaged": [{"pack": damage.pack, "offset": damage.offset} for damage in damages],
    }
    lines = [] if entered else ["There is no mail in the packs that the store doesn't know."]
    if first is not None and last is not None:
        span = f"{many(len(times), 'mail')}, of {when(first)} to {when(last)}"
        lines = [f"In the packs, and not known to the store: {span}. `gateway recover --apply` takes it in."]
        if apply:
            lines = [
                f"Taken in: {span}. The daemon files it when it is started.",
                "What it causes is held, since it may have been sent before: `gateway outbox list` shows it then.",
            ]
    if entered:
        lines.append(f"Taken in as at each start of the daemon, which files it: {many(entered, 'mail')}.")
    lines += [f"{damage.pack} can't be read from octet {damage.offset} on." for damage in damages]
    return Shown(document, tuple(lines))
