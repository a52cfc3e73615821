"""Who stands between us and a server, or a client: what is said before TLS, and TLS that isn't what was asked for."""

from __future__ import annotations

import asyncio
import base64
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gateway.config.settings import ImapIntake, RelaySettings
from gateway.errors import Temporary
from gateway.intake.imap_connect import connect
from gateway.relay.compose import compose
from gateway.relay.smtp import SmtpTransport
from tests.builders import outgoing
from tests.dialogue import OURS, running
from tests.security.fakes import HOST, Between, authority, between, certificate, trusting, trusting_anybody
from tests.trials.case import Case, Counted, When

Client = Callable[[Between, str], Awaitable[None]]

# --- a client and us -------------------------------------------------------------------------------------

_LONGEST = 30.0  # seconds that a session is watched; one that hangs has executed nothing
_INJECTED = (
    b"MAIL FROM:<evil@x.fr>\r\n",
    b"EHLO evil\r\nMAIL FROM:<evil@x.fr>\r\n",
    b"RSET\r\nMAIL FROM:<evil@x.fr>\r\n",
    b"MAIL FROM:<evil@x.fr>\r\nRCPT TO:<%b>\r\n" % OURS.encode(),
    b"MAIL FROM:<evil",
    b"\r\nMAIL FROM:<evil@x.fr>\r\n",
)


async def _executed(port: int) -> Counted:
    """Sessions in which what was said before TLS was executed after it: a recipient is taken without a sender."""
    executed = 0
    with trusting() as context:
        for injected in _INJECTED:
            executed += await _goes_on(port, injected, context)
    return Counted(len(_INJECTED), executed, "sessions")


async def _goes_on(port: int, injected: bytes, context: ssl.SSLContext) -> bool:
    reader, writer = await asyncio.open_connection(HOST, port)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LONGEST):
            await reader.readline()
            writer.write(b"EHLO c\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass
            writer.write(b"STARTTLS\r\n" + injected)
            if (await reader.readline()).startswith(b"220"):
                await writer.start_tls(context, server_hostname=HOST)
                rest = b"@x.fr>\r\n" if injected.endswith(b"evil") else b""
                writer.write(rest + b"RCPT TO:<%b>\r\nQUIT\r\n" % OURS.encode())
                return b"250 2.1.5" in await reader.read()
    writer.close()
    return False


async def _executed_by_us() -> Counted:
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "cert.pem", Path(folder) / "key.pem"
        issued = authority("ours").issue_cert(HOST)
        issued.cert_chain_pems[0].write_to_path(str(paths[0]))
        issued.private_key_pem.write_to_path(str(paths[1]))
        async with running(tls_certificate=paths[0], tls_key=paths[1]) as server:
            return await _executed(int(server.listener.address.rpartition(":")[2]))


async def _keeps_its_buffer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that goes on with what it has read and what it knows, TLS or not."""
    sender = False
    writer.write(b"220 x\r\n")
    while line := await reader.readline():
        verb = line[:4].upper()
        sender = sender or verb == b"MAIL"
        if verb == b"STAR":
            writer.write(b"220 go\r\n")
            await writer.drain()
            await writer.start_tls(certificate())
        elif verb == b"RCPT":
            writer.write(b"250 2.1.5 ok\r\n" if sender else b"503 no\r\n")
        elif verb == b"QUIT":
            break
        else:
            writer.write(b"250 ok\r\n")
    writer.close()


async def _executed_naively() -> Counted:
    server = await asyncio.start_server(_keeps_its_buffer, HOST, 0)
    async with server:
        return await _executed(server.sockets[0].getsockname()[1])


# --- we and a server -------------------------------------------------------------------------------------


async def _relay(server: Between, security: str) -> None:
    """Our relay hands a mail over."""
    values = {"transport": "smtp", "host": HOST, "port": server.port, "security": security, "user": "u"}
    settings = RelaySettings.model_validate({**values, "password": "s3cret"}, context={"folder": Path()})
    transport = SmtpTransport(settings, "support.example.org")

    async def committing() -> None:
        return

    await transport.deliver(outgoing(), compose(outgoing(), ()), committing)
    await transport.close()


async def _poller(server: Between, security: str) -> None:
    """Our poller logs in."""
    values = {
        "name": "box",
        "host": HOST,
        "port": server.port,
        "security": security,
        "user": "u",
        "password": "s3cret",
    }
    settings = ImapIntake.model_validate(values, context={"folder": Path()})
    with suppress(Temporary):
        async with connect(settings, ssl.create_default_context(), deadline=2.0):
            pass


async def _easy_going(server: Between, security: str) -> None:
    """A client that takes TLS from anybody, goes on in the clear where there is none, and keeps its buffer."""
    smtp = server.protocol == "smtp"
    for secure in (True, False):
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                context = trusting_anybody() if security == "tls" and secure else None
                reader, writer = await asyncio.open_connection(HOST, server.port, ssl=context)
                try:
                    await (_speak_smtp if smtp else _speak_imap)(
                        reader, writer, ask=secure and security == "starttls"
                    )
                finally:
                    writer.close()
                return


async def _speak_smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, ask: bool) -> None:
    async def say(line: bytes) -> bytes:
        writer.write(line + b"\r\n")
        while (answer := await reader.readline())[3:4] == b"-":
            pass
        return answer

    await reader.readline()
    await say(b"EHLO c")
    if ask and (await say(b"STARTTLS")).startswith(b"220"):
        await writer.start_tls(trusting_anybody(), server_hostname=HOST)
        await say(b"EHLO c")
    for line in (b"AUTH PLAIN " + base64.b64encode(b"\0u\0s3cret"), b"MAIL FROM:<a@b.fr>", b"QUIT"):
        await say(line)


async def _speak_imap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, ask: bool) -> None:
    async def say(tag: str, line: str) -> bytes:
        writer.write(f"{tag} {line}\r\n".encode())
        while (answer := await reader.readline()) and not answer.startswith(tag.encode()):
            pass
        return answer

    await reader.readline()
    if ask and b" OK" in await say("a1", "STARTTLS"):
        await writer.start_tls(trusting_anybody(), server_hostname=HOST)
    for tag, line in (("a2", "CAPABILITY"), ("a3", "LOGIN u s3cret"), ("a4", "LOGOUT")):
        await say(tag, line)


# --- what is injected into the answer to STARTTLS --------------------------------------------------------

_REPLIES = {
    "smtp": (
        b"250-evil\r\n250 AUTH PLAIN LOGIN\r\n",
        b"250 evil\r\n250 ok\r\n250 ok\r\n",
        b"250-evil\r\n250-SIZE\r\n250 AUTH PLAIN\r\n235 ok\r\n250 ok\r\n",
        b"\r\n250 AUTH PLAIN\r\n",
        b"220 once more\r\n250 AUTH LOGIN\r\n",
    ),
    "imap": (
        b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG+1 OK done\r\n",
        b"TAG+1 OK done\r\nTAG+2 OK done\r\n",
        b"* OK hi\r\n* CAPABILITY IMAP4rev1\r\nTAG+1 OK [CAPABILITY IMAP4rev1] x\r\nTAG+2 OK x\r\n",
        b"+ go on\r\nTAG+1 OK done\r\n",
        b"* PREAUTH hello\r\nTAG+1 OK done\r\n",
    ),
}


async def _believed(protocol: str, client: Client) -> Counted:
    """Sessions that went on beyond the first line, whose answer had come before TLS."""
    went_on = 0
    with trusting():
        for injected in _REPLIES[protocol]:
            async with between(Between(protocol, injected=injected)) as server:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LONGEST):
                        await client(server, "starttls")
            went_on += len(server.secured) > 1
    return Counted(len(_REPLIES[protocol]), went_on, "sessions")


# --- TLS that isn't what was asked for -------------------------------------------------------------------


def _situations() -> Iterator[tuple[str, Between]]:
    """(the security that is configured, what is met)."""
    for protocol in ("smtp", "imap"):
        base = Between(protocol)
        for starttls in ("refuse", "hide", "pretend"):
            yield "starttls", replace(base, starttls=starttls, heard=[], secured=[])
        for shown in ("strange", "elsewhere", "old"):
            yield "starttls", replace(base, shown=shown, heard=[], secured=[])
            yield "tls", replace(base, shown=shown, implicit=True, heard=[], secured=[])
        yield "tls", replace(base, heard=[], secured=[])
    yield "starttls", Between("imap", greeting=b"* PREAUTH welcome\r\n", starttls="refuse")
    yield "starttls", Between("smtp", greeting=b"220-x\r\n220 x ESMTP\r\n", starttls="hide")


async def _given_away(relay: Client, poller: Client) -> Counted:
    """Situations in which a password or a mail went to somebody who might be anybody."""
    tried = given = 0
    with trusting():
        for protocol, client in (("smtp", relay), ("imap", poller)):
            async with between(Between(protocol)) as server:
                await client(server, "starttls")
                assert any(map(_secret, server.heard)), "with sound TLS it logs in"
        for security, situation in _situations():
            async with between(situation) as server:
                await (relay if server.protocol == "smtp" else poller)(server, security)
            tried += 1
            given += any(_secret(line) for line in (*server.heard, *server.secured))
    return Counted(tried, given, "situations")


def _secret(line: bytes) -> bool:
    said = line.upper()
    return said.startswith((b"AUTH", b"MAIL", b"DATA")) or b" LOGIN" in said or b" AUTHENTICATE" in said


CASES = (
    Case(
        "S2-smtp-server",
        "commands said before TLS, in one piece with STARTTLS, to the gateway",
        "none is executed after it",
        lambda: asyncio.run(_executed_by_us()),
        lambda: asyncio.run(_executed_naively()),
        "a server that keeps its buffer",
        when=When.TEST,
    ),
    Case(
        "S2-smtp-client",
        "replies that follow the smarthost's 220 to STARTTLS in the clear",
        "none is believed: without an answer over TLS nothing more is said",
        lambda: asyncio.run(_believed("smtp", _relay)),
        lambda: asyncio.run(_believed("smtp", _easy_going)),
        "a client that keeps its buffer",
    ),
    Case(
        "S2-imap-client",
        "replies that follow the IMAP server's OK to STARTTLS in the clear, with the tags that come next",
        "none is believed, and the connection ends",
        lambda: asyncio.run(_believed("imap", _poller)),
        lambda: asyncio.run(_believed("imap", _easy_going)),
        "a client that keeps its buffer",
    ),
    Case(
        "S2-downgrade",
        "smarthosts and mailboxes without the TLS that is configured: STARTTLS hidden, refused or pretended, "
        "PREAUTH, plain text on a TLS port, certificates of a strange authority, for another name, expired",
        "no password and no mail is given to them",
        lambda: asyncio.run(_given_away(_relay, _poller)),
        lambda: asyncio.run(_given_away(_easy_going, _easy_going)),
        "a client that takes TLS where it can, from anybody",
    ),
)
