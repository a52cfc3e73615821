"""The way out: what a crash, a refusal, a breakdown and a failing store leave behind."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway import acting, composing
from gateway.config import Settings
from gateway.context import Context
from gateway.desk.commands import Parsed
from gateway.errors import StoreError, Temporary
from gateway.model import (
    Attachment,
    Attempt,
    DeliveryState,
    Enclosure,
    Fact,
    Occasion,
    Outgoing,
    Settlement,
)
from gateway.outbound import Relay
from gateway.relay.maildir import MaildirTransport
from gateway.relay.wire import WireError
from gateway.store import evidence, exchange, filing, outbox, sending, views
from gateway.store.database import Store
from gateway.store.tables import deliveries
from tests.builders import MANON, NOW, ULYSSE, listed, make_context, opened, raw_mail, shown, take
from tests.patience import PATIENCE

SENT, DEFERRED = DeliveryState.SENT, DeliveryState.DEFERRED
REFUSED, UNKNOWN = DeliveryState.REFUSED, DeliveryState.UNKNOWN
TAKEN = Attempt(SENT, "250 Ok")


class Pretended:
    """A transport that answers what it is told to; `attempt` may be an error."""

    idempotent = False

    def __init__(self, attempt: Attempt | Exception = TAKEN, commits: bool = True) -> None:
        self.attempt, self.commits = attempt, commits
        self.wires: list[bytes] = []
        self.before: Callable[[], Awaitable[None]] | None = None

    async def deliver(self, outgoing: Outgoing, wire: bytes, committing: Callable[[], Awaitable[None]]) -> Attempt:
        if self.before:
            await self.before()
        if self.commits:
            await committing()
        self.wires.append(wire)
        if isinstance(self.attempt, Exception):
            raise self.attempt
        return self.attempt

    async def rest(self) -> None:
        return

    async def close(self) -> None:
        return


class World:
    """A store with one conversation, Manon's answer in its outbox, and a clock."""

    def __init__(self, store: Store, context: Context) -> None:
        self.store, self.context, self.time = store, context, NOW
        take(store, context, raw_mail(), source="import")
        self.reference: str = listed(store)[0]["reference"]
        self.delivery = self.answer()

    def answer(self, **letter: Any) -> int:
        """An answer of Manon's, filed as an act of hers; `letter` changes what leaves."""

        def work(tx: Any) -> int:
            conversation = views.find(tx.connection, self.reference)
            outcome = acting.act(self.context, conversation, MANON, Parsed((), "Voici."), NOW)
            thread = exchange.thread(tx.connection, conversation.id)
            assert thread.latest is not None
            base = replace(thread.latest, author=MANON, fingerprint="", digest="")
            filed = acting.act_filing(self.context, conversation, outcome, base, thread, NOW)
            ((message, drafts),) = filed.messages
            filed = replace(filed, messages=((message, (replace(drafts[0], **letter),)),))
            return filing.file(tx, filed, self.context.signer, NOW)[1][0]

        return self.store.write_now(work)

    def relay(self, transport: Any, context: Context | None = None) -> Relay:
        return Relay(self.store, lambda: context or self.context, transport, now=self.now, jitter=lambda: 0.0)

    def now(self) -> datetime:
        return self.time

    async def worked(self, relay: Relay) -> None:
        """One round: all that is due, to its end."""
        await relay.once()

    def state(self, delivery: int | None = None) -> dict[str, Any]:
        rows = self.store.read_now(outbox.listed)
        return next(row for row in rows if row["id"] == (delivery or self.delivery))

    def due(self) -> list[Outgoing]:
        return self.store.read_now(lambda c: sending.due(c, self.time, 100))

    def notices(self) -> list[str]:
        return [o.draft.text for o in self.due() if o.draft.purpose.value == "notice" and o.draft.to == MANON]

    def evidence(self) -> list[dict[str, Any]]:
        rows = self.store.read_now(lambda c: evidence.of_conversation(c, 1))
        return [{**json.loads(r["said"]), "event": r["event"]} for r in rows if r["delivery"] == self.delivery]

    def history(self) -> str:
        return "\n".join(event["what"] for event in shown(self.store, self.reference)["history"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as store:
        yield World(store, make_context(tmp_path))


def uncertain(context: Context, way: str) -> Context:
    relay = context.settings.relay.model_copy(update={"uncertain": way})
    return replace(context, settings=context.settings.model_copy(update={"relay": relay}))


# --- outcomes --------------------------------------------------------------------------------------------


async def test_sent_once(world: World) -> None:
    transport = Pretended()
    relay = world.relay(transport)
    for _ in range(3):
        await world.worked(relay)
    assert (len(transport.wires), world.state()["state"], world.state()["attempts"]) == (1, "sent", 1)
    assert world.notices() == []


async def test_deferred_is_tried_again_with_the_same_octets(world: World) -> None:
    transport = Pretended(Attempt(DEFERRED, "450 later"))
    relay = world.relay(transport)
    waits = []
    for _ in range(4):
        await world.worked(relay)
        await world.worked(relay)  # not before its time
        waits.append(world.state()["next_at"] - world.time)
        world.time = world.state()["next_at"]
    assert (len(transport.wires), len(set(transport.wires))) == (4, 1)
    assert waits == sorted(waits)
    assert world.state()["state"] == "deferred"


async def test_every_attempt_is_evidence_of_the_same_octets_without_anybodys_address(world: World) -> None:
    (due,) = [o for o in world.due() if o.id == world.delivery]
    relay = world.relay(Pretended(Attempt(DEFERRED, f"450 {due.envelope_sender} later", "mx", "TLSv1.3")))
    await world.worked(relay)
    world.time = world.state()["next_at"]
    relay._transport = Pretended()
    await world.worked(relay)
    first, second = world.evidence()
    assert (first["event"], first["outcome"], second["outcome"]) == ("attempt", "deferred", "sent")
    assert first["sha256"] == second["sha256"] == hashlib.sha256(relay._transport.wires[-1]).hexdigest()
    assert (first["host"], first["tls"], first["to"]) == ("mx", "TLSv1.3", ULYSSE)
    assert due.envelope_sender not in first["reply"]
    assert first["reply"].startswith("450 ")


async def test_given_up_after_its_time_and_the_agent_is_told(world: World) -> None:
    relay = world.relay(Pretended(Attempt(DEFERRED, "450 later")))
    for day in (6, 7, 8):  # a gateway that was off for days has hardly tried
        assert world.state()["state"] != "refused"
        world.time = NOW + timedelta(days=day)
        await world.worked(relay)
    assert world.state()["state"] == "refused"
    assert "given up after 5 days; last answer: 450 later" in world.state()["last_reply"]
    (notice,) = world.notices()
    assert "pendant 5 jours sans que le serveur de messagerie l’accepte" in notice


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (composing.Infected("Eicar"), "un virus a été trouvé dans les pièces jointes (Eicar)"),
        (WireError("a bare CR"), "n’a pas pu en faire un courriel correct"),
        (KeyError("secret"), "n’a pas pu en faire un courriel correct"),
    ],
)
async def test_our_own_reasons_are_told_in_the_agent_s_language(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Exception, told: str
) -> None:
    def failing(*_: Any) -> bytes:
        raise failure

    monkeypatch.setattr(composing, "compose", failing)
    await world.worked(world.relay(Pretended()))
    (notice,) = world.notices()
    assert told in notice
    assert world.state()["last_reply"] in notice, "for the administrator, as it stands in the outbox"


async def test_what_a_server_said_is_told_in_its_own_words_alone(world: World) -> None:
    await world.worked(world.relay(Pretended(Attempt(REFUSED, "550 nobody"))))
    (notice,) = world.notices()
    assert "550 nobody" in notice
    assert "en termes techniques" not in notice


@pytest.mark.parametrize("smarthost_fails", [False, True])
async def test_what_is_sent_once_more_is_tried_for_as_long_as_a_new_mail(world: World, smarthost_fails: bool) -> None:
    """Its age speaks of the first time: it isn't to be given up at its first « later »."""
    later = Attempt(DEFERRED, "450 later", "mx", wide=smarthost_fails)
    world.time = NOW + timedelta(days=30)
    world.store.write_now(
        lambda tx: tx.connection.execute(update(deliveries).values(state="refused", attempts=9, last_reply="550"))
    )
    world.store.write_now(lambda tx: outbox.retry(tx, world.delivery, MANON, world.time))
    relay, begun = world.relay(Pretended(later)), world.time
    while world.time < begun + timedelta(days=4, hours=23):
        await world.worked(relay)
        assert world.state()["state"] == "deferred"
        world.time += timedelta(hours=5)
    for _ in range(3):
        world.time += timedelta(hours=5)
        await world.worked(relay)
    assert world.state()["state"] == "refused"


async def test_refused_and_the_agent_is_told_once(world: World) -> None:
    relay = world.relay(Pretended(Attempt(REFUSED, "550 nobody")))
    await world.worked(relay)
    assert world.state()["state"] == "refused"
    (notice,) = world.notices()
    assert "550 nobody" in notice
    assert "550 nobody" in world.history()
    await world.worked(relay)  # the notice is refused too: no notice about it
    assert world.due() == []


async def test_unknown_is_held(world: World) -> None:
    transport = Pretended(Attempt(UNKNOWN, "the connection broke"))
    await world.worked(world.relay(transport))
    assert world.state()["state"] == "unknown"
    (notice,) = world.notices()
    assert "ne savons pas" in notice
    assert f"gateway outbox retry {world.delivery}" in notice


async def test_unknown_is_tried_again_where_the_configuration_says_so(world: World) -> None:
    context = uncertain(world.context, "retry")
    await world.worked(world.relay(Pretended(Attempt(UNKNOWN, "broke")), context))
    assert world.state()["state"] == "deferred"


LOOKED_UP = [
    ("exit 0", "hold", "sent"),
    ("exit 1", "hold", "deferred"),
    ("exit 2", "hold", "unknown"),
    ("exit 2", "retry", "deferred"),
]


def looking(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, lines: str, way: str) -> Context:
    monkeypatch.setattr("gateway.doubts._STILL_AT_IT", 0.0)
    program = folder / "was-it-sent"
    program.write_text(f"#!/bin/sh\n{lines}\n", "utf-8")
    program.chmod(0o755)
    held = uncertain(world.context, way)
    relay = held.settings.relay.model_copy(update={"lookup": (str(program),)})
    return replace(held, settings=held.settings.model_copy(update={"relay": relay}))


async def looked_up(relay: Relay) -> None:
    await relay._doubts.ended()


@pytest.mark.parametrize(("lines", "way", "state"), LOOKED_UP)
async def test_unknown_is_looked_up(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, way: str, state: str
) -> None:
    context = looking(world, tmp_path, monkeypatch, lines, way)
    relay = world.relay(Pretended(Attempt(UNKNOWN, "broke", "mx", "TLSv1.3")), context)
    await world.worked(relay)
    assert world.state()["state"] == "sending", "nobody is told before it is known"
    assert world.notices() == []
    await looked_up(relay)
    assert (world.state()["state"], world.state()["attempts"]) == (state, 1)
    assert world.state()["last_reply"].startswith("broke; looked up: ")
    (row,) = world.evidence()
    assert (row["event"], row["outcome"], row["tls"], len(row["sha256"])) == ("attempt", state, "TLSv1.3", 64)
    assert len(world.notices()) == (state == "unknown")


async def test_what_is_put_off_is_given_up_where_a_program_is_named_too(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = world.relay(
        Pretended(Attempt(DEFERRED, "451 later", "mx")), looking(world, tmp_path, monkeypatch, "exit 2", "hold")
    )
    for _ in range(6):
        await world.worked(relay)
        world.time += timedelta(days=1)
    assert world.state()["state"] == "refused"
    assert len(world.notices()) == 1


@pytest.mark.parametrize(("lines", "way", "state"), LOOKED_UP)
async def test_after_a_crash_it_is_looked_up(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, way: str, state: str
) -> None:
    at_the_last_step(world)
    relay = world.relay(Pretended(), looking(world, tmp_path, monkeypatch, lines, way))
    await relay.recover()
    await looked_up(relay)
    assert world.state()["state"] == state
    assert [(e["event"], e["outcome"]) for e in world.evidence()] == [("interrupted", state)]


async def test_a_look_up_that_is_under_way_at_the_end_is_begun_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the program started isn't waited for either: that takes longer than any test may."""
    context = looking(world, tmp_path, monkeypatch, "sleep 3600", "hold")
    relay = world.relay(Pretended(Attempt(UNKNOWN, "broke")), context)
    await world.worked(relay)
    await relay._finish()
    assert world.state()["state"] == "sending"


@pytest.mark.parametrize("before", ["sending", "unknown", "deferred", "waiting"])
async def test_word_that_it_arrived_ends_all_doubt(world: World, before: str) -> None:
    """Also where it comes before our own word, or before a mail would leave again."""
    world.store.write_now(lambda tx: tx.connection.execute(update(deliveries).values(state=before)))
    back = Settlement(world.delivery, SENT, "2.0.0 delivered", "ab" * 32)
    world.store.write_now(lambda tx: sending.reported(tx, back, NOW))
    assert world.state()["state"] == "sent"
    for state in (UNKNOWN, DEFERRED):
        fact = Fact(world.delivery, Occasion.ATTEMPT, Attempt(state, "broke"))
        world.store.write_now(lambda tx, f=fact: sending.settle(tx, [sending.Settled(f, NOW)], NOW))  # type: ignore[misc]
    assert world.state()["state"] == "sent"
    first, *_ = world.evidence()
    assert (first["event"], first["outcome"]) == ("receipt", "sent")


@pytest.mark.parametrize("before", ["refused", "cancelled"])
async def test_word_that_it_arrived_brings_nothing_back(world: World, before: str) -> None:
    world.store.write_now(lambda tx: tx.connection.execute(update(deliveries).values(state=before)))
    world.store.write_now(lambda tx: sending.reported(tx, Settlement(world.delivery, SENT, "2.0.0"), NOW))
    assert world.state()["state"] == before


@pytest.mark.parametrize(("commits", "state"), [(False, "deferred"), (True, "unknown")])
async def test_a_defect_of_the_transport(world: World, commits: bool, state: str) -> None:
    await world.worked(world.relay(Pretended(RuntimeError("s3cret"), commits)))
    assert (world.state()["state"], world.state()["last_reply"]) == (state, "the transport failed: RuntimeError")


async def test_what_may_not_leave_is_refused_and_the_agent_is_told(world: World) -> None:
    await world.worked(world.relay(Pretended(WireError("a bare CR"), commits=False)))
    assert (world.state()["state"], world.state()["last_reply"]) == ("refused", "it can't leave: a bare CR")
    (notice,) = world.notices()
    assert "a bare CR" in notice


# --- crashes ---------------------------------------------------------------------------------------------


def at_the_last_step(world: World) -> None:
    world.store.write_now(lambda tx: sending.committing(tx, [world.delivery]))


async def test_after_a_crash_at_the_last_step_it_is_held(world: World) -> None:
    at_the_last_step(world)
    transport = Pretended()
    relay = world.relay(transport)
    await relay.recover()
    await world.worked(relay)
    assert world.state()["state"] == "unknown"
    assert [(e["event"], e["outcome"]) for e in world.evidence()] == [("interrupted", "unknown")]
    assert not any(f"To: {ULYSSE}" in wire.decode() for wire in transport.wires)
    assert "may or may not have arrived" in world.history()


async def test_after_a_crash_it_is_sent_again_where_the_configuration_says_so(world: World) -> None:
    at_the_last_step(world)
    transport = Pretended()
    relay = world.relay(transport, uncertain(world.context, "retry"))
    await relay.recover()
    await world.worked(relay)
    assert (world.state()["state"], len(transport.wires)) == ("sent", 1)


async def test_what_takes_its_last_step_here_meanwhile_is_nobody_elses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another daemon's are looked for, ours go on: what is being sent must not be sent by somebody else."""
    relay = Relay(world.store, lambda: world.context, Pretended(), now=world.now, owner="here")
    ids = [world.delivery]
    relay._waiting = [outgoing for outgoing in world.due() if outgoing.id in ids]
    world.store.write_now(lambda tx: sending.take(tx, ids, "here"))
    write = world.store.write

    async def written_later(*args: Any, **values: Any) -> Any:
        world.store.write_now(lambda tx: sending.committing(tx, ids, "here"))
        return await write(*args, **values)

    monkeypatch.setattr(world.store, "write", written_later)
    await relay._adopt()
    assert (world.state()["state"], world.evidence()) == ("sending", [])


async def test_a_maildir_is_simply_written_again(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "sent"
    await world.worked(world.relay(MaildirTransport(folder)))
    world.store.write_now(lambda tx: tx.connection.execute(update(deliveries).values(state="waiting")))
    at_the_last_step(world)
    world.time += timedelta(minutes=1)
    relay = world.relay(MaildirTransport(folder))
    await relay.recover()
    await world.worked(relay)
    assert world.state()["state"] == "sent"
    assert len(list((folder / "new").iterdir())) == 1


# --- what fails on our side --------------------------------------------------------------------------------


def enclosed(name: str = "a.pdf") -> tuple[Enclosure, ...]:
    return (Enclosure("ab" * 32, Attachment(name, "application/pdf", 3, "", 1)),)


async def test_a_mail_that_cannot_be_composed_ends_alone(world: World) -> None:
    broken = world.answer(enclosures=enclosed())  # no raw mail has that digest
    transport = Pretended()
    await world.worked(world.relay(transport))
    assert (world.state(broken)["state"], world.state()["state"]) == ("refused", "sent")
    assert "can't be composed" in world.state(broken)["last_reply"]
    assert len(transport.wires) == 1


async def test_a_server_that_was_never_asked_is_not_blamed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = world.answer(enclosures=enclosed())

    def unready(*_: Any) -> bytes:
        raise Temporary("its attachments are not checked for viruses yet")

    monkeypatch.setattr(composing, "with_files", unready)
    relay = world.relay(Pretended())
    for day in (6, 7, 8):
        world.time = NOW + timedelta(days=day)
        await world.worked(relay)
    assert world.state(broken)["state"] == "refused"
    (notice,) = world.notices()
    assert "contrôlées par l’antivirus, dans le délai prévu" in notice
    assert "le serveur de messagerie" not in notice


async def test_an_attachment_that_cannot_be_read_now_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits longer each time, and doesn't stand before the others."""
    broken = world.answer(enclosures=enclosed())
    relay = world.relay(Pretended())
    with_files = composing.with_files

    def torn(store: Store, settings: Settings, outgoing: Outgoing, now: datetime) -> bytes:
        if outgoing.id == broken:
            raise StoreError("the pack is damaged")
        return with_files(store, settings, outgoing, now)

    monkeypatch.setattr(composing, "with_files", torn)
    monkeypatch.setattr("gateway.outbound._IDLE", 3600.0)
    await asyncio.wait_for(world.worked(relay), PATIENCE)
    assert (world.state(broken)["state"], world.state()["state"]) == ("deferred", "sent")
    assert world.state(broken)["next_at"] > world.time


async def test_an_outcome_is_not_forgotten_while_the_store_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.settling._AGAIN", 0.001)
    transport = Pretended()
    relay = world.relay(transport)
    settle, failures = sending.settle, [StoreError("full")] * 3

    def failing(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        settle(*arguments)

    monkeypatch.setattr(sending, "settle", failing)
    await world.worked(relay)
    assert (world.state()["state"], len(transport.wires), failures) == ("sent", 1, [])


async def test_an_outcome_that_cannot_be_told_stands_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect in the notice mustn't leave the delivery due: it would be tried for ever, without a pause."""

    def defect(*_: Any, **__: Any) -> Any:
        raise KeyError("template")

    monkeypatch.setattr(acting, "undelivered_drafts", defect)
    transport = Pretended(Attempt(REFUSED, "550 no"), commits=False)
    relay = world.relay(transport)
    for _ in range(3):
        await world.worked(relay)
    assert (world.state()["state"], len(transport.wires)) == ("refused", 1)


async def test_where_the_last_step_cannot_be_noted_nothing_leaves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.outbound._IDLE", 0.001)
    transport = Pretended()

    def failing(*_: Any) -> bool:
        raise StoreError("full")

    with monkeypatch.context() as patch:
        patch.setattr(sending, "committing", failing)
        await world.worked(world.relay(transport))
    assert (transport.wires, world.state()["state"], world.state()["attempts"]) == ([], "waiting", 0)
    await world.worked(world.relay(transport))
    assert len(transport.wires) == 1


async def test_a_store_that_fails_at_the_start_doesnt_end_the_relay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.outbound._IDLE", 0.001)
    adopt, failures = sending.adopt, [StoreError("full")] * 2

    def failing(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return adopt(*arguments)

    monkeypatch.setattr(sending, "adopt", failing)
    transport = Pretended()
    running = asyncio.create_task(world.relay(transport).run(asyncio.Event()))
    async with asyncio.timeout(60):
        while not transport.wires and not running.done():  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.01)
    assert (len(transport.wires), running.done(), failures) == (1, False, [])
    running.cancel()
    await asyncio.wait([running])


# --- what happens meanwhile --------------------------------------------------------------------------------


async def test_what_is_cancelled_on_its_way_does_not_leave(world: World) -> None:
    transport = Pretended()

    async def cancelled() -> None:
        await world.store.write(lambda tx: outbox.cancel(tx, world.delivery, MANON, NOW))

    transport.before = cancelled
    await world.worked(world.relay(transport))
    assert (transport.wires, world.state()["state"]) == ([], "cancelled")


async def test_what_is_cancelled_while_a_try_fails_stays_cancelled(world: World) -> None:
    transport = Pretended(Attempt(DEFERRED, "450 later"), commits=False)

    async def cancelled() -> None:
        await world.store.write(lambda tx: outbox.cancel(tx, world.delivery, MANON, NOW))

    transport.before = cancelled
    await world.worked(world.relay(transport))
    assert world.state()["state"] == "cancelled"


async def test_a_bounce_that_is_faster_than_our_own_note(world: World) -> None:
    class Fast(Pretended):
        async def deliver(self, outgoing: Outgoing, wire: bytes, committing: Any) -> Attempt:
            found = await super().deliver(outgoing, wire, committing)
            back = Settlement(outgoing.id, REFUSED, "5.1.1 nobody")
            await world.store.write(lambda tx: sending.reported(tx, back, NOW))
            return found

    await world.worked(world.relay(Fast()))
    assert (world.state()["state"], world.state()["last_reply"]) == ("refused", "5.1.1 nobody")


async def test_the_end_waits_for_what_is_at_its_last_step(world: World) -> None:
    transport, begun, may_end = Pretended(), asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await may_end.wait()

    transport.before = slow
    task = asyncio.create_task(world.relay(transport).run(asyncio.Event()))
    await begun.wait()
    task.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(transport.wires), world.state()["state"]) == (1, "sent")


# --- who is told of it -----------------------------------------------------------------------------------


async def test_an_author_who_may_not_see_it_any_more_is_not_told_and_others_are(world: World, tmp_path: Path) -> None:
    other = "mona@support.example.org"
    agents = [{"email": other, "capacities": ["manager"]}, {"email": MANON, "name": "Manon"}]
    without = make_context(tmp_path, agents=agents)
    await world.worked(world.relay(Pretended(Attempt(REFUSED, "550 nobody"), commits=False), without))
    assert world.notices() == []
    (notice,) = [o.draft for o in world.due() if o.draft.purpose.value == "notice"]
    assert (notice.to, "550 nobody" in notice.text) == (other, True)
