"""What happens with time alone: bursts that end, digests, reminders, conversations that wake or close.

    every few seconds      bursts are told; what was set aside until now is woken; what was announced is closed;
                           a volume that jumps is told to the managers (gateway.alarm)
    every hour             a hash of all evidence goes into the audit (gateway.store.evidence); old counts are dropped
    at the digests' hours  one mail to each agent (gateway.digests)

Each round is one transaction: what it tells is written together with the fact that it was told. Rights are looked at
when a mail is written, not when its cause came: who may not see a conversation any more isn't told of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NoReturn, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gateway import alarm, digests, log, telling
from gateway.context import Context
from gateway.desk import states
from gateway.errors import StoreError
from gateway.model import Conversation, Event, Filing, Status
from gateway.relay import plan
from gateway.store import clocks, evidence, exchange, filing, notices, outbox, rounds, volume
from gateway.store.database import Store, Tx, savepoint
from gateway.store.notices import Pending

_T = TypeVar("_T")
_PACE = 2.0  # seconds
_AFTER_DEFECT = 60.0  # seconds
_SET_BACK = timedelta(minutes=1)  # by which the clock is set back at least when that is looked after
_SEALED, _SEAL_AFTER = "evidence sealed", timedelta(hours=1)


async def run(
    store: Store,
    context: Callable[[], Context],
    *,
    planned: asyncio.Event,
    now: Callable[[], datetime],
    pace: float = _PACE,
) -> NoReturn:
    """Make rounds for ever, one in `pace` seconds; `planned` is set when there may be mail to send."""
    seen: tuple[datetime, float] | None = None  # by the clock, and by one that nobody sets
    while True:
        try:
            at = now(), asyncio.get_running_loop().time()
            if seen is None or at[0] - seen[0] < timedelta(seconds=at[1] - seen[1]) - _SET_BACK:
                await _put_right(store, at[0])
            seen = at
            if await store.read(lambda connection: is_due(connection, context(), now())):
                told = await store.write(lambda tx: make(tx, context(), now()))
                log.round_made(deliveries=told)
                planned.set()
                if not told and await store.read(lambda connection: is_due(connection, context(), now())):
                    await asyncio.sleep(_AFTER_DEFECT)  # it fails: to try it again and again only fills the log
        except StoreError as error:
            log.rounds_paused(reason=str(error))
        except Exception as error:  # noqa: BLE001 (mail goes on; a defect here mustn't end the daemon)
            log.rounds_paused(reason=f"a defect: {type(error).__name__}")
            await asyncio.sleep(_AFTER_DEFECT)
        await asyncio.sleep(pace)


async def _put_right(store: Store, now: datetime) -> None:
    """The clock went back, or may have while we weren't there."""
    if rows := await store.write(lambda tx: clocks.put_right(tx, now)):
        log.clock_put_right(rows=rows)


def is_due(connection: Connection, context: Context, now: datetime) -> bool:
    """Is there anything to do? Looked at before a transaction is opened for it."""
    return bool(
        digests.due(connection, context, now)
        or rounds.to_wake(connection, now)
        or _to_close(connection, context, now)
        or notices.is_due(connection, now)
        or alarm.due(connection, context, now)
        or _to_seal(connection, now)
    )


def _to_close(connection: Connection, context: Context, now: datetime) -> list[Conversation]:
    """What was announced, unless nothing is to be closed any more."""
    return rounds.to_close(connection, now) if context.settings.desk.close_after else []


def make(tx: Tx, context: Context, now: datetime) -> int:
    """Make one round, or so much of it as a transaction may hold; return how many mails it planned."""
    bursts = notices.due(tx.connection, now)
    told = _each(tx, bursts, lambda pending: _told_burst(tx, context, pending, now))
    awake = rounds.to_wake(tx.connection, now)
    told += _each(tx, awake, lambda conversation: _woken(tx, context, conversation, now))
    done = _to_close(tx.connection, context, now)
    told += _each(tx, done, lambda conversation: _closed(tx, context, conversation, now))
    if digests.due(tx.connection, context, now):
        told += digests.make(tx, context, now)
    if _to_seal(tx.connection, now):
        rounds.made(tx, _SEALED, now)
        evidence.seal(tx, now)
        volume.forget(tx, now)
    return told + alarm.make(tx, context, now)


def _to_seal(connection: Connection, now: datetime) -> bool:
    """Is it time to say in the audit which evidence there is, so that whoever takes some away later is found out?"""
    last = rounds.last(connection, _SEALED)
    return (last is None or now - last >= _SEAL_AFTER) and evidence.is_unsealed(connection)


def _each(tx: Tx, items: Iterable[_T], work: Callable[[_T], int]) -> int:
    """Do the work of a round; what fails on one is logged, taken back, and tried again in the next round."""
    told = 0
    for item in items:
        try:
            with savepoint(tx.connection):
                told += work(item)
        except (StoreError, DBAPIError):
            raise
        except Exception as error:  # noqa: BLE001 (one conversation's defect isn't the others')
            log.round_failed(reason=type(error).__name__)
    return told


# --- every few seconds ---------------------------------------------------------------------------------------


def _told_burst(tx: Tx, context: Context, pending: Pending, now: datetime) -> int:
    """One notification of all that came since the first."""
    notices.done(tx, pending.ids)
    conversation = pending.conversation
    if not telling.may_be_told(context, pending.agent, conversation):
        return telling.tell_others(tx, context, conversation, pending.last, now)
    place = context.place_of(conversation)
    draft = plan.notification(pending.agent, place, pending.messages, conversation, more=pending.more)
    outbox.enqueue(tx, conversation.id, pending.last, draft, context.signer, now)
    return 1


def _woken(tx: Tx, context: Context, conversation: Conversation, now: datetime) -> int:
    """Its date has come: it is work again, and its agents are told."""
    after = states.put(conversation, Status.ACTIVE, now)
    thread = exchange.thread(tx.connection, conversation.id)
    last = rounds.last_message(tx.connection, conversation.id)
    filing.file(
        tx, Filing(after, history=(Event("gateway", "active again: its date has come"),)), context.signer, now
    )
    return telling.put_before(tx, context, after, thread.pending, last, now, reason=plan.Reason.WOKEN)


def _closed(tx: Tx, context: Context, conversation: Conversation, now: datetime) -> int:
    event = Event("gateway", "closed: the usager didn't answer, and nobody objected")
    after = states.put(conversation, Status.CLOSED, now)
    filing.file(tx, Filing(after, history=(event,)), context.signer, now)
    return 0
