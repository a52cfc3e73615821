"""The daemons that share a store: that each lives, what it holds, and what is free again when it is gone.

A daemon raises its `beat` every few seconds; another one that watches it stand still for long takes it for gone
(`gateway.peers`). Only beats are compared, never times: the clocks of machines needn't agree. Should one that was
taken for gone live after all, its transactions find that they hold nothing any more.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, literal_column, select, update

from gateway.store import statements
from gateway.store.arrivals import FREE, WAITING
from gateway.store.database import Tx
from gateway.store.tables import arrivals, deliveries, holders, leases

_BEAT = update(holders).where(holders.c.owner == bindparam("holder")).values(beat=holders.c.beat + 1)
# A literal, so that a partial index is used.
_HELD = deliveries.c.owner != literal_column("''")


def beat(tx: Tx, owner: str) -> bool:
    """Say that a daemon lives. False: it wasn't known, or was taken for gone; it is known from now on."""
    if tx.connection.execute(_BEAT, {"holder": owner}).rowcount:
        return True
    tx.connection.execute(insert(holders), {"owner": owner, "beat": 1})
    return False


def beats(connection: Connection) -> dict[str, int]:
    """Owner → beat, of every daemon that is known."""
    return {row.owner: row.beat for row in connection.execute(select(holders))}


def bury(tx: Tx, owner: str, last: int) -> bool:
    """Free what a daemon held that is gone. False: it has moved since its beat was `last`, or somebody was first.

    Attempts that it had begun count: it may have been a mail that ended it.
    """
    gone = delete(holders).where(holders.c.owner == owner, holders.c.beat == last)
    if not tx.connection.execute(gone).rowcount:
        return False
    _free(tx, owner)
    return True


def leave(tx: Tx, owner: str) -> None:
    """A daemon has ended: nobody need wait until it is missed."""
    tx.connection.execute(delete(holders).where(holders.c.owner == owner))
    _free(tx, owner)


def leave_all(tx: Tx) -> None:
    """No daemon runs on this store: whoever holds the lock of a store in a file knows."""
    for owner in beats(tx.connection):
        leave(tx, owner)


def _free(tx: Tx, owner: str) -> None:
    held = update(arrivals).where(WAITING, arrivals.c.owner == owner)
    tx.connection.execute(held.values(owner="", lease_until=FREE))
    tx.connection.execute(update(deliveries).where(_HELD, deliveries.c.owner == owner).values(owner=""))
    tx.connection.execute(update(leases).where(leases.c.owner == owner).values(owner=""))


def lease(tx: Tx, name: str, owner: str) -> bool:
    """Take what one daemon at a time does, or say that it is ours already. False: it is another's.

    It is asked again and again: what is as it should be isn't written once more, and costs the disk nothing.
    """
    if tx.connection.scalar(select(leases.c.owner).where(leases.c.name == name)) == owner:
        return True
    tx.connection.execute(statements.ignoring(tx.connection, leases), {"name": name, "owner": ""})
    free = update(leases).where(leases.c.name == name, leases.c.owner.in_(("", owner)))
    return tx.connection.execute(free.values(owner=owner)).rowcount == 1
