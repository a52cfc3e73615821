"""What servers and clients say to us, octet by octet, and what operators write: IMAP, SMTP's commands, TOML, CSV."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from gateway.config import hours, load, reading, sheet
from gateway.errors import ConfigError
from gateway.intake import utf7
from gateway.intake.imap_grammar import announced, code, fetched, found, named, number, numbered, sequence
from gateway.intake.imap_wire import Wire
from gateway.intake.smtp_body import Body, Flaw, is_malformed
from gateway.intake.smtp_syntax import Refusal, is_disguise, read_mail, read_rcpt
from tests.fuzz.target import Target
from tests.fuzz.targets.fields import text

_CONFIG = Path(__file__).resolve().parent.parent.parent / "config"
_REPLIES = (
    b"* OK [CAPABILITY IMAP4rev1] hello\r\n* 3 FETCH (UID 7 BODY[] {3}\r\nabc FLAGS ())\r\n* 4 EXISTS\r\n",
    b"* OK hi\r\n* SEARCH 1 2 3\r\n* LIST () {0}\r\n x\r\n* NO it is {99}\r\n",
    b'* 1 FETCH (UID 1 RFC822.SIZE 3 INTERNALDATE " 3-Feb-2025 10:12:00 +0100" BODY[] "a\\"b")\r\n',
    b"A1 OK [COPYUID 1 1:3,5 7:9] done\r\n+ go\r\n",
)
_COMMANDS = (
    b"FROM:<@a,@b:c@d.fr> SIZE=10 BODY=8BITMIME SMTPUTF8",
    b'TO:<"a b"@x.fr>',
    b"TO:<contact%x.fr@support.example.org>",
    b"TO: postmaster",
)
_HOURS = (b"lundi-vendredi 9h-12h 14h-17h30", b"mon-fri 9:00-17:00, sat 10am-noon")


class Pipe:
    """A transport that nobody reads."""

    aborted = False

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None:
        self.aborted = True


def heard(data: bytes) -> None:
    """However a server's octets are cut, the same is heard; and never more is held than was asked for."""
    with asyncio.Runner() as runner:
        whole, single = (runner.run(_heard(data, step)) for step in (len(data) or 1, 7))
    assert whole == single


async def _heard(data: bytes, step: int) -> tuple[object, ...]:
    wire, pipe = Wire(), Pipe()
    wire.connection_made(pipe)
    for at in range(0, len(data), step):
        wire.data_received(data[at : at + step])
    greeting = wire.greeting.result() if wire.greeting.done() else None
    assert wire.over.done() or sum(len(part) for reply in wire._replies for part in reply) <= 2 * len(data)
    return (greeting, wire.exists, tuple(wire._replies)) if not pipe.aborted else (True,)


def replied(data: bytes) -> None:
    parts = tuple(data.split(b"\r\n"))
    one = fetched(parts)
    assert one is None or one.raw is None or one.raw in data.replace(b"\\", b"") or b"\\" in data
    found([(part,) for part in parts])
    for part in parts:
        announced(part)
        numbered(part)
        number(code(part, b"UIDVALIDITY"))
        number(part)
    uids = frozenset(data[:200])
    assert named(sequence(uids).encode(), range(256)) == uids
    name = utf7.encode(text(data))
    assert name.isascii()
    assert name.isprintable()


def asked(data: bytes) -> None:
    """A path is one plain address, or it is refused."""
    argument = text(data)
    for address, reply in (_asked(read_rcpt, argument), _asked(read_mail, argument, 1_000)):
        assert not reply or (reply[:3].isdigit() and reply.isprintable())
        assert not set(address) & set("\r\n\0<>") or address.startswith('"')
        assert address.isprintable()
    if not is_disguise(argument) and "@" in argument:
        local, _, domain = argument.partition("@")
        assert local
        assert domain
        assert not set(argument) & set('%!"<>()[]\\,;: \r\n\0')


def _asked(read: Callable[..., str], *arguments: object) -> tuple[str, str]:
    """The address, or the reply that refuses it."""
    try:
        return read(*arguments), ""
    except Refusal as refusal:
        return "", refusal.reply


def received(data: bytes) -> None:
    """However a mail arrives, it is the same mail, with the same rest; and nothing malformed is one."""
    wire = data + b"\r\n.\r\n"
    whole, single = _body(wire, len(wire)), _body(wire, 1)
    assert whole == single
    mail, _ = whole
    assert isinstance(mail, Flaw) or not is_malformed(mail)


def _body(wire: bytes, step: int) -> tuple[bytes | Flaw, bytes]:
    body = Body(100_000)
    for at in range(0, len(wire), step):
        rest = body.feed(wire[at : at + step])
        if rest is not None:
            return body.take(), rest + wire[at + step :]
    raise AssertionError("its end wasn't found")


def configured(data: bytes) -> None:
    """Settings, or a report; nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.toml"
        path.write_bytes(data)
        with suppress(ConfigError):
            load(path, {})


def tabled(data: bytes) -> None:
    try:
        rows, line = reading.sheet(data), 1
    except reading.Unusable as unusable:
        rows, line = "", unusable.line
    assert 0 < line <= data.count(b"\n") + 1
    for table in ("agents", "demarches", "dossiers"):
        read = sheet.read(rows, table)
        assert len(read.entries) == len(read.lines)
    with suppress(ValueError):
        hours.parse(rows)


def _configurations() -> Iterator[bytes]:
    for path in sorted(_CONFIG.glob("*/*.toml")):
        yield path.read_bytes()


def _sheets() -> Iterator[bytes]:
    for path in sorted(_CONFIG.rglob("*.csv")):
        yield path.read_bytes()
    yield from _HOURS


TARGETS = (
    Target("imap_wire", heard, lambda: _REPLIES),
    Target("imap_grammar", replied, lambda: _REPLIES),
    Target("smtp_syntax", asked, lambda: _COMMANDS),
    Target("smtp_body", received, lambda: [b"a\r\n.b\r\n..\r\n", b"\n.\n", b"a\r\n\0.\r\n", b"\r\n.\r\nQUIT"]),
    Target("configuration", configured, _configurations),
    Target("sheets", tabled, _sheets),
)
