"""The first schema"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Json, Key, Time

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", Key, nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("inbox_kind", sa.Text(), nullable=False),
        sa.Column("inbox_number", sa.Integer(), nullable=True),
        sa.Column("strength", sa.Integer(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("usager", sa.Text(), nullable=False),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("because", Json(), nullable=False),
        sa.Column("created_at", Time(), nullable=False),
        sa.Column("updated_at", Time(), nullable=False),
        sa.Column("merged_into", Key, nullable=True),
        sa.CheckConstraint(
            "inbox_kind IN ('dossier', 'demarche', 'global')", name=op.f("ck_conversations_inbox_kind")
        ),
        sa.CheckConstraint("status IN ('active', 'pending', 'closed', 'spam')", name=op.f("ck_conversations_status")),
        sa.ForeignKeyConstraint(["merged_into"], ["conversations.id"], name=op.f("fk_conversations_merged_into")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("reference", name=op.f("uq_conversations_reference")),
    )
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_conversations_assignee",
            ["assignee"],
            unique=False,
            sqlite_where=sa.text("assignee IS NOT NULL"),
            postgresql_where=sa.text("assignee IS NOT NULL"),
        )
        batch_op.create_index("ix_conversations_inbox", ["inbox_kind", "inbox_number", "id"], unique=False)
        batch_op.create_index("ix_conversations_updated_at", ["updated_at"], unique=False)

    op.create_table(
        "raws",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_raws")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "arrivals",
        sa.Column("id", Key, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_at", Time(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("recipients", Json(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("helo", sa.Text(), nullable=False),
        sa.Column("authserv_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", Time(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", Key, nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'filed', 'duplicate', 'aside')", name=op.f("ck_arrivals_state")),
        sa.ForeignKeyConstraint(["digest"], ["raws.digest"], name=op.f("fk_arrivals_digest")),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name=op.f("fk_arrivals_message"), use_alter=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrivals")),
    )
    with op.batch_alter_table("arrivals", schema=None) as batch_op:
        batch_op.create_index(
            "ix_arrivals_aside",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state = 'aside'"),
            postgresql_where=sa.text("state = 'aside'"),
        )
        batch_op.create_index("ix_arrivals_digest", ["digest"], unique=False)
        batch_op.create_index(
            "ix_arrivals_waiting",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )

    op.create_table(
        "history",
        sa.Column("id", Key, nullable=False),
        sa.Column("conversation", Key, nullable=False),
        sa.Column("at", Time(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["conversation"], ["conversations.id"], name=op.f("fk_history_conversation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_history_conversation"), ["conversation"], unique=False)

    op.create_table(
        "messages",
        sa.Column("id", Key, nullable=False),
        sa.Column("conversation", Key, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("nature", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("people", Json(), nullable=False),
        sa.Column("received_at", Time(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("quoted", sa.Text(), nullable=False),
        sa.Column("attachments", Json(), nullable=False),
        sa.Column("because", Json(), nullable=False),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_messages_direction")),
        sa.CheckConstraint("kind IN ('external', 'internal', 'machine', 'event')", name=op.f("ck_messages_kind")),
        sa.ForeignKeyConstraint(["conversation"], ["conversations.id"], name=op.f("fk_messages_conversation")),
        sa.ForeignKeyConstraint(["digest"], ["raws.digest"], name=op.f("fk_messages_digest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_messages_fingerprint")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index("ix_messages_author", ["conversation", "author", "received_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_messages_conversation"), ["conversation"], unique=False)
        batch_op.create_index(
            "ix_messages_message_id",
            ["message_id"],
            unique=False,
            sqlite_where=sa.text("message_id != ''"),
            postgresql_where=sa.text("message_id != ''"),
        )

    if op.get_context().dialect.name == "postgresql":  # SQLite has it from the beginning
        op.create_foreign_key(op.f("fk_arrivals_message"), "arrivals", "messages", ["message"], ["id"])
    op.create_table(
        "participations",
        sa.Column("id", Key, nullable=False),
        sa.Column("conversation", Key, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.CheckConstraint("role IN ('usager', 'guest', 'agent')", name=op.f("ck_participations_role")),
        sa.ForeignKeyConstraint(["conversation"], ["conversations.id"], name=op.f("fk_participations_conversation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participations")),
        sa.UniqueConstraint(
            "conversation", "address", "role", name=op.f("uq_participations_conversation_address_role")
        ),
    )
    op.create_table(
        "related",
        sa.Column("conversation", Key, nullable=False),
        sa.Column("other", Key, nullable=False),
        sa.ForeignKeyConstraint(["conversation"], ["conversations.id"], name=op.f("fk_related_conversation")),
        sa.ForeignKeyConstraint(["other"], ["conversations.id"], name=op.f("fk_related_other")),
        sa.PrimaryKeyConstraint("conversation", "other", name=op.f("pk_related")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "citations",
        sa.Column("cited", sa.Text(), nullable=False),
        sa.Column("message", Key, nullable=False),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name=op.f("fk_citations_message")),
        sa.PrimaryKeyConstraint("cited", "message", name=op.f("pk_citations")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("citations", schema=None) as batch_op:
        batch_op.create_index("ix_citations_message", ["message"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("id", Key, nullable=False),
        sa.Column("conversation", Key, nullable=False),
        sa.Column("message", Key, nullable=True),
        sa.Column("participation", Key, nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("envelope_sender", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text(), nullable=False),
        sa.Column("draft", Json(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", Time(), nullable=False),
        sa.Column("next_at", Time(), nullable=False),
        sa.Column("last_reply", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'deferred', 'refused', 'unknown', 'cancelled')",
            name=op.f("ck_deliveries_state"),
        ),
        sa.ForeignKeyConstraint(["conversation"], ["conversations.id"], name=op.f("fk_deliveries_conversation")),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name=op.f("fk_deliveries_message")),
        sa.ForeignKeyConstraint(["participation"], ["participations.id"], name=op.f("fk_deliveries_participation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("message_id", name=op.f("uq_deliveries_message_id")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_deliveries_due",
            ["next_at"],
            unique=False,
            sqlite_where=sa.text("state IN ('waiting', 'deferred')"),
            postgresql_where=sa.text("state IN ('waiting', 'deferred')"),
        )
        batch_op.create_index(batch_op.f("ix_deliveries_message"), ["message"], unique=False)
        batch_op.create_index("ix_deliveries_recipient", ["recipient", "created_at"], unique=False)
        batch_op.create_index("ix_deliveries_seen", ["conversation", "recipient", "created_at"], unique=False)
        batch_op.create_index(
            "ix_deliveries_sending",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state = 'sending'"),
            postgresql_where=sa.text("state = 'sending'"),
        )

    op.create_table(
        "imap_ledger",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("arrival", Key, nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["arrival"], ["arrivals.id"], name=op.f("fk_imap_ledger_arrival")),
        sa.PrimaryKeyConstraint("mailbox", "uidvalidity", "uid", name=op.f("pk_imap_ledger")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("imap_ledger", schema=None) as batch_op:
        batch_op.create_index(
            "ix_imap_ledger_unsettled",
            ["mailbox", "uidvalidity", "uid"],
            unique=False,
            sqlite_where=sa.text("settled = 0"),
            postgresql_where=sa.text("NOT settled"),
        )

    op.create_table(
        "attempts",
        sa.Column("id", Key, nullable=False),
        sa.Column("delivery", Key, nullable=False),
        sa.Column("at", Time(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("tls", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["delivery"], ["deliveries.id"], name=op.f("fk_attempts_delivery")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempts_delivery"), ["delivery"], unique=False)
