"""Everything the store knows of one mail's ids, tokens and author: what placement decides on."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, func, literal_column, select

from gateway.model import (
    MATTER_WINDOW,
    MOST_BEARERS,
    Clues,
    Conversation,
    DeliveryState,
    Linked,
    Participation,
    Purpose,
    Recalled,
    Role,
    Sent,
)
from gateway.store.database import AnyRow
from gateway.store.prepared import About, Prepared
from gateway.store.rows import conversation_by_id
from gateway.store.tables import citations, deliveries, messages, participations

_DAY = timedelta(days=1)
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
_PARTICIPATION = Prepared(select(participations).where(participations.c.id == bindparam("id")))
_CITED = About(
    lambda ids: (
        select(messages.c.id, *_LINK)
        .where(messages.c.message_id.in_(ids), _BORNE)
        .order_by(messages.c.id)
        .limit(_MOST_LINKS)
    )
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
    rows = sorted(_CITED.rows(connection, ids), key=lambda row: row.id)[:_MOST_LINKS]
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
