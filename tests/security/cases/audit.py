"""Whoever has the database file changes what was done, by whom, in the audit: it shows.

The attacker knows how rows are made, and makes the hash of each row anew that she touches. The auditor has the file
as she left it, and the head that `gateway audit` printed before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, create_engine, insert, select, text

from gateway.store import audit, chain, tables
from tests.builders import ALICE, NOW, opened
from tests.trials.case import Case, Counted, When, scratch

Row = dict[str, Any]
Verify = Callable[[Connection, bytes], str]  # what is found to be wrong, "" for nothing
_ROWS = 24


@cache
def _written() -> list[Row]:
    """A chain as the gateway writes it."""
    with scratch() as folder, opened(folder) as store:
        for n in range(_ROWS):
            at, what = NOW + timedelta(minutes=n), f"answered the usager ({n})"
            store.write_now(lambda tx, a=at, w=what: audit.record(tx, at=a, by=ALICE, what=w, proof="token, DMARC"))  # type: ignore[misc]
        return store.read_now(lambda connection: [dict(r._mapping) for r in connection.execute(audit._ALL)])


# --- what the attacker does with the row at a place ------------------------------------------------------


def _sealed(row: Row, **changed: Any) -> Row:
    """A row as the gateway would have made it, from its place and what it follows."""
    new = {**row, **changed}
    new["digest"] = chain.digest(new["salt"], new["what"])
    return {**new, "hash": audit._hash(new)}


def _changed(rows: list[Row], place: int) -> list[Row]:
    lies = {"what": "nothing", "by": "mallory@example.org", "proof": "none", "at": NOW, "conversation": "K7M2-4QXA"}
    name = list(lies)[place % len(lies)]
    return [*rows[:place], _sealed(rows[place], **{name: lies[name]}), *rows[place + 1 :]]


def _deleted(rows: list[Row], place: int) -> list[Row]:
    """And the later ones move up."""
    return _numbered([*rows[:place], *rows[place + 1 :]])


def _inserted(rows: list[Row], place: int) -> list[Row]:
    new = _sealed(rows[place], what="never happened")
    return _numbered([*rows[:place], new, *rows[place:]])


def _reordered(rows: list[Row], place: int) -> list[Row]:
    other = (place + 1) % len(rows)
    turned = list(rows)
    turned[place], turned[other] = rows[other], rows[place]
    return _numbered(turned)


def _cut(rows: list[Row], place: int) -> list[Row]:
    return rows[:place]


def _made_anew(rows: list[Row], place: int) -> list[Row]:
    """A row is changed, and the whole chain behind it made anew."""
    made = rows[:place]
    for row in rows[place:]:
        changed = {"what": "nothing"} if len(made) == place else {}
        made.append(_sealed(row, previous=made[-1]["hash"] if made else chain.START, **changed))
    return made


def _numbered(rows: list[Row]) -> list[Row]:
    return [_sealed(row, id=number) for number, row in enumerate(rows, 1)]


# --- how it is looked at ---------------------------------------------------------------------------------


def _by_the_chain(connection: Connection, head: bytes) -> str:
    return audit.verified(connection, head).fault


def _by_the_table(connection: Connection, head: bytes) -> str:
    """What a table without hashes shows: an order of rows, every field filled."""
    ids = list(connection.scalars(select(tables.audit.c.id)))
    return "" if all(one < other for one, other in pairwise(ids)) else "the order is broken"


def _count(tamper: Callable[[list[Row], int], list[Row]], verify: Verify) -> Callable[[], Counted]:
    def run() -> Counted:
        rows = _written()
        unnoticed = sum(not _found(tamper(rows, place), rows[-1]["hash"], verify) for place in range(_ROWS))
        return Counted(_ROWS, unnoticed, "unnoticed")

    return run


def _found(rows: list[Row], head: bytes, verify: Verify) -> str:
    with _database(rows) as connection:
        return verify(connection, head)


@contextmanager
def _database(rows: list[Row]) -> Iterator[Connection]:
    """The attacker's database: the triggers are gone."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        tables.audit.create(connection)
        for trigger in ("audit_follows", "audit_stays", "audit_remains"):
            connection.execute(text(f"DROP TRIGGER {trigger}"))
        if rows:
            connection.execute(insert(tables.audit), rows)
        yield connection
    engine.dispose()


_WAYS = {
    "changed": (_changed, "a row of the audit is changed, its hash made anew"),
    "deleted": (_deleted, "a row is deleted, the later ones renumbered"),
    "inserted": (_inserted, "an act that never was is put in, the later ones renumbered"),
    "made-anew": (_made_anew, "a row is changed, and every hash behind it made anew"),
    "reordered": (_reordered, "two rows change places"),
    "cut": (_cut, "the end is cut off"),
}

CASES = tuple(
    Case(
        key=f"AUDIT-{name}",
        trial=attack,
        promise="`gateway audit --verify --head HASH` names it",
        defended=_count(tamper, _by_the_chain),
        control=_count(tamper, _by_the_table),
        removed="a table without hashes",
        when=When.TEST,
    )
    for name, (tamper, attack) in _WAYS.items()
)
