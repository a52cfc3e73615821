"""A pooler before PostgreSQL: by session it is as if it weren't there, by transaction it is refused, and said so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.store.database import Store
from gateway.store.opening import require_sessions
from tests.servers import pgbouncer, postgresql
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgresql import PostgreSQL

pytestmark = [
    pytest.mark.skipif(postgresql.BIN is None, reason=postgresql.MISSING),
    pytest.mark.skipif(pgbouncer.PGBOUNCER is None, reason=pgbouncer.MISSING),
]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with closing(PostgreSQL(durable=False)) as server:
        yield server


@pytest.mark.parametrize("mode", ["", "session", "transaction"])
def test_a_pooler_that_lends_sessions_for_a_transaction_is_refused(
    server: PostgreSQL, tmp_path: Path, mode: str
) -> None:
    pooler = PgBouncer(server.port, mode) if mode else None
    try:
        url = pooler.url("postgres") if pooler else server.url()
        with closing(Store(url, tmp_path)) as store:
            if mode == "transaction":
                with pytest.raises(ConfigError, match="pool_mode = session"):
                    require_sessions(store)
            else:
                require_sessions(store)
    finally:
        if pooler:
            pooler.close()


def test_a_store_in_a_file_has_no_pooler(tmp_path: Path) -> None:
    with closing(Store(f"sqlite:///{tmp_path}/gateway.db", tmp_path / "raw")) as store:
        require_sessions(store)
