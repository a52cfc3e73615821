"""Writing what was decided: one `Filing`, one transaction, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from gateway.model import Conversation, Draft, Event, Filing, Message
from gateway.store import notices, outbox, tables
from gateway.store.database import Tx, inserted
from gateway.store.outbox import Signer
from gateway.store.tables import citations, conversations, history, messages, related

_HISTORY = insert(history)
_CITATIONS = insert(citations)


def file(tx: Tx, filing: Filing, signer: Signer, now: datetime) -> tuple[int, tuple[int, ...]]:
    """Write a filing; return the id of its first message (0 if it has none), and of the deliveries it caused."""
    conversation = _conversation(tx, filing.conversation, now)
    _merge(tx, conversation, filing.merge, now)
    _relate(tx, conversation, filing.related)
    ids: list[int] = []
    sent: list[int] = []
    for message, drafts in filing.messages:
        ids.append(_message(tx, conversation, message))
        sent += _deliveries(tx, conversation, ids[-1], drafts, signer, now)
    if ids:
        notices.keep(tx, conversation, ids[0], filing.notices, now)
    for event in filing.history:
        record(tx, conversation, event, now)
    for settlement in filing.settlements:
        outbox.bounced(tx, settlement)
    return (ids[0] if ids else 0), tuple(sent)


def record(tx: Tx, conversation: int, event: Event, now: datetime) -> None:
    """Add a line to a conversation's history."""
    row = {"conversation": conversation, "at": now, "by": event.by, "what": event.what}
    tx.connection.execute(_HISTORY, row)


def _conversation(tx: Tx, conversation: Conversation, now: datetime) -> int:
    values = {
        "inbox_kind": conversation.inbox.kind.value,
        "inbox_number": conversation.inbox.number,
        "strength": int(conversation.strength),
        "pinned": conversation.pinned,
        "status": conversation.status.value,
        "assignee": conversation.assignee,
        "subject": conversation.subject,
        "usager": conversation.usager,
        "tags": list(conversation.tags),
        "because": list(conversation.because),
        "updated_at": now,
        "organisation": conversation.organisation,
        "language": conversation.language,
        "outside": conversation.outside,
        "guests": list(conversation.guests),
        "followers": list(conversation.followers),
        "muted": list(conversation.muted),
        "asked": None if conversation.asked is None else list(conversation.asked),
        "waiting_since": conversation.waiting_since,
        "snoozed_until": conversation.snoozed_until,
        "reminded": conversation.reminded,
        "closing_at": conversation.closing_at,
    }
    if conversation.id:
        where = conversations.c.id == conversation.id
        tx.connection.execute(update(conversations).where(where).values(**values))
        return conversation.id
    values |= {"reference": conversation.reference, "created_at": conversation.created_at}
    return inserted(tx.connection, conversations, values)


def _merge(tx: Tx, into: int, others: Iterable[int], now: datetime) -> None:
    """Make other conversations part of this one. Their references and tokens go on leading here."""
    for other in others:
        for table in (messages, history, tables.notices):
            tx.connection.execute(update(table).where(table.c.conversation == other).values(conversation=into))
        tx.connection.execute(update(conversations).where(conversations.c.id == other).values(merged_into=into))
        outbox.follow(tx, other, into)
        record(tx, into, Event("gateway", f"joined with conversation {other}: the same matter"), now)


def _relate(tx: Tx, conversation: int, others: Iterable[int]) -> None:
    for other in others:
        if other != conversation:
            pair = {"conversation": min(conversation, other), "other": max(conversation, other)}
            tx.connection.execute(insert_or_ignore(related).on_conflict_do_nothing(), pair)


def _message(tx: Tx, conversation: int, message: Message) -> int:
    row: dict[str, Any] = {
        "conversation": conversation,
        "fingerprint": bytes.fromhex(message.fingerprint) or None,
        "digest": bytes.fromhex(message.digest) or None,
        "message_id": message.message_id,
        "direction": message.direction.value,
        "kind": message.kind.value,
        "nature": message.nature.value,
        "proof": message.proof.value if message.proof else None,
        "author": message.author,
        "people": list(message.people),
        "received_at": message.received_at,
        "subject": message.subject,
        "text": message.text,
        "quoted": message.quoted,
        "attachments": [asdict(attachment) for attachment in message.attachments],
        "because": list(message.because),
    }
    identifier = inserted(tx.connection, messages, row)
    cited = [{"cited": cited, "message": identifier} for cited in dict.fromkeys(message.cited)]
    if cited:
        tx.connection.execute(_CITATIONS, cited)
    return identifier


def _deliveries(
    tx: Tx, conversation: int, message: int, drafts: Iterable[Draft], signer: Signer, now: datetime
) -> list[int]:
    return [outbox.enqueue(tx, conversation, message, draft, signer, now) for draft in drafts]
