"""Mail that came in: kept first, then claimed for filing, then filed, found to be a duplicate, or set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, cycle, islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Text,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from gateway.errors import NotFound
from gateway.model import Arrival, Envelope, ImapCursor, Incoming, Result
from gateway.store import ledger, statements
from gateway.store.database import AnyRow, Tx
from gateway.store.packs import Location
from gateway.store.prepared import About, Prepared
from gateway.store.tables import arrivals, raws

MOST_ATTEMPTS = 3
TEST_MAIL = "a test mail of the gateway"
_LEASE = timedelta(minutes=5)
_MOST_OCTETS = 16_000_000  # of raw mail that are claimed at once: what is made of it is in memory until all is filed
FREE = datetime(1970, 1, 1, tzinfo=UTC)  # a lease that has always been over
# Literals, not parameters: SQLite only uses a partial index for a condition it can read.
WAITING = arrivals.c.state == literal_column("'waiting'")
ASIDE = arrivals.c.state == literal_column("'aside'")
_INSPECTED: ColumnElement[bool] = literal_column("(NOT arrivals.verify OR arrivals.results IS NOT NULL)")
_UNCHECKED: ColumnElement[bool] = literal_column("arrivals.verify AND arrivals.results IS NULL")
_BEGUN: ColumnElement[bool] = literal_column("arrivals.attempts > 0")

# Built once: building a statement costs more than running it.
_AT_ONCE = 20  # digests that one statement looks for
_KEPT = Prepared(select(raws.c.digest).where(raws.c.digest.in_(bindparam(f"d{n}") for n in range(_AT_ONCE))))
_KEEP = insert(arrivals).returning(arrivals.c.id, sort_by_parameter_order=True)
_LOCATE = About(
    lambda digests: select(raws.c.digest, raws.c.pack, raws.c.offset, raws.c.size).where(raws.c.digest.in_(digests))
)
_END = Prepared(
    update(arrivals)
    .where(
        arrivals.c.id == bindparam("arrival"),
        WAITING,  # what somebody else ended meanwhile stays as it is
        or_(bindparam("holder", type_=Text) == literal_column("''"), arrivals.c.owner == bindparam("holder")),
    )
    .values(state=bindparam("end"), reason=bindparam("why"), message=bindparam("of"))
)


# --- keeping ---------------------------------------------------------------------------------------------


def keep(tx: Tx, mails: Sequence[Incoming], owner: str = "", until: datetime | None = None) -> list[int]:
    """Keep mails: raw bytes in a pack, envelope and cursor beside them. Returns an arrival id for each.

    A cursor that is in the ledger already (a second poller, a repeated fetch) brings nothing in: its mail's id is
    that of the first time. `owner` claims the arrivals at once, until `until`, for whoever files them itself.
    """
    _keep_raws(tx, mails)
    names: list[ImapCursor | int] = [mail.cursor or position for position, mail in enumerate(mails)]
    found = ledger.kept_by(tx.connection, [mail.cursor for mail in mails if mail.cursor])
    ids: dict[ImapCursor | int, int] = dict(found.items())
    rows: dict[ImapCursor | int, dict[str, Any]] = {}
    for name, mail in zip(names, mails, strict=True):
        if name not in ids and name not in rows:
            rows[name] = _row(mail, owner, until)
    if rows:
        ids |= zip(rows, tx.connection.scalars(_KEEP, list(rows.values())), strict=True)
    ledger.note(tx.connection, {mail.cursor: (mail, ids[mail.cursor]) for mail in mails if mail.cursor in rows})
    return [ids[name] for name in names]


def keep_all(tx: Tx, mails: Sequence[Incoming]) -> None:
    """As `keep`, for whoever needs no ids: a third of its work is to have them told."""
    fetched = [mail for mail in mails if mail.cursor]
    if fetched:
        keep(tx, fetched)
    others = [mail for mail in mails if not mail.cursor]
    if others:
        _keep_raws(tx, others)
        _KEEP_ALL.run_each(tx.connection, [_row(mail, "", None) for mail in others])


def _keep_raws(tx: Tx, mails: Sequence[Incoming]) -> None:
    known = _known(tx.connection, [mail.digest for mail in mails])
    rows: list[dict[str, Any]] = []
    for mail in mails:
        if mail.digest not in known:
            known.add(mail.digest)
            rows.append(_raw(mail.digest, tx.packs.append(mail.raw, about(mail))))
    if rows:
        _of_raws(statements.ignoring(tx.connection, raws)).run_each(tx.connection, rows)


def _known(connection: Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Those of which the octets are kept. The statement is always the same: what is short is filled up."""
    found: set[bytes] = set()
    for start in range(0, len(digests), _AT_ONCE):
        some = islice(cycle(digests[start : start + _AT_ONCE]), _AT_ONCE)
        found.update(_KEPT.scalars(connection, {f"d{n}": digest for n, digest in enumerate(some)}))
    return found


@cache
def _of_raws(insertion: Insert) -> Prepared:
    return Prepared(insertion, ("digest", "pack", "offset", "size"))


def _raw(digest: bytes, at: Location) -> dict[str, Any]:
    return {"digest": digest, "pack": at.pack, "offset": at.offset, "size": at.size}


@dataclass(frozen=True, slots=True)
class Entry:
    """What the database is to know of a mail that lies in a pack. The mail's octets aren't held."""

    arrival: Mapping[str, Any]
    raw: Mapping[str, Any]

    @classmethod
    def of(cls, mail: Incoming, at: Location) -> Entry:
        return cls(_row(mail, "", None), _raw(mail.digest, at))


def enter(tx: Tx, entries: Sequence[Entry]) -> None:
    """Let mails arrive that lie in a pack already. Octets that are known stay where they are known."""
    _of_raws(statements.ignoring(tx.connection, raws)).run_each(tx.connection, [each.raw for each in entries])
    _KEEP_ALL.run_each(tx.connection, [each.arrival for each in entries])


def strange(connection: Connection, found: Sequence[Entry]) -> list[Entry]:
    """Those whose octets aren't known, each once."""
    known = _known(connection, [each.raw["digest"] for each in found])
    return list({each.raw["digest"]: each for each in found if each.raw["digest"] not in known}.values())


def adopt(tx: Tx, found: Sequence[Entry]) -> list[Entry]:
    """Let mails arrive that lie in the packs already, and whose octets aren't known; those that do."""
    fresh = strange(tx.connection, found)
    if fresh:
        enter(tx, fresh)
    return fresh


def about(mail: Incoming) -> dict[str, Any]:
    """What stands beside a mail in its pack."""
    return {
        "sha256": mail.digest.hex(),
        "received_at": mail.received_at.isoformat(),
        "source": mail.source,
        "sender": mail.envelope.sender,
        "recipients": mail.envelope.recipients,
        "peer": mail.envelope.peer,
        "helo": mail.envelope.helo,
        "authserv_id": mail.authserv_id,
        "verify": mail.verify,
    }


def _row(mail: Incoming, owner: str, until: datetime | None) -> dict[str, Any]:
    return {
        "digest": mail.digest,
        "source": mail.source,
        "received_at": mail.received_at,
        "sender": mail.envelope.sender,
        "recipients": list(mail.envelope.recipients),
        "peer": mail.envelope.peer,
        "helo": mail.envelope.helo,
        "authserv_id": mail.authserv_id,
        "verify": mail.verify,
        "state": "waiting",
        "attempts": 1 if owner else 0,
        "owner": owner,
        "lease_until": until or FREE,
        "reason": "",
    }


_KEEP_ALL = Prepared(insert(arrivals).inline(), _row(Incoming(b"", "", FREE), "", None))


# --- claiming for filing ---------------------------------------------------------------------------------


def claim(tx: Tx, owner: str, now: datetime, limit: int) -> list[Arrival]:
    """Take up to `limit` waiting mails to work on that weren't begun before: one, or as many as fit into memory.

    The attempt is counted before the work begins, so that a mail that kills the process is noticed. What we check
    ourselves isn't taken before that is done.
    """
    found = _free(tx, now, limit, _INSPECTED, arrivals.c.attempts == 0)
    sizes = accumulate(row.size for row in found)
    return _take(
        tx, owner, now, [row for row, size in zip(found, sizes, strict=True) if size <= _MOST_OCTETS] or found[:1]
    )


def claim_begun(tx: Tx, owner: str, now: datetime, *, calm: bool = True) -> tuple[list[Arrival], list[Arrival]]:
    """Take the oldest waiting mail that was begun before; or it had its three attempts: (to work on, to set aside).

    It's taken alone: those beside it mustn't be counted down with it. Its last attempt waits until the process is
    `calm` (`gateway.claims`): what ends one again and again as it starts is no mail, and none is set aside over it.
    """
    found = _free(tx, now, 1, _BEGUN, _INSPECTED, *_spared(calm))
    spent = [as_arrival(row, row.attempts, row.owner) for row in found if row.attempts >= MOST_ATTEMPTS]
    return ([], spent) if spent else (_take(tx, owner, now, found), [])


def claim_uninspected(
    tx: Tx, owner: str, now: datetime, limit: int, peers_but: Sequence[str] = (), *, calm: bool = True
) -> tuple[list[Arrival], list[Arrival]]:
    """Take waiting mails that we are to check first, of any peer `peers_but` these: (to check, to do without).

    One that was begun before is taken alone, for the last time by a process that is `calm` (as `claim_begun`); its
    attempts are counted anew once it may be filed.
    """
    found = _free(tx, now, limit, _UNCHECKED, arrivals.c.peer.not_in(peers_but), *_spared(calm))
    spent = [as_arrival(row, row.attempts, row.owner) for row in found if row.attempts >= MOST_ATTEMPTS]
    begun = [row for row in found if 0 < row.attempts < MOST_ATTEMPTS]
    return _take(tx, owner, now, begun[:1] or [row for row in found if not row.attempts]), spent


def _spared(calm: bool) -> tuple[ColumnElement[bool], ...]:
    return () if calm else (arrivals.c.attempts != MOST_ATTEMPTS - 1,)


def _free(tx: Tx, now: datetime, limit: int, *which: ColumnElement[bool]) -> Sequence[AnyRow]:
    free = select(*COLUMNS).join(raws).where(WAITING, arrivals.c.lease_until <= now, *which)
    free = free.order_by(arrivals.c.id).limit(limit).with_for_update(of=arrivals, skip_locked=True)
    return tx.connection.execute(free).all()


def _take(tx: Tx, owner: str, now: datetime, rows: Sequence[AnyRow]) -> list[Arrival]:
    if rows:
        tx.connection.execute(
            update(arrivals)
            .where(arrivals.c.id.in_([row.id for row in rows]))
            .values(attempts=arrivals.c.attempts + 1, owner=owner, lease_until=now + _LEASE)
        )
    return [as_arrival(row, row.attempts + 1, owner) for row in rows]


def _claimed(ids: Sequence[int], owner: str) -> tuple[ColumnElement[bool], ...]:
    return arrivals.c.id.in_(ids), WAITING, arrivals.c.owner == owner


def unclaim(tx: Tx, ids: Sequence[int], owner: str, until: datetime | None = None) -> None:
    """Give mails back that weren't worked on: the attempt doesn't count. `until`: when to try again, else at once."""
    tx.connection.execute(
        update(arrivals)
        .where(*_claimed(ids, owner))
        .values(attempts=arrivals.c.attempts - 1, owner="", lease_until=until or FREE)
    )


def unclaim_taken(tx: Tx, owner: str, at: datetime) -> None:
    """Give back what `owner` claimed `at` this time: whoever wasn't told which mails these are works on none."""
    taken = WAITING, arrivals.c.owner == owner, arrivals.c.lease_until == at + _LEASE
    tx.connection.execute(
        update(arrivals).where(*taken).values(attempts=arrivals.c.attempts - 1, owner="", lease_until=FREE)
    )


def release(tx: Tx, ids: Sequence[int], owner: str) -> None:
    """Give mails back that were worked on in vain: the attempt counts."""
    tx.connection.execute(update(arrivals).where(*_claimed(ids, owner)).values(owner="", lease_until=FREE))


def inspected(tx: Tx, arrival: Arrival, results: Sequence[Result]) -> None:
    """Keep what our own checks came to: the mail may be claimed for filing, its attempts counted anew."""
    rows = [asdict(result) for result in results]
    values = {"results": rows, "attempts": 0, "owner": "", "lease_until": FREE}
    tx.connection.execute(update(arrivals).where(*_claimed([arrival.id], arrival.owner)).values(**values))


COLUMNS = (
    arrivals.c.id,
    arrivals.c.digest,
    arrivals.c.source,
    arrivals.c.received_at,
    arrivals.c.sender,
    arrivals.c.recipients,
    arrivals.c.peer,
    arrivals.c.helo,
    arrivals.c.authserv_id,
    arrivals.c.verify,
    arrivals.c.results,
    arrivals.c.attempts,
    arrivals.c.owner,
    raws.c.size,
)


def as_arrival(row: AnyRow, attempts: int, owner: str = "") -> Arrival:
    return Arrival(
        id=row.id,
        digest=row.digest.hex(),
        size=row.size,
        source=row.source,
        received_at=row.received_at,
        envelope=Envelope(row.sender, tuple(row.recipients), row.peer, row.helo),
        authserv_id=row.authserv_id,
        attempts=attempts,
        verify=row.verify,
        results=None if row.results is None else tuple(Result(**result) for result in row.results),
        owner=owner,
    )


def locate(connection: Connection, digest: str) -> Location:
    """Where a raw mail lies.

    Raises:
        NotFound: no mail of that digest was kept.
    """
    found = locate_all(connection, [digest])
    if not found:
        raise NotFound(f"no raw mail has the digest {digest}")
    return found[digest]


def locate_all(connection: Connection, digests: Iterable[str]) -> dict[str, Location]:
    """Where raw mails lie, by digest; those that were kept."""
    rows = _LOCATE.rows(connection, map(bytes.fromhex, digests))
    return {row.digest.hex(): Location(row.pack, row.offset, row.size) for row in rows}


def last(connection: Connection) -> tuple[int, datetime | None]:
    """How many mails came, and when the last one did."""
    row = connection.execute(select(func.count(), func.max(arrivals.c.received_at))).one()
    return int(row[0]), row[1]


def extents(connection: Connection) -> dict[str, int]:
    """Up to where each pack is referred to."""
    query = select(raws.c.pack, func.max(raws.c.offset + raws.c.size)).group_by(raws.c.pack)
    return {str(pack): int(end) for pack, end in connection.execute(query)}


def extended(connection: Connection, after: int) -> tuple[int, dict[str, int]]:
    """The last arrival, and up to where those after another one refer to each pack."""
    last = connection.scalar(select(func.max(arrivals.c.id))) or 0
    if not after:
        return last, extents(connection)
    end = func.max(raws.c.offset + raws.c.size)
    query = select(raws.c.pack, end).join(arrivals, arrivals.c.digest == raws.c.digest)
    rows = connection.execute(query.where(arrivals.c.id > after).group_by(raws.c.pack))
    return last, {str(pack): int(end) for pack, end in rows}


# --- what becomes of them --------------------------------------------------------------------------------


def filed(tx: Tx, arrival: int, message: int, owner: str = "") -> bool:
    """A mail has become a message. False: `owner` has no claim on it any more, and nothing may be written of it."""
    return _end(tx, arrival, "filed", owner, message=message)


def all_filed(tx: Tx, mails: Sequence[tuple[Arrival, int]]) -> bool:
    """The same of several, each with its message. False: at least one of them isn't its owner's any more."""
    ends = [_ended(arrival.id, "filed", arrival.owner, message=message) for arrival, message in mails]
    return _END.run_each(tx.connection, ends) == len(ends)


def duplicate(tx: Tx, arrival: int, message: int, owner: str = "") -> bool:
    """A mail is there already. False: as `filed`."""
    return _end(tx, arrival, "duplicate", owner, message=message, reason="the same mail came before")


def passed(tx: Tx, arrival: int) -> None:
    """It is a test mail of our own, and nothing else comes of it."""
    _end(tx, arrival, "filed", "", reason=TEST_MAIL)


def set_aside(tx: Tx, arrival: int, reason: str, owner: str = "") -> bool:
    """Put a mail aside for a person to look at. Its raw bytes stay. False: as `filed`."""
    return _end(tx, arrival, "aside", owner, reason=reason.encode("utf-8", "backslashreplace").decode())


def _end(tx: Tx, arrival: int, state: str, owner: str, *, message: int | None = None, reason: str = "") -> bool:
    return _END.run(tx.connection, _ended(arrival, state, owner, message=message, reason=reason)) == 1


def _ended(arrival: int, state: str, owner: str, *, message: int | None = None, reason: str = "") -> dict[str, Any]:
    return {"arrival": arrival, "holder": owner, "end": state, "why": reason, "of": message}


def aside(connection: Connection) -> list[dict[str, Any]]:
    """Mails set aside, oldest first, as `aside list` shows them."""
    query = select(*COLUMNS, arrivals.c.reason).join(raws).where(ASIDE).order_by(arrivals.c.id)
    return [
        {
            "id": row.id,
            "reason": row.reason,
            "attempts": row.attempts,
            "received_at": row.received_at,
            "sha256": row.digest.hex(),
            "size": row.size,
        }
        for row in connection.execute(query)
    ]


def one_aside(connection: Connection, arrival: int) -> dict[str, Any]:
    """One mail that is set aside.

    Raises:
        NotFound: none of that id is.
    """
    found = next((row for row in aside(connection) if row["id"] == arrival), None)
    if found is None:
        raise _not_aside(arrival)
    return found


def retry(tx: Tx, arrival: int) -> None:
    """Let a mail that was set aside be filed again.

    Raises:
        NotFound: none of that id is set aside.
    """
    free = update(arrivals).where(arrivals.c.id == arrival, ASIDE)
    values = {"state": "waiting", "attempts": 0, "reason": "", "owner": "", "lease_until": FREE}
    if tx.connection.execute(free.values(**values)).rowcount == 0:
        raise _not_aside(arrival)


def _not_aside(arrival: int) -> NotFound:
    return NotFound(f"no mail {arrival} is set aside; `gateway aside list` names those that are")
