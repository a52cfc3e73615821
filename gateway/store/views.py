"""What is shown: conversations, messages and their deliveries, field by field as the interface names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from gateway.errors import NotFound
from gateway.model import Conversation, Inbox
from gateway.store import confirmations
from gateway.store.database import AnyRow
from gateway.store.rows import as_conversation, conversation_by_id, parts
from gateway.store.tables import (
    citations,
    conversations,
    deliveries,
    history,
    messages,
    participations,
    related,
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which conversations to list. `sees` decides last, on each of them."""

    inbox: Inbox | None = None
    status: str | None = None
    assignee: str | None = None
    sees: Callable[[Conversation], bool] = lambda _: True
    limit: int = 1000


def find(connection: Connection, reference: str) -> Conversation:
    """A conversation by its reference, in any case of letters.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(
        select(conversations.c.id).where(conversations.c.reference == reference.strip().upper())
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no conversation {reference}; `gateway conversations` lists them")
    return conversation_by_id(connection, row.id)


def references(connection: Connection, reference: str) -> tuple[str, ...]:
    """Every reference that leads to a conversation: its own, and those of what was joined with it.

    Raises:
        NotFound: there is no such conversation.
    """
    found = parts(connection, find(connection, reference).id)
    query = select(conversations.c.reference).where(conversations.c.id.in_(found)).order_by(conversations.c.id)
    return tuple(connection.scalars(query))


def listed(connection: Connection, wanted: Filter) -> list[dict[str, Any]]:
    """Conversations, the last changed first, as `conversations` shows them."""
    query = select(conversations).where(conversations.c.merged_into.is_(None))
    if wanted.inbox is not None:
        query = query.where(
            conversations.c.inbox_kind == wanted.inbox.kind.value,
            conversations.c.inbox_number.is_not_distinct_from(wanted.inbox.number),
        )
    if wanted.status is not None:
        query = query.where(conversations.c.status == wanted.status)
    if wanted.assignee is not None:
        query = query.where(conversations.c.assignee == wanted.assignee)
    rows = connection.execute(query.order_by(conversations.c.updated_at.desc(), conversations.c.id.desc()))
    seen: list[Conversation] = []
    for row in rows:
        conversation = as_conversation(row)
        if wanted.sees(conversation):
            seen.append(conversation)
        if len(seen) == wanted.limit:
            break
    return [_summary(connection, conversation) for conversation in seen]


def shown(connection: Connection, conversation: Conversation) -> dict[str, Any]:
    """One conversation whole, as `show` shows it."""
    by_message = _deliveries(connection, conversation.id)
    asked = confirmations.of_messages(connection, conversation.id)
    query = select(messages).where(messages.c.conversation == conversation.id).order_by(messages.c.id)
    events = select(history).where(history.c.conversation == conversation.id).order_by(history.c.id)
    return {
        **_summary(connection, conversation),
        "messages": [_message(row, by_message[row.id], asked.get(row.id)) for row in connection.execute(query)],
        "related": _related(connection, conversation.id),
        "history": [{"at": row.at, "by": row.by, "what": row.what} for row in connection.execute(events)],
    }


def is_receipt(message: Mapping[str, Any]) -> bool:
    """Is it one of those of `shown` that say no more than that a mail arrived, or was read?"""
    return (message["kind"], message["nature"]) == ("machine", "receipt")


def digests(connection: Connection, ids: Iterable[int]) -> dict[int, str]:
    """The raw mails' digests of those of these messages that came as a mail."""
    query = select(messages.c.id, messages.c.digest).where(
        messages.c.id.in_(list(ids)), messages.c.digest.is_not(None)
    )
    return {row.id: row.digest.hex() for row in connection.execute(query)}


def _summary(connection: Connection, conversation: Conversation) -> dict[str, Any]:
    count = select(func.count()).where(messages.c.conversation == conversation.id)
    people = select(participations.c.address).where(participations.c.conversation == conversation.id).order_by("id")
    participants = dict.fromkeys((conversation.usager, *conversation.guests, *connection.scalars(people)))
    return {
        "reference": conversation.reference,
        "inbox": {"kind": conversation.inbox.kind.value, "number": conversation.inbox.number},
        "status": conversation.status.value,
        "assignee": conversation.assignee,
        "subject": conversation.subject,
        "usager": conversation.usager,
        "participants": [address for address in participants if address],
        "tags": list(conversation.tags),
        "messages": connection.scalar(count),
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "because": list(conversation.because),
        "organisation": conversation.organisation or None,
        "guests": list(conversation.guests),
        "followers": list(conversation.followers),
        "waiting_since": conversation.waiting_since,
        "snoozed_until": conversation.snoozed_until,
        "closing_at": conversation.closing_at,
    }


def _message(row: AnyRow, sent: Iterable[AnyRow], asked: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "message_id": row.message_id,
        "direction": row.direction,
        "kind": row.kind,
        "nature": row.nature,
        "proof": row.proof,
        "proof_code": row.proof_code,
        "author": row.author,
        "received_at": row.received_at,
        "subject": row.subject,
        "text": row.text,
        "quoted": row.quoted,
        "attachments": [
            {key: stored[key] for key in ("name", "type", "size", "sha256")} | {"held": stored.get("held") or None}
            for stored in row.attachments
        ],
        "because": list(row.because),
        "marks": row.marks,
        "deliveries": [
            {
                "to": delivery.recipient,
                "state": delivery.state,
                "attempts": delivery.attempts,
                "last_reply": delivery.last_reply,
            }
            for delivery in sent
        ],
        "confirmation": asked,
    }


def attachments(connection: Connection, conversation: int) -> list[dict[str, Any]]:
    """Those of all its messages, oldest first, numbered from 1, each with its message and raw mail."""
    where = (messages.c.conversation == conversation, messages.c.digest.is_not(None))
    rows = connection.execute(select(messages).where(*where).order_by(messages.c.id))
    found = ((row, stored) for row in rows for stored in row.attachments)
    plain = {"held": "", "looks": ""}
    return [
        plain | stored | {"number": number, "message": row.id, "digest": row.digest.hex()}
        for number, (row, stored) in enumerate(found, start=1)
    ]


def _related(connection: Connection, conversation: int) -> list[str]:
    """References of the conversations that touch this one, without being the same matter."""
    pairs = select(related).where((related.c.conversation == conversation) | (related.c.other == conversation))
    others = {
        row.other if row.conversation == conversation else row.conversation for row in connection.execute(pairs)
    }
    found = (conversation_by_id(connection, other) for other in sorted(others))
    return list(dict.fromkeys(other.reference for other in found if other.id != conversation))


def _deliveries(connection: Connection, conversation: int) -> dict[int, list[AnyRow]]:
    by_message: dict[int, list[AnyRow]] = defaultdict(list)
    query = select(deliveries).where(deliveries.c.conversation == conversation).order_by(deliveries.c.id)
    for row in connection.execute(query):
        by_message[row.message or 0].append(row)
    return by_message


def threaded(connection: Connection) -> Iterator[tuple[AnyRow, list[str], list[str]]]:
    """Each message that came as a mail, with the ids it cites and those of them that are loose, for `threads`.

    Holds all citations in memory.
    """
    cited: dict[int, list[str]] = defaultdict(list)
    loose: dict[int, list[str]] = defaultdict(list)
    for message, identifier, is_loose in connection.execute(
        select(citations.c.message, citations.c.cited, citations.c.loose)
    ):
        cited[message].append(identifier)
        if is_loose:
            loose[message].append(identifier)
    query = (
        select(messages.c.id, messages.c.message_id, messages.c.digest, conversations.c.reference)
        .join(conversations, conversations.c.id == messages.c.conversation)
        .where(messages.c.fingerprint.is_not(None))
        .order_by(messages.c.id)
    )
    for row in connection.execute(query):
        yield row, cited.get(row.id, []), loose.get(row.id, [])
