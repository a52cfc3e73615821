"""A server that lies: nothing empty, wrong or cut is kept, memory stays bounded, and it goes on."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.config.settings import ImapIntake
from gateway.intake.imap import Pace, poll
from tests.patience import PATIENCE
from tests.servers.imap_liar import GREETINGS, IDLES, LIES, Liar
from tests.servers.shelf import Shelf, until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MAILS = {uid: b"Subject: %d\r\n\r\n%b\r\n" % (uid, b"*" * 100 * uid) for uid in (3, 5, 8, 9)}
QUICK = Pace(deadline=0.4, first_retry=0.01, longest_retry=0.05, gather=0.0, deaf=0.2)
PATIENT = replace(QUICK, deadline=60.0)  # where no lie is a silence: a machine that is slow is none either
MEMORY = 16_000_000  # the lying server's own included


def settings(liar: Liar, **more: Any) -> ImapIntake:
    basis: dict[str, Any] = {
        "name": "contact",
        "host": liar.host,
        "port": liar.port,
        "security": "none",
        "user": "contact@support.example.org",
        "password": "wholly secret",
        "poll": timedelta(seconds=0.1),
    }
    return ImapIntake(**basis | more)


@asynccontextmanager
async def polling(shelf: Shelf, box: ImapIntake, pace: Pace = QUICK, **more: Any) -> AsyncIterator[None]:
    work = poll(box, keep=shelf.keep, ledger=shelf, now=lambda: NOW, pace=pace, **more)
    task = asyncio.create_task(work)
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def kept(shelf: Shelf) -> dict[int, bytes]:
    return {mail.cursor.uid: mail.raw for mail in shelf.mails if mail.cursor}


@pytest.mark.parametrize("about", [0, 5])
@pytest.mark.parametrize("lie", sorted(LIES))
async def test_a_lie_costs_no_mail_and_brings_none(lie: str, about: int) -> None:
    shelf = Shelf()
    async with Liar(MAILS, [lie, lie], about) as liar, polling(shelf, settings(liar)):
        await shelf.has_settled(len(MAILS))
        liar.add(11, b"later")
        await shelf.has_settled(len(MAILS) + 1)
        assert len(liar.lies) < 2
    assert kept(shelf) == MAILS | {11: b"later"}


@pytest.mark.parametrize("lie", ["huge_literal", "endless_line", "endless_replies"])
async def test_memory_is_bounded(lie: str) -> None:
    shelf = Shelf()
    tracemalloc.start()
    try:
        async with Liar(MAILS, [lie] * 2) as liar, polling(shelf, settings(liar)):
            await shelf.holds(len(MAILS))
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert kept(shelf) == MAILS


@pytest.mark.parametrize("lie", GREETINGS)
async def test_an_odd_greeting_is_tried_again_without_a_password(lie: str) -> None:
    shelf = Shelf()
    pace = QUICK if lie == "greets_never" else PATIENT
    async with Liar(MAILS, [lie]) as liar, polling(shelf, settings(liar), pace):
        await shelf.holds(len(MAILS))
        logins = sum(b"LOGIN" in command for command in liar.commands)
        assert 1 <= logins < liar.connections


@pytest.mark.parametrize("lie", ["starttls_injects", "starttls_injects_half", "starttls_refused"])
async def test_no_password_without_tls_where_tls_is_asked_for(lie: str) -> None:
    shelf = Shelf()
    with capture_logs() as events:
        async with Liar(MAILS, [lie]) as liar, polling(shelf, settings(liar, security="starttls"), PATIENT):
            await until(lambda: liar.connections >= 3)
    assert not [command for command in liar.commands if b"LOGIN" in command or b"AUTH" in command]
    expected = "before TLS" if "injects" in lie else "NO to STARTTLS"
    assert expected in events[0]["reason"]


@pytest.mark.parametrize("lie", IDLES)
async def test_mail_comes_in_though_idle_fails(lie: str) -> None:
    shelf = Shelf()
    async with Liar(MAILS, [lie]) as liar, polling(shelf, settings(liar)):
        await shelf.holds(len(MAILS))
        liar.mails[20] = b"nobody is told"
        await shelf.holds(len(MAILS) + 1)
        await until(lambda: not liar.lies)
    assert kept(shelf)[20] == b"nobody is told"


async def test_an_announced_mail_is_kept_at_once() -> None:
    shelf = Shelf()
    hearing = replace(PATIENT, deaf=3600.0)  # but for the announcement, nothing would make it look
    async with Liar(MAILS, []) as liar, polling(shelf, settings(liar, poll=timedelta(hours=1)), hearing):
        await shelf.holds(len(MAILS))
        for uid in range(20, 25):
            await asyncio.wait_for(liar.idling.wait(), 60)
            liar.add(uid, b"new")
            await shelf.holds(len(MAILS) + uid - 19)


async def test_a_mail_that_never_comes_holds_up_no_other() -> None:
    shelf = Shelf()
    with capture_logs() as events:
        async with (
            Liar(MAILS, ["nil_body"] * 5, about=5) as liar,
            polling(shelf, settings(liar, idle=False), PATIENT),
        ):
            await shelf.holds(3)
            assert 5 not in kept(shelf)
            liar.add(11, b"later")
            await shelf.holds(4)
            await shelf.holds(5)
    assert kept(shelf) == MAILS | {11: b"later"}
    lost = [event for event in events if event["event"] == "imap_mail_out_of_reach"]
    assert [event["uid"] for event in lost] == [5, 5]
    assert len([event for event in events if event["event"] == "imap_trouble"]) == 5


async def test_a_wrong_count_of_octets_is_told_and_the_mail_kept() -> None:
    class Miscounting(Liar):
        async def _fetch(self, tag: bytes, command: bytes, writer: asyncio.StreamWriter) -> None:
            if b"BODY" in command:
                await super()._fetch(tag, command, writer)
            else:
                uids = self._in(command.split()[2])
                sizes = (b"* %d FETCH (UID %d RFC822.SIZE 77)\r\n" % (n, n) for n in uids)
                writer.write(b"".join(sizes) + tag + b" OK done\r\n")

    shelf = Shelf()
    with capture_logs() as events:
        async with Miscounting(MAILS, []) as liar, polling(shelf, settings(liar), PATIENT):
            await shelf.holds(len(MAILS))
    assert kept(shelf) == MAILS
    differing = [event for event in events if event["event"] == "imap_size_differs"]
    assert [event["received"] for event in differing] == [len(raw) for raw in MAILS.values()]


async def test_what_is_handed_to_the_store() -> None:
    shelf = Shelf()
    async with Liar({3: b"raw"}, []) as liar:
        box = settings(liar, recipient="contact@support.example.org", authserv_id="mx.example.org")
        async with polling(shelf, box):
            await shelf.holds(1)
    (mail,) = shelf.mails
    assert (mail.source, mail.authserv_id, mail.received_at) == ("imap:contact", "mx.example.org", NOW)
    assert (mail.envelope.sender, mail.envelope.recipients) == (None, ("contact@support.example.org",))
    assert mail.cursor
    assert (mail.cursor.mailbox, mail.cursor.uidvalidity, mail.cursor.uid) == ("contact/INBOX", 7, 3)


@pytest.mark.parametrize(
    ("password", "sent"),
    [('a "b" \\c', rb'LOGIN "contact@support.example.org" "a \"b\" \\c"'), ("été", b"LOGIN {27}")],
)
async def test_login_takes_any_password(password: str, sent: bytes) -> None:
    done = asyncio.Event()

    class Listening(Liar):
        async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"* OK hello\r\n")
            tag = b""
            while line := await reader.readline():
                self.commands.append(line.rstrip())
                tag = line.split()[0] if b"LOGIN" in line or b"CAPABILITY" in line else tag
                if line.rstrip().endswith(b"}"):
                    writer.write(b"+ go on\r\n")
                else:
                    writer.write(b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n")
                if line.rstrip() == password.encode() or b'"' in line:
                    done.set()

    shelf = Shelf()
    async with Listening(MAILS, []) as liar, polling(shelf, settings(liar, password=password)):
        await asyncio.wait_for(done.wait(), PATIENCE)
    said = [command.partition(b" ")[2] if b"LOGIN" in command else command for command in liar.commands]
    assert sent in said
    if b"{" in sent:
        assert b"contact@support.example.org {%d}" % len(password.encode()) in said
        assert password.encode() in said
