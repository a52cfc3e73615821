"""A delivery that somebody sends once more is tried for as long as a new one"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Time

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("tried_since", Time(), nullable=True))
