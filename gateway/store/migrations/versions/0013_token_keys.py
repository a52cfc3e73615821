"""Which token keys belong to the store"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "token_keys",
        sa.Column("mark", sa.LargeBinary(), primary_key=True),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
