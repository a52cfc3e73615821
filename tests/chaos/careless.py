"""The gateway without one of its defences, for the controls of the cases: they must turn red.

`program(DEFENCE)` takes the arguments of `gateway`. What each name takes away stands beside it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway import cli
from gateway.health import watch
from gateway.intake import imap_take
from gateway.intake.imap_after import carry_out
from gateway.intake.imap_client import Session, View
from gateway.intake.imap_take import Mailbox
from gateway.intake.smtp import Listener
from gateway.model import Incoming
from gateway.reading.readers import Readers
from gateway.store import clocks, engines, outbox, pulses
from gateway.store.database import Store
from gateway.store.folder import Folder
from gateway.store.keeper import Keeper


def commits() -> None:
    """SQLite syncs no commit, as with `synchronous=NORMAL`, which is how many run it."""
    prepare = engines._pragmas

    def hasty(connection: Any, record: Any) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=NORMAL").close()

    engines._pragmas = hasty


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


def heed() -> None:
    """What a sync answers is ignored."""

    def deaf(sync: Callable[[int], None]) -> Callable[[int], None]:
        def synced(file: int) -> None:
            with suppress(OSError):
                sync(file)

        return synced

    os.fsync, os.fdatasync = deaf(os.fsync), deaf(os.fdatasync)  # type: ignore[assignment]


def files() -> None:
    """Nobody looks whether the database is still where it was."""
    engines._files = lambda connection: ()


def clock() -> None:
    """Nobody notices that the clock was set back."""
    clocks.put_right = lambda tx, now: 0


def order() -> None:
    """What is taken from a mailbox is moved before it is kept."""

    async def group(box: Mailbox, session: Session, view: View, sizes: Mapping[int, int]) -> int:
        there = await session.bodies(sizes)
        await carry_out(session, box.settings.after, list(there))
        return len(await imap_take._keep(box, view, there, sizes))

    imap_take._group = group


def readers() -> None:
    """Processes that read mail go on when nobody asks any more."""
    wait = "import contextlib, os, time\nwith contextlib.suppress(OSError): os.write(1, b'R')\ntime.sleep(60)"
    Readers.__init__.__defaults__ = ((sys.executable, "-I", "-c", wait, "gateway.reading"),)


def grace() -> None:
    """At the end clients are waited for, for a minute."""
    Listener.close.__defaults__ = (60.0,)


def last_step() -> None:
    """Nobody notes that a mail is at its last step: what was under way at a kill leaves again."""
    outbox.committing = lambda tx, ids, *_: set(ids)


def looks() -> None:
    """The daemon says that it lives, and looks at nothing."""

    async def away(store: Store, context: object, memory: object, name: str, planned: object, now: datetime) -> None:
        await store.write(lambda tx: pulses.beat(tx, name, now))

    watch.look = away  # type: ignore[assignment]


_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from tests.chaos import careless; careless.main(sys.argv[1:])"
)
Program = tuple[str | Path, ...]
_later: set[asyncio.Task[None]] = set()
_ALL = (commits, pack, folders, answer, heed, files, clock, order, readers, grace, last_step, looks)
WITHOUT: dict[str, Callable[[], None]] = {each.__name__: each for each in _ALL}


def program(defence: str) -> Program:
    """What a `Gateway` runs."""
    assert defence in WITHOUT
    return (sys.executable, "-c", _PROGRAM, defence)


def main(arguments: Sequence[str]) -> None:
    WITHOUT[arguments[0]]()
    sys.argv[1:] = arguments[1:]
    sys.exit(cli.main())
