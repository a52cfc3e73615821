"""`winmail.dat`: what Outlook wraps a mail in that it takes for another Outlook's ([MS-OXTNEF], [MS-OXMSG]).

Read in one pass over a view of the bytes: nothing is copied but what is found, and no length is believed beyond the
end. What can't be read ends the reading; what was found by then counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.mail import charsets
from gateway.mail.contents import rtf

TYPES = ("application/ms-tnef", "application/vnd.ms-tnef")
MAX_ATTRIBUTES = 20_000
MAX_FILES = 500
_SIGNATURE = b"\x78\x9f\x3e\x22"
# Attributes ([MS-OXTNEF] 2.1.3.2), and properties ([MS-OXPROPS]).
_CODEPAGE, _SUBJECT, _BODY, _PROPERTIES = 0x9007, 0x8004, 0x800C, 0x9003
_RENDER, _TITLE, _DATA, _ATTACHMENT = 0x9002, 0x8010, 0x800F, 0x9005
_TEXT, _RTF, _HTML, _CPID, _TOPIC = 0x1000, 0x1009, 0x1013, 0x3FDE, 0x0037
_BYTES, _SHORT, _LONG, _SHOWN, _MIME, _CID = 0x3701, 0x3704, 0x3707, 0x3001, 0x370E, 0x3712
_FIXED = {1: 0, 2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_COUNTED = (0x0D, 0x1E, 0x1F, 0x102)
_STRING, _WIDE, _OBJECT = 0x1E, 0x1F, 0x0D
_MESSAGE = bytes.fromhex("0703020000000000c000000000000046")  # IID_IMessage: the object is a mail, as TNEF again


@dataclass(frozen=True, slots=True)
class File:
    """A file that was wrapped. `type` is "" where it isn't said; a wrapped mail's is application/ms-tnef."""

    name: str
    type: str
    content_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What was in it. `text` is what it brings of its text, of `type` text/plain or text/html; "" for none.

    `whole`: could it be read to its end?
    """

    subject: str
    text: str
    type: str
    files: tuple[File, ...]
    whole: bool


_Properties = dict[int, tuple[int, memoryview]]  # property → (its type, its first value)


def read(data: bytes) -> Wrapped:
    """Open it. Bytes that are no TNEF hold nothing."""
    message: dict[int, memoryview] = {}
    properties: _Properties = {}
    files: list[tuple[dict[int, memoryview], _Properties]] = []
    reader = _Reader(memoryview(data))
    if data.startswith(_SIGNATURE):
        reader.at = 6
        for level, name, value in _attributes(reader):
            if name == _RENDER and len(files) < MAX_FILES:
                files.append(({}, {}))
            own, wide = (message, properties) if level == 1 else files[-1] if files else ({}, {})
            if name in (_PROPERTIES, _ATTACHMENT):
                wide.update(_read_properties(value))
            else:
                own.setdefault(name, value)
    label = _label(message.get(_CODEPAGE))
    text, kind = _text(message, properties, label)
    return Wrapped(
        _string(properties.get(_TOPIC), label) or _plain(message.get(_SUBJECT), label),
        text,
        kind,
        tuple(_file(*file, label) for file in files if _holds(*file)),
        reader.whole and data.startswith(_SIGNATURE),
    )


class _Reader:
    """A place in the bytes. Whoever reads beyond the end gets nothing, and it isn't whole."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.at = 0
        self.whole = True

    def take(self, count: int) -> memoryview:
        found = self.view[self.at : self.at + count]
        self.whole = self.whole and len(found) == count
        self.at += count
        return found

    def number(self) -> int:
        """The next four bytes, or 0."""
        found = self.take(4)
        return struct.unpack("<I", found)[0] if len(found) == 4 else 0


def _attributes(reader: _Reader) -> Iterator[tuple[int, int, memoryview]]:
    """(level, name, value) of each attribute."""
    for _ in range(MAX_ATTRIBUTES):
        # Mail servers leave a line break or zeros behind the last one.
        if reader.at + 11 > len(reader.view):
            return
        level = reader.take(1)[0]
        name = reader.number() & 0xFFFF
        length = reader.number()
        if level not in (1, 2):
            reader.whole = False
            return
        value = reader.take(length)
        reader.take(2)
        if not reader.whole:
            # The last one, cut: a file's bytes count as far as they go.
            yield level, name, value
            return
        yield level, name, value
    reader.whole = False


def _read_properties(value: memoryview) -> _Properties:
    """MAPI properties ([MS-OXTNEF] 2.1.3.4)."""
    found: _Properties = {}
    reader = _Reader(value)
    for _ in range(min(reader.number(), MAX_ATTRIBUTES)):
        tag = reader.number()
        kind, name = tag & 0xFFFF, tag >> 16
        if name >= 0x8000:
            _step_over_name(reader)
        values = _value(reader, kind)
        if values is None or not reader.whole:
            break
        found.setdefault(name, (kind & 0xFFF, values))
    return found


def _step_over_name(reader: _Reader) -> None:
    reader.take(16)
    if reader.number() == 0:
        reader.take(4)
    else:
        reader.take(_padded(reader.number()))


def _value(reader: _Reader, kind: int) -> memoryview | None:
    """The (first) value of a property; None where its type isn't known, so that its length can't be told."""
    several = bool(kind & 0x1000)
    kind &= 0xFFF
    first: memoryview | None = None
    count = reader.number() if several or kind in _COUNTED else 1
    if not _FIXED.get(kind, 1):
        return reader.view[:0]  # values without a size take no bytes, however many there are said to be
    for _ in range(min(count, MAX_ATTRIBUTES)):
        if kind in _COUNTED:
            length = reader.number()
            value = reader.take(length)
            reader.take(_padded(length) - length)
        elif kind in _FIXED:
            value = reader.take(_FIXED[kind])
        else:
            return None
        if not reader.whole:
            return None
        first = value if first is None else first
    return first if first is not None else reader.view[:0]


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4


def _label(codepage: memoryview | None) -> str:
    number = struct.unpack("<I", codepage[:4])[0] if codepage is not None and len(codepage) >= 4 else 1252
    return _charset(number)


def _charset(codepage: int) -> str:
    special = {65001: "utf-8", 20127: "us-ascii", 932: "shift_jis", 936: "gbk", 949: "cp949", 950: "big5"}
    special |= {20866: "koi8-r", 21866: "koi8-u", 50220: "iso-2022-jp", 50221: "iso-2022-jp", 51932: "euc-jp"}
    if codepage in special:
        return special[codepage]
    return f"iso-8859-{codepage - 28590}" if 28591 <= codepage <= 28605 else f"cp{codepage}"


def _plain(value: memoryview | None, label: str) -> str:
    return charsets.decode(bytes(value or b""), label).rstrip("\0")


def _string(found: tuple[int, memoryview] | None, label: str) -> str:
    if found is None:
        return ""
    kind, value = found
    return _plain(value, "utf-16le" if kind == _WIDE else label)


def _text(message: dict[int, memoryview], properties: _Properties, label: str) -> tuple[str, str]:
    """(The text, its type): plain, else the page, else what the RTF says."""
    cpid = properties.get(_CPID)
    internet = _charset(struct.unpack("<I", cpid[1][:4])[0]) if cpid and len(cpid[1]) >= 4 else label
    text = _string(properties.get(_TEXT), label) or _plain(message.get(_BODY), label)
    if text.strip():
        return text, "text/plain"
    page = _string(properties.get(_HTML), internet)
    if page.strip():
        return page, "text/html"
    packed = properties.get(_RTF)
    return (rtf.to_text(rtf.unpacked(bytes(packed[1]))) if packed else ""), "text/plain"


def _holds(own: dict[int, memoryview], wide: _Properties) -> bool:
    return _DATA in own or _BYTES in wide


def _file(own: dict[int, memoryview], wide: _Properties, label: str) -> File:
    kind, value = wide.get(_BYTES, (0, memoryview(b"")))
    names = (_string(wide.get(_LONG), label), _plain(own.get(_TITLE), label), _string(wide.get(_SHORT), label))
    shown = _string(wide.get(_SHOWN), label)
    name = next((name for name in (*names, shown) if name.strip()), "")
    if kind == _OBJECT and bytes(value[:16]) == _MESSAGE:
        return File(shown or name, TYPES[0], "", bytes(value[16:]))
    data = own[_DATA] if _DATA in own else value[16:] if kind == _OBJECT else value
    return File(name, _string(wide.get(_MIME), label), _string(wide.get(_CID), label), bytes(data))
