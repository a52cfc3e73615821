"""Statements that are compiled once say, find and raise what they do when SQLAlchemy runs them itself."""

from __future__ import annotations

import pytest
from sqlalchemy import Integer, bindparam, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from gateway.store.database import Store, Tx
from gateway.store.prepared import About, Prepared
from gateway.store.tables import history, raws
from tests.builders import NOW

_ROW = {"digest": b"\0" * 32, "pack": "a.pack", "offset": 1, "size": 2}
_INSERT = Prepared(insert(raws).inline(), _ROW)
_FOUND = select(raws).where(raws.c.size >= bindparam("least")).order_by(raws.c.offset)


def test_rows_come_with_names_and_types(store: Store) -> None:
    query = select(raws.c.digest, literal(NOW, history.c.at.type).label("at"), literal(True).label("yes")).where(
        raws.c.pack == bindparam("pack"), raws.c.pack != bindparam("other"), raws.c.offset == bindparam("pack_offset")
    )
    values = {"pack": "a.pack", "other": "b", "pack_offset": 1}

    def both(tx: Tx) -> None:
        _INSERT.run(tx.connection, _ROW)
        (row,) = Prepared(query).rows(tx.connection, values)
        ours = tx.connection.execute(query, values).one()
        assert tuple(row) == tuple(ours)
        assert (row.at, row.yes) == (NOW, True)
        assert Prepared(query).first(tx.connection, {**values, "pack": "c"}) is None
        assert Prepared(query).scalar(tx.connection, {**values, "pack": "c"}) is None

    store.write_now(both)


def test_one_value_may_stand_twice(store: Store) -> None:
    a = bindparam("a", type_=Integer)
    query = Prepared(select((a + a * bindparam("b", type_=Integer)).label("sum")))
    assert store.read_now(lambda c: query.scalar(c, {"a": 3, "b": 4})) == 15


def test_many_rows_at_once(store: Store) -> None:
    rows = [{**_ROW, "digest": bytes([n]) * 32, "offset": n} for n in range(20)]
    store.write_now(lambda tx: _INSERT.run_each(tx.connection, rows))
    assert store.read_now(lambda c: [row.offset for row in Prepared(_FOUND).rows(c, {"least": 2})]) == [*range(20)]
    assert store.read_now(lambda c: Prepared(_FOUND).rows(c, {"least": 3})) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 65, 130])
def test_what_is_asked_about_a_list_is_found_once_for_each_value(store: Store, count: int) -> None:
    rows = [{**_ROW, "digest": bytes([n]) * 32, "offset": n, "size": n % 2} for n in range(140)]
    about = About(
        lambda places: select(raws.c.offset).where(raws.c.offset.in_(places), raws.c.size >= bindparam("least"))
    )
    store.write_now(lambda tx: _INSERT.run_each(tx.connection, rows))
    found = store.read_now(lambda c: about.rows(c, range(count), {"least": 0}))
    assert sorted(row.offset for row in found) == [*range(count)]
    assert len(store.read_now(lambda c: about.rows(c, range(count), {"least": 1}))) == count // 2


def test_what_is_changed_of_a_list_is_changed_once(store: Store) -> None:
    raise_ = About(
        lambda places: (
            update(raws).where(raws.c.offset.in_(places)).values(size=raws.c.size + 1).returning(raws.c.offset)
        )
    )
    rows = [{**_ROW, "digest": bytes([n]) * 32, "offset": n} for n in range(9)]
    store.write_now(lambda tx: _INSERT.run_each(tx.connection, rows))
    changed = store.write_now(lambda tx: [row.offset for row in raise_.rows(tx.connection, [1, 2, 3])])
    assert sorted(changed) == [1, 2, 3]
    assert [row.offset for row in store.read_now(lambda c: Prepared(_FOUND).rows(c, {"least": 3}))] == [1, 2, 3]


def test_a_list_of_values_is_refused_where_it_is_written(store: Store) -> None:
    query = Prepared(select(raws).where(raws.c.pack.in_(["a", "b"])))
    with pytest.raises(AssertionError, match="no fixed length"):
        store.read_now(lambda c: query.rows(c, {}))


def test_errors_are_those_of_other_statements_and_tell_no_values(store: Store) -> None:
    def twice(tx: Tx) -> None:
        _INSERT.run(tx.connection, {**_ROW, "pack": "secret"})
        _INSERT.run(tx.connection, {**_ROW, "pack": "secret"})

    with pytest.raises(IntegrityError) as raised:
        store.write_now(twice)
    assert "secret" not in str(raised.value)
