"""Real mails, broken: the same ones every time, by their number."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

MOST = 12_000_000  # octets of a mutation
_WHOLE = 400_000  # octets of a mail that is taken whole
_CHARSETS = (b"utf-7", b"utf-16", b"iso-2022-kr", b"hz-gb-2312", b"unicode_escape", b"rot13", b"x", b"", b"cp037")
_ENCODINGS = (b"base64", b"quoted-printable", b"x-uuencode", b"8bit", b"base64, base64", b"", b"\xff")
_JUNK = (
    b"\x00",
    b"\r",
    b"\n",
    b"\n\n",
    b"\xff",
    b"\x1b$B",
    b"=",
    b'"',
    b"(",
    b"<",
    b"--",
    b"=?utf-8?b?",
    b"\xe2\x80",
    b";",
)
_FIELDS = (
    b"From",
    b"To",
    b"Subject",
    b"Message-ID",
    b"References",
    b"In-Reply-To",
    b"Date",
    b"Content-Type",
    b"Received",
)
_ADDED = (
    b"Content-Type: multipart/mixed; boundary=x",
    b"Content-Type: text/html",
    b"Content-Type: message/rfc822",
    b"Content-Transfer-Encoding: base64",
    b"From: a@b, c@d",
    b"To: g:;g:;",
    b"Message-ID: <<<<",
    b"Date: 99",
)

Mutation = Callable[[bytes, random.Random], bytes]


def mutation(number: int, mails: tuple[Path, ...]) -> tuple[str, bytes]:
    """(what was done to which mail, the octets): one to three things, one after the other."""
    chance = random.Random(number)
    path = chance.choice(mails)
    raw = path.read_bytes()[:_WHOLE]
    done = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        kind = chance.choice(KINDS)
        raw = kind(raw, chance)[:MOST]
        done.append(kind.__name__)
    return f"{number}: {path.parent.name}/{path.name}: {', '.join(done)}", raw


# --- anywhere ------------------------------------------------------------------------------------------------


def _span(raw: bytes, chance: random.Random, longest: int) -> tuple[int, int]:
    start = chance.randrange(len(raw) + 1)
    return start, min(len(raw), start + chance.randrange(1, longest))


def flip(raw: bytes, chance: random.Random) -> bytes:
    broken = bytearray(raw)
    for _ in range(min(len(broken), chance.choice((1, 3, 30, 300)))):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    return bytes(broken)


def cut(raw: bytes, chance: random.Random) -> bytes:
    return raw[: chance.randrange(len(raw) + 1)]


def drop(raw: bytes, chance: random.Random) -> bytes:
    start, end = _span(raw, chance, 2_000)
    return raw[:start] + raw[end:]


def repeat(raw: bytes, chance: random.Random) -> bytes:
    start, end = _span(raw, chance, chance.choice((3, 40, 2_000)))
    return (
        raw[:end]
        + raw[start:end] * min(chance.choice((1, 10, 1_000, 100_000)), 3_000_000 // (end - start + 1))
        + raw[end:]
    )


def junk(raw: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 10, 60))):
        at = chance.randrange(len(raw) + 1)
        raw = raw[:at] + chance.choice(_JUNK) * chance.choice((1, 1, 2, 500)) + raw[at:]
    return raw


def bare_returns(raw: bytes, chance: random.Random) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", chance.choice((b"\r", b"\n\r", b"\r\r\n")))


def nothing_but_one_line(raw: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(raw) + 1)
    return raw[:start] + raw[start:].replace(b"\n", b" ")


# --- lines and fields ----------------------------------------------------------------------------------------


def double_lines(raw: bytes, chance: random.Random) -> bytes:
    share = chance.choice((0.05, 0.5, 1))
    return b"".join(line * (1 + (chance.random() < share)) for line in raw.splitlines(keepends=True))


def shuffle_lines(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.splitlines(keepends=True)
    start = chance.randrange(len(lines) + 1)
    some = lines[start : start + 40]
    chance.shuffle(some)
    return b"".join((*lines[:start], *some, *lines[start + 40 :]))


def _parted(raw: bytes) -> tuple[bytes, bytes]:
    end = re.search(rb"\r?\n\r?\n", raw)
    return (raw[: end.start()], raw[end.start() :]) if end else (raw, b"\n\n")


def swap_fields(raw: bytes, chance: random.Random) -> bytes:
    """Two fields' names change places: a date stands in From, a type in Subject."""
    head, rest = _parted(raw)
    found = list(re.finditer(rb"(?m)^[A-Za-z-]+(?=:)", head))
    if len(found) < 2:
        return raw
    first, second = sorted(chance.sample(found, 2), key=lambda match: match.start())
    between = head[first.end() : second.start()]
    return head[: first.start()] + second[0] + between + first[0] + head[second.end() :] + rest


def double_fields(raw: bytes, chance: random.Random) -> bytes:
    head, rest = _parted(raw)
    return head + b"\n" + head * chance.choice((1, 5, 200)) + rest


def huge_field(raw: bytes, chance: random.Random) -> bytes:
    unit = chance.choice(
        (b"a", b"<a@b> ", b"a@b.fr, ", b"=?utf-8?q?=C3=A9?= ", b"(", b'"', b"\n ", b"x=y; ", b"a*0=b; ")
    )
    name = chance.choice(_FIELDS)
    return name + b": " + unit * (chance.choice((1_000, 100_000, 2_000_000)) // len(unit)) + b"\n" + raw


def another_field(raw: bytes, chance: random.Random) -> bytes:
    """Fields that change how all is read, before or after what stands there."""
    added = chance.choice(_ADDED)
    head, rest = _parted(raw)
    return added + b"\n" + raw if chance.random() < 0.5 else head + b"\n" + added + rest


# --- structure -----------------------------------------------------------------------------------------------


def lie_of_charset(raw: bytes, chance: random.Random) -> bytes:
    return re.sub(rb'(?i)(charset="?)[\w-]+', lambda found: found[1] + chance.choice(_CHARSETS), raw)


def lie_of_encoding(raw: bytes, chance: random.Random) -> bytes:
    return re.sub(
        rb"(?i)(content-transfer-encoding: *)[\w-]+", lambda found: found[1] + chance.choice(_ENCODINGS), raw
    )


def break_boundaries(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.split(b"\n")
    return b"\n".join(
        chance.choice((b"", line[:-3], line + b"--", line + b"\n" + line, b" " + line, line * 30))
        if line.startswith(b"--") and chance.random() < 0.5
        else line
        for line in lines
    )


def repeat_part(raw: bytes, chance: random.Random) -> bytes:
    """What stands between two delimiters, many times."""
    found = list(re.finditer(rb"(?m)^--[^\s-]\S+\r?\n", raw))
    if len(found) < 2:
        return repeat(raw, chance)
    at = chance.randrange(len(found) - 1)
    start, end = found[at].start(), found[at + 1].start()
    return raw[:end] + raw[start:end] * min(chance.choice((2, 100, 5_000)), 3_000_000 // (end - start)) + raw[end:]


def nest(raw: bytes, chance: random.Random) -> bytes:
    """The mail within mails: each level a multipart, an attached mail, or both."""
    for level in range(chance.choice((1, 5, 60, 1_500))):
        if chance.random() < 0.1:
            raw = b"Content-Type: message/rfc822\n\n" + raw
        else:
            edge = b"n%d" % level
            raw = b"Content-Type: multipart/mixed; boundary=%b\n\n--%b\n%b\n--%b--\n" % (edge, edge, raw, edge)
    return raw


def bomb(raw: bytes, chance: random.Random) -> bytes:
    """A small piece of the body a thousand times, as if something packed had been opened."""
    head, rest = _parted(raw)
    piece = rest[: chance.choice((4, 80, 1_000))]
    return head + piece * (chance.choice((100_000, 1_000_000, 3_000_000)) // len(piece)) + rest


KINDS: tuple[Mutation, ...] = (
    flip,
    cut,
    drop,
    repeat,
    junk,
    bare_returns,
    nothing_but_one_line,
    double_lines,
    shuffle_lines,
    swap_fields,
    double_fields,
    huge_field,
    another_field,
    lie_of_charset,
    lie_of_encoding,
    break_boundaries,
    repeat_part,
    nest,
    bomb,
)


def mutations(numbers: range, mails: tuple[Path, ...]) -> Iterator[tuple[str, bytes]]:
    return (mutation(number, mails) for number in numbers)
