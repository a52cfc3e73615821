"""What SMTP and LMTP commands do (RFC 5321, RFC 2033).

A mail is taken as it arrives instead of line by line, and kept before it is acknowledged.
"""
# ruff: noqa: N802 (aiosmtpd names its commands so)

from __future__ import annotations

import math
import re
from typing import ClassVar

from gateway import log
from gateway.intake.smtp_body import Body, Flaw
from gateway.intake.smtp_connection import CHUNK, Connection
from gateway.intake.smtp_limits import Hold
from gateway.intake.smtp_syntax import NOT_OURS, Refusal, read_mail, read_rcpt
from gateway.model import Envelope, Incoming
from gateway.redaction import pseudonym

PROGRESS = 4096  # octets of a mail that count as doing something
_NAME = re.compile(r"[!-~]{1,255}")


class SmtpSession(Connection):
    """SMTP: commands, one mail after the other."""

    verbs: ClassVar = frozenset(
        ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "HELP", "STARTTLS")
    )

    async def smtp_HELO(self, arg: str) -> None:
        self._greeted(arg)
        await self.push(f"250 {self.hostname}")

    async def smtp_EHLO(self, arg: str) -> None:
        self._greeted(arg)
        tls = ["STARTTLS"] if self.service.tls and not self.tls else []
        size = f"SIZE {self.service.max_size}"
        lines = [self.hostname, "PIPELINING", size, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", *tls]
        await self.push("\r\n".join([*(f"250-{line}" for line in lines), "250 HELP"]))

    def _greeted(self, name: str) -> None:
        """A greeting also starts anew (RFC 5321 §4.1.4)."""
        assert self.session is not None
        if not _NAME.fullmatch(name):
            raise Refusal("501 5.5.4 Expected one host name")
        self._set_rset_state()
        self.session.host_name = name

    async def smtp_NOOP(self, arg: str) -> None:
        await self.push("250 2.0.0 OK")

    async def smtp_RSET(self, arg: str) -> None:
        self._set_rset_state()
        await self.push("250 2.0.0 OK")

    async def smtp_QUIT(self, arg: str) -> None:
        self._ended = True
        await self.push("221 2.0.0 Bye")

    async def smtp_VRFY(self, arg: str | None) -> None:
        """Says nothing about anybody (RFC 5321 §7.3)."""
        await self.push("252 2.5.0 Send mail, and see")

    async def smtp_HELP(self, arg: str) -> None:
        await self.push(f"214 2.0.0 {' '.join(sorted(self.verbs))}")

    async def smtp_MAIL(self, arg: str | None) -> None:
        assert self.session is not None
        assert self.envelope is not None
        if not self.session.host_name:
            raise Refusal("503 5.5.1 Say who you are first")
        if self.envelope.mail_from is not None:
            raise Refusal("503 5.5.1 There is a sender already")
        if self._mails >= (self.limits.mails_trusted if self.peer.trusted else self.limits.mails):
            return await self._end("421 4.7.0 Too many mails in one session, connect again")
        self.envelope.mail_from = read_mail(arg or "", self.service.max_size)
        return await self.push("250 2.1.0 OK")

    async def smtp_RCPT(self, arg: str | None) -> None:
        """Take a recipient that is ours. Every other gets the same answer, whatever is wrong with it."""
        assert self.envelope is not None
        if self.envelope.mail_from is None:
            raise Refusal("503 5.5.1 Who is the sender?")
        if len(self.envelope.rcpt_tos) >= self.limits.recipients:
            raise Refusal("452 4.5.3 Too many recipients")
        try:
            recipient = read_rcpt(arg or "")
            if not self.service.accepts(recipient):
                raise Refusal(NOT_OURS)
        except Refusal as refusal:
            return await self._not_ours(arg or "", refusal)
        self.envelope.rcpt_tos.append(recipient)
        return await self.push("250 2.1.5 OK")

    async def _not_ours(self, argument: str, refusal: Refusal) -> None:
        self._unknown += 1
        recipient = pseudonym(argument[3:].strip(" <>")[:100])
        log.recipient_refused(self.service.source, self.peer.address, recipient, refusal.reply)
        if self._unknown > self.limits.unknown:
            return await self._end("421 4.7.0 Too many unknown recipients")
        return await self.push(refusal.reply)

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """From here on as if nothing had been said (RFC 3207 §4.2)."""
        if not self.service.tls or self.tls or arg:
            raise Refusal("503 5.5.1 No STARTTLS here and now")
        if self.unread:
            return await self._end("521 5.5.1 Nothing may follow STARTTLS before TLS")
        await self.push("220 2.0.0 Go ahead")
        return await self.start_tls(self.service.tls)

    # --- the mail ----------------------------------------------------------------------------------------

    async def smtp_DATA(self, arg: str | None) -> None:
        """Receive one mail, have it kept, and only then say so."""
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            raise Refusal("503 5.5.1 Who is it for?")
        if arg:
            raise Refusal("501 5.5.4 DATA stands alone")
        self._busy = True
        self._mails += 1
        try:
            await self._reply_to_data(await self._transfer())
        finally:
            self._busy = False
            self._set_rset_state()

    async def _transfer(self) -> str:
        """354, the mail, and what became of it, as a reply."""
        deadline = self.loop.time() + self.limits.data
        await self.push("354 End with a dot alone on a line")
        hold = self.service.room.hold()
        try:
            mail = await self._receive(hold)
        except BaseException:
            hold.release()
            raise
        self.progress = math.inf
        patience = max(deadline - self.loop.time() - self.limits.answer, self.limits.answer)
        self._reset_timeout(patience + self.limits.answer)
        if isinstance(mail, Flaw):
            hold.release()
            log.content_refused(self.service.source, self.peer.address, mail.value)
            return mail.value
        return await self.service.take_in(self._incoming(mail), hold, patience)

    async def _receive(self, hold: Hold) -> bytes | Flaw:
        """The mail, without keeping more than one copy of it; what follows it stays to be read."""
        self._reset_timeout(self.limits.data - self.limits.answer)
        body = Body(self.service.max_size)
        seen = 0
        while (rest := body.feed(chunk := await self._chunk())) is None:
            if not hold.resize(body.held):
                body.refuse(Flaw.NO_ROOM)
            seen += len(chunk)
            if seen >= PROGRESS:
                seen, self.progress = 0, self.loop.time()
        self.unread[:0] = rest
        return body.take()

    async def _chunk(self) -> bytes:
        if chunk := await self._reader.read(CHUNK):
            return chunk
        raise ConnectionResetError  # no final dot, no mail

    def _incoming(self, raw: bytes) -> Incoming:
        assert self.envelope is not None
        assert self.session is not None
        return Incoming(
            raw=raw,
            source=self.service.source,
            received_at=self.service.now(),
            envelope=Envelope(
                sender=self.envelope.mail_from,
                recipients=tuple(dict.fromkeys(self.envelope.rcpt_tos)),
                peer=self.peer.address,
                helo=self.session.host_name or "",
            ),
            authserv_id=self.service.authserv_id if self.peer.trusted else "",
            verify=self.service.verify and not self.peer.trusted,
        )

    async def _reply_to_data(self, reply: str) -> None:
        if reply.startswith("250"):
            self._commands = 0
            if self.peer.trusted:  # a front server sends everybody's mail over one connection
                self._errors = self._unknown = 0
        replies = "\r\n".join([reply] * self._replies())
        await (self._end(replies) if reply.startswith("521") else self.push(replies))

    def _replies(self) -> int:
        return 1


class LmtpSession(SmtpSession):
    """The same with LHLO, and one reply for each recipient that was taken (RFC 2033 §4.2)."""

    greeting = "LMTP"
    verbs: ClassVar = SmtpSession.verbs - {"EHLO", "HELO"} | {"LHLO"}

    async def smtp_LHLO(self, arg: str) -> None:
        await self.smtp_EHLO(arg)

    def _replies(self) -> int:
        assert self.envelope is not None
        return len(self.envelope.rcpt_tos)
