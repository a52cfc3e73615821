"""Mailboxes as programs print them for people: `Nom <x@y>`, `Nom [mailto:x@y]`, `Nom (x@y)`, a name alone.

Not RFC 5322: lists are separated by commas or semicolons, names stand unquoted, addresses come twice.
"""

from __future__ import annotations

import re

from gateway.mail import addresses, names, phrases
from gateway.mail.headers import decoded
from gateway.model import Address

_MAX_FIELD = 16_000
_MAX_MAILBOX = 1_000
_PLAIN = r"[^\s<>@,;:\"'«»“”()\[\]\\*]{1,64}@[^\s<>@,;:\"'«»“”()\[\]\\*]{1,253}"
_FOUND = re.compile(_PLAIN)
_ANGLED = re.compile(rf"<\s?'?({_PLAIN})'?\s?[<>]")
# Mailing lists write « 'x@y' via List <list@z> » for people whose own address would fail DMARC.
_VIA = re.compile(rf"['\"]{{0,2}}({_PLAIN})['\"]{{0,2}} (?:via|par|über|tramite|por) ", re.IGNORECASE)
_LINKED = re.compile(r"<?mailto:", re.IGNORECASE)
_ROUND = " \t*_<>()[]|"
_QUOTES = {'"': '"', "«": "»", "“": "”", "<": ">", "(": ")", "[": "]"}


def person(value: str) -> Address:
    """The one mailbox of a sender's field; `address` is "" where only a name is told."""
    text = names.visible(decoded(value[:_MAX_MAILBOX]))
    behalf = phrases.ON_BEHALF.search(text)
    if behalf:
        # The address that stands before it is that of a list or a secretary: not the author's.
        return person(text[behalf.end() :])
    text = _LINKED.sub("<", text)
    via = _VIA.match(text)
    found = via or _ANGLED.search(text) or _FOUND.search(text)
    if found is None:
        return Address("", _name(text))
    told = found[1] if found.re.groups else found[0]
    address = addresses.normal(told.rstrip("."))
    name = "" if via else _name(text[: found.start()]) or _name(text[found.end() :])
    return Address(address, "" if name.lower() == address or _FOUND.fullmatch(name) else name)


def people(*values: str) -> tuple[Address, ...]:
    """The mailboxes of recipients' fields that have an address, each once."""
    found: dict[str, Address] = {}
    for box in (person(piece) for value in values for piece in _split(value[:_MAX_FIELD])):
        if box.address and len(found) < addresses.MAX_ADDRESSES:
            found.setdefault(box.address, box)
    return tuple(found.values())


def _name(text: str) -> str:
    """A name without what stands around it: quotes, brackets, the stars of bold text."""
    bare = text.strip(_ROUND + ",;:")
    bare = bare.strip("\"'«»“”„ \u00a0").strip(_ROUND)
    return names.display(bare) if any(c.isalnum() for c in bare) else ""


def _split(value: str) -> list[str]:
    """At semicolons where there are any, else at commas; but « Nom, Prénom <x@y> » is one, and quotes stay whole."""
    pieces: list[str] = []
    for piece in _cut(value, ";") if ";" in value else _cut(value, ","):
        if pieces and "@" not in pieces[-1] and ";" not in value:
            pieces[-1] += "," + piece
        else:
            pieces.append(piece)
    return pieces


def _cut(value: str, separator: str) -> list[str]:
    pieces: list[str] = []
    start = 0
    closing = ""
    for at, character in enumerate(value):
        if closing:
            closing = "" if character == closing else closing
        elif character in _QUOTES:
            closing = _QUOTES[character]
        elif character == separator:
            pieces.append(value[start:at])
            start = at + 1
    return [*pieces, value[start:]]
