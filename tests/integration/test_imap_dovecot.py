"""The poller on a real Dovecot that other people use as well."""

from __future__ import annotations

import asyncio
import imaplib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.config.settings import ImapIntake
from gateway.errors import StoreError
from gateway.intake.imap import Pace, poll
from gateway.model import ImapCursor, Incoming
from tests.servers import dovecot as servers
from tests.servers.dovecot import Dovecot
from tests.servers.imap_liar import hiding
from tests.servers.shelf import Shelf, until

pytestmark = pytest.mark.skipif(servers.DOVECOT is None, reason=servers.MISSING)

PASSWORD = 'p"a\\s s:{é}'
QUICK = Pace(deadline=60, first_retry=0.01, longest_retry=0.1)


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    dovecot = Dovecot()
    yield dovecot
    dovecot.close()


@pytest.fixture
def user(server: Dovecot, request: pytest.FixtureRequest) -> str:
    """One user per test, so that no test sees another's mail."""
    name = f"u{abs(hash(request.node.name))}@support.example.org"
    server.add_user(name, PASSWORD)
    return name


def mails(count: int, size: int = 40) -> list[bytes]:
    return [b"Subject: %d\r\n\r\n%b\r\n.\r\n" % (n, b"*" * size) for n in range(count)]


def settings(server: Dovecot, user: str, **more: Any) -> ImapIntake:
    basis: dict[str, Any] = {
        "name": "contact",
        "host": "localhost",
        "port": server.imaps_port,
        "user": user,
        "password": PASSWORD,
        "poll": timedelta(seconds=0.1),
    }
    return ImapIntake(**basis | more)


def plain(port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "security": "none"}


@asynccontextmanager
async def polling(
    server: Dovecot, shelf: Shelf, box: ImapIntake, tls: ssl.SSLContext | None = None, pace: Pace = QUICK
) -> AsyncIterator[asyncio.Task[Any]]:
    def now() -> datetime:
        return datetime.now(UTC)

    work = poll(box, keep=shelf.keep, ledger=shelf, now=now, tls=tls or server.tls, pace=pace)
    task = asyncio.create_task(work)
    try:
        yield task
        assert not task.done(), task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def client(server: Dovecot, user: str, folder: str = "INBOX") -> imaplib.IMAP4:
    """Another client at the same mailbox."""
    imap = imaplib.IMAP4("127.0.0.1", server.imap_port)
    imap.authenticate("PLAIN", lambda _: b"\0%b\0%b" % (user.encode(), PASSWORD.encode()))
    imap.select(folder)
    return imap


def flags(server: Dovecot, user: str, folder: str = "INBOX") -> str:
    return server.doveadm("-f", "flow", "fetch", "-u", user, "flags", "mailbox", folder).decode()


def raws(shelf: Shelf) -> list[bytes]:
    return sorted(mail.raw for mail in shelf.mails)


class Interrupted(Shelf):
    """Does something once, when mail number `at` is kept."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        super().__init__()
        self.at, self.act = at, act

    async def keep(self, incoming: Incoming) -> None:
        await super().keep(incoming)
        if len(self.mails) == self.at:
            await asyncio.to_thread(self.act)


async def test_five_hundred_mails_while_others_read_flag_and_expunge(server: Dovecot, user: str) -> None:
    """All that stayed came in, exactly once and exactly as it is; our reading left no trace."""
    filled = mails(500)  # the last hundred are asked for when the first two hundred are kept
    server.fill(user, filled)

    def meddle() -> None:
        other = client(server, user)
        other.fetch("1:20", "(BODY[])")
        other.uid("STORE", "30:40", "+FLAGS", r"(\Seen \Answered)")
        other.uid("STORE", "450:460,499", "+FLAGS", r"(\Deleted)")
        other.expunge()
        other.logout()

    shelf = Interrupted(1, meddle)
    with capture_logs() as events:
        async with polling(server, shelf, settings(server, user)):
            await shelf.has_settled(488)
    gone = {*range(449, 460), 498}
    assert raws(shelf) == sorted(raw for n, raw in enumerate(filled) if n not in gone)
    assert flags(server, user).count("Seen") == 31
    assert {event["event"] for event in events} <= {"imap_caught_up"}


async def test_new_mail_is_filed_as_soon_as_it_is_announced(server: Dovecot, user: str) -> None:
    """By IDLE: the poll would come an hour later, and IDLE is left two minutes later."""
    shelf = Shelf()
    async with polling(server, shelf, settings(server, user, poll=timedelta(hours=1))):
        for count, raw in enumerate(mails(6), 1):
            await asyncio.to_thread(server.deliver, user, raw)
            await shelf.holds(count)


async def test_without_idle_the_mailbox_is_polled(server: Dovecot, user: str) -> None:
    shelf = Shelf()
    with capture_logs() as events:
        async with polling(server, shelf, settings(server, user, idle=False)):
            for count, raw in enumerate(mails(2), 1):
                await asyncio.to_thread(server.deliver, user, raw)
                await shelf.holds(count)
    assert {event["event"] for event in events} == {"imap_caught_up"}


@pytest.mark.parametrize("idle", [True, False])
async def test_a_server_that_goes_away_and_comes_back(server: Dovecot, user: str, idle: bool) -> None:
    shelf = Shelf()
    with capture_logs() as events:
        async with polling(server, shelf, settings(server, user, idle=idle)):
            await asyncio.to_thread(server.deliver, user, b"before\r\n")
            await shelf.holds(1)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(server.deliver, user, b"after\r\n")
            await shelf.holds(2)
    assert raws(shelf) == [b"after\r\n", b"before\r\n"]
    assert [event for event in events if event["event"] == "imap_trouble"]


async def test_after_a_change_of_uidvalidity_everything_is_recorded_anew(server: Dovecot, user: str) -> None:
    server.fill(user, mails(30))
    shelf = Shelf()
    with capture_logs() as events:
        async with polling(server, shelf, settings(server, user, idle=False)):
            await shelf.has_settled(30)
            arguments = ("mailbox", "update", "-u", user, "--uid-validity", "4242", "INBOX")
            await asyncio.to_thread(server.doveadm, *arguments)
            await shelf.has_settled(60)
    assert raws(shelf) == sorted(mails(30) * 2)
    validities = [mail.cursor.uidvalidity for mail in shelf.mails if mail.cursor]
    assert set(validities[30:]) == {4242}
    assert 4242 not in validities[:30]
    assert [event["after"] for event in events if event["event"] == "imap_uidvalidity_changed"] == [4242]


@pytest.mark.parametrize("hidden", [(), (b"MOVE",), (b"MOVE", b"UIDPLUS")])
async def test_kept_mail_is_moved_to_a_folder_with_accents(
    server: Dovecot, user: str, hidden: tuple[bytes, ...]
) -> None:
    server.fill(user, mails(120))
    shelf = Shelf()
    async with hiding(server.imap_port, *hidden) as port:
        box = settings(server, user, after="move:Traités & classés", **plain(port))
        async with polling(server, shelf, box):
            await shelf.has_settled(120)
    assert raws(shelf) == sorted(mails(120))
    assert len(server.uids(user, "Traités & classés")) == 120
    if b"UIDPLUS" in hidden:
        assert flags(server, user).count("Deleted") == 120
    else:
        assert server.uids(user) == []
    assert "Seen" not in flags(server, user, "Traités & classés")


@pytest.mark.parametrize("hidden", [(), (b"UIDPLUS",)])
async def test_kept_mail_is_deleted_and_nobody_elses(server: Dovecot, user: str, hidden: tuple[bytes, ...]) -> None:
    """A mail that is too large for us isn't kept, so it stays, though another client marked it as deleted."""
    large = b"Subject: large\r\n\r\n" + b"*" * 5000
    server.fill(user, [*mails(3), large, *mails(2)])
    other = client(server, user)
    other.uid("STORE", "4", "+FLAGS", r"(\Deleted)")
    other.logout()
    shelf = Shelf()
    with capture_logs() as events:
        async with hiding(server.imap_port, *hidden) as port:
            box = settings(server, user, after="delete", max_size=4000, idle=False, **plain(port))
            async with polling(server, shelf, box):
                await shelf.has_settled(5)
                await asyncio.to_thread(server.deliver, user, b"one more\r\n")
                await shelf.has_settled(6)
    assert server.uids(user) == ([1, 2, 3, 4, 5, 6, 7] if hidden else [4])
    assert [event["uid"] for event in events if event["event"] == "imap_too_large"] == [4]
    assert not [mail for mail in shelf.mails if mail.raw == large]


async def test_a_folder_that_cannot_be_written_leaves_the_mail_kept_and_where_it_is(
    server: Dovecot, user: str
) -> None:
    server.fill(user, mails(2))
    shelf = Shelf()
    with capture_logs() as events:
        async with polling(server, shelf, settings(server, user, after="move:../evil")):
            await shelf.holds(2)
            await asyncio.to_thread(server.deliver, user, b"later\r\n")
            await shelf.holds(3)
    assert len(server.uids(user)) == 3
    assert shelf.settled == 0
    assert "imap_after_refused" in {event["event"] for event in events}


async def test_while_the_store_refuses_mail_stays_on_the_server(server: Dovecot, user: str) -> None:
    server.fill(user, mails(20))
    shelf = Shelf()
    shelf.trouble = StoreError("disk full")
    async with polling(server, shelf, settings(server, user, after="delete")):
        await shelf.has_refused(50)
        assert len(await asyncio.to_thread(server.uids, user)) == 20
        shelf.trouble = None
        await shelf.has_settled(20)
    assert raws(shelf) == sorted(mails(20))
    assert server.uids(user) == []


async def test_one_mail_that_keep_fails_on_is_tried_again_and_the_others_come_in(server: Dovecot, user: str) -> None:
    class Choosy(Shelf):
        async def keep(self, incoming: Incoming) -> None:
            if b"Subject: 3\r\n" in incoming.raw:
                self.refused += 1
                raise KeyError("a bug")
            await super().keep(incoming)

    server.fill(user, mails(6))
    shelf = Choosy()
    with capture_logs() as events:
        async with polling(server, shelf, settings(server, user, idle=False)):
            await shelf.has_settled(5)
            await until(lambda: shelf.refused >= 4)
    assert [event["uid"] for event in events if event["event"] == "imap_mail_out_of_reach"][:1] == [4]


async def test_a_wrong_password_stops_no_other_mailbox(server: Dovecot, user: str) -> None:
    server.fill(user, mails(5))
    shelf, locked = Shelf(), Shelf()
    wrong = settings(server, user, name="locked", password="not the password")
    with capture_logs() as events:
        async with polling(server, locked, wrong), polling(server, shelf, settings(server, user)):
            await shelf.holds(5)
            await asyncio.to_thread(server.deliver, user, b"later\r\n")
            await shelf.holds(6)
            await until(lambda: "imap_trouble" in repr(events))
    troubles = [event for event in events if event["event"] == "imap_trouble"]
    assert {event["mailbox"] for event in troubles} == {"locked/INBOX"}
    assert "AUTHENTICATE" in troubles[0]["reason"]
    assert not locked.mails
    assert "not the password" not in repr(events)


class Crashing(Shelf):
    """Hangs for ever at one point, as if the process had died there."""

    def __init__(self, point: str) -> None:
        super().__init__()
        self.point: str | None = point
        self.reached = asyncio.Event()

    async def keep(self, incoming: Incoming) -> None:
        await super().keep(incoming)
        await self._crash("kept")

    async def settle(self, cursors: Any) -> None:
        await self._crash("moved")
        await super().settle(cursors)

    async def _crash(self, point: str) -> None:
        if self.point == point:
            self.reached.set()
            await asyncio.Event().wait()


@pytest.mark.parametrize("point", ["kept", "moved"])
async def test_what_a_crash_cut_off_is_carried_out_later(server: Dovecot, user: str, point: str) -> None:
    server.fill(user, mails(10))
    shelf = Crashing(point)
    box = settings(server, user, after="move:Traités")
    async with polling(server, shelf, box):
        await asyncio.wait_for(shelf.reached.wait(), 60)
    assert shelf.settled == 0
    shelf.point = None
    async with polling(server, shelf, box):
        await shelf.has_settled(10)
    assert raws(shelf) == sorted(mails(10))
    assert server.uids(user) == []
    assert len(server.uids(user, "Traités")) == 10


async def test_two_pollers_on_one_mailbox_lose_and_double_nothing(server: Dovecot, user: str) -> None:
    """The store keeps one mail per cursor; each poller may find that the other was quicker.

    Dovecot's MOVE may copy a mail twice where two sessions move it at once: not ours to prevent.
    """

    class Shared(Shelf):
        async def keep(self, incoming: Incoming) -> None:
            if incoming.cursor not in self.open:
                with suppress(AssertionError):
                    await super().keep(incoming)

    server.fill(user, mails(400))
    shelf = Shared()
    box = settings(server, user, after="move:Traités")
    async with polling(server, shelf, box), polling(server, shelf, box):
        await shelf.has_settled(400)
    assert raws(shelf) == sorted(mails(400))
    assert server.uids(user) == []
    assert len(server.uids(user, "Traités")) >= 400


async def test_what_somebody_else_took_away_is_settled(server: Dovecot, user: str) -> None:
    server.fill(user, mails(3))
    shelf = Shelf()
    validity = int(server.doveadm("-f", "tab", "mailbox", "status", "-u", user, "uidvalidity", "INBOX").split()[-1])
    for uid in (2, 900):
        shelf.open[ImapCursor("contact/INBOX", validity, uid)] = True
    async with polling(server, shelf, settings(server, user, after="delete")):
        await shelf.has_settled(4)
    assert len(shelf.mails) == 2
    assert server.uids(user) == []


# --- comparing all that is there with the ledger ------------------------------------------------------------

COMPARING = replace(QUICK, whole=0.2)


def forgotten(shelf: Shelf, *uids: int) -> None:
    """As if these had never been kept."""
    shelf.open = {cursor: open_ for cursor, open_ in shelf.open.items() if cursor.uid not in uids}


async def test_what_had_been_passed_over_is_found_told_and_fetched(server: Dovecot, user: str) -> None:
    server.fill(user, mails(9))
    shelf, box = Shelf(), settings(server, user, idle=False)
    with capture_logs() as events:
        async with polling(server, shelf, box, pace=COMPARING):
            await shelf.has_settled(9)
            assert (await shelf.compared()).missing == ()
            forgotten(shelf, 3, 4)
            await until(lambda: any(look.missing for look in shelf.looks))
            assert (await shelf.compared(2)).missing == (), "it is over with the next comparison"
    assert [(look.missing, look.reached) for look in shelf.looks if look.missing] == [((3, 4), 10)]
    assert [mail.cursor.uid for mail in shelf.mails[9:] if mail.cursor] == [3, 4]
    assert [event["uids"] for event in events if event["event"] == "imap_missing"] == [[3, 4]]


async def test_what_was_passed_over_is_found_by_the_next_process_too(server: Dovecot, user: str) -> None:
    server.fill(user, mails(5))
    shelf, box = Shelf(), settings(server, user)
    async with polling(server, shelf, box):
        await shelf.compared()
    forgotten(shelf, 2)
    server.fill(user, [b"Subject: new\r\n\r\nnew\r\n"])
    async with polling(server, shelf, box):
        assert (await shelf.compared()).missing == (2,), "not what is merely new"
    assert len(shelf.mails) == 7


async def test_idle_is_ended_where_a_comparison_is_due(server: Dovecot, user: str) -> None:
    server.fill(user, mails(2))
    shelf, box = Shelf(), settings(server, user, poll=timedelta(hours=1))
    async with polling(server, shelf, box, pace=COMPARING):
        await shelf.compared(3)


async def test_what_stays_there_is_told_and_is_nothing_that_was_passed_over(server: Dovecot, user: str) -> None:
    server.fill(user, [*mails(3), *mails(1, 5_000), *mails(3)])
    shelf, box = Shelf(), settings(server, user, max_size=1_000)
    for _ in range(2):
        async with polling(server, shelf, box, pace=COMPARING):
            look = await shelf.compared(2)
        assert (look.too_large, look.missing, look.owed) == ((4,), (), ())


async def test_trouble_is_left_a_note_of(server: Dovecot, user: str) -> None:
    shelf, box = Shelf(), settings(server, user, password="another")
    async with polling(server, shelf, box):
        await until(lambda: shelf.troubles)
    assert "AUTHENTICATE" in shelf.troubles[0]


async def test_internaldate_is_the_time_of_receipt(server: Dovecot, user: str) -> None:
    other = client(server, user)
    other.append("INBOX", None, '" 1-Feb-2024 23:30:00 -0130"', b"Date: Mon, 1 Jan 2001 00:00:00 +0000\r\n\r\nx\r\n")
    other.logout()
    shelf = Shelf()
    async with polling(server, shelf, settings(server, user)):
        await shelf.holds(1)
    assert shelf.mails[0].received_at == datetime(2024, 2, 2, 1, tzinfo=UTC)


async def test_a_mail_of_several_megabytes_comes_whole(server: Dovecot, user: str) -> None:
    large = b"Subject: large\r\n\r\n" + b"(\r\n{7}\r\n) OK \x80\xff\r\n" * 300_000
    server.fill(user, [large, b"small\r\n"])
    shelf = Shelf()
    async with polling(server, shelf, settings(server, user)):
        await shelf.holds(2)
    assert raws(shelf) == sorted([large, b"small\r\n"])


async def test_a_folder_with_accents_is_read(server: Dovecot, user: str) -> None:
    server.doveadm("mailbox", "create", "-u", user, "Réclamations.été")
    server.deliver(user, b"here\r\n", "Réclamations.été")
    shelf = Shelf()
    box = settings(server, user, folder="Réclamations.été", security="starttls", port=server.imap_port)
    async with polling(server, shelf, box):
        await shelf.holds(1)
    assert shelf.mails[0].cursor
    assert shelf.mails[0].cursor.mailbox == "contact/Réclamations.été"


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_certificate_nobody_vouches_for_gets_no_password(server: Dovecot, user: str, security: str) -> None:
    shelf = Shelf()
    port = server.imaps_port if security == "tls" else server.imap_port
    with capture_logs() as events:
        async with polling(
            server, shelf, settings(server, user, security=security, port=port), ssl.create_default_context()
        ):
            await until(lambda: len(events) >= 2)
    assert "CERTIFICATE_VERIFY_FAILED" in events[0]["reason"]
    assert f"user=<{user}>" not in server.log()
