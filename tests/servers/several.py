"""Several daemons on one store in PostgreSQL, with one folder of raw mail and one file of keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers.gateway import Gateway, configuration
from tests.servers.postgresql import PostgreSQL


def shared(server: PostgreSQL, name: str, folder: Path) -> str:
    """The table [store] of a gateway.toml."""
    return f'[store]\nurl = "{server.url(name)}"\nraw = "{folder}/raw"\ntoken_keys_file = "{folder}/token.keys"\n'


@contextmanager
def several(
    server: PostgreSQL,
    folder: Path,
    roles: Sequence[str] = ("", ""),
    *,
    relay: str = "",
    intake: str = "",
) -> Iterator[list[Gateway]]:
    """Daemons, started: one for each of `roles`, as for `--only`. In the end those that run are stopped."""
    store = shared(server, server.database(), folder)
    relay = relay or f'[relay]\ntransport = "maildir"\nfolder = "{folder}/sent"\n'
    with ExitStack() as stack:
        found: list[Gateway] = []
        for nth, role in enumerate(roles):
            own = folder / f"daemon{nth}"
            own.mkdir()
            gateway = Gateway(own, configuration(store=store, relay=relay, intake=intake))
            gateway.options = ("--only", role) if role else ()
            stack.callback(lambda g=gateway: g.stop() if g.running else None)  # type: ignore[misc]
            found.append(gateway)
        with ThreadPoolExecutor() as pool:  # all at once: the first of them makes the schema
            list(pool.map(Gateway.start, found))
        yield found
