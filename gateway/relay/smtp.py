"""Delivery to a smarthost by SMTP, over connections that are kept and used again.

aiosmtplib makes a connection: TLS, login, greeting. From there on the dialogue is ours: the octets that were looked
at, in as few groups as the server takes (RFC 2920), and every answer to its command.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiosmtplib
from aiosmtplib.errors import SMTPAuthenticationError, SMTPConnectTimeoutError, SMTPException, SMTPHeloError

from gateway.config.settings import RelaySettings
from gateway.model import Attempt, DeliveryState, Outgoing, Problem, Purpose
from gateway.relay import verdict
from gateway.relay.dialogue import Answers, Dialogue, taken_over
from gateway.relay.verdict import Verdict
from gateway.relay.wire import path, transmitted

_CONNECT, _REPLY, _FINAL_REPLY = 30.0, 120.0, 600.0  # seconds; RFC 5321 §4.5.3.2 asks for 10 minutes at the end
_FRESH, _IDLE = 5.0, 30.0  # seconds unused, after which a connection is asked whether it lives, and ended
_GOODBYE = 1.0  # seconds
_MOST_MAILS = 100  # over one connection: some servers count


@dataclass(slots=True)
class _Connection:
    """A connection, how many mails it has carried, and when the last one was.

    `begun`: the last one was put off or refused, and the server may still wait for the rest of it. `reports`,
    `pipelining`: what the server can (RFC 3461, RFC 2920); `tls`: version and cipher, "" in the clear.
    """

    dialogue: Dialogue
    reports: bool
    pipelining: bool
    tls: str
    mails: int = 0
    begun: bool = False
    used_at: float = field(default_factory=time.monotonic)


class _Stale(Exception):
    """A connection that was used before turns out to be gone; nothing of the next mail is lost with it."""


class SmtpTransport:
    """Carries one mail at a time on each connection, and keeps connections for the next ones.

    There are as many of them as mails that are handed to it at a time.
    """

    idempotent = False

    def __init__(self, settings: RelaySettings, hostname: str) -> None:
        self._settings = settings
        self._hostname = hostname
        self._idle: list[_Connection] = []

    async def deliver(self, outgoing: Outgoing, wire: bytes, committing: Callable[[], Awaitable[None]]) -> Attempt:
        octets = transmitted(wire)
        paths = path(outgoing.envelope_sender), path(outgoing.draft.to)
        while kept := await self._kept():
            try:
                return await self._carry(kept, outgoing, paths, octets, committing)
            except _Stale:
                continue
        made = await self._connect()
        if isinstance(made, Attempt):
            return made
        return await self._carry(made, outgoing, paths, octets, committing)

    async def rest(self) -> None:
        late = time.monotonic() - _IDLE
        for connection in [one for one in self._idle if one.used_at < late]:
            self._idle.remove(connection)
            await _quit(connection.dialogue)

    async def close(self) -> None:
        for connection in self._idle:
            connection.dialogue.close()
        self._idle.clear()

    async def _kept(self) -> _Connection | None:
        """The connection that was used last, ready for a mail.

        It is reset first if a mail was begun on it: a second MAIL would be refused (503), and the next mail with it.
        And if it was used a while ago: does it live?
        """
        while self._idle:
            connection = self._idle.pop()
            if not connection.begun and connection.used_at > time.monotonic() - _FRESH:
                return connection
            answers = await connection.dialogue.ask(b"RSET\r\n", 1, _CONNECT)
            if answers.replies and answers.replies[0].code == aiosmtplib.SMTPStatus.completed:
                return connection
            connection.dialogue.close()
        return None

    async def _carry(
        self,
        connection: _Connection,
        outgoing: Outgoing,
        paths: tuple[str, str],
        octets: bytes,
        committing: Callable[[], Awaitable[None]],
    ) -> Attempt:
        dialogue = connection.dialogue
        try:
            found = await _handed_over(
                connection, _envelope(connection, outgoing, paths), octets, committing, outgoing
            )
        except BaseException:
            dialogue.close()
            raise
        connection.mails += 1
        connection.begun = found.state is not DeliveryState.SENT
        connection.used_at = time.monotonic()
        if not found.in_step or dialogue.broken:
            dialogue.close()
        elif connection.mails >= _MOST_MAILS:
            await _quit(dialogue)
        else:
            self._idle.append(connection)
        return self._attempt(found, connection.tls)

    async def _connect(self) -> _Connection | Attempt:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            local_hostname=self._hostname,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            username=settings.user or None,
            password=settings.password.get_secret_value() if settings.user else None,
            timeout=_CONNECT,
        )
        try:
            await client.connect()
            await _greeted(client)
            return _connection(client)
        except SMTPAuthenticationError as error:
            client.close()
            return self._unconnected(f"authentication failed: {error.code}")
        except (SMTPException, OSError, SMTPConnectTimeoutError) as error:
            client.close()
            return self._unconnected(f"{type(error).__name__}: {error}")

    def _unconnected(self, words: str) -> Attempt:
        return self._attempt(
            Verdict(DeliveryState.DEFERRED, words, wide=True, problem=Problem("delivery_smarthost")), ""
        )

    def _attempt(self, found: Verdict, tls: str) -> Attempt:
        host = f"{self._settings.host}:{self._settings.port}"
        # Servers answer in any charset; what isn't UTF-8 may come as surrogates, which no database takes.
        words = " ".join(found.words.encode("utf-8", "replace").decode().split())
        return Attempt(found.state, words[:500], host, tls, wide=found.wide, problem=found.problem)


async def _handed_over(
    connection: _Connection,
    envelope: list[bytes],
    octets: bytes,
    committing: Callable[[], Awaitable[None]],
    outgoing: Outgoing,
) -> Verdict:
    """One transaction. Once the server waits for the mail, that is announced, and a breakdown leaves doubt.

    Raises:
        _Stale: the server had ended a connection that was used before.
    """
    answers = await _said(connection, envelope)
    if connection.mails and verdict.is_over(answers.replies, answers.broken):
        connection.dialogue.close()
        raise _Stale
    peculiar = not _is_ascii(outgoing)
    if refused := verdict.of_envelope(answers.replies, answers.broken, peculiar=peculiar):
        return refused
    await committing()
    if why := connection.dialogue.broken:  # nothing of it was written
        return Verdict(DeliveryState.DEFERRED, why, in_step=False, problem=verdict.BROKEN)
    answers = await connection.dialogue.ask(octets, 1, _FINAL_REPLY)
    if not answers.replies:
        return Verdict(DeliveryState.UNKNOWN, answers.broken, in_step=False, problem=verdict.BROKEN)
    return verdict.of_mail(answers.replies[0])


async def _said(connection: _Connection, envelope: list[bytes]) -> Answers:
    """Say the commands of an envelope, at once or one by one, up to the first that is refused."""
    groups = [envelope] if connection.pipelining else [[command] for command in envelope]
    found = Answers([])
    for group in groups:
        came = await connection.dialogue.ask(b"".join(group), len(group), _REPLY)
        found = Answers([*found.replies, *came.replies], came.broken)
        if verdict.of_envelope(found.replies, found.broken, peculiar=True) is not None:
            break
    return found


def _envelope(connection: _Connection, outgoing: Outgoing, paths: tuple[str, str]) -> list[bytes]:
    """MAIL, RCPT, DATA, as their paths were looked at by `wire.path`."""
    sender, recipient = paths
    mail, rcpt = ["MAIL", f"FROM:{sender}"], ["RCPT", f"TO:{recipient}"]
    if not _is_ascii(outgoing):
        mail.append("SMTPUTF8")
    if connection.reports:
        mail += _report_options(outgoing)
        rcpt += _wanted_reports(outgoing)
    return [" ".join(words).encode() + b"\r\n" for words in (mail, rcpt, ["DATA"])]


async def _quit(dialogue: Dialogue) -> None:
    """Say goodbye (RFC 5321 §4.1.1.10), to who may be gone."""
    await dialogue.ask(b"QUIT\r\n", 1, _GOODBYE)
    dialogue.close()


def _is_ascii(outgoing: Outgoing) -> bool:
    """Else SMTPUTF8 is needed (RFC 6531 §3.4); a server without it refuses, and that is told."""
    return outgoing.draft.to.isascii() and outgoing.envelope_sender.isascii()


async def _greeted(client: aiosmtplib.SMTP) -> None:
    """Ask what the server can (RFC 5321 §4.1.1.1); one that knows no EHLO is said HELO.

    Raises:
        SMTPException: it wants neither.
    """
    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except SMTPHeloError:
            await client.helo()


def _report_options(outgoing: Outgoing) -> list[str]:
    """A report names the delivery and brings the header back, no words of anybody's (RFC 3461 §4.3, §4.4)."""
    return ["RET=HDRS", f"ENVID={outgoing.id}"]


def _wanted_reports(outgoing: Outgoing) -> list[str]:
    """Nothing comes back of what nobody wrote and nobody misses (RFC 3834 §3.3, RFC 3461 §4.1).

    Of what a person wrote, also word that it arrived: that is evidence, and ends all doubt.
    """
    if outgoing.draft.silent:
        return ["NOTIFY=NEVER"]
    answer = outgoing.draft.purpose is Purpose.ANSWER
    return ["NOTIFY=SUCCESS,FAILURE,DELAY" if answer else "NOTIFY=FAILURE,DELAY"]


def _connection(client: aiosmtplib.SMTP) -> _Connection:
    """What aiosmtplib made, with a dialogue of ours.

    Raises:
        OSError: it is gone already.
    """
    transport = client.transport
    if transport is None:
        raise ConnectionResetError("the server ended the connection")
    cipher = transport.get_extra_info("cipher")
    return _Connection(
        taken_over(transport),
        client.supports_extension("DSN"),
        client.supports_extension("PIPELINING"),
        f"{cipher[1]} {cipher[0]}" if cipher else "",
    )
