"""STARTTLS, and the event loop that the daemon runs on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from gateway.intake.smtp_connection import Connection
from gateway.intake.smtp_limits import Limits
from tests.dialogue import MAIL, OURS, Client, Server, running, stuffed, until

HOST = "mx.support.example.org"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    issued, folder = authority.issue_cert(HOST), tmp_path_factory.mktemp("tls")
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    return {"tls_certificate": folder / "cert.pem", "tls_key": folder / "key.pem"}


def trusting(authority: trustme.CA, highest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if highest:
        context.maximum_version = highest
    return context


async def secured(server: Server, context: ssl.SSLContext) -> Client:
    client = await server.connect("EHLO c")
    assert (await client.say("STARTTLS")).startswith("220 2.0.0")
    await client.writer.start_tls(context, server_hostname=HOST)
    return client


async def test_a_mail_over_tls(authority: trustme.CA, certificate: dict[str, Any]) -> None:
    async with running(**certificate) as server:
        assert "250-STARTTLS" in await (await server.connect()).say("EHLO c")
        client = await secured(server, trusting(authority))
        assert (await client.say("MAIL FROM:<>")).startswith("503 5.5.1")
        assert "STARTTLS" not in await client.say("EHLO c")
        assert (await client.say("STARTTLS")).startswith("503 ")
        mail = MAIL * 10_000
        assert (await client.offer(mail)).startswith("250 ")
        assert (await client.offer(MAIL)).startswith("250 ")
        assert await client.say("QUIT") == "221 2.0.0 Bye"
        assert [incoming.raw for incoming in server.kept] == [mail, MAIL]


@pytest.mark.parametrize("injected", ["MAIL FROM:<evil@example.org>\r\n", "RSET\r\n", "x"])
async def test_nothing_said_before_tls_counts_after_it(certificate: dict[str, Any], injected: str) -> None:
    async with running(**certificate) as server:
        client = await server.connect("EHLO c")
        assert (await client.say(f"STARTTLS\r\n{injected}".encode())).startswith("521 5.5.1")
        assert await client.closed()


async def test_nothing_read_beside_starttls_counts_after_it(
    authority: trustme.CA, certificate: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop may read twice in one turn: what follows comes apart from it, and before the handshake begins."""
    begin = Connection.secure

    def secure(connection: Connection, context: ssl.SSLContext) -> None:
        begin(connection, context)
        connection.data_received(b"EHLO evil\r\nMAIL FROM:<evil@example.org>\r\n")

    monkeypatch.setattr(Connection, "secure", secure)
    async with running(**certificate) as server:
        with pytest.raises(OSError):  # noqa: PT011 (the connection is cut, in one way or another)
            await secured(server, trusting(authority))


async def test_state_is_reset_but_not_what_was_counted(authority: trustme.CA, certificate: dict[str, Any]) -> None:
    async with running(**certificate, limits=Limits(errors=4)) as server:
        client = await server.connect("EHLO c", "HUH?", "HUH?", "MAIL FROM:<>", f"RCPT TO:<{OURS}>")
        await client.say("STARTTLS")
        await client.writer.start_tls(trusting(authority), server_hostname=HOST)
        assert (await client.say("DATA")).startswith("503 5.5.1 Who is it for?")
        assert (await client.say("HUH?")).startswith("500 ")
        assert (await client.reply()).startswith("421 4.7.0")


async def test_old_versions_and_broken_handshakes_end_the_session(
    authority: trustme.CA, certificate: dict[str, Any]
) -> None:
    async with running(**certificate) as server:
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old = trusting(authority, ssl.TLSVersion.TLSv1_1)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await secured(server, old)
        client = await server.connect("EHLO c", "STARTTLS")
        await client.send(b"this is not TLS at all, and long enough to be sure of it\r\n")
        assert await client.closed()
        await until(lambda: not server.listener._service.room.guests)
        assert (await server.connect()).greeting.startswith("220 ")


async def test_a_handshake_that_doesnt_come_ends_the_session(certificate: dict[str, Any]) -> None:
    async with running(**certificate, limits=Limits(handshake=0.05)) as server:
        assert await (await server.connect("EHLO c", "STARTTLS")).closed()
        await until(lambda: not server.listener._service.room.guests)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_on_both_event_loops(
    loop: Callable[[], asyncio.AbstractEventLoop],
    authority: trustme.CA,
    certificate: dict[str, Any],
    tmp_path: Path,
) -> None:
    """What differs between them: TLS in the middle, half-closed connections, unix sockets, being cut off."""

    async def dialogues() -> None:
        limits = Limits(connections=2, reserved=0, stalled=3600)
        async with running(**certificate, limits=limits) as server:
            client = await secured(server, trusting(authority))
            await client.say("EHLO c")
            assert (await client.offer(MAIL * 5000)).startswith("250 ")
            half = await server.connect("EHLO c", "MAIL FROM:<>", f"RCPT TO:<{OURS}>", "DATA")
            assert (await server.connect()).greeting.startswith("421 ")
            await half.send(stuffed(MAIL))
            half.writer.write_eof()
            assert (await half.reply()).startswith("250 ")
            assert await half.closed()
            client.close()
            await until(lambda: not server.listener._service.room.guests)
            broken = await server.connect("EHLO c", "STARTTLS")
            await broken.send(b"this is not TLS at all, and long enough to be sure of it\r\n")
            assert await broken.closed()
            await until(lambda: not server.listener._service.room.guests)
        async with running(**certificate, limits=Limits(idle=0.05)) as server:
            assert [reply[:9] async for reply in (await server.connect()).replies()] == ["421 4.4.2"]
        async with running(listen=f"unix:{tmp_path}/lmtp", protocol="lmtp") as server:
            client = await server.connect("LHLO c")
            assert (await client.offer(MAIL)).startswith("250 ")
            assert (await client.offer(b"a\nb\r\n")).startswith("521 ")
            assert await client.closed()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(dialogues())
