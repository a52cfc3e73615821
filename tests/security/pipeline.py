"""Mail through the real way in, in process: many mails, a clock that is an argument, nothing on the network."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from gateway import inbound, rounds
from gateway.context import Context
from gateway.model import Arrival, Draft, Incoming, Mail, Outgoing, Purpose
from gateway.store import arrivals, outbox, sending
from gateway.store.database import Store, Tx
from tests.builders import DOMAIN, NOW, incoming, make_context, opened, raw_mail
from tests.trials.case import scratch

_TOGETHER = 50
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_FOR_EVER = NOW + timedelta(days=3650)

Read = Callable[[Mail], Mail]


@contextmanager
def world(**tables: Any) -> Iterator[tuple[Store, Context]]:
    """A new store, and the shipped people with `tables` of the configuration changed."""
    with scratch() as folder, opened(folder) as store:
        context = make_context(folder, **tables)
        make_round(store, context, NOW - timedelta(days=30))  # the digests have begun
        yield store, context


def words(nth: int) -> str:
    """Text that is like no other's: figures alone would make the same mail."""
    digest = hashlib.sha256(str(nth).encode()).hexdigest()
    return " ".join(digest[at : at + 8] for at in range(0, 64, 8)).translate(_LETTERS)


def letter(nth: int, sender: str, at: datetime, to: str = f"contact@{DOMAIN}", said: str = "") -> Incoming:
    """A person's mail, as far as anybody can tell."""
    text = f"{said} {words(nth)}".strip()
    raw = raw_mail(sender, to, text=text, subject=text[:60], identifier=f"m{nth}@x.example")
    return incoming(raw, (to,), received_at=at, envelope_sender=sender)


def file(store: Store, context: Context, mails: Iterable[Incoming], read: Read = lambda mail: mail) -> None:
    """Keep and file mails in their order, each at the time at which it came; many in a transaction, to be quick."""
    waiting = iter(mails)
    while together := tuple(itertools.islice(waiting, _TOGETHER)):
        store.write_now(lambda tx, some=together: arrivals.keep(tx, some))  # type: ignore[misc]
        last = together[-1].received_at
        work = store.write_now(lambda tx, at=last: arrivals.claim(tx, "attack", at, _TOGETHER))  # type: ignore[misc]
        found = [(arrival, read(_read(store, context, arrival))) for arrival in work]
        store.write_now(lambda tx, some=found: [_file(tx, context, *one) for one in some])  # type: ignore[misc]


def _read(store: Store, context: Context, arrival: Arrival) -> Mail:
    found = inbound.read_arrival(store, arrival, context)
    assert isinstance(found, Mail), found
    return found


def _file(tx: Tx, context: Context, arrival: Arrival, mail: Mail) -> None:
    ((_, decision),) = inbound.file_batch(tx, [(arrival, mail)], context, arrival.received_at)
    assert not isinstance(decision, str), decision


def make_round(store: Store, context: Context, at: datetime) -> None:
    if store.read_now(lambda connection: rounds.is_due(connection, context, at)):
        store.write_now(lambda tx: rounds.make(tx, context, at))


def enqueue(store: Store, context: Context, letters: Iterable[tuple[Draft, datetime]]) -> None:
    """Deliveries of no conversation, as if they had been filed then."""

    def work(tx: Tx) -> None:
        for draft, at in letters:
            outbox.enqueue(tx, None, 0, draft, context.signer, at)

    store.write_now(work)


def planned(store: Store, *purposes: Purpose) -> list[Outgoing]:
    """All that waits to leave, of these purposes."""
    due = store.read_now(lambda connection: sending.due(connection, _FOR_EVER, 1_000_000))
    return [mail for mail in due if mail.draft.purpose in purposes]
