"""Conversations looked at whole: what is needed to part them anew with a mail among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, select, update

from gateway.model import Arrival, Held, Kind, Neighbourhood, Trace
from gateway.store import arrivals, rows, tables
from gateway.store.database import AnyRow, Tx, insert_each
from gateway.store.rows import conversation_by_id
from gateway.store.tables import citations, messages, related
from gateway.store.traits import as_row, as_traits

_MOST_CONVERSATIONS = 100
_AT_ONCE = 500  # conversations that one statement asks for
_MOST_MESSAGES = 1000  # beyond that, a mail is placed by what it cites alone: a limit on what one mail may cost

_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_COUNT = select(func.count()).where(messages.c.conversation.in_(_IDS))
_TRACES = (
    select(
        messages.c.id,
        messages.c.conversation,
        messages.c.message_id,
        messages.c.author,
        messages.c.kind,
        messages.c.people,
        messages.c.fingerprint,
        messages.c.sure,
        messages.c.sent_at,
        messages.c.matter,
        messages.c.outlook,
        messages.c.orphan,
        messages.c.anchored,
        messages.c.opens,
        messages.c.evidence,
    )
    .where(messages.c.conversation.in_(_IDS))
    .order_by(messages.c.id)
)
_CITATIONS = (
    select(citations.c.message, citations.c.cited, citations.c.loose)
    .join(messages, messages.c.id == citations.c.message)
    .where(messages.c.conversation.in_(_IDS))
    .order_by(citations.c.message, citations.c.position)
)
_BESIDE = select(related).where(related.c.conversation.in_(_IDS) | related.c.other.in_(_IDS))


def neighbourhood(connection: Connection, conversations: Iterable[int]) -> Neighbourhood:
    """These conversations, and all that are related to them; nothing where they are too many or too large."""
    ids = _reached(connection, conversations)
    if len(ids) > _MOST_CONVERSATIONS or (connection.scalar(_COUNT, {"ids": ids}) or 0) > _MOST_MESSAGES:
        return Neighbourhood((), {})
    return gathered(connection, ids)


def gathered(connection: Connection, conversations: Iterable[int]) -> Neighbourhood:
    """These conversations, whole."""
    ids = list(conversations)
    cited: dict[int, list[AnyRow]] = defaultdict(list)
    for start in range(0, len(ids), _AT_ONCE):
        for row in connection.execute(_CITATIONS, {"ids": ids[start : start + _AT_ONCE]}):
            cited[row.message].append(row)
    traces = [
        _trace(row, cited[row.id])
        for start in range(0, len(ids), _AT_ONCE)
        for row in connection.execute(_TRACES, {"ids": ids[start : start + _AT_ONCE]})
    ]
    acted = {trace.conversation for trace in traces if trace.traits.evidence is None}
    held = {i: Held(conversation_by_id(connection, i), i in acted) for i in ids}
    return Neighbourhood(tuple(traces), held)


def mails(connection: Connection) -> list[tuple[int, Arrival]]:
    """Every mail that is placed by what it cites, with the message that it became."""
    query = (
        select(*arrivals.COLUMNS, tables.arrivals.c.message)
        .join(tables.raws, tables.raws.c.digest == tables.arrivals.c.digest)
        .join(messages, messages.c.id == tables.arrivals.c.message)
        .where(tables.arrivals.c.state == "filed", ~messages.c.anchored, messages.c.kind == "external")
        .order_by(tables.arrivals.c.id)
    )
    return [(row.message, arrivals.as_arrival(row, row.attempts)) for row in connection.execute(query)]


def renew(tx: Tx, traces: Iterable[Trace]) -> None:
    """Write what was read otherwise than it was: ids, people and traits, not the text."""
    for trace in traces:
        values = {"message_id": trace.message_id, "people": list(trace.people), **as_row(trace.traits)}
        tx.connection.execute(update(messages).where(messages.c.id == trace.id).values(**values))
        tx.connection.execute(delete(citations).where(citations.c.message == trace.id))
        insert_each(tx.connection, citations, rows.of_citations(trace.id, trace.cited, trace.loose))


def all_conversations(connection: Connection) -> list[int]:
    """Those that aren't part of another by now."""
    query = select(tables.conversations.c.id).where(tables.conversations.c.merged_into.is_(None))
    return list(connection.scalars(query.order_by(tables.conversations.c.id)))


def _reached(connection: Connection, conversations: Iterable[int]) -> list[int]:
    found: dict[int, None] = {}
    waiting = list(conversations)
    while waiting and len(found) <= _MOST_CONVERSATIONS:
        found |= dict.fromkeys(waiting)
        pairs = connection.execute(_BESIDE, {"ids": waiting}).all()
        others = {conversation_by_id(connection, i).id for pair in pairs for i in (pair.conversation, pair.other)}
        waiting = [identifier for identifier in sorted(others) if identifier not in found]
    return list(found)


def _trace(row: AnyRow, citations: Iterable[AnyRow]) -> Trace:
    return Trace(
        id=row.id,
        conversation=row.conversation,
        message_id=row.message_id,
        cited=tuple(citation.cited for citation in citations),
        loose=tuple(citation.cited for citation in citations if citation.loose),
        author=row.author,
        people=tuple(row.people),
        fingerprint=row.fingerprint.hex() if row.fingerprint else "",
        traits=as_traits(row),
        machine=row.kind == Kind.MACHINE.value,
    )
