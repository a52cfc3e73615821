"""Writing what was decided: one `Filing`, one transaction, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache

from sqlalchemy import bindparam, delete, select, update

from gateway.model import GATEWAY, Conversation, Draft, Event, Filing, Message
from gateway.store import (
    audit,
    confirmations,
    fresh,
    leads,
    notices,
    outbox,
    references,
    repair,
    rows,
    sending,
    statements,
    tables,
)
from gateway.store.database import Tx, insert_each, inserted
from gateway.store.prepared import Prepared
from gateway.store.rows import parts
from gateway.store.signer import Signer
from gateway.store.tables import citations, conversations, history, messages, related

_REFERENCE = Prepared(select(conversations.c.reference).where(conversations.c.id == bindparam("id")))


def file(tx: Tx, filing: Filing, signer: Signer, now: datetime) -> tuple[int, tuple[int, ...]]:
    """Write a filing; return the id of its first message (0 if it has none), and of the deliveries it caused."""
    if fresh.is_fresh(filing):
        return fresh.write(tx, [filing], signer, now)[0]
    conversation, *beside = rearrange(tx, (filing, *filing.beside), now)
    _relate(tx, conversation, beside, now)
    ids: list[int] = []
    sent: list[int] = []
    for message, drafts in filing.messages:
        ids.append(_message(tx, conversation, message))
        sent += _deliveries(tx, conversation, ids[-1], drafts, signer, now)
    if ids:
        notices.keep(tx, conversation, ids[0], filing.notices, now)
    for settlement in filing.settlements:
        sending.reported(tx, settlement, now)
    if filing.asks is not None:
        confirmations.ask(tx, sent[0], ids[0], filing.asks, now)
    if filing.answered is not None:
        confirmations.answer(tx, filing.answered, now)
    return (ids[0] if ids else 0), tuple(sent)


def record(tx: Tx, conversation: int, event: Event, now: datetime, proof: str = "") -> None:
    """Add a line to a conversation's history; what a person did goes to the audit, with its proof."""
    insert_each(tx.connection, history, [rows.of_event(event, conversation, now)])
    if event.by != GATEWAY:
        reference = _REFERENCE.scalar(tx.connection, {"id": conversation}) or ""
        audit.record(tx, at=now, by=event.by, what=event.what, conversation=reference, proof=proof)


def _conversation(tx: Tx, conversation: Conversation, now: datetime) -> int:
    values = rows.of_conversation(conversation, now)
    if conversation.id:
        _changing(tuple(values)).run(tx.connection, {**values, "its_id": conversation.id})
        return conversation.id
    values |= {
        "reference": conversation.reference or references.unused(tx.connection),
        "created_at": conversation.created_at,
    }
    return inserted(tx.connection, conversations, values)


@cache
def _changing(columns: tuple[str, ...]) -> Prepared:
    return Prepared(update(conversations).where(conversations.c.id == bindparam("its_id")), columns)


def rearrange(tx: Tx, filings: Iterable[Filing], now: datetime) -> list[int]:
    """Write conversations, and bring together what belongs together; return their ids.

    Messages move before conversations merge: those take all that is left.
    """
    group = [(_conversation(tx, filing.conversation, now), filing) for filing in filings]
    for conversation, filing in group:
        for message in filing.takes:
            _take(tx, conversation, message, now)
        if not filing.messages:  # else they are told with what came
            for message in (*filing.concerning, *filing.takes):
                notices.keep(tx, conversation, message, filing.notices, now)
    for conversation, filing in group:
        _merge(tx, conversation, filing.merge, now)
        _relate(tx, conversation, filing.related, now)
        for address in filing.revoke:
            leads.revoke(tx, parts(tx.connection, conversation), address)
        for event in filing.history:
            record(tx, conversation, event, now, filing.proof)
    return [conversation for conversation, _ in group]


def _take(tx: Tx, conversation: int, message: int, now: datetime) -> None:
    before = repair.put(tx, message, conversation)
    record(tx, before, Event("gateway", f"message {message} belongs elsewhere: it was taken out"), now)
    record(tx, conversation, Event("gateway", f"message {message} belongs here: it was taken in"), now)


def _merge(tx: Tx, into: int, others: Iterable[int], now: datetime) -> None:
    """Make other conversations part of this one. Their references and tokens go on leading here."""
    for other in others:
        for table in (messages, history, tables.notices):
            tx.connection.execute(update(table).where(table.c.conversation == other).values(conversation=into))
        tx.connection.execute(update(conversations).where(conversations.c.id == other).values(merged_into=into))
        outbox.follow(tx, other, into)
        _relate(tx, into, _unrelated(tx, other), now)
        record(tx, into, Event("gateway", f"joined with conversation {other}: the same matter"), now)


def _unrelated(tx: Tx, conversation: int) -> list[int]:
    """Take a conversation off those that it is related to; return them."""
    here = (related.c.conversation == conversation) | (related.c.other == conversation)
    pairs = tx.connection.execute(select(related).where(here)).all()
    tx.connection.execute(delete(related).where(here))
    return [pair.other if pair.conversation == conversation else pair.conversation for pair in pairs]


def _relate(tx: Tx, conversation: int, others: Iterable[int], now: datetime) -> None:
    for other in others:
        if other != conversation:
            pair = {"conversation": min(conversation, other), "other": max(conversation, other)}
            if tx.connection.execute(statements.ignoring(tx.connection, related), pair).rowcount:
                for one, two in (pair.values(), reversed(pair.values())):
                    reference = _REFERENCE.scalar(tx.connection, {"id": two})
                    record(tx, one, Event("gateway", f"related to {reference}: a mail touches both"), now)


def _message(tx: Tx, conversation: int, message: Message) -> int:
    identifier = inserted(tx.connection, messages, rows.of_message(message, conversation))
    insert_each(tx.connection, citations, rows.of_citations(identifier, message.cited, message.loose))
    return identifier


def _deliveries(
    tx: Tx, conversation: int, message: int, drafts: Iterable[Draft], signer: Signer, now: datetime
) -> list[int]:
    return [outbox.enqueue(tx, conversation, message, draft, signer, now) for draft in drafts]
