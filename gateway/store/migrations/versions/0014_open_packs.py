"""Packs that take mail before the database knows of it"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "open_packs",
        sa.Column("pack", sa.Text(), primary_key=True),
        sa.Column("known", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
