"""Delivery reports (RFC 3464, RFC 6522): which mail they are about, and what became of whom.

Here is what the machine-readable part says, and what takes precedence; `free_form` reads those in free form.
"""

from __future__ import annotations

import re

from gateway.mail import addresses, charsets, ids
from gateway.mail.headers import Head, split
from gateway.mail.parts import Part, decoded, tree
from gateway.mail.reports import free_form, sns
from gateway.mail.reports.free_form import Found, generic, short
from gateway.model import Report, Reported

MAX_RECIPIENTS = 100
STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
RETURNED_TYPES = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
)
_RECEIPT_TYPES = ("message/disposition-notification", "message/global-disposition-notification")
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_FIELD = re.compile(r"([A-Za-z][A-Za-z-]{1,60})[ \t]{0,10}:(.*)", re.DOTALL)
_KEYS = ("original-recipient", "final-recipient", "action", "status")
_MAX_STATUS = 1_000_000
_MAX_TEXT_PARTS = 20
_WINDOW = 20_000


def statuses(raw: bytes, parts: tuple[Part, ...]) -> tuple[Reported, ...]:
    """The recipients that the machine-readable part names, as it names them."""
    for part in parts:
        if part.type in STATUS_TYPES:
            return _recipients(charsets.guess(decoded(raw, part)[:_MAX_STATUS]))
    return ()


def _recipients(text: str) -> tuple[Reported, ...]:
    found: list[Reported] = []
    for fields in _groups(text):
        reported = _recipient(fields)
        if reported:
            found.append(reported)
    return tuple(found)


def _groups(text: str) -> list[dict[str, str]]:
    """The fields, recipient by recipient (RFC 3464 §2.1).

    Blank lines should part the groups. They come within a group too, and not at all between two: so a blank line
    ends a group that is complete, and a field that was there already begins another.
    """
    groups: list[dict[str, str]] = [{}]
    name = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        group = groups[-1]
        if line[:1] in (" ", "\t") and line.strip() and name:
            group[name] = (group[name] + " " + line.strip())[:_WINDOW]
            continue
        match = _FIELD.match(line)
        name = match[1].lower() if match else ""
        if (not line.strip() and _complete(group)) or (name in _KEYS and name in group):
            if len(groups) >= MAX_RECIPIENTS:
                break
            group = {}
            groups.append(group)
        if match and name not in group:
            group[name] = match[2].strip()[:_WINDOW]
    return groups


def _complete(group: dict[str, str]) -> bool:
    named = "final-recipient" in group or "original-recipient" in group
    return named and ("action" in group or "status" in group)


def _recipient(fields: dict[str, str]) -> Reported | None:
    original = _typed(fields.get("original-recipient", ""))
    final = _typed(fields.get("final-recipient", ""))
    # A name that a server gives to its own storage is nobody's address outside.
    recipient = final if "." in final.rpartition("@")[2] or not original else original
    recipient = recipient or _typed(fields.get("x-actual-recipient", ""))
    said = fields.get("action", "").split("(")[0].strip().lower()
    status = _STATUS.search(fields.get("status", "")[:200])
    if not (said or status) and not recipient:
        return None
    code = status[1] if status else ""
    action = _action(said, code)
    kind, semicolon, diagnostic = fields.get("diagnostic-code", "").partition(";")
    return Reported(recipient, action, code or generic(action), short(diagnostic if semicolon else kind), original)


def _action(action: str, status: str) -> str:
    """The action, or what the status says of it where there is none."""
    if action in _ACTIONS:
        return action
    return {"5": "failed", "4": "delayed", "2": "delivered"}.get(status[:1], "failed")


def _typed(value: str) -> str:
    """`rfc822; someone@example.org` (RFC 3464 §2.3.2) → the address, or ""; of a program, the address it is given."""
    _, semicolon, address = value[:1_000].rpartition(";")
    bare = (address if semicolon else value[:1_000]).strip().strip("<>")
    return addresses.normal(bare) or free_form.first_address(bare)


def report(raw: bytes, head: Head, parts: tuple[Part, ...], text: str, *, late: bool = False) -> Report:
    """What a mail that is known to be a bounce, or a delay (`late`), reports."""
    raw, head, parts = _unwrapped(raw, head, parts)
    return Report(_original(raw, head, parts, text), _reported(raw, head, parts, text, late=late))


def _unwrapped(raw: bytes, head: Head, parts: tuple[Part, ...]) -> tuple[bytes, Head, tuple[Part, ...]]:
    """The report itself, where a server on the way put it whole into another mail."""
    wrapped = [] if statuses(raw, parts) else [p for p in parts if p.type == "message/rfc822" and p.number > 0]
    for part in wrapped[:3]:
        inner = decoded(raw, part)
        inner_head = split(inner)
        inner_parts = tree(inner, inner_head).parts
        if statuses(inner, inner_parts):
            return inner, inner_head, inner_parts
    return raw, head, parts


def _reported(raw: bytes, head: Head, parts: tuple[Part, ...], text: str, *, late: bool) -> tuple[Reported, ...]:
    fields = _recipients(text[:_MAX_STATUS]) if inline(text) else ()
    for told in (statuses(raw, parts), fields, _refused(raw, parts), sns.recipients(text)):
        if any(r.recipient for r in told):
            return tuple(r for r in told if r.recipient)
    found = Found(text, head.text("subject"), _concerned(head), _returned_to(raw, parts), late=late)
    failed = _from_header(head)
    return found.described(failed) if failed else found.reported()


_INLINE = re.compile(r"^(?:final|original)-recipient:", re.IGNORECASE | re.MULTILINE)


def inline(text: str) -> bool:
    """Do the fields of a report stand in the text, where its parts came to be lost?"""
    return _INLINE.search(text[: _WINDOW * 5]) is not None


def _refused(raw: bytes, parts: tuple[Part, ...]) -> tuple[Reported, ...]:
    """A refusal in the form of a disposition notification (RFC 5429 §2.2)."""
    for part in parts:
        if part.type in _RECEIPT_TYPES:
            fields = dict(_groups(charsets.guess(decoded(raw, part)[:_WINDOW]))[0])
            fields.setdefault("action", "failed")
            told = _recipient(fields)
            return (told,) if told else ()
    return ()


def _from_header(head: Head) -> tuple[str, ...]:
    """X-Failed-Recipients, which Exim and Google write."""
    value = ", ".join(head.values("x-failed-recipients"))[:10_000]
    return tuple(dict.fromkeys(a for a in map(addresses.normal, value.split(",")) if a))[:MAX_RECIPIENTS]


def _concerned(head: Head) -> frozenset[str]:
    """Who reports, and to whom: neither is likely to be the one who didn't get it."""
    return frozenset(a.address for a in addresses.recipients(head, "from", "to", "sender"))


def _returned_to(raw: bytes, parts: tuple[Part, ...]) -> tuple[str, ...]:
    """Whom the returned mail was written to."""
    return next((tuple(a.address for a in addresses.recipients(h, "to")) for h in _returned(raw, parts)), ())


def _returned(raw: bytes, parts: tuple[Part, ...]) -> list[Head]:
    return [split(decoded(raw, part)) for part in parts if part.type in RETURNED_TYPES and part.number > 0][:3]


def _original(raw: bytes, head: Head, parts: tuple[Part, ...], text: str) -> str:
    """The Message-ID of the mail it is about: of the returned one, else as quoted, else as answered."""
    for returned_head in _returned(raw, parts):
        found = ids.message_id(returned_head)
        if found:
            return found
    quoted = free_form.quoted_id(text)
    for part in [p for p in parts if not p.multipart and p.number > 0][:_MAX_TEXT_PARTS]:
        if quoted:
            break
        quoted = free_form.quoted_id(charsets.guess(decoded(raw, part)[:_WINDOW]))
    return quoted or next(iter((*ids.in_reply_to(head), *reversed(ids.references(head)))), "")


def returned(parts: tuple[Part, ...]) -> bool:
    """Does it bring the mail or the header that it is about?"""
    return any(part.type in RETURNED_TYPES and part.number > 0 for part in parts)
