"""Everything the store knows of one mail's ids, tokens and author: what placement decides on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select

from gateway.model import (
    MATTER_WINDOW,
    MOST_BEARERS,
    Attachment,
    Clues,
    Conversation,
    DeliveryState,
    Direction,
    Inbox,
    InboxKind,
    Kind,
    Linked,
    Mark,
    Message,
    Nature,
    Participation,
    Proof,
    Purpose,
    Recalled,
    Role,
    Sent,
    Status,
    Thread,
)
from gateway.store.database import AnyRow
from gateway.store.prepared import Prepared
from gateway.store.tables import citations, conversations, deliveries, messages, notices, participations
from gateway.store.traits import as_traits

_DAY = timedelta(days=1)
_MOST_UNANSWERED = 10
_MOST_WRITTEN = 100
_FIRST_DAY, _LAST_DAY = datetime(1970, 3, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_MOST_ALIKE = 20
_MOST_LINKS = 300  # each way: many mails may bear one id
_BORNE = messages.c.message_id != literal_column("''")
_AROUND = (bindparam("since", type_=messages.c.sent_at.type), bindparam("until", type_=messages.c.sent_at.type))
_OF_A_MATTER = messages.c.matter != literal_column("''")  # so that the partial indices are used
_OF_OUTLOOK = messages.c.outlook != literal_column("''")
_LINK = (
    messages.c.message_id,
    messages.c.conversation,
    messages.c.author,
    messages.c.people,
    messages.c.sure,
    messages.c.kind,
)

# Built once: building a query costs more than running it.
_SAME = Prepared(select(messages.c.id).where(messages.c.fingerprint == bindparam("fingerprint")))
_CONVERSATION = Prepared(select(conversations).where(conversations.c.id == bindparam("id")))
_PARTICIPATION = Prepared(select(participations).where(participations.c.id == bindparam("id")))
_MESSAGES = select(messages).where(messages.c.id.in_(bindparam("ids", expanding=True)))
_CITED = (
    select(*_LINK)
    .where(messages.c.message_id.in_(bindparam("ids", expanding=True)), _BORNE)
    .order_by(messages.c.id)
    .limit(_MOST_LINKS)
)
_CITING = Prepared(
    select(*_LINK)
    .join(citations, citations.c.message == messages.c.id)
    .where(citations.c.cited == bindparam("message_id"))
    .order_by(messages.c.id)
    .limit(_MOST_LINKS)
)
_SIMILAR = (
    select(messages.c.conversation)
    .where(
        ((messages.c.matter == bindparam("matter")) & _OF_A_MATTER & messages.c.sent_at.between(*_AROUND))
        | ((messages.c.outlook == bindparam("outlook")) & _OF_OUTLOOK)
    )
    .group_by(messages.c.conversation)
    .order_by(func.max(messages.c.sent_at).desc().nulls_last(), messages.c.conversation)
    .limit(_MOST_ALIKE)
)
_ALIKE = Prepared(_SIMILAR)
_ORPHANS = Prepared(_SIMILAR.where(messages.c.orphan))
_SENT = Prepared(
    select(deliveries, messages.c.author)
    .outerjoin(messages, messages.c.id == deliveries.c.message)
    .where(deliveries.c.id == bindparam("id"))
)
_SINCE = Prepared(
    select(func.count()).where(
        deliveries.c.recipient == bindparam("address"),
        deliveries.c.created_at > bindparam("since"),
        deliveries.c.purpose == bindparam("purpose"),
    )
)
_STAYS = messages.c.id.not_in(bindparam("without", expanding=True))
_OUTSIDE = (
    messages.c.conversation == bindparam("conversation"),
    messages.c.direction == literal_column("'in'"),
    messages.c.kind == literal_column("'external'"),
)
_LATEST = select(messages).where(*_OUTSIDE).order_by(messages.c.id.desc()).limit(1)
_WRITTEN = _LATEST.limit(_MOST_WRITTEN)
_WRITERS = select(messages.c.author).where(*_OUTSIDE).distinct().order_by("author")
_LAST_ANSWER = (
    select(func.coalesce(func.max(messages.c.id), 0))
    .where(
        messages.c.conversation == bindparam("conversation"),
        messages.c.direction == "out",
        messages.c.kind == "external",
    )
    .scalar_subquery()
)
_UNANSWERED = _LATEST.where(messages.c.id > _LAST_ANSWER).limit(_MOST_UNANSWERED)
_LAST_ACT = (
    select(func.coalesce(func.max(messages.c.id), 0))
    .where(
        messages.c.conversation == bindparam("conversation"),
        (messages.c.direction == "out") | (messages.c.kind == "internal") | (messages.c.kind == "event"),
    )
    .scalar_subquery()
)
_NOTIFIED = Prepared(
    select(deliveries.c.recipient, func.max(deliveries.c.created_at).label("at"))
    .where(
        deliveries.c.conversation == bindparam("conversation"),
        deliveries.c.purpose == Purpose.NOTIFICATION.value,
        deliveries.c.message > _LAST_ACT,
    )
    .group_by(deliveries.c.recipient)
)
_HELD = Prepared(
    select(notices.c.agent).where(notices.c.conversation == bindparam("conversation"), ~notices.c.digest)
)


def recall(connection: Connection, clues: Clues, now: datetime) -> Recalled:
    """Look everything up. A mail that is there already is recalled as a duplicate, and nothing more."""
    fingerprint = bytes.fromhex(clues.fingerprint)
    same = _SAME.scalar(connection, {"fingerprint": fingerprint})
    if same is not None:
        return Recalled(duplicate_of=same)
    return Recalled(
        participations=_participations(connection, clues),
        links=(*_cited(connection, clues.cited), *_citing(connection, clues.message_id)),
        alike=_alike(connection, clues),
        sent=_sent(connection, clues.deliveries),
        digest=_answers_digest(connection, clues),
        forwarded=_cited(connection, (clues.forwarded,)) if clues.forwarded else (),
    )


def thread(connection: Connection, conversation: int, without: Iterable[int] = ()) -> Thread:
    """What is known of a conversation besides itself. `without`: messages that are about to leave it."""
    values = {"conversation": conversation, "without": list(without)}
    unanswered = tuple(map(as_message, reversed(_of_thread(connection, _UNANSWERED, values))))
    latest = unanswered[-1:] or tuple(map(as_message, _of_thread(connection, _LATEST, values)))
    return Thread(
        latest=next(iter(latest), None),
        unanswered=unanswered,
        writers=tuple(row.author for row in _of_thread(connection, _WRITERS, values)),
        notified={row.recipient: row.at for row in _NOTIFIED.rows(connection, values)},
        held=frozenset(_HELD.scalars(connection, values)),
    )


def _of_thread(connection: Connection, query: Select[Any], values: dict[str, Any]) -> Sequence[AnyRow]:
    """What a query finds in a conversation. Hardly ever are there messages about to leave it."""
    if values["without"]:
        return connection.execute(query.where(_STAYS), values).all()
    return _whole(query).rows(connection, values)


@cache
def _whole(query: Select[Any]) -> Prepared:
    return Prepared(query)


def written(connection: Connection, conversation: int) -> tuple[Message, ...]:
    """All that came from outside, or the latest of it, oldest first."""
    rows = _of_thread(connection, _WRITTEN, {"conversation": conversation, "without": ()})
    return tuple(map(as_message, reversed(rows)))


def acted_on(connection: Connection, conversation: int, without: Iterable[int] = ()) -> Thread:
    """`thread`, with what an agent's act there may need besides."""
    return replace(
        thread(connection, conversation, without),
        written=written(connection, conversation),
        holders=_holders(connection, conversation),
    )


def parts(connection: Connection, conversation: int) -> frozenset[int]:
    """The ids of a conversation, and of all that was merged into it."""
    found = {conversation}
    merged = select(conversations.c.id)
    while more := set(connection.scalars(merged.where(conversations.c.merged_into.in_(found)))) - found:
        found |= more
    return frozenset(found)


def _holders(connection: Connection, conversation: int) -> frozenset[str]:
    """Everyone who was given a reply address that leads to it."""
    every = parts(connection, conversation)
    taking_part = select(participations.c.address).where(participations.c.conversation.in_(every))
    written_to = select(deliveries.c.recipient).where(
        deliveries.c.conversation.in_(every), deliveries.c.participation.is_not(None)
    )
    return frozenset(connection.scalars(taking_part.union(written_to)))


def messages_by_id(connection: Connection, ids: Iterable[int]) -> dict[int, Message]:
    rows = connection.execute(_MESSAGES, {"ids": list(ids)})
    return {row.id: as_message(row) for row in rows}


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
        traits=as_traits(row),
        proof_code=row.proof_code,
        marks=tuple(Mark(**mark) for mark in row.marks),
    )


def conversation_by_id(connection: Connection, identifier: int) -> Conversation:
    """A conversation, or the one it was merged into."""
    row = _CONVERSATION.first(connection, {"id": identifier})
    while row.merged_into is not None:
        row = _CONVERSATION.first(connection, {"id": row.merged_into})
    return as_conversation(row)


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


def _participations(connection: Connection, clues: Clues) -> tuple[tuple[Participation, Conversation], ...]:
    """What its tokens name. Where the mail that was answered has been moved since, its token leads there too."""
    moved = _moved(connection, clues.deliveries)
    found: list[tuple[Participation, Conversation]] = []
    for identifier in clues.participations:
        row = _PARTICIPATION.first(connection, {"id": identifier})
        if row is not None:
            conversation = conversation_by_id(connection, moved.get(row.id, row.conversation))
            participation = Participation(
                row.id, conversation.id, row.address, Role(row.role), row.epoch, row.usager, row.written_at
            )
            found.append((participation, conversation))
    return tuple(found)


def _moved(connection: Connection, cited: tuple[int, ...]) -> dict[int, int]:
    """Participation → conversation of the nearest of its deliveries that the mail cites."""
    moved: dict[int, int] = {}
    for delivery in cited:
        row = _SENT.first(connection, {"id": delivery})
        if row is not None and row.conversation is not None and row.participation is not None:
            moved.setdefault(row.participation, row.conversation)
    return moved


def _cited(connection: Connection, ids: tuple[str, ...]) -> tuple[Linked, ...]:
    """Messages that the mail cites, in the order in which it cites them."""
    if not ids:
        return ()
    rows = connection.execute(_CITED, {"ids": ids}).all()
    borne = Counter(row.message_id for row in rows)
    rows = [row for row in rows if borne[row.message_id] <= MOST_BEARERS]
    order = {identifier: position for position, identifier in enumerate(ids)}
    rows = sorted(rows, key=lambda row: order[row.message_id])
    return tuple(_linked(connection, row, replies=False) for row in rows)


def _citing(connection: Connection, message_id: str) -> tuple[Linked, ...]:
    """Messages that cite the mail and came before it."""
    if not message_id:
        return ()
    rows = _CITING.rows(connection, {"message_id": message_id})
    return tuple(_linked(connection, row, replies=True) for row in rows)


def _linked(connection: Connection, row: AnyRow, replies: bool) -> Linked:
    conversation = conversation_by_id(connection, row.conversation)
    return Linked(
        row.message_id, conversation, row.author, tuple(row.people), replies, row.sure, row.kind == "machine"
    )


def _alike(connection: Connection, clues: Clues) -> tuple[int, ...]:
    """Conversations with mail of the same matter and people, where that one or this cites nothing."""
    if clues.sent_at is None or not (clues.matter or clues.outlook):
        return ()
    query = _ALIKE if clues.orphan else _ORPHANS
    values = {
        "matter": clues.matter or None,
        "outlook": clues.outlook or None,
        "since": max(clues.sent_at, _FIRST_DAY) - MATTER_WINDOW,
        "until": min(clues.sent_at, _LAST_DAY) + MATTER_WINDOW,
    }
    found = query.scalars(connection, values)
    return tuple(dict.fromkeys(conversation_by_id(connection, identifier).id for identifier in found))


def _sent(connection: Connection, ids: tuple[int, ...]) -> tuple[Sent, ...]:
    found: list[Sent] = []
    for identifier in ids:
        sent = sent_by_id(connection, identifier)
        if sent is not None:
            found.append(sent)
    return tuple(found)


def _answers_digest(connection: Connection, clues: Clues) -> bool:
    """Is one of the deliveries that it cites a mail to its author that is of no conversation?"""
    rows = (_SENT.first(connection, {"id": identifier}) for identifier in clues.deliveries)
    return any(row is not None and row.conversation is None and row.recipient == clues.author for row in rows)


def sent_by_id(connection: Connection, delivery: int) -> Sent | None:
    """What a delivery was, who wrote it, and in which conversation; None for a digest, which is of none."""
    row = _SENT.first(connection, {"id": delivery})
    if row is None or row.conversation is None:
        return None
    conversation = conversation_by_id(connection, row.conversation)
    uncertain = row.state == DeliveryState.UNKNOWN
    return Sent(row.id, conversation, Purpose(row.purpose), row.recipient, row.author or "", uncertain)


def count_since_yesterday(connection: Connection, address: str, purpose: Purpose, now: datetime) -> int:
    """How many mails of a kind an address was sent within a day."""
    values = {"address": address, "since": now - _DAY, "purpose": purpose.value}
    return int(_SINCE.scalar(connection, values) or 0)
