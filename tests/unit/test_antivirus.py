"""The gate: what is asked before filing, what waits, what is released, once; and that nothing slips past it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway import inbound, releasing
from gateway.antivirus import Antivirus
from gateway.commands import attachments
from gateway.commands import scans as command
from gateway.commands.operator import SOMEBODY
from gateway.context import Context, context
from gateway.errors import NotFound, Refused
from gateway.model import Arrival, Finding, Mail, Scan
from gateway.outbound import Relay
from gateway.relay.maildir import MaildirTransport
from gateway.store import arrivals, audit, scans, tables
from gateway.store.database import Store
from gateway.store.rows import messages_by_id
from tests.builders import (
    ALICE,
    DOMAIN,
    HOTLINE,
    KEYS,
    MANON,
    NOW,
    ULYSSE,
    deliveries_to,
    incoming,
    keep,
    listed,
    make_context,
    opened,
    raw_mail,
    shown,
    take,
)

TO = f"vegetaliser@{DOMAIN}"
CLEAN, FOUND, SILENT = Scan(Finding.CLEAN), Scan(Finding.INFECTED, "Eicar"), Scan(Finding.HELD, "no answer in time")


class Asked:
    """Stands for clamd: says what it is told to, and remembers what it was asked about."""

    def __init__(self, says: Scan = CLEAN) -> None:
        self.says = says
        self.pieces: list[list[bytes]] = []
        self.wait: asyncio.Event | None = None

    async def __call__(self, socket: str, pieces: Iterable[bytes], patience: float) -> Scan:
        self.pieces.append(list(pieces))
        if self.wait is not None:
            await self.wait.wait()
        return self.says


class World:
    """A store, a gate, and a clock."""

    def __init__(self, store: Store, context: Context) -> None:
        self.store, self.context, self.time = store, context, NOW
        self.clamd = Asked()
        self.gate = Antivirus(store, lambda: self.context, now=self.now, ask=self.clamd)

    def now(self) -> datetime:
        return self.time

    async def filed(self, *raws: bytes) -> None:
        """Mails come in: they are read, looked at and filed, as the loop does it."""
        await asyncio.to_thread(keep, self.store, *(incoming(raw, (TO,)) for raw in raws))
        work = await self.store.write(lambda tx: arrivals.claim(tx, "test", self.time, 50))
        mails = [(arrival, await asyncio.to_thread(self._read, arrival)) for arrival in work]
        await self.gate.look(mails)
        await self.store.write(lambda tx: inbound.file_batch(tx, mails, self.context, self.time))

    def _read(self, arrival: Arrival) -> Mail | Exception:
        return inbound.read_arrival(self.store, arrival, self.context)

    async def asked_again(self, says: Scan, after: timedelta = timedelta(hours=2)) -> int:
        self.clamd.says = says
        self.time += after
        return await self.gate.again()

    def files_to(self, address: str) -> list[tuple[str, list[str]]]:
        """Each mail that waits for somebody: its purpose, and the files in it."""
        found = deliveries_to(self.store, address)
        return [(d.draft.purpose.value, [e.attachment.name for e in d.draft.enclosures]) for d in found]

    def text_to(self, address: str) -> str:
        return deliveries_to(self.store, address)[-1].draft.text.replace("\u00a0", " ")

    @property
    def document(self) -> dict[str, Any]:
        return shown(self.store, listed(self.store)[0]["reference"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as store:
        yield World(store, make_context(tmp_path, antivirus={"socket": "unix:/nonexistent"}))


def letter(*files: tuple[str, bytes], author: str = ULYSSE, to: str = TO, text: str = "Voici.") -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = author, to, "Pièces", f"<{len(files)}.{author}>"
    mail.set_content(text)
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    if files:
        mail.set_boundary("boundary")
    return mail.as_bytes()


PLAN = ("plan.pdf", b"%PDF-1.7 plan")


# --- before filing --------------------------------------------------------------------------------------------


async def test_what_is_clean_is_sent_on_at_once(world: World) -> None:
    await world.filed(letter(PLAN))
    assert world.files_to(ALICE) == [("notification", ["plan.pdf"])]
    ((raw, decoded),) = world.clamd.pieces
    assert (raw, decoded) == (letter(PLAN), PLAN[1])


async def test_a_mail_without_attachments_is_nobodys_question(world: World) -> None:
    world.clamd.says = FOUND
    await world.filed(raw_mail())
    assert world.clamd.pieces == []
    assert world.store.read_now(scans.listed) == []


async def test_what_is_infected_is_kept_and_said_and_its_text_is_told(world: World) -> None:
    world.clamd.says = FOUND
    await world.filed(letter(PLAN, ("photo.jpg", b"\xff\xd8\xff")))
    assert world.files_to(ALICE) == [("notification", [])]
    assert "Voici." in world.text_to(ALICE)
    assert "– plan.pdf : un virus y a été trouvé" in world.text_to(ALICE)
    assert [a["held"] for a in world.document["messages"][0]["attachments"]] == ["infected", "infected"]
    assert world.files_to(ULYSSE) == [("acknowledgement", [])]
    assert "virus" not in world.text_to(ULYSSE)


async def test_no_answer_holds_the_attachments_and_not_the_mail(world: World) -> None:
    world.clamd.says = SILENT
    await world.filed(letter(PLAN))
    assert world.files_to(ALICE) == [("notification", [])]
    assert "– plan.pdf : recherche de virus en attente" in world.text_to(ALICE)


async def test_one_that_hangs_costs_its_time_once_and_is_then_left_alone(world: World) -> None:
    world.context = make_context(antivirus={"socket": "unix:/nonexistent", "timeout": "1s"})
    world.clamd.wait = asyncio.Event()
    async with asyncio.timeout(60):
        await world.filed(*(letter(PLAN, author=f"u{n}@x.example") for n in range(12)))
        assert len(world.clamd.pieces) <= 4
        asked = len(world.clamd.pieces)
        await world.filed(*(letter(PLAN, author=f"v{n}@x.example") for n in range(12)))
    assert len(world.clamd.pieces) == asked
    assert {row["verdict"] for row in world.store.read_now(scans.listed)} == {"held"}
    world.clamd.wait.set()
    world.time += timedelta(minutes=2)
    await world.filed(letter(PLAN, author="w@x.example"))
    assert len(world.clamd.pieces) == asked + 1


async def test_what_it_cannot_say_of_one_mail_is_nothing_against_it(world: World) -> None:
    """Else whoever sends what is too large for it would keep it from being asked about the others."""
    world.clamd.says = Scan(Finding.HELD, "too large for it: raise its StreamMaxLength")
    await world.filed(letter(PLAN))
    world.clamd.says = CLEAN
    await world.filed(letter(PLAN, author="v@x.example"))
    assert len(world.clamd.pieces) == 2
    assert world.files_to(ALICE) == [("notification", []), ("notification", ["plan.pdf"])]


async def test_a_defect_while_asking_is_no_answer(world: World) -> None:
    async def fails(socket: str, pieces: Iterable[bytes], patience: float) -> Scan:
        raise RuntimeError

    world.gate = Antivirus(world.store, lambda: world.context, now=world.now, ask=fails)
    await world.filed(letter(PLAN))
    assert world.files_to(ALICE) == [("notification", [])]


async def test_the_same_mail_is_asked_about_once(world: World) -> None:
    await world.filed(letter(PLAN))
    await world.filed(letter(PLAN))
    assert len(world.clamd.pieces) == 1


async def test_a_way_in_that_asks_nobody_holds_what_comes_by_it(world: World) -> None:
    """An import, for instance: the daemon asks later."""
    await asyncio.to_thread(lambda: take(world.store, world.context, letter(PLAN), source="import"))
    assert [a["held"] for a in world.document["messages"][0]["attachments"]] == ["unscanned"]
    assert await world.asked_again(CLEAN) == 1
    assert [a["held"] for a in world.document["messages"][0]["attachments"]] == [None]
    assert "released" not in str(world.document["history"])  # nobody missed them


async def test_without_an_antivirus_nothing_waits_for_one(world: World) -> None:
    world.context = make_context()
    await world.filed(letter(PLAN))
    assert world.files_to(ALICE) == [("notification", ["plan.pdf"])]
    assert world.clamd.pieces == []


# --- again ----------------------------------------------------------------------------------------------------


async def test_what_was_held_follows_once_and_to_those_who_were_told_without_it(world: World) -> None:
    world.clamd.says = SILENT
    await world.filed(letter(PLAN, ("setup.exe", b"MZ\0\0")))
    assert await world.asked_again(SILENT) == 0
    assert world.files_to(ALICE) == [("notification", [])]
    assert await world.asked_again(CLEAN) == 1
    assert world.files_to(ALICE) == [("notification", []), ("notification", ["plan.pdf"])]
    assert world.files_to(HOTLINE)[-1] == ("notification", ["plan.pdf"])
    assert world.files_to(MANON) == []
    assert "setup.exe" not in world.text_to(ALICE)  # that was said before
    assert [a["held"] for a in world.document["messages"][0]["attachments"]] == [None, "type"]
    assert await world.asked_again(CLEAN) == 0
    await world.store.write(lambda tx: releasing.settle(tx, world.context, _digest(world), CLEAN, world.time))
    assert len(world.files_to(ALICE)) == 2


async def test_what_was_held_and_is_infected_never_follows_and_that_is_said(world: World) -> None:
    world.clamd.says = SILENT
    await world.filed(letter(PLAN))
    await world.asked_again(FOUND)
    assert world.files_to(ALICE) == [("notification", []), ("notification", [])]
    assert "– plan.pdf : un virus y a été trouvé" in world.text_to(ALICE)
    assert "virus in the attachments of message 1: Eicar" in str(world.document["history"])


async def test_who_may_not_see_it_any_more_gets_nothing(world: World) -> None:
    world.clamd.says = SILENT
    await world.filed(letter(PLAN))
    left = [replace(demarche, administrateurs=()) for demarche in world.context.settings.demarches]
    world.context = context(world.context.settings.model_copy(update={"demarches": tuple(left)}), KEYS)
    await world.asked_again(CLEAN)
    assert len(world.files_to(ALICE)) == 1
    assert len(world.files_to(HOTLINE)) == 2


async def test_it_is_asked_again_at_growing_intervals_and_for_ever(world: World) -> None:
    world.clamd.says = SILENT
    await world.filed(letter(PLAN))
    waits: list[timedelta] = []
    for _ in range(8):
        (row,) = world.store.read_now(scans.listed)
        waits.append(row["next_at"] - world.time)
        world.time = row["next_at"]
        assert await world.gate.again() == 0
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=20), timedelta(hours=1))


async def test_once_it_speaks_again_nothing_waits_out_its_interval(world: World) -> None:
    world.clamd.says = SILENT
    await world.filed(letter(PLAN))
    for _ in range(8):
        (row,) = world.store.read_now(scans.listed)
        world.time = row["next_at"]
        await world.gate.again()
    world.clamd.says = CLEAN
    world.time += timedelta(seconds=90)
    await world.filed(letter(("autre.pdf", b"%PDF-1.4 autre"), author="w@x.example"))
    assert await world.gate.again() == 1
    assert world.store.read_now(scans.listed) == []


async def test_a_mail_that_cannot_be_settled_holds_up_no_other(world: World) -> None:
    world.clamd.says = SILENT
    await world.filed(*(letter((f"plan{n}.pdf", b"%PDF-1.4 " + bytes([48 + n]))) for n in range(6)))
    with world.store.engine.begin() as connection:  # the first is a defect, as a release or a bad disk may leave one
        first = connection.scalar(select(tables.messages.c.id).order_by(tables.messages.c.id))
        broken = update(tables.messages).where(tables.messages.c.id == first)
        connection.execute(broken.values(attachments=[{"part": 1, "unknown": True}]))
    world.time += timedelta(hours=2)
    world.clamd.says = CLEAN
    for _ in range(3):
        await world.gate.again()
    assert [row["verdict"] for row in world.store.read_now(scans.listed)] == ["held"]


async def test_a_mail_that_is_not_filed_yet_is_not_released_unseen(world: World) -> None:
    """Its attachments aren't known, so it can't be asked about them."""
    await asyncio.to_thread(keep, world.store, incoming(letter(PLAN), (TO,)))
    (arrival,) = await world.store.write(lambda tx: arrivals.claim(tx, "test", world.time, 50))
    await world.store.write(lambda tx: scans.ask(tx, [arrival.digest], world.time))
    assert await world.asked_again(CLEAN) == 0
    assert world.clamd.pieces == []


# --- agents' own ----------------------------------------------------------------------------------------------


async def answered(world: World, says: Scan, *files: tuple[str, bytes], text: str = "Voici le plan.") -> None:
    """Alice answers, with files."""
    await world.filed(raw_mail(to=TO))
    (told,) = deliveries_to(world.store, ALICE)
    world.clamd.says = says
    await world.filed(letter(*files, author=ALICE, to=told.reply_to, text=text))


async def sent(world: World, folder: Path) -> Callable[[str], list[bytes]]:
    """Whatever is due leaves, as far as it may."""
    transport = MaildirTransport(folder)
    relay = Relay(world.store, lambda: world.context, transport, now=world.now, jitter=lambda: 0.0)
    while await relay.once():
        pass
    octets = [path.read_bytes() for path in (folder / "new").glob("*")]
    return lambda to: [raw for raw in octets if re.search(rf"^X-Envelope-To: <?{to}>?\r?$".encode(), raw, re.M)]


@pytest.mark.parametrize(
    ("says", "file", "reason"),
    [
        (FOUND, PLAN, "un virus a été trouvé dans vos pièces jointes (plan.pdf)"),
        (
            FOUND,
            ("mail.eml", b"From: a@b.example\n\nVoir."),
            "un virus a été trouvé dans vos pièces jointes (mail.eml)",
        ),
        (CLEAN, ("plan.pdf", b"MZ\x90\0"), "les fichiers de ce type ne sont pas envoyés"),
        (SILENT, ("plan.xlsm", b""), "les fichiers de ce type ne sont pas envoyés"),
        (CLEAN, ("plan.pdf", b"x" * 16_000_000), "trop volumineuses ou trop nombreuses"),
    ],
)
async def test_an_answer_whose_file_may_not_leave_comes_back_whole(
    world: World, says: Scan, file: tuple[str, bytes], reason: str
) -> None:
    await answered(world, says, file)
    assert [purpose for purpose, _ in world.files_to(ULYSSE)] == ["acknowledgement"]
    assert world.files_to(ALICE)[-1] == ("notice", [])
    assert reason in world.text_to(ALICE)
    assert "Voici le plan." in world.text_to(ALICE)
    assert "answered the usager" not in str(world.document["history"])


async def test_a_note_may_come_with_anything_since_it_goes_nowhere(world: World) -> None:
    await answered(world, FOUND, PLAN, text="@note À voir.")
    assert [purpose for purpose, _ in world.files_to(ALICE)] == ["notification"]
    assert "wrote a note" in str(world.document["history"])


async def test_an_answer_waits_whole_for_the_antivirus(world: World, tmp_path: Path) -> None:
    await answered(world, SILENT, PLAN)
    left = await sent(world, tmp_path / "sent")
    assert len(left(ULYSSE)) == 1  # the acknowledgement
    await world.asked_again(CLEAN)
    left = await sent(world, tmp_path / "sent")
    assert len(left(ULYSSE)) == 2
    assert any(b'filename="plan.pdf"' in raw for raw in left(ULYSSE))


async def test_an_agent_hears_that_her_answer_waited_in_vain(world: World, tmp_path: Path) -> None:
    """The antivirus is gone for good: neither does it leave unchecked, nor wait for ever."""
    await answered(world, SILENT, PLAN)
    world.context = make_context(tmp_path)
    for _ in range(world.context.settings.relay.give_up_after.days + 1):
        left = await sent(world, tmp_path / "sent")
        world.time += timedelta(days=1)
    assert len(left(ULYSSE)) == 1  # the acknowledgement
    assert len(left(ALICE)) == 2  # the notification, and what became of her answer
    await world.asked_again(CLEAN)
    assert len((await sent(world, tmp_path / "sent"))(ULYSSE)) == 1


async def test_what_was_put_off_leaves_as_soon_as_it_may(world: World, tmp_path: Path) -> None:
    """Not at the end of an interval that has grown meanwhile."""
    await answered(world, SILENT, PLAN)
    for seconds in (11, 61, 301):
        await sent(world, tmp_path / "sent")
        world.time += timedelta(seconds=seconds)
    await sent(world, tmp_path / "sent")
    await world.asked_again(CLEAN, timedelta(seconds=1))
    left = await sent(world, tmp_path / "sent")
    assert len(left(ULYSSE)) == 2


async def test_an_answer_in_which_something_is_found_while_it_waits_never_leaves(
    world: World, tmp_path: Path
) -> None:
    await answered(world, SILENT, PLAN)
    await sent(world, tmp_path / "sent")
    await world.asked_again(FOUND)
    left = await sent(world, tmp_path / "sent")
    assert len(left(ULYSSE)) == 1
    told = world.text_to(ALICE) if world.files_to(ALICE) else b"".join(left(ALICE)).decode()
    assert "a virus was found in its attachments" in told.replace("=\r\n", "")


async def test_nothing_leaves_that_was_planned_before_there_was_an_antivirus(world: World, tmp_path: Path) -> None:
    """The outbox may hold mails from before: they are looked at again at the last moment."""
    asked, world.context = world.context, make_context(tmp_path)
    await world.filed(letter(PLAN))
    world.context = asked
    left = await sent(world, tmp_path / "sent")
    assert left(ALICE) == []
    assert await world.asked_again(CLEAN) == 1
    left = await sent(world, tmp_path / "sent")
    assert len(left(ALICE)) == 1


# --- commands -------------------------------------------------------------------------------------------------


def _digest(world: World) -> str:
    (message,) = [m for m in world.document["messages"] if m["attachments"]]
    return world.store.read_now(lambda c: messages_by_id(c, [message["id"]]))[message["id"]].digest


async def test_a_manager_releases_and_nobody_else(world: World) -> None:
    world.clamd.says = FOUND
    await world.filed(letter(PLAN))
    digest = _digest(world)

    def release(agent: str, named: str = digest) -> Any:
        return command.released(world.store, world.context, named, agent, world.time).document

    with pytest.raises(Refused, match="only a manager"):
        await asyncio.to_thread(release, ALICE)
    for named in ("", digest[:4], "0" * 64):
        with pytest.raises(NotFound):
            await asyncio.to_thread(release, MANON, named)
    assert (await asyncio.to_thread(release, MANON.upper(), digest[:12]))["sha256"] == digest
    assert [a["held"] for a in world.document["messages"][0]["attachments"]] == [None]


async def test_who_releases_what_stays_for_another_reason_is_in_the_audit(world: World) -> None:
    world.clamd.says = SILENT
    await world.filed(letter(("setup.exe", b"MZ\0\0")))
    args = (world.store, world.context, _digest(world), MANON, world.time)
    assert (await asyncio.to_thread(command.released, *args)).document["mails"] == 0
    assert [a["held"] for a in world.document["messages"][0]["attachments"]] == ["type"]
    (act,) = world.store.read_now(audit.listed)
    assert (act["by"], act["what"]) == (MANON, "released the attachments of message 1")


async def test_all_that_is_held_can_be_asked_about_now(world: World) -> None:
    world.clamd.says = SILENT
    await world.filed(letter(PLAN))
    shown = await asyncio.to_thread(command.retried, world.store, SOMEBODY, world.time)
    assert shown.document == {"mails": 1}
    assert [act["by"] for act in world.store.read_now(audit.listed)] == ["operator"]
    assert await world.asked_again(CLEAN, timedelta()) == 1
    assert (await asyncio.to_thread(command.listed, world.store)).document == []


async def test_a_file_is_got_out_under_a_safe_name_and_over_no_other(world: World, tmp_path: Path) -> None:
    await world.filed(letter(PLAN, ("..\\..\\.bashrc", b"x"), ("é t é.exe", b"MZ\0"), ("-rf", b"y")))
    reference, folder = world.document["reference"], tmp_path / "out"

    def get(agent: str | None = None, infected: bool = False) -> list[dict[str, Any]]:
        shown = attachments.of_conversation(world.store, world.context, reference, agent, folder, infected=infected)
        return list(shown.document)

    found = await asyncio.to_thread(get)
    names = [Path(file["saved"]).name for file in found]
    assert [name[:3] for name in names] == ["01-", "02-", "03-", "04-"]
    assert not any(set(name) & set("/\\ ") for name in names)
    modes = await asyncio.to_thread(lambda: {path.stat().st_mode & 0o777 for path in folder.iterdir()})
    assert (len(names), modes, {Path(f["saved"]).parent for f in found}) == (4, {0o600}, {folder})
    assert (folder / "01-plan.pdf").read_bytes() == PLAN[1]
    with pytest.raises(Refused, match="is there already"):
        await asyncio.to_thread(get)
    with pytest.raises(NotFound):
        await asyncio.to_thread(get, "nobody@x.example")


@pytest.mark.parametrize(("says", "ending"), [(FOUND, ".infected"), (SILENT, "")])
async def test_what_is_barred_is_got_out_only_by_who_says_so(
    world: World, tmp_path: Path, says: Scan, ending: str
) -> None:
    world.clamd.says = says
    await world.filed(letter(PLAN))
    reference = world.document["reference"]

    def get(infected: bool) -> Any:
        shown = attachments.of_conversation(
            world.store, world.context, reference, None, tmp_path / "out", infected=infected
        )
        return shown.document[0]["saved"]

    assert await asyncio.to_thread(get, False) is None
    assert Path(await asyncio.to_thread(get, True)).name == f"01-plan.pdf{ending}"
