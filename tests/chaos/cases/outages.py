"""The database is gone, or somebody else's, for a while: nobody is refused for good, and then all is done soon."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from tests.chaos import careless
from tests.chaos.aftermath import aftermath, done, tried
from tests.chaos.cases.faults import KEEPING, trouble
from tests.chaos.cases.kills import left_twice, mails
from tests.servers import postgresql
from tests.servers.crowd import Crowd
from tests.servers.gateway import COMMAND, Gateway, configuration
from tests.servers.postgresql import PostgreSQL
from tests.servers.several import shared
from tests.trials.case import Case, Counted, When, nothing, scratch

_MAILS, _BEFORE, _CLIENTS = 200, 30, 16  # in all; of them, before the outage
_SECONDS = 60.0
_DRAINED = 30.0  # seconds in which all is done once the database is back
_PATIENCE = 300.0
_PENDING = (
    "SELECT 1 FROM arrivals WHERE state = 'waiting' "
    "UNION ALL SELECT 1 FROM deliveries WHERE state IN ('waiting', 'sending') LIMIT 1"
)


def _removed(program: careless.Program) -> Counted:
    """Somebody moves the database away, and back."""
    with scratch() as folder, Gateway(folder, configuration(), program) as gateway:
        gateway.start()
        there, away = folder / "var" / "gateway.db", folder / "away.db"
        return trouble(gateway, lambda: there.rename(away), lambda: away.rename(there), "4", mails(10_000))


def _locked(program: careless.Program, seconds: float) -> Counted:
    """Another process holds the write lock, for longer than is waited for it."""
    with scratch() as folder, Gateway(folder, configuration(), program) as gateway:
        gateway.start()
        with closing(sqlite3.connect(folder / "var" / "gateway.db", isolation_level=None)) as other:
            return _outage(
                gateway,
                seconds,
                lambda: other.execute("BEGIN IMMEDIATE"),
                lambda: other.execute("ROLLBACK"),
                lambda: done(folder) and tried(folder),
            )


def _stopped(program: careless.Program, seconds: float) -> Counted:
    """The server ends as if its machine had lost its power, and is started again."""
    with scratch() as folder, closing(PostgreSQL()) as server:
        name = server.database()
        folder.chmod(0o755)
        with Gateway(folder / "gateway", configuration(store=shared(server, name, folder)), program) as gateway:
            gateway.start()
            return _outage(
                gateway,
                seconds,
                lambda: server.stop(immediately=True),
                server.start,
                lambda: not server.sql(_PENDING, name),
            )


def _outage(
    gateway: Gateway,
    seconds: float,
    begin: Callable[[], object],
    end: Callable[[], object],
    drained: Callable[[], object],
) -> Counted:
    """Clients hand in mail before, while and after. Wrong is one refused for good, lost or twice, and a late end."""
    with Crowd(gateway.port, mails(_MAILS), _CLIENTS) as crowd:
        gateway.until(lambda: len(crowd.acknowledged) >= _BEFORE, "mail under way", _PATIENCE)
        begin()
        time.sleep(seconds)
        end()
        back = time.monotonic()
        gateway.until(lambda: crowd.done, "every mail acknowledged", _PATIENCE)
        gateway.until(drained, "every mail done", _PATIENCE)
        took = time.monotonic() - back
    wrong = sum(reply.startswith("5") for reply in crowd.replies) + (took > _DRAINED)
    gateway.signal(signal.SIGTERM)
    gateway.ended()
    wrong += left_twice(gateway) + aftermath(gateway.folder, crowd.acknowledged).wrong
    return Counted(_MAILS, wrong, f"mails (all done {took:.0f} s after its end)")


def _no_server() -> str:
    return "" if postgresql.BIN else postgresql.MISSING


def _outage_case(
    key: str, what: str, run: Callable[[careless.Program, float], Counted], control: float, when: When
) -> Case:
    return Case(
        key=key,
        trial=f"{what} for {_SECONDS:.0f} seconds, while {_CLIENTS} clients hand in {_MAILS} mails",
        promise="nobody is refused for good; what is acknowledged is there, once, and all is done within "
        f"{_DRAINED:.0f} seconds of its end",
        defended=lambda: run((COMMAND,), _SECONDS),
        control=lambda: run(careless.program("entered"), control),
        removed=f"{KEEPING}, in the database or in a pack that is its journal",
        when=when,
        lacks=_no_server if run is _stopped else nothing,
    )


CASES = (
    Case(
        key="database-removed",
        trial="the database's file is moved away while the daemon runs, and back",
        promise="nothing is acknowledged meanwhile, nobody is refused for good, and mail is taken again soon after",
        defended=lambda: _removed((COMMAND,)),
        control=lambda: _removed(careless.program("files")),
        removed="looking for the file before each commit",
    ),
    _outage_case("database-locked", "another process holds SQLite's write lock", _locked, 40.0, When.FULL),
    _outage_case("database-stopped", "PostgreSQL ends at once (SIGQUIT), and is away", _stopped, 5.0, When.SHORT),
)
