"""A real PostgreSQL on loopback, in a folder that goes away with it. It never runs as root: then as `postgres`.

`PostgreSQL()` makes a cluster and starts it; `database()` makes an empty database, or one from a template; `url()` is
where it is; `stop(immediately)` and `start()` in between keep the port; `close()` ends it. With `durable` it syncs as
in life; else what is written is lost with the machine, and tests are quick.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.patience import PATIENCE
from tests.servers.ports import free_port

_FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
BIN = _FOUND[-1] if _FOUND else None
MISSING = "PostgreSQL isn't installed (Debian: postgresql)"
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SETTINGS = ("listen_addresses=127.0.0.1", "max_connections=200", "shared_buffers=32MB", "log_min_messages=warning")


class PostgreSQL:
    """The server. `url`: of its first database; `folder`: where it lies."""

    def __init__(self, *, durable: bool = True) -> None:
        assert BIN is not None, MISSING
        self.folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._settings = (*_SETTINGS, *(() if durable else _QUICK))
        self._names = (f"gateway{n}" for n in itertools.count(1))
        self._user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self._data, "-U", "gateway", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        self.port = free_port()
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def pid(self) -> int:
        """Of its first process, whose children the others are."""
        assert self._process is not None
        return self._process.pid

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://gateway@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(BIN and BIN / "postgres"), "-D", self._data, "-p", str(self.port), "-k", str(self.folder)]
        settings = [word for setting in self._settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, *settings], stdout=log, stderr=log, **self._as_user)  # type: ignore[call-overload]
        self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-t", "30", until=True)

    def stop(self, *, immediately: bool = False) -> None:
        """End it: whoever is connected is sent away; `immediately`: as if the machine lost its power."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
            self._process.wait(timeout=60)
            self._process = None

    def close(self) -> None:
        self.stop(immediately=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, template: str = "template1") -> str:
        """The name of a new one, which holds what the template holds."""
        name = next(self._names)
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def sql(self, statement: str, name: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as an operator would; its rows."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @property
    def _as_user(self) -> dict[str, object]:
        """Whoever root is here, PostgreSQL refuses to run as it."""
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": [], "cwd": self.folder}

    def _run(self, program: str, *arguments: str, until: bool = False) -> str:
        assert BIN is not None
        command: Sequence[str] = [str(BIN / program), *arguments]
        deadline = time.monotonic() + (PATIENCE if until else 0)
        while True:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **self._as_user)  # type: ignore[call-overload]
            if done.returncode == 0:
                return str(done.stdout)
            assert time.monotonic() < deadline, f"{program}: {done.stdout}{done.stderr}"
            assert self._process is None or self._process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
