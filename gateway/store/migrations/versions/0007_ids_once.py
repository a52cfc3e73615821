"""Ids of participations and deliveries are in what we sign: each is given out once, whatever becomes of its row"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_OBJECTS = (
    "SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type IN ('index', 'trigger') AND sql IS NOT NULL"
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":  # sequences of others never go back
        for table in ("participations", "deliveries"):
            _rebuild(table)


def _rebuild(table: str) -> None:
    """AUTOINCREMENT can't be added to a table that is there (sqlite.org/lang_altertable.html, section 7)."""
    bind = op.get_bind()
    sql = bind.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = :table"), {"table": table}).scalar_one()
    beside = bind.scalars(sa.text(_OBJECTS), {"table": table}).all()
    key = f"CONSTRAINT pk_{table} PRIMARY KEY"
    sql = re.sub(rf",\s*{key} \(id\)", "", sql, count=1)
    sql = re.sub(r"\bid INTEGER NOT NULL", f"id INTEGER NOT NULL {key} AUTOINCREMENT", sql, count=1)
    sql = re.sub(rf'CREATE TABLE "?{table}"?', f"CREATE TABLE new_{table}", sql, count=1)
    bind.exec_driver_sql(sql)
    bind.exec_driver_sql(f"INSERT INTO new_{table} SELECT * FROM {table}")  # noqa: S608 (a name of ours)
    bind.exec_driver_sql(f"DROP TABLE {table}")
    bind.exec_driver_sql(f"ALTER TABLE new_{table} RENAME TO {table}")
    for each in beside:
        bind.exec_driver_sql(each)
