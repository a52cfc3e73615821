"""Conversations, their history and messages as rows, and from them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from gateway.model import (
    Attachment,
    Conversation,
    Direction,
    Event,
    Inbox,
    InboxKind,
    Kind,
    Mark,
    Message,
    Nature,
    Proof,
    Status,
)
from gateway.store import traits
from gateway.store.database import AnyRow
from gateway.store.prepared import Prepared
from gateway.store.tables import conversations, messages

_CONVERSATION = Prepared(select(conversations).where(conversations.c.id == bindparam("id")))
_MESSAGES = select(messages).where(messages.c.id.in_(bindparam("ids", expanding=True)))


def of_conversation(conversation: Conversation, now: datetime) -> dict[str, Any]:
    """What may change of it."""
    return {
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


def of_event(event: Event, conversation: int, now: datetime) -> dict[str, Any]:
    return {"conversation": conversation, "at": now, "by": event.by, "what": event.what}


def of_message(message: Message, conversation: int) -> dict[str, Any]:
    return {
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


def of_citations(message: int, cited: Iterable[str], loose: Container[str]) -> list[dict[str, Any]]:
    """Which ids a message cites, nearest first."""
    every = enumerate(dict.fromkeys(cited))
    return [{"cited": c, "message": message, "position": position, "loose": c in loose} for position, c in every]


# --- and back ---------------------------------------------------------------------------------------------


def as_message(row: AnyRow) -> Message:
    return Message(
        message_id=row.message_id,
        direction=Direction(row.direction),
        kind=Kind(row.kind),
        nature=Nature(row.nature),
        proof=Proof(row.proof) if row.proof else None,
        author=row.author,
        people=tuple(row.people),
        received_at=row.received_at,
        subject=row.subject,
        text=row.text,
        quoted=row.quoted,
        attachments=tuple(Attachment(**stored) for stored in row.attachments),
        because=tuple(row.because),
        fingerprint=row.fingerprint.hex() if row.fingerprint else "",
        digest=row.digest.hex() if row.digest else "",
        traits=traits.as_traits(row),
        proof_code=row.proof_code,
        marks=tuple(Mark(**mark) for mark in row.marks),
    )


def messages_by_id(connection: Connection, ids: Iterable[int]) -> dict[int, Message]:
    rows = connection.execute(_MESSAGES, {"ids": list(ids)})
    return {row.id: as_message(row) for row in rows}


def as_conversation(row: AnyRow) -> Conversation:
    return Conversation(
        id=row.id,
        reference=row.reference,
        inbox=Inbox(InboxKind(row.inbox_kind), row.inbox_number),
        strength=row.strength,
        pinned=row.pinned,
        status=Status(row.status),
        assignee=row.assignee,
        subject=row.subject,
        usager=row.usager,
        created_at=row.created_at,
        updated_at=row.updated_at,
        because=tuple(row.because),
        tags=tuple(row.tags),
        organisation=row.organisation,
        language=row.language,
        outside=row.outside,
        guests=tuple(row.guests),
        followers=tuple(row.followers),
        muted=tuple(row.muted),
        asked=None if row.asked is None else tuple(row.asked),
        waiting_since=row.waiting_since,
        snoozed_until=row.snoozed_until,
        reminded=row.reminded,
        closing_at=row.closing_at,
    )


def conversation_by_id(connection: Connection, identifier: int) -> Conversation:
    """A conversation, or the one it was merged into."""
    row = _CONVERSATION.first(connection, {"id": identifier})
    while row.merged_into is not None:
        row = _CONVERSATION.first(connection, {"id": row.merged_into})
    return as_conversation(row)


def parts(connection: Connection, conversation: int) -> frozenset[int]:
    """The ids of a conversation, and of all that was merged into it."""
    found = {conversation}
    merged = select(conversations.c.id)
    while more := set(connection.scalars(merged.where(conversations.c.merged_into.in_(found)))) - found:
        found |= more
    return frozenset(found)
