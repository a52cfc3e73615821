"""What is to be checked, filed or begun again is found however much else waits; so are related conversations"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_QUEUES = {
    "ix_arrivals_ready": "state = 'waiting' AND (NOT verify OR results IS NOT NULL)",
    "ix_arrivals_unchecked": "state = 'waiting' AND verify AND results IS NULL",
    "ix_arrivals_begun": "state = 'waiting' AND attempts > 0",
}


def upgrade() -> None:
    for name, where in _QUEUES.items():
        partial: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
        op.create_index(name, "arrivals", ["id"], **partial)
    op.create_index("ix_related_other", "related", ["other"])
