"""Whatever is stuck, missing or away is told within six minutes, each kind as soon as `docs/operations.md` says.

A scene is a trouble, and what is seen of it in the worst case: a smarthost that hangs is in vain after two and a half
minutes, a mailbox is compared five minutes later. Its control is the same without the check of its kind: nothing at
all is told then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import insert, text

from gateway.commands.health import health
from gateway.health import canary, checks, signs
from gateway.health.gaps import Kind
from gateway.model import DeliveryState, Finding, Scan
from gateway.store import arrivals, pulses, rounds, scans, sending, tables
from tests.builders import INES, NOW, incoming, keep, raw_mail, take
from tests.watched import (
    BOX,
    IMAP,
    MINUTE,
    SECOND,
    SIX,
    Daemon,
    events,
    looked,
    packs_of,
    planned,
    sql,
    tried,
    watched,
)

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")
SMTP = {"smtp": [{"listen": "127.0.0.1:0"}]}
VAIN = 150 * SECOND  # until a smarthost that hangs, or a mailbox, is known to be out of reach
Step = tuple[timedelta, Callable[[Daemon], object]]


@dataclass(frozen=True)
class Scene:
    """A trouble of a kind, that begins when it says so; what happens, and when; and on which configuration."""

    kind: Kind
    steps: tuple[Step, ...]
    begins: timedelta = timedelta()
    tables: Mapping[str, Any] = field(default_factory=dict)


def kept(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))


def set_aside(daemon: Daemon) -> None:
    kept(daemon)
    daemon.store.write_now(lambda tx: arrivals.set_aside(tx, 1, "a reason"))


def filed(daemon: Daemon) -> None:
    take(daemon.store, daemon.context, raw_mail())


def message_gone(daemon: Daemon) -> None:
    filed(daemon)
    sql(daemon.store, "UPDATE arrivals SET message = NULL")


def pack_gone(daemon: Daemon) -> None:
    for pack in packs_of(daemon).glob("*.pack"):
        pack.unlink()


def passed_over(daemon: Daemon) -> None:
    daemon.passed_over = set(planned(daemon))


def put_off(daemon: Daemon) -> None:
    if not daemon.seen().deliveries:
        daemon.passed_over = set(planned(daemon))
    tried(daemon, [1], [(daemon.at, DeliveryState.DEFERRED, "its attachments can't be read")], host="")


def in_vain(daemon: Daemon) -> None:
    tried(daemon, [1], [(daemon.at, DeliveryState.DEFERRED, "SMTPReadTimeoutError: Timed out")])


def last_step(daemon: Daemon) -> None:
    ids = planned(daemon)
    daemon.store.write_now(lambda tx: sending.committing(tx, ids))


def uncertain(daemon: Daemon) -> None:
    tried(daemon, [1], [(daemon.at, DeliveryState.UNKNOWN, "the connection is lost")])


def unproven(daemon: Daemon) -> None:
    tried(daemon, [1], [(daemon.at, DeliveryState.SENT, "250 ok")])
    sql(daemon.store, "DROP TRIGGER evidence_remains")
    sql(daemon.store, "DELETE FROM evidence")


def notice(daemon: Daemon) -> None:
    filed(daemon)
    row = {"agent": INES, "conversation": 1, "message": 1, "created_at": NOW, "due_at": NOW, "digest": False}
    daemon.store.write_now(lambda tx: tx.connection.execute(insert(tables.notices).values(row)))


def held(daemon: Daemon) -> None:
    if not daemon.seen().arrivals:
        filed(daemon)
    digest = daemon.store.read_now(lambda connection: connection.scalar(text("SELECT hex(digest) FROM raws")))
    daemon.store.write_now(lambda tx: scans.keep(tx, digest, Scan(Finding.HELD, "no answer"), daemon.at))


def came_through(daemon: Daemon) -> None:
    daemon.store.write_now(lambda tx: rounds.made(tx, canary.FILED, daemon.at))
    daemon.store.write_now(lambda tx: rounds.made(tx, canary.LEFT, daemon.at))


def out_of_reach(daemon: Daemon) -> None:
    daemon.store.write_now(lambda tx: pulses.troubled(tx, BOX, "no answer to IDLE within 30 s", daemon.at))


def nothing(daemon: Daemon) -> None:
    pass


def polled(**what: Any) -> tuple[Step, ...]:
    """Looks at a mailbox, which see something at the end."""
    fine = tuple((n * MINUTE, looked) for n in (0, 2, 4))
    return (*fine, (5 * MINUTE, lambda daemon: looked(daemon, **what)))


def at_once(*work: Callable[[Daemon], object]) -> tuple[Step, ...]:
    return tuple((timedelta(), each) for each in work)


NOT_RELAYED = (timedelta(), lambda daemon: setattr(daemon, "relaying", False))
SCENES = {
    "a mail that nobody files": Scene(Kind.FILING, at_once(kept)),
    "a mail that is set aside": Scene(Kind.ASIDE, at_once(set_aside)),
    "a message that is gone": Scene(Kind.LOST, at_once(message_gone)),
    "a pack that is gone": Scene(Kind.RAW, (*at_once(filed), (10 * SECOND, pack_gone)), begins=10 * SECOND),
    "a mailbox that hangs": Scene(Kind.UNREACHED, (*at_once(looked), (VAIN, out_of_reach)), tables={"intake": IMAP}),
    "a poller that hangs": Scene(Kind.UNREACHED, at_once(looked), tables={"intake": IMAP}),
    "a mailbox without a poller": Scene(Kind.UNREACHED, at_once(nothing), tables={"intake": IMAP}),
    "a mail passed over": Scene(Kind.MISSING, polled(missing=(3,)), tables={"intake": IMAP}),
    "a mail not handed over": Scene(Kind.OWED, polled(owed=(3,)), begins=2 * MINUTE, tables={"intake": IMAP}),
    "a mail too large": Scene(Kind.TOO_LARGE, polled(too_large=(3,)), begins=3 * MINUTE, tables={"intake": IMAP}),
    "a relay that stands still": Scene(Kind.OUTBOX, (NOT_RELAYED, *at_once(planned))),
    "a delivery passed over": Scene(Kind.OUTBOX, (*at_once(passed_over), *((n * MINUTE, planned) for n in range(6)))),
    "a delivery we put off": Scene(Kind.OUTBOX, tuple((n * SECOND, put_off) for n in (0, 10, 80))),
    "a smarthost that hangs": Scene(Kind.RELAY, (NOT_RELAYED, *at_once(planned), (VAIN, in_vain))),
    "a last step without an end": Scene(Kind.SENDING, at_once(last_step)),
    "a delivery nobody knows of": Scene(Kind.UNKNOWN, at_once(uncertain)),
    "a delivery without evidence": Scene(Kind.UNPROVEN, at_once(unproven)),
    "an agent who isn't told": Scene(Kind.ROUNDS, at_once(notice)),
    "an antivirus that is away": Scene(Kind.ANTIVIRUS, tuple((n * SECOND, held) for n in (0, 20, 80, 140, 200, 260))),
    "a test mail that is lost": Scene(Kind.CANARY, at_once(came_through), tables={"intake": SMTP}),
}


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder where a commit waits for no disk: each scene makes dozens, and none is about what survives."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


async def told(scene: Scene, folder: Path) -> list[tuple[str, timedelta]]:
    """What is told until six minutes after the trouble began, and how long after."""
    with watched(folder, **scene.tables) as daemon:
        lines = []
        for delay, step in scene.steps:
            lines += await until(daemon, NOW + delay)
            step(daemon)
        lines += await until(daemon, NOW + scene.begins + SIX)
    return [(kind, at - scene.begins) for kind, at in events(lines, "alarm_raised")]


async def until(daemon: Daemon, at: datetime) -> list[dict[str, Any]]:
    """Look every ten seconds, but for what lies between the moment after a step and when something can be due."""
    lines = await daemon.until(min(at, daemon.at + 30 * SECOND))
    return lines + await daemon.until(min(at, NOW + 4 * MINUTE), 60) + await daemon.until(at)


def bound(kind: Kind) -> timedelta:
    """What the page says of it."""
    found = re.search(rf"^\| `{kind}` \|[^|]*\| (?:(\d) min)? ?(?:(\d+) s)?:", PAGE, re.MULTILINE)
    assert found is not None, f"the page doesn't say how soon {kind} is told"
    minutes, seconds = (int(each or 0) for each in found.groups())
    return minutes * MINUTE + seconds * SECOND


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
async def test_it_is_told_as_soon_as_the_page_says(scene: Scene, memory: Path) -> None:
    ((kind, after),) = await told(scene, memory)
    assert kind == scene.kind
    assert after <= bound(scene.kind) <= SIX


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
async def test_without_its_check_nothing_is_told(scene: Scene, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", {k: check for k, check in checks.CHECKS.items() if k is not scene.kind})
    assert await told(scene, memory) == []


def test_every_kind_has_its_scene() -> None:
    elsewhere = {Kind.DAEMON, Kind.STORE}
    assert {scene.kind for scene in SCENES.values()} == set(checks.CHECKS) == set(Kind) - elsewhere
    assert all(bound(kind) <= SIX for kind in Kind)


def test_a_daemon_that_is_gone_is_told_by_the_command(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(memory) as daemon:

        def after(time: timedelta) -> list[str]:
            return [
                gap["kind"] for gap in health(daemon.context.settings, NOW + time, as_metrics=False).document["gaps"]
            ]

        assert after(MINUTE) == []
        assert after(bound(Kind.DAEMON)) == [Kind.DAEMON]
        monkeypatch.setattr(signs, "silent", lambda *_: ())
        assert after(SIX) == []
