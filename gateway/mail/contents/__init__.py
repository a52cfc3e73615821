"""What parts contain: `winmail.dat`, files that stand uuencoded in a text, what an S/MIME object signed, other mails.

All of them yield parts like the mail's own, which carry their bytes (`Part.data`). The number of a part that came out
of another one is a path: the number of that one, and above it, ten bits further, its own place in there plus one.
The mail's own parts keep the numbers that they have in the walk, and `content` finds every number again.

`opened` puts what is inside into the tree, but for attached mails, whose text isn't this one's: `inside` opens those.
At most four levels, 1,000 parts and 64 MB are opened; the rest stays closed, and that is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.mail import names, uuencode
from gateway.mail.contents import sealed, tnef
from gateway.mail.headers import Field, Head, split
from gateway.mail.parts import MAX_PARTS, Part, Tree, decoded, is_text, tree, with_lines
from gateway.model import Protection

MAX_LEVELS = 4
MAX_OPENED = 64_000_000
MAILS = ("message/rfc822", "message/global")
_UNTYPED = ("application/octet-stream", "application/x-unknown")
_CLOSED = frozenset((*tnef.TYPES, *sealed.TYPES, *_UNTYPED))
_BITS = 10
_PLACE = (1 << _BITS) - 1
_NO_HEAD = Head((), 0)


@dataclass(frozen=True, slots=True)
class Opened:
    """A part that was looked into: what stands in its place, what was in it, and what is told of it.

    The `parent` of each of `parts` is its index among them, -1 for those right inside.
    """

    part: Part
    parts: tuple[Part, ...] = ()
    protection: Protection = Protection.NONE
    anomalies: tuple[str, ...] = ()


def opened(raw: bytes, found: Tree) -> Tree:
    """The tree with what its parts contain. Costs next to nothing where nothing is to be opened."""
    if b"\nbegin" not in raw and not any(part.type in _CLOSED and _form(part) for part in found.parts):
        return found
    return expanded(raw, found.parts, found.anomalies)


def expanded(raw: bytes, parts: Iterable[Part], anomalies: Iterable[str] = ()) -> Tree:
    """Parts, each followed by what it contains."""
    told = dict.fromkeys(anomalies)
    out: list[Part] = []
    room = MAX_OPENED
    protection = Protection.NONE
    parts = tuple(parts)
    lacking = not any(_says(raw, part) for part in parts)
    waiting = _numbered(parts, {-1: -1})
    while waiting:
        index, part, places = waiting.pop()
        found = Opened(part) if is_mail(part) else inside(raw, part, lacking=lacking)
        room -= sum(len(inner.data or b"") for inner in found.parts)
        if found.parts and (room < 0 or len(out) + len(waiting) + len(found.parts) > MAX_PARTS):
            told["too complex: what some parts contain was not opened"] = None
            found = Opened(part)
        lacking = lacking and not any(map(is_text, found.parts))
        told.update(dict.fromkeys(found.anomalies))
        protection = max(protection, found.protection, key=tuple(Protection).index)
        places[index] = len(out)
        out.append(replace(found.part, parent=places[part.parent]))
        waiting += _numbered(found.parts, {-1: len(out) - 1})
    return Tree(tuple(out), tuple(told), protection)


def _numbered(parts: tuple[Part, ...], places: dict[int, int]) -> list[tuple[int, Part, dict[int, int]]]:
    """A stack of parts with their index, and where in the result those of their kind came to stand."""
    return [(index, part, places) for index, part in reversed(tuple(enumerate(parts)))]


def _says(raw: bytes, part: Part) -> bool:
    return is_text(part) and bool(decoded(raw, part).strip())


def content(raw: bytes, number: int) -> bytes:
    """The decoded bytes of the part with that number (`Attachment.part`); b"" where there is none."""
    return contents(raw, (number,))[0]


def contents(raw: bytes, numbers: Sequence[int]) -> list[bytes]:
    """The decoded bytes of several parts; the mail is walked once, and what holds others is opened once."""
    raw = with_lines(raw)
    known: dict[int, tuple[Part, ...]] = {-1: tree(raw, split(raw)).parts}
    parts = (_part(raw, number, known) for number in numbers)
    return [decoded(raw, part) if part is not None else b"" for part in parts]


def _part(raw: bytes, number: int, known: dict[int, tuple[Part, ...]]) -> Part | None:
    """Follow a number's path. `known`: what was opened already, by the number of what holds it, -1 for the mail."""
    if number < 0:
        return None
    part = _at(known[-1], number & _PLACE)
    number >>= _BITS
    while number > 0 and part is not None:
        if part.number not in known:
            known[part.number] = inside(raw, part, lacking=True).parts
        part = _at(known[part.number], (number & _PLACE) - 1)
        number >>= _BITS
    return part


def _at(parts: tuple[Part, ...], place: int) -> Part | None:
    return parts[place] if 0 <= place < len(parts) else None


def inside(raw: bytes, part: Part, *, lacking: bool = False) -> Opened:
    """Open one part, one level deep. `lacking`: the mail has no text, so one that is found in there is its text."""
    if part.number >> _BITS * MAX_LEVELS:
        return Opened(part)
    match _form(part):
        case "tnef":
            return _wrapped(raw, part, lacking=lacking)
        case "cms":
            return _sealed(raw, part)
        case "mail":
            data = with_lines(decoded(raw, part).lstrip(b"\r\n"))
            return Opened(part, _tree(data, part))
        case "text":
            return _with_files(decoded(raw, part), part)
    return Opened(part)


def is_mail(part: Part) -> bool:
    """Is it another mail, by its type or its name?"""
    return _form(part) == "mail"


def _form(part: Part) -> str:
    """What a part may contain: "tnef", "cms", "mail", "text" (with files in it), or "" for nothing."""
    kind = part.type
    if kind in tnef.TYPES:
        return "tnef"
    if kind in sealed.TYPES:
        return "cms"
    if kind in MAILS:
        return "mail"
    if kind in _UNTYPED:
        name = part.name().lower()
        for end, form in (("winmail.dat", "tnef"), ("win.dat", "tnef"), (".p7m", "cms"), (".eml", "mail")):
            if name.endswith(end):
                return form
    return "text" if kind == "text/plain" and is_text(part) else ""


def _within(part: Part, place: int) -> int:
    """The number of what has this place (from 0) inside a part."""
    levels = max(1, -(-part.number.bit_length() // _BITS))
    return part.number | (place + 1) << _BITS * levels


def _tree(data: bytes, around: Part) -> tuple[Part, ...]:
    """The parts of a mail, or of a part, that stands in another one."""
    found: list[Part] = []
    for part in tree(data, split(data)).parts:
        body = b"" if part.multipart else decoded(data, part)
        number = _within(around, part.number)
        found.append(replace(part, number=number, depth=part.depth + around.depth, start=0, end=len(body), data=body))
    return tuple(found)


def _sealed(raw: bytes, part: Part) -> Opened:
    """An S/MIME object stays as it is; beside it stands what it signed."""
    seal = sealed.seal(decoded(raw, part))
    return Opened(part, _tree(seal.content, part) if seal.content else (), seal.protection)


def _with_files(text: bytes, part: Part) -> Opened:
    """A text without the files that were uuencoded in it."""
    rest, files = uuencode.taken_out(text)
    if not files:
        return Opened(part)
    label = part.parameters.get("charset", "")
    made = tuple(_file(part, n, file.shown(label), "", "", file.data) for n, file in enumerate(files))
    return Opened(replace(part, data=rest, end=part.start + len(rest)), made)


def _wrapped(raw: bytes, part: Part, *, lacking: bool) -> Opened:
    """What Outlook wrapped. The wrapping itself goes where all of it could be read and something was in it."""
    found = tnef.read(decoded(raw, part))
    made = [_file(part, n, f.name, f.type, f.content_id, f.data) for n, f in enumerate(found.files)]
    enclosed = part.number > _PLACE  # a mail that was attached in there: its text is a file
    if found.text.strip() and (lacking or enclosed):
        title = "" if lacking else found.subject or "message"
        made.append(_text(part, len(made), found.text, found.type, title))
    broken = () if found.whole else ("winmail.dat cannot be read to its end",)
    return Opened(part if broken or not made else _emptied(part), tuple(made), anomalies=broken)


def _emptied(part: Part) -> Part:
    return replace(part, type="multipart/mixed", parameters={}, data=b"")


def _text(around: Part, place: int, text: str, kind: str, title: str) -> Part:
    """The text of a wrapped mail; a file, if it gets a title."""
    data = text.encode("utf-8", "replace")
    made = _file(around, place, f"{title}{names.extension(kind)}" if title else "", kind, "", data)
    return replace(made, parameters=made.parameters | {"charset": "utf-8"}, head=made.head if title else _NO_HEAD)


def _file(around: Part, place: int, name: str, kind: str, content_id: str, data: bytes) -> Part:
    fields = [Field("content-disposition", b"inline" if content_id else b"attachment")]
    if content_id:
        fields.append(Field("content-id", content_id.encode("utf-8", "replace")))
    return Part(
        number=_within(around, place),
        parent=-1,
        depth=around.depth + 1,
        type=kind.lower() if kind.count("/") == 1 and not kind.startswith("multipart/") else names.kind(name),
        parameters={"name": name} if name else {},
        head=Head(tuple(fields), 0),
        start=0,
        end=len(data),
        data=data,
    )
