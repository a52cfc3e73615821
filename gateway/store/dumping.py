"""A base of PostgreSQL, copied and put back by PostgreSQL's own programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from gateway.errors import Refused, StoreError
from gateway.store import arrivals, copying, schema
from gateway.store.backup import Snapshot
from gateway.store.database import Store, Tx
from gateway.store.packs import Packs

DATABASE = "gateway.dump"


def dump(url: str, packs: Packs, folder: Path) -> Snapshot:
    """Copy a base as it is at one moment. `url` with its password.

    What came is looked at before, what the base refers to after: so the copy holds no less, and needs no more.

    Raises:
        StoreError: it can't be copied now.
        Refused: PostgreSQL's programs aren't installed here.
    """
    with closing(Store(url, packs)) as store:
        before = store.read_now(copying.looked_at)
        _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={folder / DATABASE}")
        extents = store.read_now(copying.looked_at).extents
    return Snapshot(before.schema, before.arrivals, before.last_arrival, extents)


def restore(source: Path, url: str, packs: Packs, finish: Callable[[Tx], None]) -> None:
    """Fill an empty base from a copy; then it gets its present schema, and `finish` is done with it.

    Raises:
        StoreError: it can't be written now, or what is there isn't empty.
        Refused: PostgreSQL's programs aren't installed here.
    """
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "--clean", "--if-exists")
    _run("pg_restore", url, *options, str(source))
    with closing(Store(url, packs)) as store:
        schema.upgrade(store.engine)
        store.write_now(finish)


def is_empty(url: str, packs: Packs) -> bool:
    """Has no mail come into it yet?

    Raises:
        StoreError: nobody can tell now.
    """
    with closing(Store(url, packs)) as store:
        return not store.read_now(schema.current) or store.read_now(arrivals.last)[0] == 0


def _run(program: str, url: str, *arguments: str) -> None:
    """The password goes by the environment: everybody on the machine may read a command."""
    if shutil.which(program) is None:
        raise Refused(f"{program} isn't installed here (Debian: postgresql-client)")
    found = make_url(url)
    name = found.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = {**os.environ, **({"PGPASSWORD": str(found.password)} if found.password else {})}
    command = [program, *arguments[:-1], f"--dbname={name}", arguments[-1]]
    # ruff sees no more than that it isn't constant: programs of ours, files of the operator's.
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it doesn't say why"]
        raise StoreError(f"{program} failed: {said[-1]}")
