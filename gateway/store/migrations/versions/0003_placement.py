"""Placement whatever the order: what a filed message must tell those that come later; whom a token was given for"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Json, Time

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain ALTER TABLE: no table is rebuilt, however many messages there are.
    op.add_column("messages", sa.Column("sure", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("messages", sa.Column("sent_at", Time(), nullable=True))
    op.add_column("messages", sa.Column("matter", sa.Text(), nullable=False, server_default=""))
    op.add_column("messages", sa.Column("outlook", sa.Text(), nullable=False, server_default=""))
    op.add_column("messages", sa.Column("orphan", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("messages", sa.Column("anchored", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("messages", sa.Column("opens", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("messages", sa.Column("evidence", Json(), nullable=True))
    op.create_index(
        "ix_messages_matter",
        "messages",
        ["matter"],
        sqlite_where=sa.text("matter != ''"),
        postgresql_where=sa.text("matter != ''"),
    )
    op.create_index(
        "ix_messages_outlook",
        "messages",
        ["outlook"],
        sqlite_where=sa.text("outlook != ''"),
        postgresql_where=sa.text("outlook != ''"),
    )
    op.add_column("citations", sa.Column("position", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("citations", sa.Column("loose", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("participations", sa.Column("usager", sa.Text(), nullable=True))
