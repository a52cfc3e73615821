"""What is known of a conversation besides itself: what came last, who wrote, who was told, who may answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select

from gateway.model import Message, Purpose, Thread
from gateway.store.database import AnyRow
from gateway.store.prepared import Prepared
from gateway.store.rows import as_message, parts
from gateway.store.tables import deliveries, messages, notices, participations

_MOST_UNANSWERED = 10
_MOST_WRITTEN = 100
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


def _holders(connection: Connection, conversation: int) -> frozenset[str]:
    """Everyone who was given a reply address that leads to it."""
    every = parts(connection, conversation)
    taking_part = select(participations.c.address).where(participations.c.conversation.in_(every))
    written_to = select(deliveries.c.recipient).where(
        deliveries.c.conversation.in_(every), deliveries.c.participation.is_not(None)
    )
    return frozenset(connection.scalars(taking_part.union(written_to)))
