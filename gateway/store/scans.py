"""What the antivirus said of raw mails, and which of them it is to be asked about again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, literal_column, select, update

from gateway.model import Attachment, Finding, Scan
from gateway.store import statements
from gateway.store.database import AnyRow, Tx
from gateway.store.tables import arrivals, conversations, deliveries, messages, scans

# The first tries come soon: an antivirus that loads its signatures is away for a minute, or three. It is asked
# for ever.
_DELAYS = tuple(timedelta(seconds=s) for s in (20, 60, 60, 60, 60, 300, 900, 3600))
_OPEN = scans.c.next_at.is_not(None)
_SCAN = select(scans.c.verdict, scans.c.name).where(scans.c.digest == bindparam("digest"))
_KNOWN = select(scans).where(scans.c.digest.in_(bindparam("digests", expanding=True)))
# A literal, not a parameter: SQLite only uses a partial index for a condition it can read.
_WITH_FILES: ColumnElement[bool] = literal_column("messages.attachments != '[]'")


# --- verdicts -------------------------------------------------------------------------------------------------


def of_mail(connection: Connection, digest: str) -> Scan | None:
    """What is known of a raw mail; None: the antivirus wasn't asked."""
    row = connection.execute(_SCAN, {"digest": bytes.fromhex(digest)}).one_or_none()
    return None if row is None else _scan(row)


def of_mails(connection: Connection, digests: Iterable[str]) -> dict[str, Scan]:
    """The same of several; those of which nothing is known aren't in it."""
    rows = connection.execute(_KNOWN, {"digests": [bytes.fromhex(digest) for digest in digests]})
    return {row.digest.hex(): _scan(row) for row in rows}


def keep_all(tx: Tx, said: Mapping[str, Scan], now: datetime) -> None:
    """Write what came of asking about mails for the first time."""
    for digest, scan in said.items():
        keep(tx, digest, scan, now)


def keep(tx: Tx, digest: str, scan: Scan, now: datetime, attempts: int = 1) -> None:
    """Write what came of asking the `attempts`-th time. What is held is asked again, at growing intervals.

    `at` is since when that is known: what is held is held since it first was.
    """
    again = now + _DELAYS[min(attempts, len(_DELAYS)) - 1] if scan.finding is Finding.HELD else None
    row = statements.insert_or(tx.connection, scans)
    renewed: dict[str, Any] = {name: row.excluded[name] for name in ("verdict", "name", "next_at")}
    renewed["at"] = case((scans.c.verdict == row.excluded.verdict, scans.c.at), else_=row.excluded.at)
    renewed["attempts"] = scans.c.attempts + 1
    kept = row.on_conflict_do_update(index_elements=["digest"], set_=renewed)
    tx.connection.execute(kept, _row(digest, scan, now, again, attempts=1))


def ask(tx: Tx, digests: Iterable[str], now: datetime) -> None:
    """Hold mails of which nothing is known, and have the antivirus asked about them at once."""
    held = Scan(Finding.HELD, "not asked yet")
    rows = [_row(digest, held, now, now, attempts=0) for digest in digests]
    if rows:
        tx.connection.execute(statements.ignoring(tx.connection, scans), rows)


def _row(digest: str, scan: Scan, now: datetime, again: datetime | None, *, attempts: int) -> dict[str, Any]:
    return {
        "digest": bytes.fromhex(digest),
        "verdict": scan.finding.value,
        "name": scan.name,
        "at": now,
        "attempts": attempts,
        "next_at": again,
    }


def _scan(row: AnyRow) -> Scan:
    return Scan(Finding(row.verdict), row.name)


# --- what waits for it ----------------------------------------------------------------------------------------


def take_due(tx: Tx, now: datetime, limit: int, until: datetime) -> list[tuple[str, int]]:
    """Digests of mails about which it is to be asked now, with how often it was, longest waiting first.

    Nobody else asks about them until then.
    """
    query = select(scans.c.digest, scans.c.attempts).where(_OPEN, scans.c.next_at <= now)
    rows = tx.connection.execute(query.order_by(scans.c.next_at).limit(limit).with_for_update(skip_locked=True)).all()
    if rows:
        taken = update(scans).where(scans.c.digest.in_([row.digest for row in rows]))
        tx.connection.execute(taken.values(next_at=until))
    return [(row.digest.hex(), row.attempts) for row in rows]


def hasten(tx: Tx, now: datetime) -> int:
    """Have it asked now about all that is held; return how many these are."""
    return tx.connection.execute(update(scans).where(_OPEN).values(next_at=now)).rowcount


# --- the messages of a mail ------------------------------------------------------------------------------------


def bearing(connection: Connection, digest: str) -> dict[int, AnyRow]:
    """The messages that hold attachments of a raw mail, by id."""
    query = select(messages).where(messages.c.digest == bytes.fromhex(digest), _WITH_FILES).order_by(messages.c.id)
    return {row.id: row for row in connection.execute(query)}


def mark(tx: Tx, message: int, files: Iterable[Attachment]) -> None:
    """Write anew why the attachments of a message are held."""
    values = {"attachments": [asdict(file) for file in files]}
    tx.connection.execute(update(messages).where(messages.c.id == message).values(**values))


def told(connection: Connection, conversation: int, message: int) -> list[str]:
    """Who was notified of a message, or of the conversation since it is there."""
    query = select(deliveries.c.recipient).where(
        deliveries.c.purpose == "notification",
        (deliveries.c.message == message)
        | ((deliveries.c.conversation == conversation) & (deliveries.c.message > message)),
    )
    return list(connection.scalars(query.distinct().order_by(deliveries.c.recipient)))


def hurry(tx: Tx, message: int, now: datetime) -> None:
    """What a message causes and was put off may leave now."""
    waits = (deliveries.c.message == message, deliveries.c.state == "deferred")
    tx.connection.execute(update(deliveries).where(*waits).values(next_at=now))


# --- commands -------------------------------------------------------------------------------------------------


def listed(connection: Connection) -> list[dict[str, Any]]:
    """What is held or infected, the oldest first, as `scans list` shows it."""
    query = (
        select(scans, conversations.c.reference)
        .outerjoin(arrivals, arrivals.c.digest == scans.c.digest)
        .outerjoin(messages, messages.c.id == arrivals.c.message)
        .outerjoin(conversations, conversations.c.id == messages.c.conversation)
        .where(scans.c.verdict != Finding.CLEAN.value)
        .order_by(scans.c.at, scans.c.digest)
    )
    found: Mapping[bytes, AnyRow] = {row.digest: row for row in connection.execute(query)}
    return [
        {
            "sha256": row.digest.hex(),
            "verdict": row.verdict,
            "name": row.name,
            "at": row.at,
            "attempts": row.attempts,
            "next_at": row.next_at,
            "conversation": row.reference,
        }
        for row in found.values()
    ]
