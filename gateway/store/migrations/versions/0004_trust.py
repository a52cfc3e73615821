"""Trust: what our own checks and the antivirus say of a mail, what agents are asked to confirm, and the audit"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import GUARD, Json, Key, Time, guards

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("arrivals", sa.Column("verify", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("arrivals", sa.Column("results", Json(), nullable=True))
    op.add_column("messages", sa.Column("proof_code", sa.Text(), nullable=False, server_default=""))
    op.add_column("messages", sa.Column("marks", Json(), nullable=False, server_default="[]"))
    op.create_index("ix_arrivals_received_at", "arrivals", ["received_at"])
    op.add_column("participations", sa.Column("written_at", Time(), nullable=True))
    op.execute(
        """
        UPDATE participations SET written_at = last.at
        FROM (SELECT participation, max(created_at) AS at FROM deliveries GROUP BY participation) AS last
        WHERE last.participation = participations.id
        """
    )
    op.create_table(
        "scans",
        sa.Column("digest", sa.LargeBinary(32), sa.ForeignKey("raws.digest"), primary_key=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", Time(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", Time(), nullable=True),
        sa.CheckConstraint("verdict IN ('clean', 'infected', 'held')", name="verdict"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_scans_next_at",
        "scans",
        ["next_at"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_files",
        "messages",
        ["digest"],
        sqlite_where=sa.text("attachments != '[]'"),
        postgresql_where=sa.text("attachments != '[]'"),
    )
    op.create_index(
        "ix_deliveries_acknowledged",
        "deliveries",
        ["created_at"],
        sqlite_where=sa.text("purpose = 'acknowledgement'"),
        postgresql_where=sa.text("purpose = 'acknowledgement'"),
    )
    op.create_table(
        "confirmations",
        sa.Column("delivery", Key, sa.ForeignKey("deliveries.id"), primary_key=True),
        sa.Column("message", Key, sa.ForeignKey("messages.id"), nullable=False, unique=True),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("usager", sa.Text(), nullable=False),
        sa.Column("asked_at", Time(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("done_at", Time(), nullable=True),
        sa.CheckConstraint("state IN ('asked', 'confirmed', 'withdrawn')", name="state"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("id", Key, primary_key=True),
        sa.Column("at", Time(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(16), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("previous", sa.LargeBinary(32), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
    )
    postgresql = op.get_context().dialect.name == "postgresql"
    for statement in _APPEND_ONLY_POSTGRESQL if postgresql else _APPEND_ONLY:
        op.execute(statement)


# What was written of an act stays. Only its words may go, with the salt that would let them be guessed. REPLACE
# deletes without asking the trigger for that: so what comes must come at the end.
_APPEND_ONLY = (
    """
    CREATE TRIGGER audit_follows BEFORE INSERT ON audit
    WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM audit)
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
    """,
    """
    CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
    WHEN NEW.what != '' OR NEW.salt != zeroblob(16)
      OR (NEW.id, NEW.at, NEW.by, NEW.conversation, NEW.proof, NEW.digest, NEW.previous, NEW.hash)
      IS NOT (OLD.id, OLD.at, OLD.by, OLD.conversation, OLD.proof, OLD.digest, OLD.previous, OLD.hash)
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only: only words can be erased'); END
    """,
    """
    CREATE TRIGGER audit_remains BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
    """,
)

_APPEND_ONLY_POSTGRESQL = (GUARD, *guards("audit", "what"))
