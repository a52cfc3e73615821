"""One client's connection: what arrives is cut into lines and mails, as far as it may be taken now.

What commands do is in `smtp_session`. All of a connection happens in the event loop's callbacks, one after the other;
what takes time (keeping a mail, a TLS handshake) is waited for by a task, and what arrives meanwhile stays unread.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from contextlib import suppress
from typing import ClassVar, cast

from gateway import log
from gateway.intake.smtp_body import Body
from gateway.intake.smtp_limits import LOCAL, Peer, peer_of
from gateway.intake.smtp_service import LATER, Service
from gateway.intake.smtp_syntax import Refusal

LONGEST = 65536  # octets without a line end that are waited with; the client is paused at twice as much
LINGER = 1.0  # seconds in which a client that we leave may still read why
GOING = "421 4.3.2 Closing, try again later"
SLOW = "421 4.4.2 Took too long"
# Words of other protocols. Whoever was made to speak them to us (a browser, a proxy) may have been made to say
# « MAIL FROM » further down: nothing of it is read. A PROXY line tells whose connection it is, and anybody could.
FOREIGN = frozenset(("PROXY", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "HOST:"))


class Connection(asyncio.Protocol):
    """From greeting to good-bye. Whoever is told 421 or 521 is left alone afterwards."""

    greeting: ClassVar = "ESMTP"

    def __init__(self, service: Service) -> None:
        self.service = service
        self.limits = service.limits
        self.loop = asyncio.get_running_loop()
        self.peer: Peer = LOCAL
        self.progress = math.inf
        self.gone: asyncio.Future[None] | None = None  # done when the session is; None: it was never let in
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._searched = 0  # octets of it in which no line ends
        self._body: Body | None = None  # the mail that is coming in
        self._occupied = False  # a task is at work for it, and nothing is read before that is done
        self._full = False  # it doesn't read what we say
        self._said_all = self._ended = self._retiring = self._tls = False
        self._end_of_session = self._due = math.inf
        self._alarm: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._errors = self._commands = 0

    def obey(self, verb: str, argument: str) -> None:
        """Do what a command says, and reply. Raises Refusal where the reply is all there is to do."""
        raise NotImplementedError

    def receive(self, body: Body, chunk: bytes) -> None:
        """Take a piece of the mail that is coming in."""
        raise NotImplementedError

    def forget(self) -> None:
        """What was said is as if it hadn't been (RFC 3207 §4.2)."""
        raise NotImplementedError

    # --- coming and going --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in, if there is a place; else be told 421 instead of a greeting."""
        self._transport = cast(asyncio.Transport, transport)
        room, now = self.service.room, self.loop.time()
        self.peer = peer_of(transport.get_extra_info("peername"), self.service.trusted)
        if because := room.refusal(self.peer, now):
            log.connection_refused(self.service.source, self.peer.address, because)
            self._ended = True
            self.push("421 4.3.2 Too many connections, try again later")
            self._transport.close()
            return
        room.enter(self)
        self.gone = self.loop.create_future()
        self._end_of_session = now + self.limits.session
        self.progressed()
        self.push(f"220 {self.service.hostname} {self.greeting}")

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._transport = None  # which holds this: nothing else would free the two at once
        self.service.room.leave(self)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self.gone is not None and not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self._ended:  # else nobody reads it any more
            self._unread += data
            self.go_on()

    def eof_received(self) -> bool:
        """The client says no more; it may still listen, so what it asked for is answered first."""
        self._said_all = True
        self.go_on()
        return not self._tls

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self.go_on()

    def leave(self, reply: str) -> None:
        """Say this and go, whatever is going on. A client that doesn't listen is cut off later."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not self._ended:
            self._ended = True
            log.session_ended(self.service.source, self.peer.address, reply)
            self.push(reply)
        transport.close()
        self.loop.call_later(self.limits.answer, transport.abort)

    def retire(self) -> None:
        """Go now, or as soon as the mail that is coming in has been answered."""
        self._retiring = True
        if not self.busy:
            self.leave(GOING)

    @property
    def busy(self) -> bool:
        """Is there a mail that is coming in, or being kept?"""
        return self._body is not None or (self._occupied and self._handshake is None)

    def end(self, reply: str) -> None:
        """Say this and go, giving the client time to read it: closing on unread bytes drops the reply."""
        log.session_ended(self.service.source, self.peer.address, reply.partition("\r\n")[0])
        self.push(reply)
        self._ended = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self.loop.call_later(0 if self._said_all else LINGER, transport.close)

    def close(self) -> None:
        """The client said good-bye."""
        self._ended = True
        if self._transport is not None:
            self._transport.close()

    def push(self, reply: str) -> None:
        """Send a reply. Those that say « no for good » are counted."""
        self._errors += reply.startswith("5")
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply.encode() + b"\r\n")

    # --- time --------------------------------------------------------------------------------------------

    def until(self, due: float) -> None:
        """What is waited for now must have come by then, or it is `late`.

        The alarm is set anew only where it would come too late: setting one costs more than most commands.
        """
        self._due = due
        if self._alarm is None or self._alarm.when() > due:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self.loop.call_at(due, self._alarmed)

    def late(self) -> None:
        self.leave(SLOW)

    def progressed(self) -> None:
        """A whole command came, or was answered: nothing less counts as doing something."""
        self.progress = self.loop.time()
        self.until(min(self.progress + self.limits.idle, self._end_of_session))

    def _alarmed(self) -> None:
        self._alarm = None
        if self.loop.time() < self._due:
            self.until(self._due)
        else:
            self.late()

    # --- what has arrived --------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Take what has arrived, as far as it may be taken now."""
        try:
            while self._unread and not (self._occupied or self._full or self._ended) and self._take():
                pass
        except Exception as error:  # noqa: BLE001 (nothing of ours may end as a 5xx)
            log.session_failed(self.service.source, self.peer.address, type(error).__name__)
            self.end(LATER)
        self._pace()

    def _pace(self) -> None:
        """Let more come, unless enough waits to be read; go if nothing will."""
        transport = self._transport
        if transport is None or self._ended or transport.is_closing():
            return
        if self._said_all and not (self._occupied or self._full):
            transport.close()
        elif len(self._unread) > 2 * LONGEST:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _take(self) -> bool:
        """Take a line, or a piece of the mail. Is there one?"""
        if self._body is not None:
            chunk, self._unread = bytes(self._unread), bytearray()
            self.receive(self._body, chunk)
            return True
        end = self._unread.find(b"\n", self._searched) + 1
        if not end:
            self._searched = len(self._unread)
            if self._searched > LONGEST:
                self.end("500 5.5.6 Command line too long")
            return False
        line = bytes(self._unread[:end])
        del self._unread[:end]
        self._searched = 0
        self.progressed()
        self._answer(line)
        return True

    def _answer(self, line: bytes) -> None:
        text = line[:-2]
        if not line.endswith(b"\r\n") or b"\r" in text or b"\0" in text:
            return self.end("521 5.5.2 Lines must end with CRLF, and NUL may not occur")
        try:
            self._perform(text)
        except Refusal as refusal:
            self.push(refusal.reply)
        return None if self._ended or self._occupied or self._body is not None else self.answered()

    def answered(self) -> None:
        """A command was answered: is it time to go?"""
        self._commands += 1
        if self._errors >= self.limits.errors or self._commands >= self.limits.commands:
            self.end("421 4.7.0 Too many errors or commands")
        elif self._retiring:
            self.leave(GOING)

    def _perform(self, text: bytes) -> None:
        if len(text) > self.limits.command:
            raise Refusal("500 5.5.6 Command line too long")
        try:
            verb, _, argument = text.decode().partition(" ")
        except UnicodeDecodeError:
            raise Refusal("500 5.5.2 Commands are UTF-8") from None
        verb = verb.upper()
        if verb in FOREIGN:
            self.end("521 5.5.1 This is a mail server")
        else:
            self.obey(verb, argument.strip(" "))

    # --- TLS ---------------------------------------------------------------------------------------------

    def secure(self, context: ssl.SSLContext) -> None:
        """Begin TLS, before anything more is read: what comes now is the handshake."""
        assert self._transport is not None
        self._occupied = True
        self.until(self.loop.time() + self.limits.handshake + self.limits.answer)
        self._handshake = self.loop.create_task(self._shake_hands(self._transport, context))

    async def _shake_hands(self, plain: asyncio.Transport, context: ssl.SSLContext) -> None:
        secured = None
        if not self._unread:  # what was read before this task had its turn came in the clear, whoever wrote it
            with suppress(OSError):
                secured = await self.loop.start_tls(
                    plain, self, context, server_side=True, ssl_handshake_timeout=self.limits.handshake
                )
        if secured is None:
            log.session_ended(self.service.source, self.peer.address, "TLS handshake failed")
            plain.abort()
            self.connection_lost(None)  # nobody else says so in the middle of a handshake
            return
        self._transport, self._tls, self._occupied, self._handshake = secured, True, False, None
        self.forget()
        self.progressed()
        self.answered()
        self.go_on()
