"""Delivery to a smarthost by SMTP, over connections that are kept and used again."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectTimeoutError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from gateway.config.settings import RelaySettings
from gateway.model import Attempt, DeliveryState, Outgoing, Purpose
from gateway.relay.wire import path, transmitted

_CONNECT, _REPLY, _FINAL_REPLY = 30.0, 120.0, 600.0  # seconds; RFC 5321 §4.5.3.2 asks for 10 minutes at the end
_FRESH, _IDLE = 5.0, 30.0  # seconds unused, after which a connection is asked whether it lives, and ended
_GOODBYE = 1.0  # seconds
_CLOSING = 421
_MOST_MAILS = 100  # over one connection: some servers count
_POSTPONED = re.compile(r"4\.(?:3\.[012]|7)")  # at the end of a mail: the server is full or stopping, or slows us


@dataclass(slots=True)
class _Connection:
    """A connection, how many mails it has carried, and when the last one was.

    `begun`: the last one was put off or refused, and the server may still wait for the rest of it.
    """

    client: aiosmtplib.SMTP
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
            with suppress(_Stale):
                return await self._carry(kept, outgoing, paths, octets, committing)
        made = await self._connect()
        if isinstance(made, Attempt):
            return made
        return await self._carry(_Connection(made), outgoing, paths, octets, committing)

    async def rest(self) -> None:
        late = time.monotonic() - _IDLE
        for connection in [one for one in self._idle if one.used_at < late]:
            self._idle.remove(connection)
            await _quit(connection.client)

    async def close(self) -> None:
        for connection in self._idle:
            connection.client.close()
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
            try:
                await connection.client.rset(timeout=_CONNECT)
            except (SMTPException, OSError):
                connection.client.close()
            else:
                return connection
        return None

    async def _carry(
        self,
        connection: _Connection,
        outgoing: Outgoing,
        paths: tuple[str, str],
        octets: bytes,
        committing: Callable[[], Awaitable[None]],
    ) -> Attempt:
        client = connection.client
        attempt, sound = await self._hand_over(client, outgoing, paths, octets, committing, used=connection.mails > 0)
        connection.mails += 1
        connection.begun = attempt.state is not DeliveryState.SENT
        connection.used_at = time.monotonic()
        if not sound:
            client.close()
        elif connection.mails >= _MOST_MAILS:
            await _quit(client)
        else:
            self._idle.append(connection)
        return attempt

    async def _connect(self) -> aiosmtplib.SMTP | Attempt:
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
        except SMTPAuthenticationError as error:
            return self._attempt(DeliveryState.DEFERRED, f"authentication failed: {error.code}", wide=True)
        except (SMTPException, OSError, SMTPConnectTimeoutError) as error:
            client.close()
            return self._attempt(DeliveryState.DEFERRED, _words(error), wide=True)
        return client

    async def _hand_over(
        self,
        client: aiosmtplib.SMTP,
        outgoing: Outgoing,
        paths: tuple[str, str],
        octets: bytes,
        committing: Callable[[], Awaitable[None]],
        *,
        used: bool,
    ) -> tuple[Attempt, bool]:
        """One transaction; and whether the connection can be used again.

        Raises:
            _Stale: the server had ended a connection that was `used` before.
        """
        tls = _tls(client)
        reports = client.supports_extension("DSN")
        options = [*_options(outgoing), *(_report_options(outgoing) if reports else [])]
        try:
            await _said(client, "MAIL", f"FROM:{paths[0]}", *options)
        except SMTPResponseException as error:
            if used and error.code in {_CLOSING, -1}:
                client.close()
                raise _Stale from error
            return self._answered(error, tls, wide=400 <= error.code < 500), _in_step(error.code)
        except (SMTPException, OSError) as error:
            client.close()
            if used:
                raise _Stale from error
            return self._attempt(DeliveryState.DEFERRED, _words(error), tls, wide=True), False
        try:
            await _said(client, "RCPT", f"TO:{paths[1]}", *(_wanted_reports(outgoing) if reports else []))
        except SMTPResponseException as error:
            return self._answered(error, tls, wide=error.code == _CLOSING), _in_step(error.code)
        except (SMTPException, OSError) as error:
            return self._attempt(DeliveryState.DEFERRED, _words(error), tls), False
        try:
            await committing()
        except BaseException:
            client.close()
            raise
        return await self._sent(client, octets, tls)

    async def _sent(self, client: aiosmtplib.SMTP, octets: bytes, tls: str) -> tuple[Attempt, bool]:
        """The mail itself: once the server waits for it, a breakdown leaves doubt."""
        try:
            await _begin(client)
        except (SMTPException, OSError) as error:
            return self._failed(error, tls, DeliveryState.DEFERRED)
        try:
            reply = await _data(client, octets)
        except (SMTPException, OSError) as error:
            return self._failed(error, tls, DeliveryState.UNKNOWN)
        return self._attempt(DeliveryState.SENT, f"{reply.code} {reply.message}", tls), True

    def _failed(self, error: Exception, tls: str, broken: DeliveryState) -> tuple[Attempt, bool]:
        """What the server answered; or, where it didn't, `broken`."""
        if not isinstance(error, SMTPResponseException) or error.code <= 0:
            return self._attempt(broken, _words(error), tls), False
        wide = error.code == _CLOSING or (error.code < 500 and bool(_POSTPONED.match(error.message)))
        return self._answered(error, tls, wide=wide), _in_step(error.code)

    def _answered(self, error: SMTPResponseException, tls: str, *, wide: bool) -> Attempt:
        """4xx is « later », 5xx is « no » (RFC 5321 §4.2.1)."""
        state = DeliveryState.REFUSED if 500 <= error.code < 600 else DeliveryState.DEFERRED
        return self._attempt(state, f"{error.code} {error.message}", tls, wide=wide)

    def _attempt(self, state: DeliveryState, reply: str, tls: str = "", *, wide: bool = False) -> Attempt:
        host = f"{self._settings.host}:{self._settings.port}"
        # Servers answer in any charset; what isn't UTF-8 comes as surrogates, which no database takes.
        words = " ".join(reply.encode("utf-8", "replace").decode().split())
        return Attempt(state, words[:500], host, tls, wide=wide)


async def _said(client: aiosmtplib.SMTP, *words: str) -> None:
    """A command of the envelope, as it was looked at by `wire.path`.

    Raises:
        SMTPResponseException: any answer but 250, or 251 (RFC 5321 §4.2).
    """
    answer = await client.execute_command(*(word.encode() for word in words), timeout=_REPLY)
    if answer.code not in {250, 251}:
        raise SMTPResponseException(answer.code, answer.message)


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Say goodbye (RFC 5321 §4.1.1.10), to who may be gone."""
    with suppress(SMTPException, OSError):
        await client.quit(timeout=_GOODBYE)
    client.close()


async def _begin(client: aiosmtplib.SMTP) -> None:
    """DATA, up to where the server waits for a mail: nothing of it has left.

    Raises:
        SMTPDataError: another answer than 354.
        SMTPException: no answer.
    """
    answer = await client.execute_command(b"DATA", timeout=_REPLY)
    if answer.code != aiosmtplib.SMTPStatus.start_input:
        raise SMTPDataError(answer.code, answer.message)


async def _data(client: aiosmtplib.SMTP, octets: bytes) -> aiosmtplib.SMTPResponse:
    """Exactly these octets. The library's own way would rewrite them, after they were looked at.

    Only the first digit of the last answer counts (RFC 5321 §4.2): any 2xx is a mail taken, never to be sent again.

    Raises:
        SMTPDataError: « no ».
        SMTPException: no answer, or one that says neither.
    """
    if client.protocol is None:
        raise SMTPServerDisconnected("Connection lost")
    client.protocol.write(octets)
    answer = await client.protocol.read_response(timeout=_FINAL_REPLY)
    if 400 <= answer.code < 600:
        raise SMTPDataError(answer.code, answer.message)
    if not 200 <= answer.code < 300:
        raise SMTPException(f"{answer.code} is no answer to a mail")
    return answer


def _in_step(code: int) -> bool:
    """Was this a plain « no », or is the server going, or answering something else than was asked?"""
    return 400 <= code < 600 and code != _CLOSING


def _options(outgoing: Outgoing) -> list[str]:
    """SMTPUTF8 where an address needs it (RFC 6531 §3.4); a server without it refuses, and that is told."""
    ascii_only = outgoing.draft.to.isascii() and outgoing.envelope_sender.isascii()
    return [] if ascii_only else ["SMTPUTF8"]


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


def _tls(client: aiosmtplib.SMTP) -> str:
    """Version and cipher of the connection, "" in the clear."""
    transport = client.transport
    cipher = transport.get_extra_info("cipher") if transport is not None else None
    return f"{cipher[1]} {cipher[0]}" if cipher else ""


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
