"""Evidence: what happened to deliveries, in chains; older attempts are chained now, and say so"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Key, Time, guards

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BATCH = 1000


def upgrade() -> None:
    evidence = op.create_table(
        "evidence",
        sa.Column("id", Key, primary_key=True),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", Time(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("delivery", Key, sa.ForeignKey("deliveries.id"), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(16), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("previous", sa.LargeBinary(32), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.UniqueConstraint("chain", "number"),
    )
    rows: list[dict[str, Any]] = []
    for row in _chained(op.get_bind()):
        rows.append(row)
        if len(rows) == _BATCH:
            op.bulk_insert(evidence, rows)
            rows = []
    op.bulk_insert(evidence, rows)
    op.create_index("ix_evidence_delivery", "evidence", ["delivery"])
    op.drop_table("attempts")
    postgresql = op.get_context().dialect.name == "postgresql"
    for statement in guards("evidence", "said") if postgresql else _APPEND_ONLY:
        op.execute(statement)


def _chained(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    """The attempts so far, as rows of evidence."""
    heads: dict[str, tuple[int, bytes]] = {}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    old = connection.execute(
        sa.text(
            """
            SELECT a.delivery, a.at, a.host, a.tls, a.outcome, a.reply, d.message_id, d.recipient, c.reference
            FROM attempts AS a LEFT JOIN deliveries AS d ON d.id = a.delivery
            LEFT JOIN conversations AS c ON c.id = d.conversation
            ORDER BY a.id
            """
        ).columns(at=Time()),
        execution_options={"yield_per": _BATCH},
    )
    for identifier, row in enumerate(old, start=1):
        name = row.reference or f"delivery {row.delivery}"
        number, previous = heads.get(name, (0, bytes(32)))
        said = _said(row, now)
        salt = secrets.token_bytes(16)
        digest = hashlib.sha256(salt + said.encode()).digest()
        at = row.at.isoformat()
        bound = [name, number + 1, at, "attempt", row.delivery, digest.hex(), previous.hex()]
        made = hashlib.sha256(b"gateway evidence 1\0" + json.dumps(bound, ensure_ascii=False).encode()).digest()
        heads[name] = number + 1, made
        yield {
            "id": identifier,
            "chain": name,
            "number": number + 1,
            "at": row.at,
            "event": "attempt",
            "delivery": row.delivery,
            "said": said,
            "salt": salt,
            "digest": digest,
            "previous": previous,
            "hash": made,
        }


def _said(row: sa.Row[Any], now: str) -> str:
    """As `evidence.words` says it; and that it wasn't chained at its time."""
    said = {
        "chained_at": now,
        "host": row.host,
        "message_id": row.message_id,
        "outcome": row.outcome,
        "reply": row.reply,
        "tls": row.tls,
        "to": row.recipient,
    }
    return json.dumps({name: value for name, value in said.items() if value}, ensure_ascii=False)


# As for the audit.
_APPEND_ONLY = (
    """
    CREATE TRIGGER evidence_follows BEFORE INSERT ON evidence
    WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM evidence)
    BEGIN SELECT RAISE(ABORT, 'the evidence is append-only'); END
    """,
    """
    CREATE TRIGGER evidence_stays BEFORE UPDATE ON evidence
    WHEN NEW.said != '' OR NEW.salt != zeroblob(16)
      OR (NEW.id, NEW.chain, NEW.number, NEW.at, NEW.event, NEW.delivery, NEW.digest, NEW.previous, NEW.hash)
      IS NOT (OLD.id, OLD.chain, OLD.number, OLD.at, OLD.event, OLD.delivery, OLD.digest, OLD.previous, OLD.hash)
    BEGIN SELECT RAISE(ABORT, 'the evidence is append-only: only words can be erased'); END
    """,
    """
    CREATE TRIGGER evidence_remains BEFORE DELETE ON evidence
    BEGIN SELECT RAISE(ABORT, 'the evidence is append-only'); END
    """,
)
