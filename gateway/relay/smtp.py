"""Delivery to a smarthost by SMTP, over connections that are kept and used again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

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
from gateway.model import Attempt, DeliveryState, Outgoing
from gateway.relay.wire import path, transmitted

_CONNECT, _REPLY, _FINAL_REPLY = 30.0, 120.0, 600.0  # seconds; RFC 5321 §4.5.3.2 asks for 10 minutes at the end


class SmtpTransport:
    """At most `settings.connections` connections; each carries one mail at a time, then waits for the next."""

    idempotent = False

    def __init__(self, settings: RelaySettings, hostname: str) -> None:
        self._settings = settings
        self._hostname = hostname
        self._idle: list[aiosmtplib.SMTP] = []
        self._free = asyncio.Semaphore(settings.connections)

    async def deliver(self, outgoing: Outgoing, wire: bytes, committing: Callable[[], Awaitable[None]]) -> Attempt:
        octets = transmitted(wire)
        for address in (outgoing.envelope_sender, outgoing.draft.to):
            path(address)
        async with self._free:
            client = await self._connected()
            if isinstance(client, Attempt):
                return client
            attempt, sound = await self._hand_over(client, outgoing, octets, committing)
            if sound:
                self._idle.append(client)
            else:
                client.close()
            return attempt

    async def close(self) -> None:
        for client in self._idle:
            client.close()
        self._idle.clear()

    async def _connected(self) -> aiosmtplib.SMTP | Attempt:
        while self._idle:
            client = self._idle.pop()
            try:
                await client.rset(timeout=_CONNECT)  # the smarthost may have closed it meanwhile
            except (SMTPException, OSError):
                client.close()
            else:
                return client
        return await self._connect()

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
            return self._attempt(DeliveryState.DEFERRED, f"authentication failed: {error.code}")
        except (SMTPException, OSError, SMTPConnectTimeoutError) as error:
            return self._attempt(DeliveryState.DEFERRED, _words(error))
        return client

    async def _hand_over(
        self,
        client: aiosmtplib.SMTP,
        outgoing: Outgoing,
        octets: bytes,
        committing: Callable[[], Awaitable[None]],
    ) -> tuple[Attempt, bool]:
        """One transaction; and whether the connection can be used again."""
        tls = _tls(client)
        try:
            reports = client.supports_extension("DSN")
            options = [*_options(outgoing), *(_report_options(outgoing) if reports else [])]
            await client.mail(outgoing.envelope_sender, options=options, encoding="utf-8", timeout=_REPLY)
            wanted = _wanted_reports(outgoing) if reports else []
            await client.rcpt(outgoing.draft.to, options=wanted, encoding="utf-8", timeout=_REPLY)
        except SMTPResponseException as error:
            return self._answered(error, tls), _in_step(error.code)
        except (SMTPException, OSError) as error:
            return self._attempt(DeliveryState.DEFERRED, _words(error), tls), False
        try:
            await committing()
        except BaseException:
            client.close()
            raise
        try:
            reply = await _data(client, octets)
        except SMTPResponseException as error:
            if error.code > 0:
                return self._answered(error, tls), _in_step(error.code)
            return self._attempt(DeliveryState.UNKNOWN, _words(error), tls), False
        except (SMTPException, OSError) as error:
            return self._attempt(DeliveryState.UNKNOWN, _words(error), tls), False
        return self._attempt(DeliveryState.SENT, f"{reply.code} {reply.message}", tls), True

    def _answered(self, error: SMTPResponseException, tls: str) -> Attempt:
        """4xx is « later », 5xx is « no » (RFC 5321 §4.2.1)."""
        state = DeliveryState.REFUSED if 500 <= error.code < 600 else DeliveryState.DEFERRED
        return self._attempt(state, f"{error.code} {error.message}", tls)

    def _attempt(self, state: DeliveryState, reply: str, tls: str = "") -> Attempt:
        host = f"{self._settings.host}:{self._settings.port}"
        # Servers answer in any charset; what isn't UTF-8 comes as surrogates, which no database takes.
        words = " ".join(reply.encode("utf-8", "replace").decode().split())
        return Attempt(state, words[:500], host, tls)


async def _data(client: aiosmtplib.SMTP, octets: bytes) -> aiosmtplib.SMTPResponse:
    """DATA, and exactly these octets. The library's own way would rewrite them, after they were looked at.

    Only the first digit of the last answer counts (RFC 5321 §4.2): any 2xx is a mail taken, never to be sent again.

    Raises:
        SMTPDataError: « no », or another answer than 354 to DATA.
        SMTPException: no answer, or one that says neither.
    """
    answer = await client.execute_command(b"DATA", timeout=_REPLY)
    if answer.code != aiosmtplib.SMTPStatus.start_input:
        raise SMTPDataError(answer.code, answer.message)
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
    return 400 <= code < 600 and code != 421


def _options(outgoing: Outgoing) -> list[str]:
    """SMTPUTF8 where an address needs it (RFC 6531 §3.4); a server without it refuses, and that is told."""
    ascii_only = outgoing.draft.to.isascii() and outgoing.envelope_sender.isascii()
    return [] if ascii_only else ["SMTPUTF8"]


async def _greeted(client: aiosmtplib.SMTP) -> None:
    """Ask what the server can (RFC 5321 §4.1.1.1). To one that knows no EHLO, HELO is said before the first mail."""
    if client.is_ehlo_or_helo_needed:
        with suppress(SMTPHeloError):
            await client.ehlo()


def _report_options(outgoing: Outgoing) -> list[str]:
    """A report names the delivery and brings the header back, no words of anybody's (RFC 3461 §4.3, §4.4)."""
    return ["RET=HDRS", f"ENVID={outgoing.id}"]


def _wanted_reports(outgoing: Outgoing) -> list[str]:
    """Nothing comes back of what nobody wrote and nobody misses (RFC 3834 §3.3, RFC 3461 §4.1)."""
    return ["NOTIFY=NEVER" if outgoing.draft.silent else "NOTIFY=FAILURE,DELAY"]


def _tls(client: aiosmtplib.SMTP) -> str:
    """Version and cipher of the connection, "" in the clear."""
    transport = client.transport
    cipher = transport.get_extra_info("cipher") if transport is not None else None
    return f"{cipher[1]} {cipher[0]}" if cipher else ""


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
