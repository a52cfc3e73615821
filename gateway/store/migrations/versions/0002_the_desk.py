"""The desk: what a conversation holds for it, notices, rounds, and digests, which are of no conversation"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Json, Key, Time

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("organisation", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("language", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("outside", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("guests", Json(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("followers", Json(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("muted", Json(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("asked", Json(), nullable=True))
        batch_op.add_column(sa.Column("waiting_since", Time(), nullable=True))
        batch_op.add_column(sa.Column("snoozed_until", Time(), nullable=True))
        batch_op.add_column(sa.Column("reminded", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("closing_at", Time(), nullable=True))
    # Whoever is assigned already may have been chosen freely: nobody loses sight of their work by an upgrade.
    op.execute("UPDATE conversations SET outside = true WHERE assignee IS NOT NULL")
    op.execute("UPDATE conversations SET waiting_since = updated_at WHERE status IN ('active', 'pending')")
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_conversations_waiting",
            ["status", "waiting_since"],
            unique=False,
            sqlite_where=sa.text("waiting_since IS NOT NULL"),
            postgresql_where=sa.text("waiting_since IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_conversations_snoozed",
            ["snoozed_until"],
            unique=False,
            sqlite_where=sa.text("snoozed_until IS NOT NULL"),
            postgresql_where=sa.text("snoozed_until IS NOT NULL"),
        )

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.alter_column("conversation", existing_type=Key, nullable=True)

    op.create_table(
        "notices",
        sa.Column("id", Key, nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("conversation", Key, nullable=False),
        sa.Column("message", Key, nullable=False),
        sa.Column("created_at", Time(), nullable=False),
        sa.Column("due_at", Time(), nullable=False),
        sa.Column("digest", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["conversation"], ["conversations.id"], name=op.f("fk_notices_conversation")),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name=op.f("fk_notices_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.create_index("ix_notices_conversation", ["conversation"], unique=False)
        batch_op.create_index("ix_notices_due_at", ["due_at"], unique=False)
    op.create_table(
        "rounds",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", Time(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rounds")),
        sqlite_with_rowid=False,
    )
