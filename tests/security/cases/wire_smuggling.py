"""SMTP smuggling, into the gateway and out of it."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from email.header import Header
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from gateway.commands import acts
from gateway.config.settings import RelaySettings
from gateway.intake.smtp_body import is_malformed
from gateway.model import DeliveryState, Incoming, Outgoing
from gateway.relay.compose import compose
from gateway.relay.smtp import SmtpTransport
from gateway.store import sending
from gateway.store.database import Store
from tests.builders import (
    MANON,
    NOW,
    ULYSSE,
    deliveries_to,
    emptied,
    listed,
    make_context,
    opened,
    raw_mail,
    take,
)
from tests.dialogue import OURS as CONTACT
from tests.dialogue import running
from tests.security.lenient import lenient
from tests.security.smuggling import SEQUENCES, body, taken, ways
from tests.servers.postfix import Postfix
from tests.trials.case import Case, Counted, scratch

_TAKEN = re.compile(r"smtpd\[\d+\]: \w+: client=")  # not what Postfix writes itself: word that a mail arrived
_TRIES = [pieces for sequence in SEQUENCES for pieces in ways(sequence)]


# --- into the gateway ------------------------------------------------------------------------------------


async def _smuggled(port: int) -> Counted:
    """Mails beyond the one that was sent, in all sequences and ways."""
    found = [await taken(port, pieces) for pieces in _TRIES]
    return Counted(len(_TRIES), sum(max(0, mails - 1) for mails in found), "mails")


def into_the_gateway() -> Counted:
    async def play() -> Counted:
        async with running() as server:
            return await _smuggled(int(server.listener.address.rpartition(":")[2]))

    return asyncio.run(play())


def into_postfix() -> Counted:
    with closing(Postfix(bare_newline="no")) as postfix:
        return asyncio.run(_smuggled(postfix.port))


# --- what is kept ----------------------------------------------------------------------------------------


async def _malformed(port: int, kept: list[bytes]) -> Counted:
    for pieces in _TRIES:
        await taken(port, pieces)
    return Counted(len(_TRIES), sum(map(is_malformed, kept)), "mails")


def kept_by_the_gateway() -> Counted:
    async def play() -> Counted:
        kept: list[bytes] = []

        async def keep(incoming: Incoming) -> None:
            kept.append(incoming.raw)

        async with running(keep=keep) as server:
            return await _malformed(int(server.listener.address.rpartition(":")[2]), kept)

    return asyncio.run(play())


class _Remembering:
    """A handler of aiosmtpd's that keeps what it gets."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        self.kept.append(envelope.original_content)
        return "250 2.0.0 kept"


def kept_by_the_library() -> Counted:
    async def play() -> Counted:
        loop, handler = asyncio.get_running_loop(), _Remembering()
        server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
        async with server:
            return await _malformed(server.sockets[0].getsockname()[1], handler.kept)

    return asyncio.run(play())


# --- out of the gateway ----------------------------------------------------------------------------------

Send = Callable[[int, Outgoing], Awaitable[None]]
_YEARS = timedelta(days=900)


def _correspondence(store: Store, sequence: bytes) -> tuple[Outgoing, ...]:
    """All that leaves when this is written wherever it can be: by an usager, by an agent, on the command line."""
    emptied(store)
    situation = make_context(desk={"bundle": "0s"})
    text = body(sequence).decode()
    name, subject = (Header(f"x{sequence.decode()}Bcc: evil@x", "utf-8").encode() for _ in range(2))
    take(store, situation, _encoded(f"{name} <{ULYSSE}>", text, subject, "u@usager.example.net"))
    notice = deliveries_to(store, MANON)[-1]
    answer = _encoded(f"{name} <{MANON}>", text, subject, "a@support.example.org", notice.reply_to)
    take(store, situation, answer, recipients=(notice.reply_to,), envelope_sender=MANON)
    acts.act(store, situation, listed(store)[0]["reference"], MANON, acts.answer(text), NOW)
    due = store.read_now(lambda connection: sending.due(connection, NOW + _YEARS, 1_000))
    assert sum(text.splitlines()[0] in each.draft.text for each in due) >= 2, "neither of the two answers leaves"
    return tuple(due)


def _encoded(sender: str, text: str, subject: str, identifier: str, to: str = CONTACT) -> bytes:
    """A mail that can hold any octets, since they are encoded."""
    octets = base64.encodebytes(text.encode()).decode()
    return raw_mail(sender, to, subject, octets, identifier, Content_Transfer_Encoding="base64")


async def _sent(send: Send, port: int) -> int:
    """Send all mails of all sequences to the server that listens there; how many there were."""
    with scratch() as folder, opened(folder) as store:
        letters = [letter for sequence in SEQUENCES for letter in _correspondence(store, sequence)]
    for letter in letters:
        await send(port, letter)
    return len(letters)


async def by_the_relay(port: int, letter: Outgoing) -> None:
    """As the daemon does: composed, looked at, handed over."""
    values = {"transport": "smtp", "host": "127.0.0.1", "port": port}
    transport = SmtpTransport(RelaySettings.model_validate(values, context={"folder": Path()}), "support.example.org")
    attempt = await transport.deliver(letter, compose(letter, ()), _nothing)
    assert attempt.state is DeliveryState.SENT, attempt
    await transport.close()


async def as_it_comes(port: int, letter: Outgoing) -> None:
    """The text as it was written, the dots doubled as RFC 5321 tells, and the final dot."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    mail = f"Subject: {letter.draft.subject}\r\n\r\n{letter.draft.text}\r\n".encode().replace(b"\r\n.", b"\r\n..")
    for octets in (
        b"EHLO c\r\n",
        b"MAIL FROM:<a@x.fr>\r\n",
        b"RCPT TO:<b@x.fr>\r\n",
        b"DATA\r\n",
        mail + b".\r\nQUIT\r\n",
    ):
        writer.write(octets)
        await writer.drain()
    writer.write_eof()
    await reader.read()
    writer.close()


async def _nothing() -> None:
    return


def _out(send: Send) -> Counted:
    """Mails beyond those that were sent, at a server that ends a mail anywhere, and octets that shouldn't travel."""

    async def play() -> Counted:
        async with lenient() as host:
            letters = await _sent(send, host.port)
            return Counted(letters, host.mails - letters + sum(map(_unsound, host.mail_octets)), "mails")

    return asyncio.run(play())


def _unsound(octets: bytes) -> bool:
    """A bare CR, LF or NUL, a line too long, a dot that isn't doubled."""
    lines = octets.split(b"\r\n")
    dots = any(line.startswith(b".") and not line.startswith(b"..") for line in lines[:-2])
    return is_malformed(octets) or dots or max(map(len, lines)) > 999 or lines[-2:] != [b".", b""]


def _out_to_postfix(send: Send) -> Counted:
    """The same at a real server that is known to be smuggled: what it says it queued."""
    with closing(Postfix(bare_newline="no")) as postfix:
        letters = asyncio.run(_sent(send, postfix.port))
        return Counted(letters, len(_TAKEN.findall(postfix.log())) - letters, "mails")


CASES = (
    Case(
        "S1-in",
        "SMTP smuggling into the gateway: 17 sequences that might end a mail, arriving in three ways",
        "one mail or none, never two",
        into_the_gateway,
        into_postfix,
        "a Postfix 3.7 with smtpd_forbid_bare_newline = no",
    ),
    Case(
        "S1-kept",
        "the same mails, with bare CR, LF and NUL in them",
        "none is kept, so none can be passed on",
        kept_by_the_gateway,
        kept_by_the_library,
        "aiosmtpd as it comes",
    ),
    Case(
        "S1-out",
        "SMTP smuggling out of the gateway: the 17 in texts, subjects and names, by usagers, agents and the command "
        "line, to a server that ends a mail wherever any server would",
        "one mail each, its lines sound",
        lambda: _out(by_the_relay),
        lambda: _out(as_it_comes),
        "the text as it was written, with its dots doubled",
    ),
    Case(
        "S1-out-postfix",
        "the same to a Postfix 3.7 with smtpd_forbid_bare_newline = no",
        "one mail each",
        lambda: _out_to_postfix(by_the_relay),
        lambda: _out_to_postfix(as_it_comes),
        "the text as it was written, with its dots doubled",
    ),
)
