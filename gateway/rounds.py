"""What happens with time alone: bursts that end, digests, reminders, conversations that wake or close.

    every few seconds      bursts are told; what was set aside until now is woken; what was announced is closed
    at the digests' hours  one mail to each agent: what is new, what waits too long, what will be closed

Each round is one transaction: what it tells is written together with the fact that it was told. Rights are looked at
when a mail is written, not when its cause came: who may not see a conversation any more isn't told of it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NoReturn, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gateway import acting, log
from gateway.context import Context
from gateway.desk import deadlines, states
from gateway.desk.deadlines import Patience
from gateway.desk.rights import sees
from gateway.errors import StoreError
from gateway.model import GLOBAL, Conversation, Event, Filing, InboxKind, Status, Thread
from gateway.relay import plan
from gateway.relay.plan import Entry
from gateway.store import filing, notices, outbox, recall, rounds
from gateway.store.database import Store, Tx, savepoint
from gateway.store.notices import Pending

_T = TypeVar("_T")
_PACE = 2.0  # seconds
_AFTER_DEFECT = 60.0  # seconds
_DIGEST = "digest"
_EXCERPT = 200  # characters


async def run(
    store: Store, context: Callable[[], Context], *, planned: asyncio.Event, now: Callable[[], datetime]
) -> NoReturn:
    """Make rounds for ever; `planned` is set when there may be mail to send."""
    while True:
        try:
            if await store.read(lambda connection: is_due(connection, context(), now())):
                told = await store.write(lambda tx: make(tx, context(), now()))
                log.round_made(deliveries=told)
                planned.set()
        except StoreError as error:
            log.rounds_paused(reason=str(error))
        except Exception as error:  # noqa: BLE001 (mail goes on; a defect here mustn't end the daemon)
            log.rounds_paused(reason=f"a defect: {type(error).__name__}")
            await asyncio.sleep(_AFTER_DEFECT)
        await asyncio.sleep(_PACE)


def is_due(connection: Connection, context: Context, now: datetime) -> bool:
    """Is there anything to do? Looked at before a transaction is opened for it."""
    return bool(
        _digest_due(connection, context, now)
        or rounds.to_wake(connection, now)
        or rounds.to_close(connection, now)
        or notices.due(connection, now, digest=False)
    )


def make(tx: Tx, context: Context, now: datetime) -> int:
    """Make one round; return how many mails it planned. The first one ever only notes that the digests begin."""
    bursts = notices.due(tx.connection, now, digest=False)
    told = _each(tx, bursts, lambda pending: _told_burst(tx, context, pending, now))
    awake = rounds.to_wake(tx.connection, now)
    told += _each(tx, awake, lambda conversation: _woken(tx, context, conversation, now))
    done = rounds.to_close(tx.connection, now)
    told += _each(tx, done, lambda conversation: _closed(tx, context, conversation, now))
    if _digest_due(tx.connection, context, now):
        begun = rounds.last(tx.connection, _DIGEST) is not None
        told += _digests(tx, context, now) if begun else 0
        rounds.made(tx, _DIGEST, now)
    return told


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
    if not _may_be_told(context, pending.agent, conversation):
        return 0
    place = context.place_of(conversation)
    draft = plan.notification(pending.agent, place, pending.messages, conversation)
    outbox.enqueue(tx, conversation.id, pending.last, draft, context.signer, now)
    return 1


def _may_be_told(context: Context, agent: str, conversation: Conversation) -> bool:
    staffed = context.staffed(conversation)
    if conversation.status is Status.SPAM or agent in conversation.muted:
        return False
    return context.directory.is_agent(agent) and sees(agent, staffed, context.directory.circle_of(staffed))


def _woken(tx: Tx, context: Context, conversation: Conversation, now: datetime) -> int:
    """Its date has come: it is work again, and its agents are told."""
    after = states.put(conversation, Status.ACTIVE, now)
    thread = recall.thread(tx.connection, conversation.id)
    last = rounds.last_message(tx.connection, conversation.id)
    filing.file(
        tx, Filing(after, history=(Event("gateway", "active again: its date has come"),)), context.signer, now
    )
    told, place = 0, context.place_of(after)
    for agent in context.told(after, ""):
        late = acting.later(context, agent, Thread(), now)
        if late is not None and last:
            notices.keep(tx, after.id, last, (late,), now)
        elif thread.pending:
            draft = plan.notification(agent, place, thread.pending, after, reason=plan.Reason.WOKEN)
            outbox.enqueue(tx, after.id, last, draft, context.signer, now)
            told += 1
    return told


def _closed(tx: Tx, context: Context, conversation: Conversation, now: datetime) -> int:
    event = Event("gateway", "closed: the usager didn't answer, and nobody objected")
    after = states.put(conversation, Status.CLOSED, now)
    filing.file(tx, Filing(after, history=(event,)), context.signer, now)
    return 0


# --- at the digests' hours -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Sheet:
    """What one agent is told in one digest."""

    fresh: list[Entry] = field(default_factory=list)
    waiting: list[Entry] = field(default_factory=list)
    closing: list[Entry] = field(default_factory=list)


def _digest_due(connection: Connection, context: Context, now: datetime) -> bool:
    last = rounds.last(connection, _DIGEST)
    return last is None or last < deadlines.last_digest(now, context.settings.desk.digest_at, context.zone)


def _digests(tx: Tx, context: Context, now: datetime) -> int:
    """One mail to each agent for whom there is something."""
    sheets: dict[str, _Sheet] = defaultdict(_Sheet)
    for pending in notices.due(tx.connection, now, digest=True):
        notices.done(tx, pending.ids)
        waits = pending.conversation.status is Status.ACTIVE  # else a colleague has dealt with it meanwhile
        if waits and _may_be_told(context, pending.agent, pending.conversation):
            sheets[pending.agent].fresh.append(_entry(tx, context, pending.agent, pending.conversation, pending))
    for agent, conversation in _reminded(tx, context, now):
        if all(entry.reference != conversation.reference for entry in sheets[agent].fresh):  # told already
            sheets[agent].waiting.append(_entry(tx, context, agent, conversation))
    for agent, conversation in _announced(tx, context, now):
        sheets[agent].closing.append(_entry(tx, context, agent, conversation))
    place = context.place("", GLOBAL)
    for agent, sheet in sheets.items():
        draft = plan.digest(
            agent, place, fresh=tuple(sheet.fresh), waiting=tuple(sheet.waiting), closing=tuple(sheet.closing)
        )
        outbox.enqueue(tx, None, 0, draft, context.signer, now)
    return len(sheets)


def _reminded(tx: Tx, context: Context, now: datetime) -> Iterator[tuple[str, Conversation]]:
    """Conversations that wait too long for an agent, with each who is reminded of it."""
    for conversation in list(rounds.waiting(tx.connection, Status.ACTIVE, now)):
        patience = _patience(context, conversation)
        if not deadlines.open_day(patience, now) or not deadlines.reminder_due(conversation, patience, now):
            continue
        agents = context.told(conversation, "")
        if agents:
            after = replace(conversation, reminded=conversation.reminded + 1)
            event = Event(
                "gateway", f"reminded {', '.join(agents)}: it waits since {conversation.waiting_since:%Y-%m-%d}"
            )
            filing.file(tx, Filing(after, history=(event,)), context.signer, now)
        for agent in agents:
            yield agent, conversation


def _patience(context: Context, conversation: Conversation) -> Patience:
    """How long it may wait: by its démarche, else by the desk."""
    desk, demarche = context.settings.desk, context.directory.demarche_of(conversation.inbox)
    after = (demarche.remind_after if demarche else None) or desk.remind_after
    hours = (demarche.hours if demarche else None) or desk.hours
    return Patience(after, hours, context.zone, frozenset(desk.closed_days))


def _announced(tx: Tx, context: Context, now: datetime) -> Iterator[tuple[str, Conversation]]:
    """Conversations that will be closed, with each who is told of it beforehand."""
    desk = context.settings.desk
    if desk.close_after is None:
        return
    for conversation in list(
        rounds.waiting(tx.connection, Status.PENDING, now - desk.close_after + desk.close_warning)
    ):
        due = deadlines.closes_at(conversation, desk.close_after)
        if due is None or conversation.closing_at is not None:
            continue
        after = replace(conversation, closing_at=max(due, now + desk.close_warning))
        event = Event("gateway", f"will be closed on {after.closing_at:%Y-%m-%d}: the usager doesn't answer")
        filing.file(tx, Filing(after, history=(event,)), context.signer, now)
        for agent in context.told(conversation, ""):
            yield agent, after


def _entry(tx: Tx, context: Context, agent: str, conversation: Conversation, pending: Pending | None = None) -> Entry:
    """A line of a digest, with the address to which this agent can answer."""
    latest = recall.thread(tx.connection, conversation.id).latest
    demarche = context.directory.demarche_of(conversation.inbox)
    return Entry(
        reference=conversation.reference,
        subject=conversation.subject,
        title=demarche.title if demarche else "",
        dossier=conversation.inbox.number if conversation.inbox.kind is InboxKind.DOSSIER else None,
        usager=conversation.usager,
        since=pending.since if pending else conversation.waiting_since or conversation.updated_at,
        excerpt=_excerpt(latest.text if latest else ""),
        count=len(pending.messages) if pending else 1,
        answer_to=outbox.reply_address(tx, conversation.id, agent, context.signer),
        closes_at=conversation.closing_at,
    )


def _excerpt(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _EXCERPT else words[:_EXCERPT].rsplit(" ", 1)[0] + " …"
