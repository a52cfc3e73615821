"""A daemon that does nothing but look after itself, by a clock that is moved; and what it is given to see."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, text
from structlog.testing import capture_logs

from gateway.context import Context
from gateway.health import checks, watch
from gateway.health.gaps import Kind, Sight
from gateway.model import Attempt, DeliveryState, Fact, Look, Occasion
from gateway.store import outbox, pulses, sending, tables
from gateway.store.database import Store
from gateway.store.sending import Settled
from gateway.store.vitals import Vitals, vitals
from tests.builders import MANON, NOW, draft, make_context, opened

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SIX = 6 * MINUTE
SMARTHOST = "smtp.example.org:25"
BOX = "contact/INBOX"
IMAP = {"imap": [{"name": "contact", "host": "imap.example.org", "user": "contact", "password": "geheim"}]}


class Daemon:
    """One that does nothing but look after itself, by a clock that is moved."""

    def __init__(self, store: Store, context: Context, name: str = "one") -> None:
        self.store, self.context, self.name, self.at = store, context, name, NOW
        self.memory, self.planned, self.relaying = watch.Memory(), asyncio.Event(), True
        self.passed_over = set[int]()  # deliveries that its relay never takes up
        store.write_now(lambda tx: pulses.started(tx, name, NOW))

    async def until(self, at: datetime, step: float = watch.PACE) -> list[dict[str, Any]]:
        """Look every ten seconds up to then; what was logged, each with `at`, how long after NOW."""
        logged = []
        while self.at < at:
            self.at += timedelta(seconds=step)
            if self.relaying:
                self.relay()
            with capture_logs() as lines:
                await watch.compare(self.store, self.memory, self.context.settings.health.reconcile, self.at)
                await watch.look(self.store, self.context, self.memory, self.name, self.planned, self.at)
            logged += [{**line, "at": self.at - NOW} for line in lines]
        return logged

    async def six(self) -> list[dict[str, Any]]:
        """The next seven minutes; less closely where nothing can be late yet."""
        start = self.at
        lines = await self.until(start + 10 * SECOND) + await self.until(start + 250 * SECOND, 60)
        return lines + await self.until(start + 7 * MINUTE)

    def relay(self) -> None:
        """All that is due leaves."""
        due = self.store.read_now(lambda connection: sending.due(connection, self.at, 100))
        tried(
            self,
            [mail.id for mail in due if mail.id not in self.passed_over],
            [(self.at, DeliveryState.SENT, "250 ok")],
        )

    def seen(self) -> Vitals:
        return self.store.read_now(lambda connection: vitals(connection, self.at, checks.PATIENCE))

    def found(self) -> list[Kind]:
        return [gap.kind for gap in checks.found(Sight(self.seen(), self.context.settings, self.at))]


@contextmanager
def watched(folder: Path, **tables: Any) -> Iterator[Daemon]:
    """A daemon on an empty store, with these tables of the configuration."""
    with opened(folder) as store:
        yield Daemon(store, make_context(folder, **tables))


def events(lines: list[dict[str, Any]], name: str) -> list[tuple[str, timedelta]]:
    """Kind and time of alarms."""
    return [(line["kind"], line["at"]) for line in lines if line["event"] == name]


def letters(store: Store) -> list[str]:
    """What was written to the manager about the gateway itself."""
    mine = select(tables.deliveries.c.draft).where(tables.deliveries.c.recipient == MANON)
    texts = store.read_now(lambda connection: [draft["text"] for draft in connection.scalars(mine)])
    return [text for text in texts if "gateway health" in text]


def sql(store: Store, statement: str, **values: Any) -> None:
    store.write_now(lambda tx: tx.connection.execute(text(statement), values))


def planned(daemon: Daemon, count: int = 1, people: int = 1) -> list[int]:
    """Mails that are to leave, each to another person, so many of whom share a domain."""

    def work(tx: Any) -> list[int]:
        letters = (draft(f"u{nth}@x{nth // people}.example") for nth in range(count))
        return [outbox.enqueue(tx, None, 0, letter, daemon.context.signer, NOW) for letter in letters]

    return daemon.store.write_now(work)


def tried(
    daemon: Daemon, ids: list[int], tries: list[tuple[datetime, DeliveryState, str]], host: str = SMARTHOST
) -> None:
    """Deliveries, made where they aren't there, and what became of tries of each."""
    if not daemon.seen().deliveries:
        planned(daemon, len(ids))
    for at, state, reply in tries:
        for delivery in ids:
            fact = Fact(delivery, Occasion.ATTEMPT, Attempt(state, reply, host))
            one = Settled(fact, at + 10 * MINUTE)
            daemon.store.write_now(lambda tx, o=one, t=at: sending.settle(tx, [o], t))  # type: ignore[misc]


def packs_of(daemon: Daemon) -> Path:
    return Path(str(daemon.store.engine.url.database)).with_name("raw")


def looked(daemon: Daemon, **what: Any) -> None:
    look = Look(BOX, 7, what.pop("reached", 10), what.pop("whole", True), **what)
    daemon.store.write_now(lambda tx: pulses.looked(tx, look, daemon.at))
