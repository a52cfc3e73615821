"""Writing what was decided: one `Filing`, one transaction, all of it or nothing."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from gateway.model import GATEWAY, Conversation, Draft, Event, Filing, Message
from gateway.store import audit, confirmations, notices, outbox, references, repair, statements, tables, traits
from gateway.store.database import Tx, inserted
from gateway.store.outbox import Signer
from gateway.store.prepared import Prepared
from gateway.store.recall import parts
from gateway.store.tables import citations, conversations, history, messages, related

_HISTORY = Prepared(insert(history).inline(), ("conversation", "at", "by", "what"))
_CITATIONS = Prepared(insert(citations).inline(), ("cited", "message", "position", "loose"))
_REFERENCE = Prepared(select(conversations.c.reference).where(conversations.c.id == bindparam("id")))


def file(tx: Tx, filing: Filing, signer: Signer, now: datetime) -> tuple[int, tuple[int, ...]]:
    """Write a filing; return the id of its first message (0 if it has none), and of the deliveries it caused."""
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
        outbox.reported(tx, settlement, now)
    if filing.asks is not None:
        confirmations.ask(tx, sent[0], ids[0], filing.asks, now)
    if filing.answered is not None:
        confirmations.answer(tx, filing.answered, now)
    return (ids[0] if ids else 0), tuple(sent)


def record(tx: Tx, conversation: int, event: Event, now: datetime, proof: str = "") -> None:
    """Add a line to a conversation's history; what a person did goes to the audit, with its proof."""
    row = {"conversation": conversation, "at": now, "by": event.by, "what": event.what}
    _HISTORY.run(tx.connection, row)
    if event.by != GATEWAY:
        reference = _REFERENCE.scalar(tx.connection, {"id": conversation}) or ""
        audit.record(tx, at=now, by=event.by, what=event.what, conversation=reference, proof=proof)


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
    values |= {
        "reference": conversation.reference or references.unused(tx.connection),
        "created_at": conversation.created_at,
    }
    return inserted(tx.connection, conversations, values)


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
            outbox.revoke(tx, parts(tx.connection, conversation), address)
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


def citation_rows(message: int, cited: Iterable[str], loose: Container[str]) -> list[dict[str, Any]]:
    """The rows of a message's citations, nearest first."""
    every = enumerate(dict.fromkeys(cited))
    return [{"cited": c, "message": message, "position": position, "loose": c in loose} for position, c in every]


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
        "proof_code": message.proof_code,
        "author": message.author,
        "people": list(message.people),
        "received_at": message.received_at,
        "subject": message.subject,
        "text": message.text,
        "quoted": message.quoted,
        "attachments": [asdict(attachment) for attachment in message.attachments],
        "because": list(message.because),
        "marks": [asdict(mark) for mark in message.marks],
        **traits.as_row(message.traits),
    }
    identifier = inserted(tx.connection, messages, row)
    cited = citation_rows(identifier, message.cited, message.loose)
    if cited:
        _CITATIONS.run_each(tx.connection, cited)
    return identifier


def _deliveries(
    tx: Tx, conversation: int, message: int, drafts: Iterable[Draft], signer: Signer, now: datetime
) -> list[int]:
    return [outbox.enqueue(tx, conversation, message, draft, signer, now) for draft in drafts]
