"""What SMTP and LMTP commands do (RFC 5321, RFC 2033).

A mail is taken as it arrives instead of line by line, and kept before it is acknowledged.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from typing import ClassVar

from gateway import log
from gateway.intake.smtp_body import Body, Flaw
from gateway.intake.smtp_connection import Connection
from gateway.intake.smtp_limits import Hold
from gateway.intake.smtp_service import LATER, Service
from gateway.intake.smtp_syntax import NOT_OURS, Refusal, read_mail, read_rcpt
from gateway.model import Envelope, Incoming
from gateway.redaction import pseudonym

PROGRESS = 4096  # octets of a mail that count as doing something
_NAME = re.compile(r"[!-~]{1,255}")
_OTHERS = frozenset(("EXPN", "AUTH", "ETRN", "TURN", "BDAT"))  # commands that there are, but not here


class SmtpSession(Connection):
    """SMTP: commands, one mail after the other."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._name = ""  # what the client calls itself
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._unknown = self._mails = self._seen = 0
        self._hold: Hold | None = None
        self._keeping: asyncio.Task[str | Flaw] | None = None
        self._deadline = math.inf  # of the mail that is coming in, or being kept

    def obey(self, verb: str, argument: str) -> None:
        command = self.commands.get(verb)
        if command is None:
            raise Refusal("502 5.5.1 Not implemented" if verb in _OTHERS else "500 5.5.1 Unknown command")
        command(self, argument)

    def forget(self) -> None:
        self._name = ""
        self._reset()

    def _reset(self) -> None:
        """Forget sender and recipients (RFC 5321 §4.1.1.5)."""
        self._sender, self._recipients = None, []

    def _helo(self, argument: str) -> None:
        self._greeted(argument)
        self.push(f"250 {self.service.hostname}")

    def _ehlo(self, argument: str) -> None:
        self._greeted(argument)
        tls = ["STARTTLS"] if self.service.tls and not self._tls else []
        size = f"SIZE {self.service.max_size}"
        lines = [self.service.hostname, "PIPELINING", size, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", *tls]
        self.push("\r\n".join([*(f"250-{line}" for line in lines), "250 HELP"]))

    def _greeted(self, name: str) -> None:
        """A greeting also starts anew (RFC 5321 §4.1.4)."""
        if not _NAME.fullmatch(name):
            raise Refusal("501 5.5.4 Expected one host name")
        self._reset()
        self._name = name

    def _noop(self, argument: str) -> None:
        self.push("250 2.0.0 OK")

    def _rset(self, argument: str) -> None:
        self._reset()
        self.push("250 2.0.0 OK")

    def _quit(self, argument: str) -> None:
        self.push("221 2.0.0 Bye")
        self.close()

    def _vrfy(self, argument: str) -> None:
        """Says nothing about anybody (RFC 5321 §7.3)."""
        self.push("252 2.5.0 Send mail, and see")

    def _help(self, argument: str) -> None:
        self.push(f"214 2.0.0 {' '.join(sorted(self.commands))}")

    def _mail(self, argument: str) -> None:
        if not self._name:
            raise Refusal("503 5.5.1 Say who you are first")
        if self._sender is not None:
            raise Refusal("503 5.5.1 There is a sender already")
        if self._mails >= (self.limits.mails_trusted if self.peer.trusted else self.limits.mails):
            return self.end("421 4.7.0 Too many mails in one session, connect again")
        self._sender = read_mail(argument, self.service.max_size)
        return self.push("250 2.1.0 OK")

    def _rcpt(self, argument: str) -> None:
        """Take a recipient that is ours. Every other gets the same answer, whatever is wrong with it."""
        if self._sender is None:
            raise Refusal("503 5.5.1 Who is the sender?")
        if len(self._recipients) >= self.limits.recipients:
            raise Refusal("452 4.5.3 Too many recipients")
        try:
            recipient = read_rcpt(argument)
            if not self.service.accepts(recipient):
                raise Refusal(NOT_OURS)
        except Refusal as refusal:
            return self._not_ours(argument, refusal)
        self._recipients.append(recipient)
        return self.push("250 2.1.5 OK")

    def _not_ours(self, argument: str, refusal: Refusal) -> None:
        self._unknown += 1
        recipient = pseudonym(argument[3:].strip(" <>")[:100])
        log.recipient_refused(self.service.source, self.peer.address, recipient, refusal.reply)
        if self._unknown > self.limits.unknown:
            self.end("421 4.7.0 Too many unknown recipients")
        else:
            self.push(refusal.reply)

    def _starttls(self, argument: str) -> None:
        """From here on as if nothing had been said (RFC 3207 §4.2)."""
        if not self.service.tls or self._tls or argument:
            raise Refusal("503 5.5.1 No STARTTLS here and now")
        if self._unread:
            return self.end("521 5.5.1 Nothing may follow STARTTLS before TLS")
        self.push("220 2.0.0 Go ahead")
        return self.secure(self.service.tls)

    # --- the mail ----------------------------------------------------------------------------------------

    def _data(self, argument: str) -> None:
        """Receive one mail, have it kept, and only then say so."""
        if not self._recipients:
            raise Refusal("503 5.5.1 Who is it for?")
        if argument:
            raise Refusal("501 5.5.4 DATA stands alone")
        self._mails += 1
        self._seen = 0
        self._hold = self.service.room.hold()
        self._body = Body(self.service.max_size)
        self._deadline = self.loop.time() + self.limits.data
        self.until(self._deadline - self.limits.answer)
        self.push("354 End with a dot alone on a line")

    def receive(self, body: Body, chunk: bytes) -> None:
        """Without keeping more than one copy of it; what follows it stays to be read."""
        assert self._hold is not None
        rest = body.feed(chunk)
        if rest is None:
            if not self._hold.resize(body.held):
                body.refuse(Flaw.NO_ROOM)
            self._seen += len(chunk)
            if self._seen >= PROGRESS:
                self._seen, self.progress = 0, self.loop.time()
            return
        self._unread[:0] = rest
        self._body, self._occupied = None, True
        self.progress = math.inf
        self.until(max(self._deadline - self.limits.answer, self.loop.time() + self.limits.answer))
        hold, self._hold = self._hold, None  # given back by whoever keeps it
        self._keeping = self.service.take_in(body, self._incoming(), hold)
        self._keeping.add_done_callback(self._kept)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._hold is not None:  # no final dot, no mail
            self._hold.release()

    def late(self) -> None:
        """A mail that is still being written is answered with « later », and written all the same."""
        if self._keeping is None:
            super().late()
        else:
            log.keep_failed("", self.service.source, "TimeoutError")
            self._acknowledge(LATER)

    def _kept(self, task: asyncio.Task[str | Flaw]) -> None:
        if task is self._keeping:  # else it was too late, and is answered
            self._acknowledge(LATER if task.cancelled() else task.result())

    def _acknowledge(self, reply: str | Flaw) -> None:
        self._keeping, self._occupied = None, False
        if isinstance(reply, Flaw):
            log.content_refused(self.service.source, self.peer.address, reply.value)
            reply = reply.value
        if not self._ended:
            self._reply_to_data(reply)
            self.go_on()

    def _reply_to_data(self, reply: str) -> None:
        if reply.startswith("250"):
            self._commands = 0
            if self.peer.trusted:  # a front server sends everybody's mail over one connection
                self._errors = self._unknown = 0
        replies = "\r\n".join([reply] * self._replies())
        self._reset()
        if reply.startswith("521"):
            return self.end(replies)
        self.push(replies)
        self.progressed()
        return self.answered()

    def _incoming(self) -> Callable[[bytes], Incoming]:
        """What becomes of the octets, as things are now."""
        service, trusted = self.service, self.peer.trusted
        received_at = service.now()
        envelope = Envelope(self._sender, tuple(dict.fromkeys(self._recipients)), self.peer.address, self._name)
        authserv_id, verify = service.authserv_id if trusted else "", service.verify and not trusted
        return lambda raw: Incoming(raw, service.source, received_at, envelope, authserv_id, verify=verify)

    def _replies(self) -> int:
        return 1

    commands: ClassVar[Mapping[str, Callable[[SmtpSession, str], None]]] = {
        "EHLO": _ehlo,
        "HELO": _helo,
        "MAIL": _mail,
        "RCPT": _rcpt,
        "DATA": _data,
        "RSET": _rset,
        "NOOP": _noop,
        "QUIT": _quit,
        "VRFY": _vrfy,
        "HELP": _help,
        "STARTTLS": _starttls,
    }


class LmtpSession(SmtpSession):
    """The same with LHLO, and one reply for each recipient that was taken (RFC 2033 §4.2)."""

    greeting: ClassVar = "LMTP"
    commands: ClassVar = {
        **{name: command for name, command in SmtpSession.commands.items() if name not in {"EHLO", "HELO"}},
        "LHLO": SmtpSession._ehlo,
    }

    def _replies(self) -> int:
        return len(self._recipients)
