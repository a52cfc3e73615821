"""How daemons on one PostgreSQL tell each other something: LISTEN and NOTIFY."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, bindparam, func, select

from gateway.store.engines import CONNECT

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_CHANNEL = "gateway"


def tell(connection: Connection, words: str) -> None:
    """Let all daemons on a PostgreSQL store hear this, once the transaction is committed."""
    connection.execute(_TELL, {"words": words})


_TELL = select(func.pg_notify(_CHANNEL, bindparam("words")))


async def ear(engine: Engine) -> AsyncConnection[Any]:
    """A connection that hears what is told: its `notifies()`.

    Raises:
        driver_errors: there is none to be had now.
    """
    from psycopg import AsyncConnection  # noqa: PLC0415 (installed where it is used)

    _, address = engine.dialect.create_connect_args(engine.url)
    connection: AsyncConnection[Any] = await AsyncConnection.connect(
        **address, autocommit=True, application_name="gateway", **CONNECT
    )
    await connection.execute(f"LISTEN {_CHANNEL}")
    return connection


def driver_errors() -> type[Exception]:
    """What PostgreSQL's driver raises by itself."""
    from psycopg import Error  # noqa: PLC0415 (as above)

    return Error
