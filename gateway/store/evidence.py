"""What happened to each delivery, as evidence: a chain for each conversation (gateway.store.chain, docs/evidence.md).

    hash = SHA-256("gateway evidence 1\\0", [chain, number, at, event, delivery, digest, previous])

A chain bears the reference of its conversation, and goes on under it when that is joined with another. What is of no
conversation (a digest) has a chain of its own. Rows are written in the transaction of what they tell. Their ids go up
by one through all chains: so one hash over all of them, put into the audit now and then (`seal`), tells of every row
that was cut off since.

As with the audit, one writer at a time follows the last row.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select

from gateway.model import GATEWAY, Fact, Occasion
from gateway.store import audit, chain, turns
from gateway.store.chain import Link, Verified
from gateway.store.database import AnyRow, Tx
from gateway.store.prepared import About, Prepared
from gateway.store.rows import parts
from gateway.store.tables import audit as acts
from gateway.store.tables import conversations, deliveries, evidence

CONTEXT = b"gateway evidence 1\0"
_BOUND = ("chain", "number", "at", "event", "delivery", "digest", "previous")
_TRIES = (Occasion.ATTEMPT, Occasion.INTERRUPTED, Occasion.GIVEN_UP)
_INSERT = Prepared(insert(evidence), evidence.c.keys())
_LAST_ID = Prepared(select(func.max(evidence.c.id)))
_ABOUT = About(
    lambda ids: (
        select(
            deliveries.c.id,
            deliveries.c.state,
            deliveries.c.owner,
            deliveries.c.message_id,
            deliveries.c.recipient,
            conversations.c.reference,
        )
        .outerjoin(conversations, conversations.c.id == deliveries.c.conversation)
        .where(deliveries.c.id.in_(ids))
    )
)


def _ends(chains: list[ColumnElement[Any]]) -> Select[Any]:
    """The last row of each of these chains."""
    last = (
        select(evidence.c.chain, func.max(evidence.c.number).label("number"))
        .where(evidence.c.chain.in_(chains))
        .group_by(evidence.c.chain)
        .subquery()
    )
    return select(evidence.c.chain, evidence.c.number, evidence.c.hash).join(
        last, (evidence.c.chain == last.c.chain) & (evidence.c.number == last.c.number)
    )


_HEADS = About(_ends)
_ALL = select(evidence).order_by(evidence.c.chain, evidence.c.number)
_SEAL = re.compile(r"sealed the evidence up to row (\d+): ([0-9a-f]{64})")
_SEALS = select(acts.c.what).where(acts.c.by == GATEWAY, acts.c.what.like("sealed the evidence up to row %"))


# --- writing ---------------------------------------------------------------------------------------------


def about(connection: Connection, facts: Iterable[Fact]) -> dict[int, AnyRow]:
    """What `record` needs to know of the deliveries, and the state of each."""
    return {row.id: row for row in _ABOUT.rows(connection, {fact.delivery for fact in facts})}


def record(tx: Tx, facts: Sequence[Fact], at: datetime, known: Mapping[int, AnyRow] | None = None) -> None:
    """Add what happened, in its own transaction. Several facts cost little more than one.

    `known`: as `about` says it, where that was asked already.
    """
    known = known or about(tx.connection, facts)
    chains = {delivery: row.reference or f"delivery {delivery}" for delivery, row in known.items()}
    turns.chain(tx.connection)
    heads = {row.chain: (row.number, row.hash) for row in _HEADS.rows(tx.connection, set(chains.values()))}
    identifier = _LAST_ID.scalar(tx.connection, {}) or 0
    rows: list[dict[str, Any]] = []
    for fact in facts:
        name, row = chains[fact.delivery], known[fact.delivery]
        number, previous = heads.get(name, (0, chain.START))
        said = words(to=row.recipient, message_id=row.message_id, fact=fact)
        bound = {"chain": name, "number": number + 1, "at": at, "event": fact.occasion.value}
        rows.append(linked({**bound, "id": identifier + len(rows) + 1, "delivery": fact.delivery}, said, previous))
        heads[name] = number + 1, rows[-1]["hash"]
    _INSERT.run_each(tx.connection, rows)


def words(*, to: str, message_id: str, fact: Fact) -> str:
    """What a row says, as a JSON object: without what there is nothing to say of, its names in their order."""
    attempt = fact.attempt
    said = {
        "by": fact.by,
        "host": attempt.host,
        "message_id": message_id,
        "outcome": attempt.state.value,
        "reply": attempt.reply,
        "sha256": attempt.sha256,
        "tls": attempt.tls,
        "to": to,
    }
    return json.dumps({name: value for name, value in said.items() if value}, ensure_ascii=False)


def linked(row: Mapping[str, Any], said: str, previous: bytes) -> dict[str, Any]:
    """A row with all that binds it."""
    salt = secrets.token_bytes(16)
    whole = {**row, "said": said, "salt": salt, "digest": chain.digest(salt, said), "previous": previous}
    return {**whole, "hash": _hash(whole)}


def seal(tx: Tx, at: datetime) -> bool:
    """Put one hash over all rows into the audit, if there are any since the last; were there?"""
    last, before = _last_seal(tx.connection)
    rows = tx.connection.execute(_hashes_after(last)).all()
    if not rows:
        return False
    sealed = _sealed(before, [row.hash for row in rows])
    what = f"sealed the evidence up to row {rows[-1].id}: {sealed}"
    audit.record(tx, at=at, by=GATEWAY, what=what, proof="by itself, at an interval and with every export")
    return True


def is_unsealed(connection: Connection) -> bool:
    """Was anything written since the last seal?"""
    return (_LAST_ID.scalar(connection, {}) or 0) > _last_seal(connection)[0]


def _last_seal(connection: Connection) -> tuple[int, str]:
    what = connection.scalar(_SEALS.order_by(acts.c.id.desc()).limit(1))
    found = _SEAL.fullmatch(what or "")
    return (int(found[1]), found[2]) if found else (0, "")


def _hashes_after(identifier: int) -> Select[tuple[int, bytes]]:
    return select(evidence.c.id, evidence.c.hash).where(evidence.c.id > identifier).order_by(evidence.c.id)


def _sealed(before: str, hashes: Sequence[bytes]) -> str:
    return hashlib.sha256(before.encode() + b"".join(hashes)).hexdigest()


# --- looking ---------------------------------------------------------------------------------------------


def of_conversation(connection: Connection, conversation: int) -> list[dict[str, Any]]:
    """Every row of its chain, and of those of what was joined with it; times and hashes as they are hashed."""
    query = _ALL.where(evidence.c.chain.in_(_chains(connection, conversation)))
    return [_shown(row) for row in connection.execute(query)]


def _chains(connection: Connection, conversation: int) -> list[str]:
    every = parts(connection, conversation)
    return list(connection.scalars(select(conversations.c.reference).where(conversations.c.id.in_(every))))


def _shown(row: AnyRow) -> dict[str, Any]:
    whole = {name: getattr(row, name) for name in (*_BOUND[:5], "said", "salt", "digest", "previous", "hash")}
    return {k: v if isinstance(v, str | int) else chain.plain(v) for k, v in whole.items()}


def verified(connection: Connection, conversation: int | None = None) -> dict[str, Verified]:
    """Follow the chains of a conversation, or all there are; each to its end, or to its first row that is wrong."""
    query = _ALL
    if conversation is not None:
        query = query.where(evidence.c.chain.in_(_chains(connection, conversation)))
    by_chain: dict[str, Verified] = {}
    for name, links in _grouped(connection, query):
        by_chain[name] = chain.follow(links)
    return by_chain


def _grouped(connection: Connection, query: Select[Any]) -> Iterator[tuple[str, list[Link]]]:
    name, links = "", list[Link]()
    for row in connection.execute(query).yield_per(1000):
        if row.chain != name and links:
            yield name, links
            links = []
        name = row.chain
        made = _hash(row._asdict())
        links.append(Link(row.number, row.said, row.salt, row.digest, row.previous, row.hash, made))
    if links:
        yield name, links


def holds(connection: Connection, made: bytes) -> bool:
    """Is there a row with this hash?"""
    return connection.scalar(select(evidence.c.id).where(evidence.c.hash == made).limit(1)) is not None


def missing(connection: Connection, conversation: int | None = None) -> list[int]:
    """Deliveries that the outbox tried more often than the evidence knows: rows of theirs were taken away."""
    tries = evidence.c.event.in_([occasion.value for occasion in _TRIES])
    known = select(func.count()).where(evidence.c.delivery == deliveries.c.id, tries).scalar_subquery()
    query = select(deliveries.c.id).where(deliveries.c.attempts > known).order_by(deliveries.c.id)
    if conversation is not None:
        query = query.where(deliveries.c.conversation.in_(parts(connection, conversation)))
    return list(connection.scalars(query))


def broken_seal(connection: Connection) -> str:
    """The first seal in the audit that doesn't fit the rows that are there, in words; "" where all do."""
    last, before = 0, ""
    for what in connection.scalars(_SEALS.order_by(acts.c.id)).all():
        found = _SEAL.fullmatch(what)
        if found is None:
            return f"the audit holds a seal that says nothing: {what}"
        rows = connection.execute(_hashes_after(last).where(evidence.c.id <= int(found[1]))).all()
        if _sealed(before, [row.hash for row in rows]) != found[2]:
            return f"rows {last + 1} to {found[1]} aren't those that were sealed in the audit"
        last, before = int(found[1]), found[2]
    return ""


def _hash(row: Mapping[str, Any]) -> bytes:
    return chain.bound(CONTEXT, [row[name] for name in _BOUND])
