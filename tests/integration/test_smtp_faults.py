"""What goes wrong: keeping fails, clients vanish, there are too many, the daemon stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog

from gateway import errors
from gateway.intake.smtp_limits import Limits
from gateway.intake.smtp_session import SmtpSession
from gateway.model import Incoming
from tests.dialogue import MAIL, OURS, Client, Server, running, stuffed, until
from tests.patience import PATIENCE

START = ("EHLO client.example", "MAIL FROM:<a@example.org>", f"RCPT TO:<{OURS}>")
LATER = "451 4.3.0 Can't take mail now, try again later"
SECRET = "postgresql://gw:s3cret@db/gw"


class Slow:
    """A keep that has begun, and ends when it is let."""

    def __init__(self) -> None:
        self.began, self.go, self.done = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.kept: list[Incoming] = []

    async def __call__(self, incoming: Incoming) -> None:
        self.began.set()
        await self.go.wait()
        self.kept.append(incoming)
        self.done.set()


def failing(error: BaseException) -> Callable[[Incoming], Awaitable[None]]:
    async def keep(incoming: Incoming) -> None:
        raise error

    return keep


async def in_keep(server: Server, slow: Slow) -> Client:
    """A client whose mail is being kept."""
    client = await server.connect(*START, "DATA")
    await client.send(stuffed(MAIL))
    async with asyncio.timeout(PATIENCE):
        await slow.began.wait()
    return client


def its_time_is_over(server: Server, most: float) -> None:
    """The only session has `most` seconds for what is going on, and no more. As if they had passed."""
    (session,) = server.listener._service.room.guests
    assert isinstance(session, SmtpSession)
    now = asyncio.get_running_loop().time()
    assert now < session._due <= now + most
    session.until(now)


@pytest.mark.parametrize(
    "error",
    [
        errors.Temporary(SECRET),
        errors.StoreError(SECRET),
        errors.Permanent(SECRET),
        ConnectionRefusedError(SECRET),
        TimeoutError(SECRET),
        RuntimeError(SECRET),
        asyncio.CancelledError(SECRET),
    ],
    ids=repr,
)
async def test_whatever_fails_the_answer_is_later(error: BaseException) -> None:
    with structlog.testing.capture_logs() as events:
        async with running(keep=failing(error)) as server:
            client = await server.connect("EHLO c")
            assert await client.offer(MAIL) == LATER
            assert await client.offer(MAIL) == LATER  # and the session goes on
    assert SECRET not in repr(events)
    failed = [event["error"] for event in events if event["event"] == "keep_failed"]
    assert failed == [type(error).__name__] * 2


async def test_a_fault_of_ours_in_a_session_is_later_too() -> None:
    def accepts(address: str) -> bool:
        raise RuntimeError(SECRET)

    with structlog.testing.capture_logs() as events:
        async with running(accepts=accepts) as server:
            client = await server.connect("EHLO c", "MAIL FROM:<>")
            assert await client.say(f"RCPT TO:<{OURS}>") == LATER
            assert await client.closed()
    assert [event["error"] for event in events if event["event"] == "session_failed"] == ["RuntimeError"]
    assert SECRET not in repr(events)


async def test_the_log_has_no_addresses_and_no_content() -> None:
    with structlog.testing.capture_logs() as events:
        async with running() as server:
            client = await server.connect("EHLO c", "MAIL FROM:<jeanne@example.org>", "RCPT TO:<x.y@z.org>", "RSET")
            await client.offer(MAIL)
    assert [event["event"] for event in events] == ["recipient_refused", "mail_kept", "session_ended"]
    assert (
        events[1].items() >= {"size": len(MAIL), "recipients": 1, "source": f"smtp:{server.listener.address}"}.items()
    )
    assert not any(word in repr(events) for word in ("jeanne", "x.y", "contact@", "Bonjour"))


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
async def test_a_client_that_goes_away_doesnt_stop_the_write(how: str) -> None:
    slow = Slow()
    async with running(keep=slow) as server:
        client = await in_keep(server, slow)
        if how == "half-close":
            client.writer.write_eof()
        elif how == "reset":
            client.reset()
        else:
            client.close()
        other = await server.connect("EHLO c")  # by then the server has seen it
        await other.say("NOOP")
        if how == "reset":
            await until(lambda: len(server.listener._service.room.guests) == 1)
        slow.go.set()
        async with asyncio.timeout(PATIENCE):
            await slow.done.wait()
        if how == "half-close":
            assert (await client.reply()).startswith("250 2.0.0")
            assert await client.closed()
    assert [incoming.raw for incoming in slow.kept] == [MAIL]


async def test_a_mail_without_its_end_is_no_mail() -> None:
    async with running() as server:
        client = await server.connect(*START, "DATA")
        await client.send(MAIL + b".\r")
        client.writer.write_eof()
        assert await client.closed()
        assert server.kept == []


async def test_keeping_that_takes_too_long_is_later_and_is_finished_all_the_same() -> None:
    slow = Slow()
    async with running(keep=slow, limits=Limits(data=60, answer=10)) as server:
        client = await in_keep(server, slow)
        its_time_is_over(server, 50)
        assert await client.reply() == LATER
        slow.go.set()
        async with asyncio.timeout(PATIENCE):
            await slow.done.wait()
        assert await client.say("NOOP") == "250 2.0.0 OK"


async def test_stopping_lets_mails_in_flight_be_finished_and_tells_the_others() -> None:
    slow = Slow()
    async with running(keep=slow) as server:
        waiting, arriving, keeping = await server.connect("EHLO c"), await server.connect(*START, "DATA"), None
        await arriving.send(b"Subject: half\r\n")
        keeping = await in_keep(server, slow)
        stopping = asyncio.create_task(server.listener.close())
        assert (await waiting.reply()).startswith("421 4.3.2")
        assert await waiting.closed()
        with pytest.raises(OSError, match=r"refused|failed"):
            await server.connect()
        await arriving.send(b"\r\n.\r\nMAIL FROM:<>\r\n")
        slow.go.set()
        for client in (keeping, arriving):
            assert (await client.reply()).startswith("250 2.0.0")
            assert (await client.reply()).startswith("421 4.3.2")
            assert await client.closed()
        await stopping
    assert len(slow.kept) == 2


async def test_stopping_waits_no_longer_than_its_grace_and_acknowledges_nothing_then() -> None:
    slow = Slow()
    async with running(keep=slow) as server:
        arriving, keeping = await server.connect(*START, "DATA"), await in_keep(server, slow)
        await server.listener.close(grace=0.05)
        for client in (keeping, arriving):
            assert (await client.reply()).startswith("421 4.3.2")
            assert await client.closed()
    assert slow.kept == []


async def test_stopping_waits_for_a_write_whose_client_is_gone() -> None:
    slow = Slow()
    async with running(keep=slow) as server:
        (await in_keep(server, slow)).reset()
        await until(lambda: not server.listener._service.room.guests)
        stopping = asyncio.create_task(server.listener.close())
        await asyncio.sleep(0)
        slow.go.set()
        await stopping
        assert len(slow.kept) == 1


async def test_there_are_only_so_many_places() -> None:
    async with running(limits=Limits(connections=3, reserved=0, stalled=3600)) as server:
        clients = [await server.connect("EHLO c") for _ in range(3)]
        late = await server.connect()
        assert late.greeting.startswith("421 4.3.2")
        assert await late.closed()
        assert await clients[0].say("QUIT") == "221 2.0.0 Bye"
        assert await clients[0].closed()
        assert (await server.connect()).greeting.startswith("220 ")


async def test_a_peer_has_its_share_and_trusted_ones_all() -> None:
    limits = Limits(connections=4, share=1, reserved=0, stalled=3600)
    async with running(trusted_peers=("127.0.0.1",), limits=limits) as server:
        greetings = [(await server.connect(local="127.0.0.2")).greeting[:3] for _ in range(4)]
        assert greetings == ["220", "220", "220", "421"]
        assert (await server.connect(local="127.0.0.1")).greeting.startswith("220")


@pytest.mark.parametrize("idle", ["greeted", "trickling"])
async def test_who_does_nothing_makes_room(idle: str) -> None:
    async with running(limits=Limits(connections=1, reserved=0, stalled=0.02)) as server:
        first = await server.connect(*START)
        if idle == "trickling":
            await first.say("DATA")
        await asyncio.get_running_loop().run_in_executor(None, asyncio.Event)  # a turn of the loop
        async with asyncio.timeout(PATIENCE):
            while (second := await server.connect()).greeting.startswith("421"):
                await first.send(b"x")
        assert second.greeting.startswith("220 ")
        assert (await first.reply()).startswith("421 4.3.2")
        assert await first.closed()


async def test_a_mail_that_comes_in_counts_as_doing_something() -> None:
    async with running() as server:
        client = await server.connect(*START, "DATA")
        session = next(iter(server.listener._service.room.guests))
        before = session.progress
        async with asyncio.timeout(PATIENCE):
            while session.progress == before:  # the clock may be as coarse as milliseconds
                await client.send(b"x" * 5000)
                await asyncio.sleep(0)


async def test_nobody_who_is_worked_for_makes_room() -> None:
    slow = Slow()
    async with running(keep=slow, limits=Limits(connections=1, reserved=0, stalled=0)) as server:
        client = await in_keep(server, slow)
        assert (await server.connect()).greeting.startswith("421 ")
        slow.go.set()
        assert (await client.reply()).startswith("250 ")


async def test_recipients_are_bounded() -> None:
    async with running(limits=Limits(recipients=3)) as server:
        client = await server.connect(*START[:2])
        replies = [(await client.say(f"RCPT TO:<{OURS}>"))[:9] for _ in range(5)]
        assert replies == ["250 2.1.5"] * 3 + ["452 4.5.3"] * 2
        assert await client.say("DATA") == "354 End with a dot alone on a line"
        assert (await client.say(stuffed(MAIL))).startswith("250 ")


async def test_who_guesses_recipients_has_to_go() -> None:
    async with running() as server:
        client = await server.connect(*START)
        replies = [(await client.say(f"RCPT TO:<x{i}@support.example.org>"))[:3] for i in range(11)]
        assert replies == ["550"] * 10 + ["421"]
        assert await client.closed()


async def test_errors_are_counted() -> None:
    async with running(limits=Limits(errors=5)) as server:
        client = await server.connect("EHLO c")
        assert [(await client.say("HUH?"))[:3] for _ in range(5)] == ["500"] * 5
        assert (await client.reply()).startswith("421 4.7.0")
        assert await client.closed()


async def test_commands_that_lead_nowhere_are_counted() -> None:
    async with running(limits=Limits(commands=10)) as server:
        client = await server.connect("EHLO c")
        assert (await client.offer(MAIL)).startswith("250 ")
        assert [(await client.say("NOOP"))[:3] for _ in range(9)] == ["250"] * 9
        assert (await client.reply()).startswith("421 4.7.0")


async def test_mails_of_a_session_are_counted_and_a_front_server_may_send_more() -> None:
    limits = Limits(mails=2, mails_trusted=3)
    async with running(trusted_peers=("127.0.0.1",), limits=limits) as server:
        for local, allowed in (("127.0.0.2", 2), ("127.0.0.1", 3)):
            client = await server.connect("EHLO c", local=local)
            for _ in range(allowed):
                assert (await client.offer(MAIL)).startswith("250 ")
            assert (await client.say("MAIL FROM:<>")).startswith("421 4.7.0")
            assert await client.closed()


async def test_a_front_server_starts_afresh_with_each_mail_it_brings() -> None:
    async with running(limits=Limits(unknown=1, errors=3)) as server:
        client = await server.connect("EHLO c")
        for _ in range(4):
            assert await client.say("MAIL FROM:<>", "RCPT TO:<x@y.org>") == "550 5.1.1 No such recipient here"
            assert (await client.say(f"RCPT TO:<{OURS}>", "DATA", stuffed(MAIL))).startswith("250 ")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(idle=50), START),
        (Limits(session=50), START),
        (Limits(data=60, answer=10), (*START, "DATA")),
    ],
    ids=["idle", "session", "data"],
)
async def test_time_is_bounded(limits: Limits, said: tuple[str, ...]) -> None:
    async with running(limits=limits) as server:
        client = await server.connect(*said)
        its_time_is_over(server, 50)
        assert (await client.reply()).startswith("421 4.4.2")
        assert await client.closed()
        assert server.kept == []


async def test_who_goes_on_is_given_more_time() -> None:
    async with running(limits=Limits(commands=10**9)) as server:
        client = await server.connect("EHLO c")
        (session,) = server.listener._service.room.guests
        end = session._due  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            while session._due == end:  # type: ignore[attr-defined] # the clock may be as coarse as milliseconds
                assert await client.say("NOOP") == "250 2.0.0 OK"


async def test_a_client_is_paused_while_its_mail_is_kept() -> None:
    slow = Slow()
    async with running(keep=slow) as server:
        client = await in_keep(server, slow)
        (session,) = server.listener._service.room.guests
        assert isinstance(session, SmtpSession)
        transport = session._transport
        assert transport is not None
        client.writer.write(b"NOOP\r\n" * 2_000_000)
        await until(lambda: not transport.is_reading() or len(session._unread) > 1_000_000)
        unread = len(session._unread)
        other = await server.connect("EHLO c")
        for _ in range(100):
            await other.say("RSET")  # a turn of the loop, in which more would come
        assert len(session._unread) == unread < 1_000_000
        client.reset()
        slow.go.set()


async def test_a_session_has_its_time_however_busy_it_is() -> None:
    async with running(limits=Limits(session=50, commands=10**9)) as server:
        client = await server.connect("EHLO c")
        (session,) = server.listener._service.room.guests
        assert isinstance(session, SmtpSession)
        now = asyncio.get_running_loop().time()
        assert session._end_of_session <= now + 50
        session._end_of_session = now + 0.1  # as if most of it had passed
        async with asyncio.timeout(PATIENCE):
            while (reply := await client.say("NOOP")).startswith("250"):
                pass
        assert reply.startswith("421 4.4.2")


async def test_memory_is_shared_and_small_mails_always_pass() -> None:
    limits = Limits(budget=1, small=1000)
    async with running(max_size=100_000, limits=limits) as server:
        big, second, small = [await server.connect(*START, "DATA") for _ in range(3)]
        await big.send(b"x" * 90_000)
        await until(lambda: server.listener._service.room._free < 12_000)
        assert await second.say(b"y" * 90_000 + b"\r\n.\r\n") == "452 4.3.1 Too much mail at once, try again later"
        assert (await small.say(stuffed(MAIL))).startswith("250 ")
        assert (await big.say(b"\r\n.\r\n")).startswith("250 ")
        assert (await second.offer(b"y" * 90_000 + b"\r\n")).startswith("250 ")
        assert server.listener._service.room._free == 100_000


async def test_a_mail_that_breaks_off_gives_its_memory_back() -> None:
    async with running(max_size=1_000_000) as server:
        client = await server.connect(*START, "DATA")
        await client.send(b"x" * 500_000)
        room = server.listener._service.room
        await until(lambda: room._free < 7_600_000)
        client.reset()
        await until(lambda: room._free == 8_000_000)
