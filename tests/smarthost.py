"""A smarthost that does as it is told: a small SMTP server whose answers and breakdowns a test chooses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

GREETING = "220 smarthost.example ESMTP"
_ANSWERS = {
    "greeting": GREETING,
    "EHLO": "250-smarthost.example\r\n250-AUTH PLAIN LOGIN\r\n250-8BITMIME\r\n250 SMTPUTF8",
    "MAIL": "250 2.1.0 Ok",
    "nested": "503 5.5.1 nested MAIL command",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 go on",
    "DATA to nobody": "554 5.5.1 no valid recipients",
    ".": "250 2.0.0 Ok: queued as 1",
    "RSET": "250 Ok",
    "AUTH": "235 Ok",
    "STARTTLS": "220 go on",
    "QUIT": "221 bye",
}
HANG_UP = ""  # an answer that is none: the connection ends


@dataclass
class Smarthost:
    """`answers` are those of the next commands; `mails` what was taken, `lines` all that was said to it."""

    answers: dict[str, str | bytes] = field(default_factory=lambda: dict(_ANSWERS))
    mails: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    in_clear: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    tls: ssl.SSLContext | None = None
    before: Callable[[str], None] = lambda _: None
    held_back: frozenset[str] = frozenset()  # commands that are answered with the next one that isn't held back
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _unsaid: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._say(writer, "greeting"):
            return
        begun = False  # a mail, by a MAIL that was taken: a second one is out of order, as real servers say
        recipients = 0
        while line := (await reader.readline()).decode("utf-8", "replace").strip():
            self.lines.append(line)
            if writer.get_extra_info("ssl_object") is None:
                self.in_clear.append(line)
            word = line.split()[0].upper()
            self.before(word)
            out_of_order = {"MAIL": "nested" if begun else "", "DATA": "" if recipients else "DATA to nobody"}
            asked = out_of_order.get(word) or word
            if not self._say(writer, asked):
                return
            if word in {"MAIL", "RSET"}:
                begun = word == "MAIL" and str(self.answers["MAIL"]).startswith("250")
                recipients = 0
            recipients += word == "RCPT" and str(self.answers["RCPT"]).startswith("25")
            if word == "STARTTLS" and self.tls:
                await writer.drain()
                await writer.start_tls(self.tls)
            if word == "DATA" and str(self.answers[asked]).startswith("354"):
                mail = await reader.readuntil(b"\r\n.\r\n")
                self.before(".")
                self.mails.append(mail)
                begun, recipients = False, 0
                if not self._say(writer, "."):
                    return
            if word == "QUIT":
                return

    def _say(self, writer: asyncio.StreamWriter, word: str) -> bool:
        answer = self.answers.get(word, "502 what?")
        if not answer:
            return False
        self._unsaid += (answer if isinstance(answer, bytes) else answer.encode()) + b"\r\n"
        if word not in self.held_back:
            writer.write(self._unsaid)
            self._unsaid = b""
        return True

    def hang_up_all(self) -> None:
        for writer in self.writers:
            writer.close()


@asynccontextmanager
async def smarthost(tls: ssl.SSLContext | None = None, *, at_once: bool = False) -> AsyncIterator[Smarthost]:
    """A smarthost on a free port of the loopback. `at_once`: it takes several commands at a time (PIPELINING)."""
    host = Smarthost(tls=tls)
    if at_once:
        host.answers["EHLO"] = f"{_ANSWERS['EHLO']}\r\n250 PIPELINING".replace("250 SMTPUTF8", "250-SMTPUTF8")
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        host.hang_up_all()
