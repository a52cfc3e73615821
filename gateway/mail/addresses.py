"""Who wrote, and to whom (RFC 5322 §3.4, §3.6.2, §3.6.3).

Parsers disagree about spoofed address fields, so the author counts as known only where mail-parser and the standard
library read the same single address; everything else is kept, and said to be unsure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import getaddresses
from functools import lru_cache
from itertools import islice

import idna
from mailparser.utils import get_addresses

from gateway.mail import names
from gateway.mail.headers import Field, Head, decoded
from gateway.model import Address, Author

MAX_ADDRESSES = 500
_MAX_FIELD = 64_000
_MAX_AUTHOR = 4_000
_DELIVERED = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "apparently-to",
)
# dot-atom or quoted-string without white space (RFC 5321 §4.1.2, with RFC 6531's letters), and a domain.
_LOCAL = re.compile(r'[^\s@<>()\[\],;:\\"\x00-\x1f\x7f]{1,128}|"[^\s"\\\x00-\x1f\x7f]{1,126}"')
# What may hold any character: quoted strings, comments, encoded-words.
_WORDS = re.compile(r'"(?:[^"\\]|\\.){0,1000}"|\([^()]{0,1000}\)|=\?[^\s?]{1,60}\?[bBqQ]\?[^?]{0,1000}\?=', re.DOTALL)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Reading:
    """The author, and what was odd about the address fields."""

    author: Author
    anomalies: tuple[str, ...]


def normal(address: str) -> str:
    """An address in lower case, its domain as A-labels (RFC 5890), or "" where it is none."""
    local, at, domain = address.strip().rpartition("@")
    host = _host(domain)
    if not at or not host or not _LOCAL.fullmatch(local):
        return ""
    if local[0] == '"' and all(map(_LOCAL.fullmatch, local[1:-1].split("."))):
        local = local[1:-1]  # what needs no quotes is the same without (RFC 5321 §4.1.2)
    return f"{unicodedata.normalize('NFC', local).lower()}@{host}"


def _host(domain: str) -> str:
    """A host's name as A-labels (RFC 5891), its spellings mapped as UTS 46 §4 has it (ß stays ß); "" for none."""
    domain = domain.strip().lower().removesuffix(".")
    if len(domain) > 253 or not domain:
        return ""
    try:
        mapped = domain if domain.isascii() else idna.uts46_remap(domain, std3_rules=False)
        labels = [label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split(".")]
    except (idna.IDNAError, UnicodeError):
        return ""
    name = ".".join(labels)
    return name if len(name) <= 253 and all(map(_LABEL.fullmatch, labels)) else ""


def author(head: Head) -> Reading:
    """The mail's author: sure only if one From field holds one address on which two parsers agree."""
    fields = [field for field in head.fields if field.name == "from"]
    if not fields:
        return Reading(_guess(head, "there is no From field"), ())
    values = head.values("from")
    if len(fields) > 1:
        return Reading(_guess(head, f"there are {len(fields)} From fields"), ("more than one From field",))
    reason = _broken(head, fields[0]) or _doubt(values[0], utf8=_is_utf8(fields[0].value))
    found = _mailboxes(values[0])
    if reason or len(found) != 1:
        return Reading(_guess(head, reason or "the From field holds no usable address"), ())
    box = found[0]
    return Reading(
        Author(box.address, box.name, sure=True, because="one From field with one address"),
        _misleading(box),
    )


def _broken(head: Head, field: Field) -> str:
    """Where a header is broken, programs differ over what belongs to it."""
    if field.odd:
        return "the From field's name is malformed"
    return "the header is broken: a line in it is no field" if head.broken else ""


def _doubt(value: str, *, utf8: bool) -> str:
    """Why a From field's address can't be relied on, or ""."""
    if len(value) > _MAX_AUTHOR or value.count("(") > 20:
        return "the From field is too long or too nested"
    if "\x00" in value or "\ufffd" in value:
        return "the From field holds characters that no address has"
    ours = _mail_parser(value)
    standard = [address for _, address in getaddresses([value]) if address]
    if len(ours) > 1 or len(standard) > 1:
        return "the From field holds more than one address"
    if len(ours) != 1 or len(standard) != 1 or normal(ours[0][1]) != normal(standard[0]):
        return "two parsers read the From field differently"
    if not normal(ours[0][1]) or not (ours[0][1].isascii() or utf8):
        return "the From field's address is malformed"
    if not _plain(ours[0][1]):
        return "the From field's address is written in characters that stand for others"
    return _stray(value)


def _is_utf8(value: bytes) -> bool:
    """RFC 6532 §3.2 allows UTF-8 in an address; a guess at other bytes names somebody else."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _plain(address: str) -> bool:
    """Is its domain written as it is, but for case and composition? Honest programs write no look-alikes in there."""
    domain = unicodedata.normalize("NFC", address.rpartition("@")[2].strip().lower()).removesuffix(".")
    return domain.isascii() or bool(idna.uts46_remap(domain, std3_rules=False) == domain)


def _stray(value: str) -> str:
    """A group, a route, a second thing in angle brackets: ways to show different people to different programs."""
    if value.count("<") > 1 and '"' not in value:
        return "the From field holds more than one pair of angle brackets"
    return "the From field holds a group or a source route" if ":" in _WORDS.sub("", value) else ""


def _guess(head: Head, because: str) -> Author:
    """The likeliest author of a mail that doesn't tell for sure."""
    for name in ("from", "sender", "return-path"):
        for value in head.values(name):
            for box in _mailboxes(value):
                return Author(box.address, box.name, sure=False, because=because)
    return Author("", _phrase(head.value("from")[:_MAX_AUTHOR]), sure=False, because=because)


def _misleading(box: Address) -> tuple[str, ...]:
    shown = box.name.lower()
    if "@" in shown and box.address not in shown:
        return ("the author's display name shows another address",)
    return ()


def recipients(head: Head, *fields: str) -> tuple[Address, ...]:
    """The mailboxes of the fields named, each address once, at most 500."""
    found: dict[str, Address] = {}
    for box in (b for name in fields for value in head.values(name) for b in _mailboxes(value)):
        if len(found) == MAX_ADDRESSES:
            break
        found.setdefault(box.address, box)
    return tuple(found.values())


def delivered_to(head: Head) -> tuple[str, ...]:
    """The addresses that mail servers say they delivered to, nearest first."""
    values = (value for name in _DELIVERED for value in head.values(name))
    found = (normal(address) for value in values for _, address in _rough(value))
    return tuple(dict.fromkeys(a for a in islice(found, MAX_ADDRESSES) if a))


def _mailboxes(value: str) -> tuple[Address, ...]:
    pairs = _mail_parser(_bounded(value)) or _rough(_bounded(value))
    boxes = (Address(normal(address), names.display(decoded(name))) for name, address in pairs)
    return tuple(box for box in boxes if box.address)


def _bounded(value: str) -> str:
    """Cut a long list at a comma, before any parser sees it."""
    if value.count(",") >= MAX_ADDRESSES:
        value = ",".join(value.split(",", MAX_ADDRESSES)[:MAX_ADDRESSES])
    return value if len(value) <= _MAX_FIELD else value[:_MAX_FIELD].rpartition(",")[0]


def _mail_parser(value: str) -> tuple[tuple[str, str], ...]:
    """mail-parser's reading: addresses that the field's structure tells, never words that look like one."""
    return _read_short(value) if len(value) <= _SHORT else _read(value)


def _read(value: str) -> tuple[tuple[str, str], ...]:
    if value.count("(") > 200:
        return ()
    try:
        pairs: Iterable[tuple[str, str]] = get_addresses(value, decode_names=True)
        return tuple((name, address) for name, address in pairs if address)
    except (AttributeError, IndexError, LookupError, RecursionError, TypeError, ValueError):
        return ()  # it raises on a few real mails: then its opinion is missing


# The same recipients come again and again, and reading them is a third of the work on a mail.
_SHORT = 500
_read_short = lru_cache(maxsize=1024)(_read)


_ROUGH = re.compile(r"[^\s<>@,;:\"()\[\]\\]{1,128}@[^\s<>@,;:\"()\[\]\\]{1,253}")


def _rough(value: str) -> list[tuple[str, str]]:
    """For a field that has no structure: whatever looks like an address. A guess, never proof."""
    found = _ROUGH.findall(value[:_MAX_AUTHOR])
    return [(_phrase(value) if len(found) == 1 else "", address) for address in found]


def _phrase(value: str) -> str:
    """What a field that can't be read as one mailbox shows of a name: before its bracket, else its comment."""
    before, bracket, _ = value.partition("<")
    _, opened, comment = value.partition("(")
    shown = before if bracket else comment.partition(")")[0] if opened else ""
    name = names.display(decoded(shown.strip(' \t"')))
    return "" if "@" in name else name
