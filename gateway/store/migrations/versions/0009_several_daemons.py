"""Several daemons: who holds what"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "holders",
        sa.Column("owner", sa.Text(), primary_key=True),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.add_column("deliveries", sa.Column("owner", sa.Text(), nullable=False, server_default=""))
    held = sa.text("owner != ''")
    op.create_index("ix_deliveries_owner", "deliveries", ["owner"], sqlite_where=held, postgresql_where=held)
    # So that what the only daemon of earlier versions had claimed is free once it is missed.
    op.execute("INSERT INTO holders (owner, beat) SELECT DISTINCT owner, 0 FROM arrivals WHERE owner = 'daemon'")
