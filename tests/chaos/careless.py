"""The gateway without one of its defences, for the controls of the cases: they must turn red.

`program(DEFENCE)` takes the arguments of `gateway`. What each name takes away stands beside it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway import cli, inbound, private, together
from gateway.context import Context
from gateway.explaining import Seen
from gateway.health import watch
from gateway.intake import imap_take
from gateway.intake.imap_after import carry_out
from gateway.intake.imap_client import Session
from gateway.intake.imap_grammar import Fetched
from gateway.intake.imap_take import Mailbox
from gateway.intake.smtp import Listener
from gateway.model import Arrival, Incoming, Mail
from gateway.reading.answering import answered
from gateway.reading.question import Question
from gateway.reading.readers import Readers
from gateway.store import arrivals, clocks, engines, journal, pulses, sending, tables
from gateway.store.database import Store, Tx
from gateway.store.folder import Folder
from gateway.store.keeper import Keeper


def commits() -> None:
    """SQLite syncs no commit, as with `synchronous=NORMAL`, which is how many run it."""
    prepare = engines._pragmas

    def hasty(connection: Any, record: Any) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=NORMAL").close()

    engines._pragmas = hasty  # type: ignore[assignment]


def pack() -> None:
    """Raw mail isn't synced."""
    Folder.sync = lambda self: None  # type: ignore[method-assign]


def noted() -> None:
    """The database isn't told which pack takes mail that it doesn't know yet."""
    journal._begin = lambda tx, name: None


def folders() -> None:
    """We sync no folder. (SQLite does so for itself.)"""
    _sync_only(lambda path: not path.is_dir())


def content() -> None:
    """We sync no file that is replaced as a whole, only its name."""
    _sync_only(Path.is_dir)


def _sync_only(wanted: Callable[[Path], bool]) -> None:
    sync = os.fsync

    def synced(file: int) -> None:
        if wanted(Path(f"/proc/self/fd/{file}")):
            sync(file)

    os.fsync = synced  # type: ignore[assignment]


def answer() -> None:
    """A mail is acknowledged before it is durable."""
    keep = Keeper.keep

    async def at_once(self: Keeper, incoming: Incoming) -> None:
        task = asyncio.create_task(keep(self, incoming))
        _later.add(task)
        task.add_done_callback(_later.discard)

    Keeper.keep = at_once  # type: ignore[method-assign]


def entered() -> None:
    """The same, and no pack is its journal: what the database doesn't take is nowhere."""
    answer()
    journal.Journal.of = classmethod(lambda cls, store: None)  # type: ignore[method-assign,assignment]


def heed() -> None:
    """What a sync answers is ignored."""

    def deaf(sync: Callable[[int], None]) -> Callable[[int], None]:
        def synced(file: int) -> None:
            with suppress(OSError):
                sync(file)

        return synced

    os.fsync, os.fdatasync = deaf(os.fsync), deaf(os.fdatasync)  # type: ignore[assignment]


def placed() -> None:
    """What can't get its name is taken for one that has it."""
    rename = Path.rename

    def deaf(self: Path, target: Path) -> Path:
        with suppress(OSError):
            return rename(self, target)
        return target

    Path.rename = deaf  # type: ignore[method-assign,assignment]


def files() -> None:
    """Nobody looks whether the database is still where it was."""
    engines._files = lambda engine: ()


def clock() -> None:
    """Nobody notices that the clock was set back."""
    clocks.put_right = lambda tx, now: 0


def order() -> None:
    """What is taken from a mailbox is moved before it is kept."""

    bodies = imap_take._bodies

    async def hasty(box: Mailbox, session: Session, sizes: Mapping[int, int]) -> Mapping[int, Fetched]:
        there = await bodies(box, session, sizes)
        await carry_out(session, box.settings.after, list(there))
        return there

    imap_take._bodies = hasty


def bodies() -> None:
    """What a mailbox hands over is believed to be a mail, be it empty."""

    async def believed(self: Session, sizes: Mapping[int, int]) -> Mapping[int, Fetched]:
        return await self._fetch(sizes, "(INTERNALDATE BODY.PEEK[])", b"BODY[]", sum(sizes.values()))

    Session.bodies = believed  # type: ignore[method-assign]


def readers() -> None:
    """Processes that read mail go on when nobody asks any more."""
    wait = "import contextlib, os, time\nwith contextlib.suppress(OSError): os.write(1, b'R')\ntime.sleep(60)"
    Readers.__init__.__defaults__ = ((sys.executable, "-I", "-c", wait, "gateway.reading"),)


def apart() -> None:
    """Mail is read where everything else is done."""

    async def here(self: Readers, raw: bytes, question: Question) -> Mail:
        return answered(raw, question)

    Readers.read = here  # type: ignore[method-assign]


def grace() -> None:
    """At the end clients are waited for, for a minute."""
    Listener.close.__defaults__ = (60.0,)


def last_step() -> None:
    """Nobody notes that a mail is at its last step: what was under way at a kill leaves again."""
    sending.committing = lambda tx, ids, *_: set(ids)


def looks() -> None:
    """The daemon says that it lives, and looks at nothing."""

    async def away(store: Store, context: object, memory: object, name: str, planned: object, now: datetime) -> None:
        await store.write(lambda tx: pulses.beat(tx, name, now))

    watch.look = away


def known() -> None:
    """No mail is known again, whatever way it comes."""
    clean = private.cleaned

    def strange(mail: Mail, *rest: Any, **more: Any) -> Mail:
        return replace(clean(mail, *rest, **more), fingerprint=secrets.token_hex(32))

    private.cleaned = strange


def alone() -> None:
    """A second daemon isn't kept off the store."""
    fcntl.flock = lambda file, operation: None


def poison() -> None:
    """A mail whose subject is « poison » ends the process when it is filed. (That alone takes no defence away.)"""
    seen = together.seen  # type: ignore[attr-defined]

    def deadly(arrival: Arrival, mail: Mail, context: Context) -> Seen:
        if mail.subject == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        return seen(arrival, mail, context)

    together.seen = inbound.seen = deadly  # type: ignore[attr-defined]


def uncounted() -> None:
    """The same, and attempts aren't counted before the work begins."""
    poison()
    take = arrivals._take

    def taken(tx: Tx, *rest: Any) -> list[Arrival]:
        work = take(tx, *rest)
        tx.connection.execute(tables.arrivals.update().values(attempts=0))
        return work

    arrivals._take = taken  # type: ignore[assignment]


_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from tests.chaos import careless; careless.main(sys.argv[1:])"
)
Program = tuple[str | Path, ...]
_later: set[asyncio.Task[None]] = set()
_OF_DISKS = (commits, pack, noted, folders, content, answer, entered, heed, placed, files, clock)
_OF_OTHERS = (order, bodies, readers, apart, grace, last_step, looks, known, alone, poison, uncounted)
WITHOUT: dict[str, Callable[[], None]] = {each.__name__: each for each in (*_OF_DISKS, *_OF_OTHERS)}


def program(defence: str) -> Program:
    """What a `Gateway` runs."""
    assert defence in WITHOUT
    return (sys.executable, "-c", _PROGRAM, defence)


def main(arguments: Sequence[str]) -> None:
    WITHOUT[arguments[0]]()
    sys.argv[1:] = arguments[1:]
    sys.exit(cli.main())
