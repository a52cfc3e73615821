"""What every mail asks for is found in an index alone, or was counted before"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_HOUR = 3_600_000_000  # microseconds


def upgrade() -> None:
    op.drop_index("ix_deliveries_recipient", "deliveries")
    op.create_index("ix_deliveries_recipient", "deliveries", ["recipient", "purpose", "created_at"])
    op.drop_index("ix_deliveries_acknowledged", "deliveries")
    _create("ix_deliveries_acknowledged", "deliveries", ["created_at", "purpose"], "purpose = 'acknowledgement'")
    op.drop_index("ix_messages_matter", "messages")
    _create("ix_messages_matter", "messages", ["matter", "sent_at"], "matter != ''")
    op.drop_index("ix_messages_conversation", "messages")
    op.create_index("ix_messages_thread", "messages", ["conversation", "direction", "kind", "id"])
    _create("ix_conversations_merged_into", "conversations", ["merged_into"], "merged_into IS NOT NULL")
    op.create_table(
        "acknowledged",
        sa.Column("hour", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute(
        f"INSERT INTO acknowledged (hour, written) SELECT created_at / {_HOUR} * {_HOUR} AS hour, count(*) "  # noqa: S608 (ours)
        "FROM deliveries WHERE purpose = 'acknowledgement' GROUP BY 1"
    )


def _create(name: str, table: str, columns: list[str], where: str) -> None:
    partial: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, table, columns, **partial)
