"""A small IMAP server on loopback that lies on demand, and a proxy that hides what a real one offers.

`Liar(mails, lies)`: each body FETCH (or greeting, or IDLE: see where a lie is looked up) uses up one lie of the
list; when none is left it is honest. A lie is one of the functions below, by name.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

CAPABILITY = b"* CAPABILITY IMAP4rev1 IDLE UIDPLUS\r\n"


class Liar:
    """`commands` are those received, in order. `about` is the UID that is lied about; 0: the first one asked for."""

    host = "127.0.0.1"

    def __init__(self, mails: Mapping[int, bytes], lies: list[str], about: int = 0) -> None:
        self.mails = dict(mails)
        self.lies = list(lies)
        self.about = about
        self.commands: list[bytes] = []
        self.connections = 0
        self.idlers: list[StreamWriter] = []
        self.idling = asyncio.Event()
        self._handlers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Liar:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    def add(self, uid: int, raw: bytes) -> None:
        """A new mail; who idles is told."""
        self.mails[uid] = raw
        for writer in self.idlers:
            writer.write(b"* %d EXISTS\r\n" % len(self.mails))

    def _lie(self, *names: str) -> str:
        """The next lie, if it is one of these."""
        return self.lies.pop(0) if self.lies and self.lies[0] in names else ""

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._session(reader, writer)
        writer.transport.abort()

    async def _session(self, reader: StreamReader, writer: StreamWriter) -> None:
        lie = self._lie(*GREETINGS)
        if lie == "greets_never":
            await reader.read()
        status = {"greets_bye": b"BYE", "greets_preauth": b"PREAUTH"}.get(lie, b"OK")
        writer.write(b"* " + status + b" hello\r\n")
        while line := await reader.readline():
            self.commands.append(line.rstrip())
            tag, _, command = line.rstrip().partition(b" ")
            name = command.upper()
            if name.startswith(b"UID FETCH"):
                await self._fetch(tag, command, writer)
            elif name == b"IDLE":
                await self._idle(tag, reader, writer)
            elif name == b"STARTTLS":
                self._start_tls(tag, writer)
            else:
                writer.write(self._say(name) + tag + b" OK done\r\n")
            await writer.drain()

    def _start_tls(self, tag: bytes, writer: StreamWriter) -> None:
        if self._lie("starttls_injects"):
            writer.write(tag + b" OK begin\r\n" + CAPABILITY)
        elif self._lie("starttls_injects_half"):
            writer.write(tag + b" OK begin\r\n* CAP")
        else:
            writer.write(tag + b" NO not today\r\n")

    def _say(self, name: bytes) -> bytes:
        if name == b"CAPABILITY":
            return CAPABILITY
        if name.startswith(b"EXAMINE"):
            code = b"* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT %d] .\r\n" % (max(self.mails, default=0) + 1)
            return b"* %d EXISTS\r\n" % len(self.mails) + code
        if name.startswith(b"UID SEARCH"):
            return b"* SEARCH " + b" ".join(b"%d" % uid for uid in self._in(name.split()[3])) + b"\r\n"
        return b""

    def _in(self, uid_set: bytes) -> list[int]:
        top = max(self.mails, default=0)
        ranges = re.findall(rb"(\d+)(?::(\d+|\*))?", uid_set)
        pairs = [(int(a), top if b == b"*" else int(b or a)) for a, b in ranges]
        return [uid for uid in sorted(self.mails) if any(low <= uid <= high for low, high in pairs)]

    async def _fetch(self, tag: bytes, command: bytes, writer: StreamWriter) -> None:
        uids = self._in(command.split()[2])
        if b"BODY" not in command:
            sizes = (b"* %d FETCH (UID %d RFC822.SIZE %d)\r\n" % (n, n, len(self.mails[n])) for n in uids)
            writer.write(b"".join(sizes) + tag + b" OK done\r\n")
            return
        tell: Callable[[Liar, int, StreamWriter], Awaitable[None]] = honest
        lied = bool(self.lies) and self.lies[0] in LIES and (not self.about or self.about in uids)
        for uid in uids:
            if lied and uid == (self.about or uids[0]):
                tell = LIES[self.lies.pop(0)]
            await tell(self, uid, writer)
            tell = honest
        writer.write(tag + b" OK done\r\n")

    async def _idle(self, tag: bytes, reader: StreamReader, writer: StreamWriter) -> None:
        lie = self._lie(*IDLES)
        if lie == "idle_refused":
            writer.write(tag + b" NO not now\r\n")
            return
        if lie == "idle_silent":
            await reader.read()
        if lie == "idle_bye":
            writer.write(b"+ go\r\n* BYE bored\r\n")
            writer.close()
            return
        writer.write(b"+ go\r\n")
        if lie == "idle_dead":
            await reader.read()
        if lie != "idle_deaf":
            self.idlers.append(writer)
            self.idling.set()
        self.commands.append(await reader.readline())
        self.idlers = [each for each in self.idlers if each is not writer]
        self.idling.clear()
        writer.write(tag + b" OK done\r\n")


def literal(uid: int, raw: bytes) -> bytes:
    return b"* %d FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (uid, uid, len(raw), raw)


async def honest(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(literal(uid, liar.mails[uid]))


async def nil_body(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(b"* %d FETCH (UID %d BODY[] NIL)\r\n" % (uid, uid))


async def empty_body(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(literal(uid, b""))


async def no_body(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(b"")


async def wrong_uid(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(literal(uid + 1000, liar.mails[uid]))


async def no_uid(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(literal(uid, b"another mail").replace(b"UID %d " % uid, b""))


async def short_then_close(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(literal(uid, liar.mails[uid])[: -len(liar.mails[uid]) // 2])
    writer.close()


async def short_then_silent(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(literal(uid, liar.mails[uid])[:-20])
    await asyncio.Event().wait()


async def huge_literal(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(b"* %d FETCH (UID %d BODY[] {2147483648}\r\n" % (uid, uid))
    await _push(writer, b"x" * 65536)


async def endless_line(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(b"* %d FETCH (UID %d BODY[] " % (uid, uid))
    await _push(writer, b"x" * 65536)


async def endless_replies(liar: Liar, uid: int, writer: StreamWriter) -> None:
    await _push(writer, (b"* %d FETCH (BODY[] NIL)\r\n" % uid) * 1000)


async def exists_flood(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(b"".join(b"* %d EXISTS\r\n" % n for n in range(10_000)))
    await honest(liar, uid, writer)


async def bye(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(b"* BYE maintenance\r\n")
    writer.close()


async def bad_tag(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(b"ZZZ9 OK done\r\n")


async def unsolicited(liar: Liar, uid: int, writer: StreamWriter) -> None:
    writer.write(b"* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (UID %d FLAGS (\\Seen))\r\n" % uid)
    await honest(liar, uid, writer)
    writer.write(b"* 1 FETCH (UID %d FLAGS ())\r\n" % uid + literal(uid + 500, b"not asked for"))


async def quoted(liar: Liar, uid: int, writer: StreamWriter) -> None:
    raw = liar.mails[uid].replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    if b"\r" in raw:
        await honest(liar, uid, writer)
    else:
        writer.write(b'* %d FETCH (UID %d BODY[] "%b")\r\n' % (uid, uid, raw))


async def _push(writer: StreamWriter, octets: bytes) -> None:
    """As much as the other side takes."""
    while True:
        writer.write(octets)
        await writer.drain()


GREETINGS = ("greets_bye", "greets_preauth", "greets_never")
IDLES = ("idle_silent", "idle_refused", "idle_bye", "idle_deaf", "idle_dead")
LIES = {
    each.__name__: each
    for each in (
        nil_body,
        empty_body,
        no_body,
        wrong_uid,
        no_uid,
        short_then_close,
        short_then_silent,
        huge_literal,
        endless_line,
        endless_replies,
        exists_flood,
        bye,
        bad_tag,
        unsolicited,
        quoted,
    )
}


@asynccontextmanager
async def hiding(port: int, *words: bytes) -> AsyncIterator[int]:
    """A port of loopback that leads to `port`, where the server's CAPABILITY lacks these words."""
    ends: list[StreamWriter] = []

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        ends.extend((writer, back))
        await asyncio.gather(_pipe(reader, back, ()), _pipe(there, writer, words))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for end in ends:
            end.close()
        await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)


async def _pipe(reader: StreamReader, writer: StreamWriter, words: tuple[bytes, ...]) -> None:
    with suppress(OSError):
        while line := await reader.read(65536):
            for word in words if b"CAPABILITY" in line else ():
                line = line.replace(b" " + word, b"")
            writer.write(line)
            await writer.drain()
    writer.close()
