"""A real PgBouncer on loopback before a PostgreSQL, pooling by session or by transaction. Never runs as root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.patience import PATIENCE
from tests.servers.ports import free_port

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/sbin:/bin")
MISSING = "PgBouncer isn't installed (Debian: pgbouncer)"
_CONFIG = """\
[databases]
* = host=127.0.0.1 port={server} user=gateway
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
max_client_conn = 100
default_pool_size = 20
ignore_startup_parameters = extra_float_digits
"""


class PgBouncer:
    """`port`: where it listens; `server` is the port of the PostgreSQL behind it; `mode`: session or transaction."""

    def __init__(self, server: int, mode: str) -> None:
        assert PGBOUNCER is not None, MISSING
        self.folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        file = self.folder / "pgbouncer.ini"
        file.write_text(_CONFIG.format(server=server, port=self.port, mode=mode))
        user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        others = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen([PGBOUNCER, str(file)], stdout=log, stderr=log, **others)  # type: ignore[call-overload]
        self._await()

    def url(self, name: str) -> str:
        return f"postgresql://gateway@127.0.0.1:{self.port}/{name}"

    def _await(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"it doesn't listen: {(self.folder / 'log').read_text()}")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)
