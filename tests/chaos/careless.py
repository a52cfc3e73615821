"""The gateway without one of its defences, for the controls of the cases: they must turn red.

`program(DEFENCE)` takes the arguments of `gateway`. What each name takes away stands beside it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway import cli
from gateway.model import Incoming
from gateway.store import database
from gateway.store.folder import Folder
from gateway.store.keeper import Keeper


def commits() -> None:
    """SQLite syncs no commit, as with `synchronous=NORMAL`, which is how many run it."""
    prepare = database._prepare

    def hasty(connection: Any, record: Any) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=NORMAL").close()

    database._prepare = hasty


def pack() -> None:
    """Raw mail isn't synced."""
    Folder.sync = lambda self: None  # type: ignore[method-assign]


def folders() -> None:
    """No folder is synced: neither by us nor, since it asks the same function, by SQLite."""
    sync = os.fsync

    def files_only(file: int) -> None:
        if not os.path.isdir(f"/proc/self/fd/{file}"):
            sync(file)

    os.fsync = files_only


def answer() -> None:
    """A mail is acknowledged before it is durable."""
    keep = Keeper.keep

    async def at_once(self: Keeper, incoming: Incoming) -> None:
        task = asyncio.create_task(keep(self, incoming))
        _later.add(task)
        task.add_done_callback(_later.discard)

    Keeper.keep = at_once  # type: ignore[method-assign]


_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from tests.chaos import careless; careless.main(sys.argv[1:])"
)
_later: set[asyncio.Task[None]] = set()
WITHOUT: dict[str, Callable[[], None]] = {each.__name__: each for each in (commits, pack, folders, answer)}


def program(defence: str) -> tuple[str | Path, ...]:
    """What a `Gateway` runs."""
    assert defence in WITHOUT
    return (sys.executable, "-c", _PROGRAM, defence)


def main(arguments: Sequence[str]) -> None:
    WITHOUT[arguments[0]]()
    sys.argv[1:] = arguments[1:]
    sys.exit(cli.main())
