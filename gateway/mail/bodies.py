"""What a reader would read: the text of a mail, from its plain parts, or from HTML where there is nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.mail import charsets, html, names
from gateway.mail.contents import calendars
from gateway.mail.parts import Part, decoded, is_text

MAX_TEXT = 1_000_000
MAX_TEXTS = 200
_LONG = 100  # octets that aren't all blank
_LONG_STUB = 600  # octets, encoded
# What programs put into the plain part of a mail that they only write in HTML, and phones below every mail.
_NO_HTML = re.compile(
    r"(?:ne (?:prend pas en charge|supporte pas|(?:peut|permet|sait|lit) pas|g[èe]re pas|reconna[îi]t pas)"
    r"|(?:does not|doesn['’]t|cannot|can['’]t|unable to) (?:support|display|show|read|view|render)"
    r"|unterstützt (?:leider )?kein|kann (?:leider )?kein|no (?:admite|soporta|puede)|non (?:supporta|è in grado)"
    r"|ondersteunt geen|compatible|format|lecteur)[^.!?]{0,60}\bhtml\b"
    r"|\bhtml[ -](?:compatible|capable|enabled|only|format)",
    re.IGNORECASE,
)
_SENT_FROM = re.compile(
    r"(?:-- )?(?:envoyé (?:de|depuis|à partir|via)|télécharger outlook|sent (?:from|via|with)|get outlook"
    r"|gesendet (?:von|mit)|von meinem|enviado (?:desde|do|con)|inviato da|verzonden (?:vanaf|met|van)"
    r"|verstuurd vanaf)\b[^\n]{1,80}",
    re.IGNORECASE,
)
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
    """The text parts to show. HTML is left out where a plain part is its alternative, and says something.

    Alternatives may be wrapped (`multipart/related`), so what counts is the nearest `multipart/alternative` above.
    """
    texts = [part for part in parts if is_text(part)]
    around = {part.number: _alternative(parts, part) for part in texts}
    stubs = _stubs(raw, texts, around)
    says = {
        around[part.number]
        for part in texts
        if part.type == "text/plain" and part.number not in stubs and not _blank(raw, part)
    }
    chosen = [
        part
        for part in texts
        if around[part.number] < 0
        or (part.number not in stubs if part.type == "text/plain" else around[part.number] not in says)
    ]
    return _said_once(raw, parts, chosen)


def _said_once(raw: bytes, parts: tuple[Part, ...], chosen: list[Part]) -> list[Part]:
    """Without what an alternative says twice. What only seems to be said twice stays."""
    alike = Counter((part.parent, part.type) for part in chosen)
    said: set[tuple[int, str, str]] = set()
    kept: list[Part] = []
    for part in chosen:
        if alike[part.parent, part.type] > 1 and parts[part.parent].type == "multipart/alternative":
            key = (part.parent, part.type, _letters(_text(raw, part)))
            if key in said:
                continue
            said.add(key)
        kept.append(part)
    return kept


def _stubs(raw: bytes, texts: list[Part], around: dict[int, int]) -> set[int]:
    """The numbers of plain parts that only say that they're no HTML, or what sent them, while their page says more.

    `around`: of each part the alternative that it stands in. The page of each is read once.
    """
    pages = {around[part.number]: part for part in reversed(texts) if part.type == "text/html"}
    read: dict[int, str] = {}
    stubs: set[int] = set()
    for part in texts:
        group = around[part.number]
        if part.type != "text/plain" or group < 0 or group not in pages or part.end - part.start > _LONG_STUB:
            continue
        text = " ".join(_text(raw, part).split())
        sent = _SENT_FROM.fullmatch(text)
        if sent or _NO_HTML.search(text):
            shown = read[group] = read[group] if group in read else _letters(_text(raw, pages[group]))
            said = _letters(text)
            if len(shown) > len(said) if sent else shown and said not in shown:
                stubs.add(part.number)
    return stubs


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


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


def sources(raw: bytes, parts: tuple[Part, ...]) -> tuple[str, ...]:
    """The HTML of a mail as it came, its characters decoded."""
    return tuple(_source(raw, part) for part in parts if is_text(part) and part.type == "text/html")[:MAX_TEXTS]


def _page(raw: bytes, part: Part) -> html.Page:
    return html.page(_source(raw, part))


def _source(raw: bytes, part: Part) -> str:
    data = decoded(raw, part)[: MAX_TEXT * 4]
    return clean(charsets.decode(data, _html_charset(part, data)))


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
    """LF line ends, no control characters but TAB, none that reorder. Non-breaking spaces stay: French needs them."""
    lines = text.replace("\r\n", "\n")
    if lines.replace("\n", " ").isprintable():
        return lines  # most texts are clean
    return names.REORDERING.sub("", _CONTROL.sub("", _NEWLINES.sub("\n", text))).removeprefix("\ufeff")


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
