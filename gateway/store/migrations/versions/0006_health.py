"""Health: which daemons live, what waits since when, what mailboxes were seen to hold, which alarms stand"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Json, Key, Time

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "daemons",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("started_at", Time(), nullable=False),
        sa.Column("seen_at", Time(), nullable=False),
        sa.Column("ended_at", Time(), nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "marks",
        sa.Column("at", Time(), primary_key=True),
        sa.Column("arrival", Key, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mailboxes",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", Time(), nullable=False),
        sa.Column("compared_at", Time(), nullable=True),
        sa.Column("trouble_since", Time(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("missing", Json(), nullable=False),
        sa.Column("owed", Json(), nullable=False),
        sa.Column("too_large", Json(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alarms",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("began_at", Time(), nullable=False),
        sa.Column("seen_at", Time(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("since", Time(), nullable=True),
        sa.Column("examples", Json(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_deliveries_unknown",
        "deliveries",
        ["id"],
        sqlite_where=sa.text("state = 'unknown'"),
        postgresql_where=sa.text("state = 'unknown'"),
    )
