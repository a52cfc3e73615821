"""Daemons that share a store: each alarm is told by one of them, each test mail sent by one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from gateway.health import alarms, flight
from gateway.health.gaps import Gap, Kind
from gateway.store.database import Store
from gateway.store.tables import deliveries
from tests.builders import NOW, make_context, opened

GAP = Gap(Kind.FILING, 3, NOW, ("1", "2", "3"))
HOUR = timedelta(hours=1)


def written(store: Store) -> int:
    return store.read_now(lambda c: c.scalar(select(func.count()).select_from(deliveries)) or 0)


async def test_an_alarm_that_all_find_at_once_is_told_once(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path)
    with opened(tmp_path) as other:
        for _ in range(5):
            found = [each.write(lambda tx: alarms.change(tx, context, [GAP], NOW)) for each in (store, other)]
            raised = [len(changes.raised) for changes in await asyncio.gather(*found)]
            assert sorted(raised) == [0, 1]
            over = [each.write(lambda tx: alarms.change(tx, context, [], NOW)) for each in (store, other)]
            assert sorted(len(changes.over) for changes in await asyncio.gather(*over)) == [0, 1]
        assert written(store) == len(context.directory.managers), "the managers are told once a day"


async def test_a_test_mail_that_is_due_for_all_is_sent_once(store: Store, tmp_path: Path) -> None:
    """Here it is written to the outbox at once: there is no listener."""
    smarthost = {"transport": "smtp", "host": "smtp.example.org"}
    context = make_context(tmp_path, relay=smarthost, health={"canary_returns": True})
    with opened(tmp_path) as other:
        for nth in range(1, 6):
            now = NOW + nth * HOUR
            await asyncio.gather(*(flight.step(each, context, (), NOW, now) for each in (store, other)))
            assert written(store) == nth
