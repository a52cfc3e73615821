"""Daemons file at the same time: each counts for itself. Numbers of dossiers have the room that theirs may take"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TEMPORARY TABLE counted AS SELECT hour, written FROM acknowledged")
    op.drop_table("acknowledged")
    op.create_table(
        "acknowledged",
        sa.Column("hour", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("writer", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO acknowledged (hour, writer, written) SELECT hour, 0, written FROM counted")
    op.execute("DROP TABLE counted")
    if op.get_bind().dialect.name == "postgresql":  # SQLite's integers are as large as they are
        op.alter_column("conversations", "inbox_number", type_=sa.BigInteger())
