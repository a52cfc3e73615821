"""The tree of parts (RFC 2046 §5), found in one pass over the bytes.

Ours rather than the standard library's, because its cost is bounded whatever is nested or repeated: each line that
begins with two hyphens is looked up once among the open boundaries; nothing is copied; nothing recurses. Up to
50 levels and 1,000 parts; what is beyond stays, unopened, inside the last part, and `anomalies` says so.
An attached message (`message/rfc822`) is one part: it isn't walked into.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, replace

from gateway.mail import params, uuencode
from gateway.mail.headers import MAX_HEAD, Head, split, unbase64
from gateway.model import Protection

MAX_DEPTH = 50
MAX_PARTS = 1_000
MAX_BOUNDARY = 256
MAX_CANDIDATES = 300_000
_TEXTS = ("text/plain", "text/html")


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `number` is its place in the depth-first walk, the mail itself being 0.

    `parent` is its parent's index among the parts, or -1. `type` is lower-case and always `main/sub`; `start` and
    `end` limit its body in the raw mail. `data`: the bytes of one that came out of another part (see `contents`).
    """

    number: int
    parent: int
    depth: int
    type: str
    parameters: dict[str, str]
    head: Head
    start: int
    end: int
    data: bytes | None = None

    @property
    def multipart(self) -> bool:
        return self.type.startswith("multipart/")

    def disposition(self) -> tuple[str, dict[str, str]]:
        """Content-Disposition (RFC 2183): ("inline" | "attachment" | ... | "", parameters)."""
        return params.parse(self.head.value("content-disposition"))

    def name(self) -> str:
        """The file name that it claims, or ""."""
        return self.disposition()[1].get("filename") or self.parameters.get("name", "")


@dataclass(frozen=True, slots=True)
class Tree:
    """All parts in depth-first order; the first is the mail itself. `protection`: what S/MIME objects in it say."""

    parts: tuple[Part, ...]
    anomalies: tuple[str, ...]
    protection: Protection = Protection.NONE


@dataclass(slots=True)
class _Open:
    """A part whose end isn't known yet."""

    part: Part
    boundary: bytes = b""


def tree(raw: bytes, head: Head) -> Tree:
    """Find the parts of a mail whose header block is `head`."""
    walk = _Walk(raw, head)
    if not walk.levels:
        return walk.finish()
    position = head.body
    looked = 0
    while (at := _delimiter(raw, position)) >= 0:
        looked += 1
        if looked > MAX_CANDIDATES:
            walk.anomalies[
                "too complex: too many lines that begin like a delimiter; the others were not looked at"
            ] = None
            break
        line_end = raw.find(b"\n", at)
        line_end = len(raw) if line_end < 0 else line_end
        position = max(walk.delimiter(at, line_end), at + 2)
    return walk.finish()


def _delimiter(raw: bytes, position: int) -> int:
    """Where the next line that begins with two hyphens begins, or -1."""
    if raw.startswith(b"--", position) and (position == 0 or raw[position - 1 : position] == b"\n"):
        return position
    found = raw.find(b"\n--", position)
    return -1 if found < 0 else found + 1


class _Walk:
    """The state of one pass: the parts so far, and those still open, outermost first."""

    def __init__(self, raw: bytes, head: Head) -> None:
        self.raw = raw
        self.parts: list[Part] = []
        self.open: list[_Open] = []
        self.levels: dict[bytes, int] = {}  # open boundary → index in self.open
        self.anomalies: dict[str, None] = {}
        self._begin(head, -1, "text/plain")

    def delimiter(self, at: int, line_end: int) -> int:
        """A line at `at` that may be a delimiter. Returns where to go on looking."""
        line = self.raw[at : min(line_end, at + MAX_BOUNDARY + 8)].rstrip()
        opens = self.levels.get(line[2:])
        closes = self.levels.get(line[2:-2]) if opens is None and line.endswith(b"--") else None
        level = opens if opens is not None else closes
        if level is None:
            return line_end
        if opens is not None and len(self.parts) >= MAX_PARTS:
            self.anomalies["the mail has more than 1,000 parts; the others were not opened"] = None
            return len(self.raw)
        self._close_below(level, at)
        if opens is None:
            self.levels.pop(self.open[level].boundary, None)
            return line_end
        parent = self.open[level].part
        default = "message/rfc822" if parent.type == "multipart/digest" else "text/plain"
        begin = min(line_end + 1, len(self.raw))
        head = split(self.raw, begin, min(begin + MAX_HEAD, len(self.raw)))
        return self._begin(head, parent.number, default)

    def _begin(self, head: Head, parent: int, default: str) -> int:
        kind, parameters = content_type(head, default)
        depth = len(self.open)
        part = Part(len(self.parts), parent, depth, kind, parameters, head, head.body, len(self.raw))
        opened = _Open(part)
        if part.multipart:
            opened.boundary = self._usable_boundary(part)
        self.parts.append(part)
        self.open.append(opened)
        if opened.boundary:
            self.levels[opened.boundary] = depth
        if parent >= 0:
            self.anomalies.update(dict.fromkeys(head.anomalies))
        if _repeated(head):
            self.anomalies["ambiguous: a part states its type, encoding or boundary twice; the first was taken"] = (
                None
            )
        # The body may begin with a delimiter: look again from the line break before it.
        return head.body

    def _usable_boundary(self, part: Part) -> bytes:
        boundary = part.parameters.get("boundary", "").rstrip()
        if not boundary:
            self.anomalies["a multipart has no boundary"] = None
            return b""
        if part.depth >= MAX_DEPTH:
            self.anomalies["too complex: parts are nested more than 50 deep; the others were not opened"] = None
            return b""
        encoded = boundary.encode("utf-8", "replace")[:MAX_BOUNDARY]
        return b"" if encoded in self.levels else encoded

    def _close_below(self, level: int, at: int) -> None:
        """Parts inside the multipart at `level` end before the line break that belongs to the delimiter."""
        end = at - 1
        if self.raw[end - 1 : end] == b"\r":
            end -= 1
        while len(self.open) > level + 1:
            self._close(self.open.pop(), end)

    def _close(self, opened: _Open, end: int) -> None:
        self.levels.pop(opened.boundary, None)
        part = opened.part
        start = min(part.start, max(end, 0))
        self.parts[part.number] = replace(part, start=start, end=max(start, min(end, len(self.raw))))

    def finish(self) -> Tree:
        """Multiparts in which no part was found are shown as text: something was written there."""
        parents = {part.parent for part in self.parts}
        parts = tuple(part if not part.multipart or part.number in parents else _as_text(part) for part in self.parts)
        return Tree(parts, tuple(self.anomalies))


_BOUNDARY = re.compile(r";\s{0,80}boundary(?:\*0)?\*?\s{0,80}=", re.IGNORECASE)


def _repeated(head: Head) -> bool:
    """Two statements let two programs see two different mails."""
    names = [field.name for field in head.fields]
    if any(names.count(name) > 1 for name in ("content-type", "content-transfer-encoding")):
        return True
    return len(_BOUNDARY.findall(head.value("content-type")[: params.MAX_VALUE])) > 1


def _as_text(part: Part) -> Part:
    return replace(part, type="text/plain", parameters={})


def content_type(head: Head, default: str = "text/plain") -> tuple[str, dict[str, str]]:
    """Type and parameters of a part (RFC 2045 §5.2: what can't be understood is text/plain)."""
    value = head.value("content-type")
    if not value:
        return default, {}
    kind, parameters = params.parse(value)
    kind = kind.split()[0] if kind else ""
    main, _, sub = kind.partition("/")
    token = main.isascii() and sub.isascii() and all(c.isalnum() or c in "-_+.!#$&^" for c in main + sub)
    if main == "text" and not sub:
        return "text/plain", parameters
    return (kind, parameters) if main and sub and token and len(kind) <= 127 else ("text/plain", parameters)


def is_text(part: Part) -> bool:
    """Is this part something that the author wrote to be read in place?"""
    if part.type not in _TEXTS:
        return False
    disposition, parameters = part.disposition()
    named = bool(parameters.get("filename") or part.parameters.get("name"))
    return disposition != "attachment" and not (named and part.number > 0)


def decoded(raw: bytes, part: Part) -> bytes:
    """A part's bytes with its transfer encoding taken off (RFC 2045 §6)."""
    if part.data is not None:
        return part.data
    body = raw[part.start : part.end]
    words = part.head.value("content-transfer-encoding").lower().split()
    encoding = words[0].strip("\"';") if words else ""
    if part.multipart or (part.type.startswith("message/") and encoding not in ("base64", "quoted-printable")):
        return body
    if encoding == "base64":
        return body if _is_prose(body) else unbase64(body)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(_SOFT.sub(b"=\n", body) if b"= " in body or b"=\t" in body else body)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return uuencode.decode(body)
    return body


_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_SOFT = re.compile(rb"=[ \t]{1,80}\r?\n")  # spaces that were added to the end of a line


def _is_prose(body: bytes) -> bool:
    """Is it text that only claims to be base64, whose lines have no spaces and a multiple of four characters?"""
    start = body[:1_000].strip()
    if start.count(b" ") * 20 <= len(start):
        return False
    first = start.partition(b"\n")[0].strip()
    return len(first) % 4 > 0 or not _BASE64.fullmatch(first)


def with_lines(raw: bytes) -> bytes:
    """The mail, or, where it has no line feed at all (files of old Macs), with those that it means."""
    return raw if b"\n" in raw else raw.replace(b"\r", b"\n")
