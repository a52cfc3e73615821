"""What a reader would read: the text of a mail, from its plain parts, or from HTML where there is nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.mail import charsets, html
from gateway.mail.contents import calendars
from gateway.mail.parts import Part, decoded, is_text

MAX_TEXT = 1_000_000
MAX_TEXTS = 200
_LONG = 100  # octets that aren't all blank
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x84\x86-\x9f]")
_NEWLINES = re.compile(r"\r\n|\r|\x85|\u2028|\u2029|\x0b|\x0c")


@dataclass(frozen=True, slots=True)
class Body:
    """The text, with LF line ends, and what was odd about it."""

    text: str
    anomalies: tuple[str, ...] = ()


def body(raw: bytes, parts: tuple[Part, ...]) -> Body:
    """The text of a mail: of alternatives one (plain, unless it is empty), of mixed parts all."""
    text = _joined(raw, _chosen(raw, parts)) or _joined(raw, [p for p in parts if is_text(p)]) or _other(raw, parts)
    if len(text) <= MAX_TEXT:
        return Body(text)
    return Body(text[:MAX_TEXT], ("the text is longer than 1 MB; its end isn't shown",))


def _joined(raw: bytes, parts: list[Part]) -> str:
    texts: list[str] = []
    for part in parts:
        texts.append(_text(raw, part).strip("\n"))
        if sum(map(len, texts[-3:])) > MAX_TEXT or len(texts) > MAX_TEXTS:
            break
    return "\n\n".join(text for text in texts if text.strip())


def _other(raw: bytes, parts: tuple[Part, ...]) -> str:
    """Of a mail without text: what its calendar is about, or the text of another type that it consists of."""
    for part in parts:
        other = part.number == 0 and part.type.startswith("text/") and part.type not in ("text/plain", "text/html")
        if other or part.type in calendars.TYPES:
            data = decoded(raw, part)[: MAX_TEXT * 4]
            text = clean(charsets.decode(data, part.parameters.get("charset", "")))
            return calendars.event(text).line if part.type in calendars.TYPES else text.strip("\n")
    return ""


def _chosen(raw: bytes, parts: tuple[Part, ...]) -> list[Part]:
    """The text parts to show. HTML is left out where a plain part is its alternative.

    Alternatives may be wrapped (`multipart/related`), so what counts is the nearest `multipart/alternative` above.
    """
    texts = [part for part in parts if is_text(part)]
    plain = {_alternative(parts, part) for part in texts if part.type == "text/plain" and not _blank(raw, part)}
    chosen: list[Part] = []
    taken: set[tuple[int, str]] = set()
    for part in texts:
        group = _alternative(parts, part)
        kind = part.type
        if group >= 0:
            if kind == "text/html" and group in plain:
                continue
            if (group, kind) in taken and parts[part.parent].type == "multipart/alternative":
                continue
            taken.add((group, kind))
        chosen.append(part)
    return chosen


def _blank(raw: bytes, part: Part) -> bool:
    """Is there nothing to read in a plain part?"""
    return part.end - part.start < _LONG and not _text(raw, part).strip()


def _alternative(parts: tuple[Part, ...], part: Part) -> int:
    """The number of the nearest multipart/alternative around a part, or -1."""
    at = part.parent
    while at >= 0 and parts[at].type != "multipart/alternative":
        at = parts[at].parent
    return at


def pages(raw: bytes, parts: tuple[Part, ...]) -> tuple[html.Page, ...]:
    """The HTML of a mail, as text, with what its markup says is quoted."""
    return tuple(_page(raw, part) for part in parts if is_text(part) and part.type == "text/html")[:MAX_TEXTS]


def _page(raw: bytes, part: Part) -> html.Page:
    data = decoded(raw, part)[: MAX_TEXT * 4]
    return html.page(clean(charsets.decode(data, _html_charset(part, data))))


def _text(raw: bytes, part: Part) -> str:
    if part.type == "text/html":
        return clean(_page(raw, part).text)
    data = decoded(raw, part)[: MAX_TEXT * 4]
    text = clean(charsets.decode(data, part.parameters.get("charset", "")))
    if part.parameters.get("format", "").lower() == "flowed":
        return unflowed(text, delsp=part.parameters.get("delsp", "").lower() == "yes")
    return text


_META = re.compile(rb"<meta[^>]{0,200}charset\s{0,5}=\s{0,5}[\"']?([\w.:-]{1,40})", re.IGNORECASE)


def _html_charset(part: Part, data: bytes) -> str:
    """What the field says, else what the page says of itself."""
    said = part.parameters.get("charset", "")
    if said and charsets.known(said):
        return said
    match = _META.search(data[:4_000])
    return match[1].decode("ascii", "replace") if match else said


def clean(text: str) -> str:
    """LF line ends, no control characters but TAB. Non-breaking spaces stay: French needs them."""
    return _CONTROL.sub("", _NEWLINES.sub("\n", text)).removeprefix("\ufeff")


def unflowed(text: str, *, delsp: bool = False) -> str:
    """format=flowed (RFC 3676 §4): lines that end with a space go on in the next one of the same quote depth."""
    out: list[str] = []
    pending: list[str] = []
    depth = 0
    for line in text.split("\n"):
        level, content = _depth(line)
        flows = content.endswith(" ") and content != "-- "
        if pending and (level != depth or content == "-- "):
            out.append(_quoted(depth, pending))
            pending = []
        depth = level
        pending.append(content[:-1] if flows and delsp else content)
        if not flows:
            out.append(_quoted(depth, pending))
            pending = []
    return "\n".join([*out, _quoted(depth, pending)] if pending else out)


def _depth(line: str) -> tuple[int, str]:
    content = line.lstrip(">")
    depth = len(line) - len(content)
    return depth, content.removeprefix(" ")


def _quoted(depth: int, pieces: Iterable[str]) -> str:
    return ">" * depth + (" " if depth else "") + "".join(pieces)
