"""Sessions as they go: what is said, and what comes back."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from pathlib import Path

import pytest

from gateway.config.settings import SmtpIntake
from gateway.errors import ConfigError
from gateway.intake.smtp import serve
from gateway.model import Envelope, Incoming
from tests.dialogue import MAIL, NOW, OURS, Server, running, stuffed
from tests.security.smuggling import HARMLESS, SMUGGLERS

START = ("EHLO client.example", "MAIL FROM:<a@example.org>")
NOT_OURS = "550 5.1.1 No such recipient here"


async def test_a_mail_is_kept_exactly_and_then_acknowledged() -> None:
    async with running(authserv_id="mx.example.org") as server:
        client = await server.connect()
        assert client.greeting == "220 mx.support.example.org ESMTP"
        await client.say("EHLO client.example")
        assert await client.offer(MAIL) == f"250 2.0.0 Kept as {hashlib.sha256(MAIL).hexdigest()[:16]}"
        assert server.kept == [
            Incoming(
                raw=MAIL,
                source=f"smtp:{server.listener.address}",
                received_at=NOW,
                envelope=Envelope("a@example.org", (OURS,), "127.0.0.1", "client.example"),
                authserv_id="mx.example.org",
            )
        ]
        assert await client.say("QUIT") == "221 2.0.0 Bye"
        assert await client.closed()


async def test_what_is_announced() -> None:
    async with running(max_size=12345) as server:
        client = await server.connect()
        assert (await client.say("EHLO c")).splitlines() == [
            "250-mx.support.example.org", "250-PIPELINING", "250-SIZE 12345", "250-8BITMIME", "250-SMTPUTF8",
            "250-ENHANCEDSTATUSCODES", "250 HELP",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        (["MAIL FROM:<a@example.org>"], "503 5.5.1"),
        (["EHLO"], "501 5.5.4"),
        (["EHLO a b"], "501 5.5.4"),
        (["HELO c"], "250 mx.support.example.org"),
        (["LHLO c"], "500 5.5.1"),
        (["EHLO c", "VRFY contact"], "252 2.5.0"),
        (["EHLO c", "EXPN contact"], "502 5.5.1"),
        (["EHLO c", "AUTH PLAIN AGEAYg=="], "502 5.5.1"),
        (["EHLO c", "BDAT 3 LAST"], "502 5.5.1"),
        (["EHLO c", "STARTTLS"], "503 5.5.1"),
        (["EHLO c", "HELP"], "214 2.0.0 DATA EHLO"),
        (["EHLO c", "NOOP"], "250 2.0.0"),
        (["EHLO c", ""], "500 5.5.1"),
        (["EHLO c", "XCLIENT ADDR=127.0.0.1"], "500 5.5.1"),
        (["EHLO c", b"MAIL FROM:<\xff@b.org>\r\n"], "500 5.5.2"),
        (["EHLO c", "NOOP " + "x" * 3000], "500 5.5.6"),
        (["EHLO c", "NOOP " + "x" * 300_000], "500 5.5.6"),
        (["EHLO c", f"RCPT TO:<{OURS}>"], "503 5.5.1"),
        (["EHLO c", "DATA"], "503 5.5.1"),
        ([*START, "DATA"], "503 5.5.1"),
        ([*START, "MAIL FROM:<b@example.org>"], "503 5.5.1"),
        ([*START, "RSET", f"RCPT TO:<{OURS}>"], "503 5.5.1"),
        ([*START, "EHLO c", f"RCPT TO:<{OURS}>"], "503 5.5.1"),
        ([*START, f"RCPT TO:<{OURS}>", "DATA now"], "501 5.5.4"),
        (["EHLO c", "MAIL FROM:<a@example.org> SIZE=25000001"], "552 5.3.4"),
        ([*START, "RCPT TO:<nobody@support.example.org>"], NOT_OURS),
        ([*START, "RCPT TO:<contact%elsewhere.example@support.example.org>"], NOT_OURS),
        ([*START, "RCPT TO:<contact@elsewhere.example>"], NOT_OURS),
    ],
)
async def test_a_command_and_its_answer(commands: list[str | bytes], reply: str) -> None:
    async with running() as server:
        client = await server.connect()
        assert (await client.say(*commands)).startswith(reply)


@pytest.mark.parametrize("line", ["PROXY TCP4 127.0.0.1 127.0.0.1 1 2", "GET / HTTP/1.1", "post / HTTP/1.1"])
async def test_who_speaks_another_protocol_is_left_with_all_that_follows(line: str) -> None:
    async with running() as server:
        client = await server.connect()
        mail = f"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<{OURS}>\r\nDATA\r\nx\r\n.\r\n"
        assert (await client.say(f"{line}\r\n{mail}".encode())).startswith("521 5.5.1")
        assert await client.closed()
        assert server.kept == []


async def test_nobody_is_asked_about_a_disguise_and_everybody_about_the_rest() -> None:
    asked: list[str] = []

    def accepts(address: str) -> bool:
        asked.append(address)
        return False

    async with running(accepts=accepts) as server:
        client = await server.connect(*START)
        for address in ('"a@b"@support.example.org', "a!b@support.example.org", "Contact@Support.Example.ORG"):
            assert await client.say(f"RCPT TO:<{address}>") == NOT_OURS
    assert asked == ["contact@support.example.org"]


@pytest.mark.parametrize("sequence", SMUGGLERS)
async def test_a_smuggled_mail_is_refused_whole(sequence: bytes) -> None:
    inner = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<%b>\r\nDATA\r\nSubject: two\r\n\r\n" % OURS.encode()
    async with running() as server:
        client = await server.connect(*START, f"RCPT TO:<{OURS}>", "DATA")
        reply = await client.say(b"Subject: one\r\n\r\none" + sequence + inner + b"\r\n.\r\n")
        assert reply == "521 5.6.11 Lines must end with CRLF, and NUL may not occur"
        assert await client.closed()
        assert server.kept == []


@pytest.mark.parametrize("sequence", HARMLESS)
async def test_what_only_looks_like_an_end_is_content(sequence: bytes) -> None:
    async with running() as server:
        client = await server.connect("EHLO c")
        mail = b"Subject: one\r\n\r\none" + sequence + b"QUIT\r\n"
        assert (await client.offer(mail)).startswith("250 ")
        assert [incoming.raw for incoming in server.kept] == [mail]


@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\n\r\n", b"NOOP\rNOOP\r\n", b"NOOP \0\r\n", b"\n"])
async def test_a_command_must_end_with_crlf(line: bytes) -> None:
    async with running() as server:
        client = await server.connect("EHLO c")
        assert (await client.say(line)).startswith("521 5.5.2")
        assert await client.closed()


@pytest.mark.parametrize("ends", ["", "QUIT\r\n"])
async def test_a_pipelining_client_gets_its_answers_in_order(ends: str) -> None:
    """All at once, two mails, and even the mails themselves, which RFC 2920 doesn't allow."""
    one = f"MAIL FROM:<>\r\nRCPT TO:<{OURS}>\r\nRCPT TO:<x@y.org>\r\nDATA\r\n".encode() + stuffed(MAIL)
    async with running() as server:
        client = await server.connect("EHLO c")
        await client.send(one + one + ends.encode() + b"NOOP\r\n")
        codes = [(await client.reply())[:3] for _ in range(11)]
        assert codes == ["250", "250", "550", "354", "250"] * 2 + (["221"] if ends else ["250"])
        assert [incoming.raw for incoming in server.kept] == [MAIL, MAIL]
        assert server.kept[0].envelope.sender == ""


async def test_long_lines_big_mails_and_small_pieces_arrive_whole() -> None:
    async with running(max_size=3_000_000) as server:
        client = await server.connect("EHLO c")
        for mail in (b"x" * 100_000 + b"\r\n", b"", b"." * 70_000 + b"\r\n", b".\r\n" * 50_000, MAIL * 50_000):
            assert (await client.offer(mail)).startswith("250 2.0.0")
        await client.say("MAIL FROM:<>", f"RCPT TO:<{OURS}>", "DATA")
        for octet in stuffed(MAIL):
            await client.send(bytes([octet]))
            await asyncio.sleep(0)
        assert (await client.reply()).startswith("250 2.0.0")
        assert [len(incoming.raw) for incoming in server.kept] == [100_002, 0, 70_002, 150_000, 2_600_000, 52]


async def test_too_big_a_mail_is_refused_after_its_end_and_the_session_goes_on() -> None:
    async with running(max_size=1000) as server:
        client = await server.connect("EHLO c")
        assert (await client.offer(b"x" * 999 + b"\r\n")).startswith("552 5.3.4")
        assert (await client.offer(b"x\r\n" * 1_000_000)).startswith("552 5.3.4")
        assert (await client.offer(b"x" * 998 + b"\r\n")).startswith("250 ")
        assert [len(incoming.raw) for incoming in server.kept] == [1000]


async def test_lmtp_answers_for_each_recipient_that_was_taken(tmp_path: Path) -> None:
    async with running(listen=f"unix:{tmp_path}/lmtp", protocol="lmtp", authserv_id="mx") as server:
        assert (tmp_path / "lmtp").stat().st_mode & 0o777 == 0o660
        client = await server.connect()
        assert client.greeting == "220 mx.support.example.org LMTP"
        assert (await client.say("EHLO c")).startswith("500 ")
        assert (await client.say("HELO c")).startswith("500 ")
        assert "250-PIPELINING" in await client.say("LHLO front.example")
        await client.say("MAIL FROM:<a@example.org>")
        wanted = [OURS, "x@y.org", OURS.upper(), "nobody@support.example.org"]
        replies = [(await client.say(f"RCPT TO:<{address}>"))[:3] for address in wanted]
        assert replies == ["250", "550", "250", "550"]
        await client.say("DATA")
        assert (await client.say(stuffed(MAIL))).startswith("250 2.0.0 Kept as")
        assert (await client.reply()).startswith("250 2.0.0 Kept as")
        assert await client.say("NOOP") == "250 2.0.0 OK"
        assert server.kept == [
            Incoming(
                MAIL,
                f"lmtp:{tmp_path}/lmtp",
                NOW,
                Envelope("a@example.org", (OURS,), "unix", "front.example"),
                authserv_id="mx",
            )
        ]
    assert not (tmp_path / "lmtp").exists()


async def test_lmtp_refuses_for_each_recipient_too() -> None:
    async with running(protocol="lmtp") as server:
        client = await server.connect("LHLO c", "MAIL FROM:<>", f"RCPT TO:<{OURS}>", f"RCPT TO:<{OURS}>", "DATA")
        assert (await client.say(b"a\nb\r\n.\r\n")).startswith("521 5.6.11")
        assert (await client.reply()).startswith("521 5.6.11")
        assert await client.closed()


async def test_only_trusted_peers_are_believed() -> None:
    """Everyone else's mail is checked by us, where that is asked for."""
    async with running(trusted_peers=("127.0.0.1",), authserv_id="mx.example.org", verify=True) as server:
        for local in ("127.0.0.1", "127.0.0.2"):
            client = await server.connect("EHLO c", local=local)
            await client.offer(MAIL)
    assert [incoming.authserv_id for incoming in server.kept] == ["mx.example.org", ""]
    assert [incoming.verify for incoming in server.kept] == [False, True]
    assert [incoming.envelope.peer for incoming in server.kept] == ["127.0.0.1", "127.0.0.2"]


async def test_a_socket_left_behind_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    listen = f"unix:{tmp_path}/lmtp"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{tmp_path}/lmtp")
    async with running(listen=listen) as server:
        assert (await server.connect()).greeting.startswith("220 ")
        with pytest.raises(OSError, match="in use"):
            async with running(listen=listen):
                pass
    (tmp_path / "lmtp").write_text("a file")
    with pytest.raises(ConfigError, match="a file of that name"):
        async with running(listen=listen):
            pass


@pytest.mark.parametrize("settings", [{"listen": "systemd"}, {"tls_certificate": Path("/nonexistent")}])
async def test_what_cant_be_listened_with_is_told(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^intake\.smtp: "):
        async with running(**settings):  # type: ignore[arg-type]
            pass


async def test_ipv6_and_a_socket_of_systemd(tmp_path: Path) -> None:
    async with running(listen="[::1]:0") as server:
        assert server.listener.address.startswith("[::1]:")
        assert (await server.connect()).greeting.startswith("220 ")
    kept: list[Incoming] = []

    async def keep(incoming: Incoming) -> None:
        kept.append(incoming)

    for family, name in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, f"{tmp_path}/s")):
        handed = socket.socket(family)
        handed.bind(name)
        handed.listen()
        settings = SmtpIntake(listen="systemd")
        listener = await serve(settings, hostname="h", keep=keep, accepts=OURS.__eq__, now=lambda: NOW, handed=handed)
        client = await Server(listener).connect("EHLO c")
        assert (await client.offer(MAIL)).startswith("250 ")
        client.close()
        await listener.close()
    assert (tmp_path / "s").exists()  # not ours to remove
    assert len(kept) == 2
