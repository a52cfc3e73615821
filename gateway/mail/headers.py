"""The header block, as it really comes: cut into fields, unfolded, decoded. Never raises.

Bounds: 100 kB and 1,000 fields; the rest isn't read, and that is said in `Head.anomalies`.
A line that can't be a field ends the block, as in Postfix and in Python's own parser, unless enough known fields
follow before the blank line: then it was a fold without its space, and is left out. Either way the block is `broken`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.mail import charsets

MAX_HEAD = 100_000
MAX_FIELDS = 1_000
MAX_TEXT = 998

# What a header can't do without: three of them below a line that is no field mean that the header goes on.
_KNOWN = re.compile(
    rb"^(?:from|to|subject|date|message-id|mime-version|content-type|received|return-path):",
    re.IGNORECASE | re.MULTILINE,
)
_ENOUGH = 3
# Optional white space before the colon is obsolete syntax (RFC 5322 §4.5): read, but never trusted.
_FIELD = re.compile(rb"([!-9;-~]+)([ \t]*):")
# RFC 2047 §2, but for the white space and the question marks inside that broken clients leave there.
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?((?:[^?]|\?(?!=)){0,2000})\?=")
_CHARSET = re.compile(rb"(?:=\?([\w.-]{1,40})\?[bq]\?|\bcharset=[\"']?([\w.-]{1,40}))", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")  # the others are spaces
_SPACES = re.compile(r"[ \t\r\n\x0b\x0c\x85\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: `name` lower-case, `value` unfolded (CRLF taken out, its space kept)."""

    name: str
    value: bytes
    odd: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """A header block's fields in order, and where the body begins in the bytes it was cut from."""

    fields: tuple[Field, ...]
    body: int
    anomalies: tuple[str, ...] = ()
    broken: bool = False

    def values(self, name: str) -> tuple[str, ...]:
        """All values of a field as text, encoded-words left alone."""
        return tuple(self._characters(f.value) for f in self.fields if f.name == name)

    def value(self, name: str) -> str:
        """The first value of a field, or ""."""
        for field in self.fields:
            if field.name == name:
                return self._characters(field.value)
        return ""

    def _characters(self, value: bytes) -> str:
        """Octets beyond ASCII are UTF-8, else in the charset that the header names elsewhere, else guessed."""
        try:
            return value.decode("utf-8").strip()
        except UnicodeDecodeError:
            named = (_CHARSET.search(field.value[:2_000]) for field in self.fields)
            label = next((match[1] or match[2] for match in named if match), b"").decode("ascii")
            telling = charsets.known(label) not in (None, "utf-8", "cp1252")
            return (charsets.decode(value, label) if telling else charsets.guess(value)).strip()

    def has(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)

    def text(self, name: str) -> str:
        """The first value of an unstructured field, decoded, on one line, at most 998 characters."""
        return one_line(decoded(self.value(name)[: MAX_TEXT * 40]))[:MAX_TEXT]


def split(raw: bytes, start: int = 0, end: int | None = None) -> Head:
    """Cut the header block that begins at `start` (and ends before `end`) into its fields."""
    end = len(raw) if end is None else end
    start, led = _beginning(raw, start, end)
    block_end, body = _blank_line(raw, start, end)
    anomalies = list(led)
    if block_end - start > MAX_HEAD:
        block_end = max(raw.rfind(b"\n", start, start + MAX_HEAD), start)
        anomalies.append("the header is larger than 100 kB; its end was not read")
    fields: list[Field] = []
    broken = goes_on = False
    for position, line in _unfolded(raw, start, block_end):
        if len(fields) == MAX_FIELDS:
            anomalies.append("the header has more than 1,000 fields; the others were not read")
            break
        match = _FIELD.match(line)
        if match is not None:
            fields.append(_field(match, line))
            continue
        broken = True
        if not goes_on:
            goes_on = len(_KNOWN.findall(raw, position, block_end)) >= _ENOUGH
        if not goes_on:
            body = position
            break
    if broken:
        anomalies.append("a line inside the header is no field")
    return Head(tuple(fields), body, tuple(anomalies), broken)


def _field(match: re.Match[bytes], line: bytes) -> Field:
    value = line[match.end() :].lstrip(b" \t")
    return Field(match[1].decode("ascii").lower(), value, odd=bool(match[2]))


def _beginning(raw: bytes, start: int, end: int) -> tuple[int, tuple[str, ...]]:
    """Step over what mailbox files put before a mail's first field: blank lines and the "From " line."""
    at = start
    while start == 0 and at < min(end, 16) and raw[at : at + 1] in (b"\n", b"\r"):
        at += 1
    anomalies = ("blank lines before the header",) if at > start else ()
    if raw.startswith((b"From ", b">From "), at):
        line_end = raw.find(b"\n", at, end)
        at = end if line_end < 0 else line_end + 1
    return at, anomalies


def _blank_line(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """(end of the header block, start of the body)."""
    if raw.startswith(b"\n", start, end):
        return start, start + 1
    if raw.startswith(b"\r\n", start, end):
        return start, start + 2
    plain = raw.find(b"\n\n", start, end)
    crlf = raw.find(b"\n\r\n", start, end if plain < 0 else plain)
    if crlf >= 0:
        return crlf, crlf + 3
    return (end, end) if plain < 0 else (plain, plain + 2)


def _unfolded(raw: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The block's lines, folded ones joined (RFC 5322 §2.2.3), with where each began."""
    pieces: list[bytes] = []
    began = position = start
    while position < end:
        line_end = raw.find(b"\n", position, end)
        line_end = end if line_end < 0 else line_end
        line = raw[position:line_end].rstrip(b"\r")
        if pieces and line[:1] in (b" ", b"\t"):
            pieces.append(line)
        elif line:
            if pieces:
                yield began, b"".join(pieces)
            pieces, began = [line], position
        position = line_end + 1
    if pieces:
        yield began, b"".join(pieces)


def decoded(value: str) -> str:
    """RFC 2047 encoded-words replaced by what they mean; what isn't understood stays as it is."""
    if "=?" not in value:
        return value
    out: list[str] = []
    run: list[tuple[str, bytes]] = []  # adjacent words: their bytes belong together
    last = 0
    for match in _ENCODED_WORD.finditer(value):
        between = value[last : match.start()]
        if between.strip() or (between and not run):
            out += (_joined(run), between)
            run = []
        run.append((match[1].lower(), _word_bytes(match[2], match[3])))
        last = match.end()
    return "".join((*out, _joined(run), value[last:]))


_HEX = re.compile(r"=[0-9A-Fa-f]{2}")


def _word_bytes(encoding: str, text: str) -> bytes:
    """What a word encodes; some clients say B of what is Q, or Q of what is B."""
    data = text.encode("utf-8", "replace")
    quoted = encoding in "qQ"
    if quoted and text.endswith("=") and len(data) % 4 == 0 and not _HEX.search(text):
        quoted = False
    elif not quoted and _HEX.search(text) and not text.rstrip("= ").isalnum():
        quoted = True
    return binascii.a2b_qp(data.replace(b" ", b"_"), header=True) if quoted else unbase64(data)


def _joined(run: list[tuple[str, bytes]]) -> str:
    """Words of one charset are decoded together: some clients cut between the bytes of a character."""
    out: list[str] = []
    pending = b""
    for index, (charset, data) in enumerate(run):
        pending += data
        if index + 1 == len(run) or run[index + 1][0] != charset:
            out.append(charsets.decode(pending, charset))
            pending = b""
    return "".join(out)


_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


_JUNK = re.compile(rb"[^A-Za-z0-9+/=\s]")
_MAX_RUNS = 100_000


def unbase64(data: bytes) -> bytes:
    """base64 (RFC 2045 §6.8) with whatever junk or missing padding it has; never raises.

    It ends where it's padded, unless nothing but more of it follows: some encode line by line.
    """
    inside = data.rstrip(b"= \t\r\n")
    if b"=" not in inside or _JUNK.search(inside, inside.index(b"=")):
        del inside  # a large file's takes as much memory again
        return _one_run(data)
    return b"".join(_one_run(run) for run in inside.split(b"=", _MAX_RUNS) if run.strip())


def _one_run(data: bytes) -> bytes:
    try:
        return binascii.a2b_base64(data, strict_mode=False)
    except binascii.Error:
        clean = data.translate(None, _NOT_BASE64)
        clean = clean[: len(clean) - 1] if len(clean) % 4 == 1 else clean
        clean += b"=" * (-len(clean) % 4)
        return binascii.a2b_base64(clean)


def one_line(text: str) -> str:
    """Line breaks and runs of spaces become one space; control characters go."""
    return _SPACES.sub(" ", _UNSAFE.sub("", text)).strip()
