"""One client's connection: aiosmtpd's protocol, hardened. What commands do is in `smtp_session`.

What aiosmtpd does otherwise, and why that won't do here: it tells an exception's text in a permanent 500; it
cancels a write when the client goes away; it counts nothing; it takes lines that end with a bare LF.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
from typing import ClassVar, cast

from aiosmtpd.smtp import SMTP

from gateway import log
from gateway.intake.smtp_limits import LOCAL, Peer, peer_of
from gateway.intake.smtp_service import LATER, Service
from gateway.intake.smtp_syntax import Refusal

CHUNK = 1 << 20
LINGER = 1.0  # seconds in which a client that we leave may still read why
GONE = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)
GOING = "421 4.3.2 Closing, try again later"
# Words of other protocols. Whoever was made to speak them to us (a browser, a proxy) may have been made to say
# « MAIL FROM » further down: nothing of it is read. A PROXY line tells whose connection it is, and anybody could.
FOREIGN = frozenset(("PROXY", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "HOST:"))


class Connection(SMTP):
    """From greeting to good-bye. Whoever is told 421 or 521 is left alone afterwards."""

    line_length_limit = 65536  # of the reader's buffer: it pauses the client at twice as much
    greeting = "ESMTP"
    verbs: ClassVar[frozenset[str]]

    def __init__(self, service: Service) -> None:
        super().__init__(
            None,
            data_size_limit=service.max_size,
            enable_SMTPUTF8=True,  # we keep bytes as they are
            hostname=service.hostname,
            timeout=service.limits.idle,
            loop=asyncio.get_running_loop(),
        )
        self.service = service
        self.limits = service.limits
        self.peer: Peer = LOCAL
        self.progress = math.inf
        self._end_of_session = math.inf
        self._busy = self._ended = self._retiring = False
        # kept here, not in aiosmtpd's session, which is made anew at STARTTLS
        self._errors = self._unknown = self._mails = self._commands = 0

    # --- coming and going --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in, if there is a place; else be told 421 instead of a greeting."""
        room, now = self.service.room, self.loop.time()
        self.peer = peer_of(transport.get_extra_info("peername"), self.service.trusted)
        if because := room.refusal(self.peer, now):
            log.connection_refused(self.service.source, self.peer.address, because)
            cast(asyncio.Transport, transport).write(b"421 4.3.2 Too many connections, try again later\r\n")
            transport.close()
            return
        room.enter(self)
        self.progress = now
        self._end_of_session = now + self.limits.session
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.service.room.leave(self)
        if self.session is not None:  # else it never came in
            super().connection_lost(error)

    def eof_received(self) -> bool:
        """The client says no more; it may still listen, so what it asked for is answered first."""
        self._reader.feed_eof()
        return not self.tls

    def leave(self, reply: str) -> None:
        """Say this and go, whatever is going on. A client that doesn't listen is cut off later."""
        transport = cast(asyncio.Transport | None, self.transport)
        if transport is None or transport.is_closing():
            return
        if not self._ended:
            self._ended = True
            log.session_ended(self.service.source, self.peer.address, reply)
            transport.write(reply.encode() + b"\r\n")
        transport.close()
        self.loop.call_later(self.limits.answer, transport.abort)

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What answers this client; done when the session is."""
        return self._handler_coroutine

    def retire(self) -> None:
        """Go now, or as soon as the mail that is coming in has been answered."""
        self._retiring = True
        if not self._busy:
            self.leave(GOING)

    def _timeout_cb(self) -> None:
        self.leave("421 4.4.2 Took too long")

    async def _end(self, reply: str) -> None:
        """Say this and go, giving the client time to read it: closing on unread bytes drops the reply."""
        log.session_ended(self.service.source, self.peer.address, reply.partition("\r\n")[0])
        self._ended = True
        await self.push(reply)
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while await self._reader.read(CHUNK):
                    pass

    # --- the loop ----------------------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        try:
            with contextlib.suppress(*GONE):
                await self._converse()
        finally:
            self._writer.close()

    async def _converse(self) -> None:
        """Greet, then answer one command after the other."""
        try:
            await self.push(f"220 {self.hostname} {self.greeting}")
            while not self._ended:
                await self._answer(await self._command())
        except GONE:
            raise
        except asyncio.LimitOverrunError:
            await self._end("500 5.5.6 Command line too long")
        except Exception as error:  # noqa: BLE001 (nothing of ours may end as a 5xx)
            await self._end(await self.handle_exception(error))

    async def handle_exception(self, error: Exception) -> str:
        """The reply to a fault of ours: later, whatever it is."""
        log.session_failed(self.service.source, self.peer.address, type(error).__name__)
        return LATER

    async def push(self, status: str | bytes) -> None:
        """Send a reply. Those that say « no for good » are counted."""
        reply = status.encode() if isinstance(status, str) else status
        self._errors += reply.startswith(b"5")
        self._writer.write(reply + b"\r\n")
        await self._writer.drain()

    async def _command(self) -> bytes:
        """The next line. Only a whole one counts as doing something."""
        self.progress = self.loop.time()
        left = max(self._end_of_session - self.progress, 1e-6)  # 0 would mean « as usual » to aiosmtpd
        self._reset_timeout(min(self.limits.idle, left))
        return await self._reader.readuntil(b"\n")

    async def _answer(self, line: bytes) -> None:
        text = line[:-2]
        if not line.endswith(b"\r\n") or b"\r" in text or b"\0" in text:
            return await self._end("521 5.5.2 Lines must end with CRLF, and NUL may not occur")
        try:
            await self._perform(text)
        except Refusal as refusal:
            await self.push(refusal.reply)
        self._commands += 1
        if self._ended:
            return None
        if self._errors >= self.limits.errors or self._commands >= self.limits.commands:
            return await self._end("421 4.7.0 Too many errors or commands")
        return self.leave(GOING) if self._retiring else None

    async def _perform(self, text: bytes) -> None:
        if len(text) > self.limits.command:
            raise Refusal("500 5.5.6 Command line too long")
        try:
            verb, _, argument = text.decode().partition(" ")
        except UnicodeDecodeError:
            raise Refusal("500 5.5.2 Commands are UTF-8") from None
        verb = verb.upper()
        if verb in FOREIGN:
            await self._end("521 5.5.1 This is a mail server")
            return
        if verb not in self.verbs:
            known = verb in {"EXPN", "AUTH", "ETRN", "TURN", "BDAT"}
            raise Refusal("502 5.5.1 Not implemented" if known else "500 5.5.1 Unknown command")
        await getattr(self, f"smtp_{verb}")(argument.strip(" "))

    def _set_rset_state(self) -> None:
        """Forget sender and recipients (RFC 5321 §4.1.1.5)."""
        self.envelope = self._create_envelope()

    # --- TLS ---------------------------------------------------------------------------------------------

    @property
    def tls(self) -> bool:
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is not None

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """asyncio's own way, instead of aiosmtpd's: it works on uvloop, and has a deadline."""
        self._reset_timeout(self.limits.handshake + self.limits.answer)
        self.unread.clear()  # before the handshake: the first command may arrive with its end
        try:
            await self._writer.start_tls(context, ssl_handshake_timeout=self.limits.handshake)
        except OSError:
            log.session_ended(self.service.source, self.peer.address, "TLS handshake failed")
            raise ConnectionResetError from None
        self.transport = self._writer.transport
        # as aiosmtpd does: set_transport() works but once
        self._reader._transport = self.transport  # type: ignore[attr-defined]
        self.session = self._create_session()
        self._set_rset_state()

    @property
    def unread(self) -> bytearray:
        """What has arrived and wasn't read yet. There is no public way to see it or put anything back."""
        buffer: bytearray = self._reader._buffer  # type: ignore[attr-defined]
        return buffer
