"""Which mails of IMAP mailboxes are kept, and for which something remains to be done there (RFC 9051 §2.3.1.1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.model import ImapCursor, Incoming
from gateway.store.database import Tx
from gateway.store.tables import imap_ledger

_UNSETTLED = ~imap_ledger.c.settled
_BOX = (imap_ledger.c.mailbox == bindparam("box"), imap_ledger.c.uidvalidity == bindparam("validity"))
_THESE = (*_BOX, imap_ledger.c.uid.in_(bindparam("uids", expanding=True)))
_KEPT = select(imap_ledger.c.uid, imap_ledger.c.arrival).where(*_THESE)
_SETTLE = update(imap_ledger).where(*_THESE).values(settled=True)
_KNOWN = select(imap_ledger.c.uid).where(*_BOX, imap_ledger.c.uid.between(bindparam("low"), bindparam("high")))
_REST = select(imap_ledger.c.uid).where(*_BOX, _UNSETTLED).order_by(imap_ledger.c.uid).limit(bindparam("most"))


def note(connection: Connection, kept: Mapping[ImapCursor, tuple[Incoming, int]]) -> None:
    """Write down which mails are kept, and by which arrival."""
    rows = [{**asdict(at), "arrival": arrival, "settled": mail.settled} for at, (mail, arrival) in kept.items()]
    if rows:
        connection.execute(insert(imap_ledger), rows)


def kept_by(connection: Connection, cursors: Iterable[ImapCursor]) -> dict[ImapCursor, int]:
    """The arrivals of those cursors that are kept."""
    found: dict[ImapCursor, int] = {}
    for (box, validity), uids in _by_box(cursors).items():
        for row in connection.execute(_KEPT, {"box": box, "validity": validity, "uids": uids}):
            found[ImapCursor(box, validity, row.uid)] = row.arrival
    return found


def known_uids(connection: Connection, mailbox: str, uidvalidity: int, low: int, high: int) -> frozenset[int]:
    """UIDs from `low` to `high` that are kept."""
    where = {"box": mailbox, "validity": uidvalidity, "low": low, "high": high}
    return frozenset(connection.scalars(_KNOWN, where))


def unsettled_uids(connection: Connection, mailbox: str, uidvalidity: int, limit: int) -> tuple[int, ...]:
    """UIDs that are kept, and in whose mailbox something remains to be done; the lowest, ascending."""
    return tuple(connection.scalars(_REST, {"box": mailbox, "validity": uidvalidity, "most": limit}))


def settle(tx: Tx, cursors: Iterable[ImapCursor]) -> None:
    """What had to be done in the mailbox is done."""
    for (box, validity), uids in _by_box(cursors).items():
        tx.connection.execute(_SETTLE, {"box": box, "validity": validity, "uids": uids})


def _by_box(cursors: Iterable[ImapCursor]) -> Mapping[tuple[str, int], list[int]]:
    boxes: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for cursor in cursors:
        boxes[cursor.mailbox, cursor.uidvalidity].append(cursor.uid)
    return boxes
