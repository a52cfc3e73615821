"""A folder after its daemon's end, whatever that was: what a gateway that starts on it finds, and has lost."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from gateway import clock, config, inbound
from gateway.context import Context, context
from gateway.errors import GatewayError
from gateway.model import Incoming
from gateway.store import arrivals, holders, journal, keys, opening
from gateway.store.database import Store
from gateway.store.engines import check_integrity
from gateway.store.packs import Location
from gateway.store.tables import arrivals as arrivals_table
from gateway.store.tables import deliveries, raws
from tests.builders import file_all
from tests.chaos.disk import Disk, Keeps

NOTHING: frozenset[str] = frozenset()
_DONE = {"filed", "duplicate"}


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Mails by what they're acknowledged by. `stuck`: they wait, or are set aside over what isn't their fault.

    `vanished`: deliveries that are « sent », and lie nowhere.
    """

    lost: frozenset[str] = NOTHING
    twice: frozenset[str] = NOTHING
    stuck: frozenset[str] = NOTHING
    vanished: frozenset[str] = NOTHING
    damaged: str = ""

    @property
    def wrong(self) -> int:
        return sum(map(len, (self.lost, self.twice, self.stuck, self.vanished))) + bool(self.damaged)


def aftermath(
    folder: Path,
    acknowledged: Collection[str],
    left: Mapping[str, bytes] | None = None,
    mailbox: Sequence[Incoming] = (),
) -> Aftermath:
    """Open the store as the daemon does, take what is still in the `mailbox`, file what waits, and look.

    `left`: what each sent mail's file holds.
    """
    try:
        settings = config.load(folder / "gateway.toml")
        with opening.opened(settings) as store:
            damaged = store.read_now(check_integrity)
            journal.take_up(store)
            store.write_now(holders.leave_all)
            store.write_now(lambda tx: arrivals.keep_all(tx, mailbox))
            situation = context(settings, keys.load_or_make(settings.store.token_keys_file))
            file_all(store, situation, clock.utc_now())
            _file_begun(store, situation)
            states = store.read_now(_states)
            return Aftermath(
                frozenset(acknowledged) - frozenset(_whole(store)),
                frozenset(mail for mail, counted in states.items() if counted["filed"] > 1),
                frozenset(mail for mail, counted in states.items() if set(counted) - _DONE),
                frozenset(_vanished(store, settings.relay.folder, left or {})),
                "" if damaged == "ok" else damaged,
            )
    except GatewayError as error:
        return Aftermath(lost=frozenset(acknowledged), damaged=str(error))


def after_a_cut(
    disk: Disk,
    keeps: Keeps,
    folder: Path,
    acknowledged: Collection[str],
    left: Mapping[str, bytes] | None = None,
    mailbox: Sequence[Incoming] = (),
) -> Aftermath:
    """The same of what the power, or SIGKILL, leaves of a disk. It is written to `folder` meanwhile."""
    disk.cut(keeps, folder)
    found = aftermath(folder, acknowledged, left, mailbox)
    shutil.rmtree(folder)
    return found


def done(folder: Path) -> bool:
    """Whether nothing waits to be filed in the store of a daemon that runs, by what was committed last."""
    return filed(folder) and not _unknown(folder)


def filed(folder: Path) -> bool:
    """The same of what the database knows: a pack that failed may hold mail that was promised to nobody."""
    return not _count(folder, "arrivals WHERE state = 'waiting'")


def _unknown(folder: Path) -> bool:
    """Does a pack hold more than the database knows?"""
    with closing(sqlite3.connect(f"file:{folder}/var/gateway.db?mode=ro", uri=True)) as base:
        packs = base.execute("SELECT pack, known FROM open_packs").fetchall()
    return any(_octets(folder / "var" / "raw" / pack, known).strip(b"\0") for pack, known in packs)


def _octets(file: Path, start: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read()


def arrived(folder: Path) -> int:
    """How many mails were kept."""
    return _count(folder, "arrivals")


def tried(folder: Path) -> bool:
    """Whether what is to leave has left, or was tried at least."""
    return not _count(folder, "deliveries WHERE state IN ('waiting', 'sending')")


def _count(folder: Path, which: str) -> int:
    with closing(sqlite3.connect(f"file:{folder}/var/gateway.db?mode=ro", uri=True)) as base:
        (count,) = base.execute(f"SELECT count(*) FROM {which}").fetchone()
    return int(count)


def _file_begun(store: Store, situation: Context) -> None:
    """One by one, those that were being worked on."""
    while True:
        now = clock.utc_now()
        work, spent = store.write_now(lambda tx, now=now: arrivals.claim_begun(tx, "test", now))  # type: ignore[misc]
        for arrival in work:
            mail = inbound.read_arrival(store, arrival, situation)
            store.write_now(lambda tx, a=arrival, m=mail, t=now: inbound.file_batch(tx, [(a, m)], situation, t))  # type: ignore[misc]
        if not work and not spent:
            return


def _whole(store: Store) -> Iterator[str]:
    """Mails that came in, and whose octets are there as they came."""
    query = select(raws.c.digest, raws.c.pack, raws.c.offset, raws.c.size).join(arrivals_table).distinct()
    for digest, pack, offset, size in store.read_now(lambda c: c.execute(query).all()):
        try:
            raw = store.packs.read(Location(pack, offset, size))
        except GatewayError:
            continue
        if hashlib.sha256(raw).digest() == digest:
            yield digest.hex()[:16]


def _states(connection: Connection) -> dict[str, Counter[str]]:
    """How often each mail is in which state."""
    found: dict[str, Counter[str]] = {}
    for digest, state in connection.execute(select(arrivals_table.c.digest, arrivals_table.c.state)):
        found.setdefault(digest.hex()[:16], Counter())[state] += 1
    return found


def _vanished(store: Store, sent: Path, left: Mapping[str, bytes]) -> Iterator[str]:
    """Names of files, as `gateway.relay.maildir` gives them, that should lie in `sent` and don't, or not whole."""
    query = select(deliveries.c.created_at, deliveries.c.message_id).where(deliveries.c.state == "sent")
    for created_at, message_id in store.read_now(lambda c: c.execute(query).all()):
        name = f"{int(created_at.timestamp())}.{message_id.partition('@')[0]}.gateway"
        path = sent / "new" / name
        if not path.exists() or (name in left and path.read_bytes() != left[name]):
            yield name
