"""At the digests' hours one mail to each agent: what is new, what waits too long, what will be closed.

Who had too many notifications is told of the rest in the same way, every ten minutes.

Reminders and announcements are bounded for each hour, the longest waiting first: the others come with the next
digest. What is new is told to so many agents in one transaction, and to the others in the next. What a mail tells is
written together with the fact that it was told.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gateway import log, telling
from gateway.context import Context
from gateway.decision import IMPORTED
from gateway.desk import deadlines
from gateway.desk.deadlines import Patience
from gateway.errors import StoreError
from gateway.model import GATHERING, GLOBAL, Conversation, Draft, Event, Filing, InboxKind, Status
from gateway.relay import plan
from gateway.relay.plan import MOST_ENTRIES, Entry
from gateway.store import exchange, filing, notices, outbox, rounds
from gateway.store.database import Tx, savepoint

_DIGEST, _REMINDERS = "digest", "reminders"
_MOST = 500  # conversations of each kind in one transaction
_EXCERPT = 200  # characters


@dataclass(frozen=True, slots=True)
class _Item:
    """A conversation in a digest: since when it is to be told of, and how many messages came since."""

    conversation: Conversation
    since: datetime
    count: int = 1


@dataclass(slots=True)
class _Sheet:
    """What one agent is told in one digest."""

    fresh: list[_Item] = field(default_factory=list)
    waiting: list[_Item] = field(default_factory=list)
    closing: list[_Item] = field(default_factory=list)


def due(connection: Connection, context: Context, now: datetime) -> bool:
    """Has an hour of the digests come that they weren't made at, or is there one for who got too much?"""
    return _due(connection, _DIGEST, context, now) or bool(_crowded(connection, context, now))


def _crowded(connection: Connection, context: Context, now: datetime) -> list[str]:
    """Agents who are told at once, but had too much of it: for whom something fell due since the last round.

    Or shortly before it: in a flood filing takes its time, and what it writes may have been due when it is there.
    """
    last = rounds.last(connection, _DIGEST)
    found = [] if last is None else notices.with_digests(connection, now, last - GATHERING)
    return [agent for agent in found if context.directory.notify_of(agent) != "digest"]


def _due(connection: Connection, name: str, context: Context, now: datetime) -> bool:
    last = rounds.last(connection, name)
    return last is None or last < deadlines.last_digest(now, context.settings.desk.digest_at, context.zone)


def make(tx: Tx, context: Context, now: datetime) -> int:
    """Plan digests, all of them or as many as a transaction may hold; return how many.

    The first time ever only notes that they begin.
    """
    sheets: dict[str, _Sheet] = defaultdict(_Sheet)
    begun = rounds.last(tx.connection, _DIGEST) is not None
    if begun and not _due(tx.connection, _DIGEST, context, now):
        return _tell_all(tx, context, _crowded(tx.connection, context, now), {}, now)
    if begun and _due(tx.connection, _REMINDERS, context, now):
        _remind(tx, context, sheets, now)
        _announce(tx, context, sheets, now)
    rounds.made(tx, _REMINDERS, now)
    agents = list(dict.fromkeys((*sheets, *notices.with_digests(tx.connection, now)))) if begun else []
    return _tell_all(tx, context, agents, sheets, now)


def _tell_all(tx: Tx, context: Context, agents: Sequence[str], sheets: Mapping[str, _Sheet], now: datetime) -> int:
    """Tell agents, those with a sheet first. Where much is new, the last ones wait for the next round."""
    told, looked_at = 0, 0
    for nth, agent in enumerate(agents):
        if looked_at >= _MOST and nth >= len(sheets):
            return told
        fresh = notices.collected(tx.connection, agent, now)
        looked_at += len(fresh)
        told += _told(tx, context, agent, sheets.get(agent) or _Sheet(), fresh, now)
    rounds.made(tx, _DIGEST, now)
    return told


def _told(
    tx: Tx, context: Context, agent: str, sheet: _Sheet, fresh: Sequence[notices.Collected], now: datetime
) -> int:
    """Plan one agent's digest. If it fails, hers alone is taken back; what is new is in her next one."""
    try:
        with savepoint(tx.connection):
            told = _collect(tx, context, agent, sheet, fresh, now)
            if not (sheet.fresh or sheet.waiting or sheet.closing):
                return told
            draft = _draft(tx, context, agent, sheet, now)
            outbox.enqueue(tx, None, 0, draft, context.signer, now)
            return told + 1
    except (StoreError, DBAPIError):
        raise
    except Exception as error:  # noqa: BLE001 (one agent's defect isn't the others')
        log.round_failed(reason=type(error).__name__, to=agent)
        return 0


def _collect(
    tx: Tx, context: Context, agent: str, sheet: _Sheet, fresh: Sequence[notices.Collected], now: datetime
) -> int:
    """What is new goes into her sheet, but for what a colleague has dealt with; it isn't a reminder besides."""
    told = 0
    notices.done(tx, [each for new in fresh for each in new.ids])
    for new in fresh:
        if new.conversation.status is not Status.ACTIVE:
            continue
        if telling.may_be_told(context, agent, new.conversation):
            sheet.fresh.append(_Item(new.conversation, new.since, new.count))
        else:
            told += telling.tell_others(tx, context, new.conversation, new.last, now)
    told_already = {item.conversation.id for item in sheet.fresh}
    sheet.waiting = [item for item in sheet.waiting if item.conversation.id not in told_already]
    return told


# --- what waits too long, and what will be closed ------------------------------------------------------------


def _remind(tx: Tx, context: Context, sheets: dict[str, _Sheet], now: datetime) -> None:
    for conversation, agents in list(itertools.islice(_waiting(tx.connection, context, now), _MOST)):
        assert conversation.waiting_since is not None
        after = replace(conversation, reminded=conversation.reminded + 1)
        since = f"it waits since {conversation.waiting_since:%Y-%m-%d}"
        event = Event("gateway", f"reminded {', '.join(agents)}: {since}")
        filing.file(tx, Filing(after, history=(event,)), context.signer, now)
        for agent in agents:
            sheets[agent].waiting.append(_Item(conversation, conversation.waiting_since))


def _waiting(
    connection: Connection, context: Context, now: datetime
) -> Iterator[tuple[Conversation, tuple[str, ...]]]:
    """Conversations that wait too long for an agent, with those who are reminded of it."""
    desk = context.settings.desk
    each = [demarche.remind_after for demarche in context.settings.demarches]
    patiences = [after for after in (desk.remind_after, *each) if after is not None]
    if not patiences:
        return
    found = rounds.to_remind(
        connection, now, min(patiences), times=deadlines.MOST_REMINDERS, imported=IMPORTED, late=plan.STALE
    )
    open_today: dict[Patience, bool] = {}
    for conversation in found:
        patience = _patience(context, conversation)
        if patience not in open_today:
            open_today[patience] = deadlines.open_day(patience, now)
        if open_today[patience] and deadlines.reminder_due(conversation, patience, now):
            agents = context.told(conversation, "")
            if agents:
                yield conversation, agents


def _patience(context: Context, conversation: Conversation) -> Patience:
    """How long it may wait: by its démarche, else by the desk."""
    desk, demarche = context.settings.desk, context.directory.demarche_of(conversation.inbox)
    after = (demarche.remind_after if demarche else None) or desk.remind_after
    hours = (demarche.hours if demarche else None) or desk.hours
    return Patience(after, hours, context.zone, frozenset(desk.closed_days))


def _announce(tx: Tx, context: Context, sheets: dict[str, _Sheet], now: datetime) -> None:
    """What will be closed is named to somebody beforehand, or isn't closed: what there is no room for waits."""
    desk = context.settings.desk
    if desk.close_after is None:
        rounds.call_off(tx)
        return
    found = rounds.to_announce(tx.connection, now - desk.close_after + desk.close_warning)
    for conversation in list(itertools.islice(found, _MOST)):
        agents = context.told(conversation, "")
        due = deadlines.closes_at(conversation, desk.close_after)
        if due is None or not agents or any(len(sheets[agent].closing) >= MOST_ENTRIES for agent in agents):
            continue
        after = replace(conversation, closing_at=max(due, now + desk.close_warning))
        event = Event("gateway", f"will be closed on {after.closing_at:%Y-%m-%d}: the usager doesn't answer")
        filing.file(tx, Filing(after, history=(event,)), context.signer, now)
        for agent in agents:
            sheets[agent].closing.append(_Item(after, after.updated_at))


# --- the mail ------------------------------------------------------------------------------------------------


def _draft(tx: Tx, context: Context, agent: str, sheet: _Sheet, now: datetime) -> Draft:
    sections = {"fresh": sheet.fresh, "waiting": sheet.waiting, "closing": sheet.closing}
    entries = {
        name: tuple(_entry(tx, context, agent, item, now) for item in items[:MOST_ENTRIES])
        for name, items in sections.items()
    }
    more = {name: len(items) - len(entries[name]) for name, items in sections.items()}
    return plan.digest(agent, context.place("", GLOBAL), more=more, **entries)


def _entry(tx: Tx, context: Context, agent: str, item: _Item, now: datetime) -> Entry:
    """A line of a digest, with the address to which this agent can answer."""
    conversation = item.conversation
    latest = exchange.thread(tx.connection, conversation.id).latest
    demarche = context.directory.demarche_of(conversation.inbox)
    return Entry(
        reference=conversation.reference,
        subject=conversation.subject,
        title=demarche.title if demarche else "",
        dossier=conversation.inbox.number if conversation.inbox.kind is InboxKind.DOSSIER else None,
        usager=conversation.usager,
        since=item.since,
        excerpt=_excerpt(latest.text if latest else ""),
        count=item.count,
        answer_to=outbox.reply_address(tx, conversation.id, agent, context.signer, now),
        closes_at=conversation.closing_at,
    )


def _excerpt(text: str) -> str:
    words = " ".join(text[: 10 * _EXCERPT].split())
    return words if len(words) <= _EXCERPT else words[:_EXCERPT].rsplit(" ", 1)[0] + " …"
