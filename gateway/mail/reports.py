"""Delivery reports (RFC 3464, RFC 6522): which mail they are about, and what became of whom."""

from __future__ import annotations

import re

from gateway.mail import addresses, charsets, ids, names
from gateway.mail.headers import Head, split
from gateway.mail.parts import Part, decoded
from gateway.model import Report, Reported

MAX_RECIPIENTS = 100
MAX_DIAGNOSTIC = 500
STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
RETURNED_TYPES = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
)
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.])([45]\d\d)[ -]")
_ID_LINE = re.compile(r"^[> \t]{0,20}message-id:[ \t]{0,20}(<[^<>\s]{3,990}>)", re.IGNORECASE | re.MULTILINE)
_NAMED = re.compile(r"<?([^\s<>@,;:\"()\[\]]{1,64}@[^\s<>@,;:\"()\[\]]{1,253})>?")
_TEXT_WINDOW = 20_000


def statuses(raw: bytes, parts: tuple[Part, ...]) -> tuple[Reported, ...]:
    """The recipients that the machine-readable part names, as it names them."""
    for part in parts:
        if part.type in STATUS_TYPES:
            return _recipients(decoded(raw, part))
    return ()


def _recipients(data: bytes) -> tuple[Reported, ...]:
    """Groups of fields, with blank lines between (RFC 3464 §2.1); lone blank lines within a group happen."""
    found: list[Reported] = []
    blocks = data[:1_000_000].replace(b"\r\n", b"\n").split(b"\n\n")[: MAX_RECIPIENTS * 4]
    for block in blocks:
        if block.strip() and len(found) < MAX_RECIPIENTS:
            reported = _recipient(split(block.strip(b"\n") + b"\n\n"))
            if reported:
                found.append(reported)
    return tuple(found)


def _recipient(fields: Head) -> Reported | None:
    recipient = _typed(fields.value("original-recipient")) or _typed(fields.value("final-recipient"))
    recipient = recipient or _typed(fields.value("x-actual-recipient"))
    action = fields.value("action").split("(")[0].strip().lower()
    status = _STATUS.search(fields.value("status")[:200])
    if not (action or status) and not recipient:
        return None
    diagnostic = fields.value("diagnostic-code").partition(";")
    code = status[1] if status else ""
    return Reported(recipient, _action(action, code), code, _short(diagnostic[2] or diagnostic[0]))


def _action(action: str, status: str) -> str:
    """The action, or what the status says of it where there is none."""
    if action in _ACTIONS:
        return action
    return {"5": "failed", "4": "delayed", "2": "delivered"}.get(status[:1], "failed")


def _typed(value: str) -> str:
    """`rfc822; someone@example.org` (RFC 3464 §2.3.2) → the address, or ""."""
    kind, semicolon, address = value[:1_000].rpartition(";")
    bare = address.strip().strip("<>") if semicolon or not kind else ""
    return addresses.normal(bare)


def _short(text: str) -> str:
    return names.visible(text)[:MAX_DIAGNOSTIC]


def report(raw: bytes, head: Head, parts: tuple[Part, ...], text: str) -> Report:
    """What a mail that is known to be a bounce or a delay reports."""
    recipients = statuses(raw, parts) or _from_header(head, text) or _from_text(text)
    return Report(_original(raw, parts) or _original_in_text(text), recipients)


def _original(raw: bytes, parts: tuple[Part, ...]) -> str:
    """The Message-ID of the returned mail or header."""
    for part in parts:
        if part.type in RETURNED_TYPES and part.number > 0:
            found = ids.message_id(split(decoded(raw, part)))
            if found:
                return found
    return ""


def _original_in_text(text: str) -> str:
    """The id in a returned header that is quoted in the text; the last one: the report's own would come first."""
    found = _ID_LINE.findall(text[:200_000])
    return found[-1].strip("<>") if found else ""


def _from_header(head: Head, text: str) -> tuple[Reported, ...]:
    """X-Failed-Recipients, which Exim and Google write."""
    value = ", ".join(head.values("x-failed-recipients"))[:10_000]
    named = dict.fromkeys(a for a in map(addresses.normal, value.split(",")) if a)
    return tuple(_described(a, text) for a in list(named)[:MAX_RECIPIENTS])


def _from_text(text: str) -> tuple[Reported, ...]:
    """The addresses that stand on a line of their own, as qmail and many others write them: `<a@b>:` and why."""
    found: dict[str, None] = {}
    for line in text[:_TEXT_WINDOW].split("\n"):
        bare = line.strip(" \t*:>-")
        match = _NAMED.match(bare)
        if match and len(bare) - len(match[0]) <= 2 and not line.startswith(">"):
            address = addresses.normal(match[1])
            if address and len(found) < MAX_RECIPIENTS:
                found[address] = None
    return tuple(_described(address, text) for address in found)


def _described(address: str, text: str) -> Reported:
    """What the text says of one address: the lines after it."""
    window = text[:_TEXT_WINDOW]
    after = window[max(0, window.lower().find(address)) :][:2_000]
    status = _STATUS.search(after)
    code = _REPLY_CODE.search(after)
    digit = (status[1] if status else code[1] if code else "5")[0]
    explained = [line.strip() for line in after.split("\n")[1:6] if line.strip()]
    return Reported(
        address,
        "delayed" if digit == "4" else "failed",
        status[1] if status else "",
        _short(" ".join(explained)),
    )


def returned(parts: tuple[Part, ...]) -> bool:
    """Does it bring the mail or the header that it is about?"""
    return any(part.type in RETURNED_TYPES and part.number > 0 for part in parts)


def has_code(text: str) -> bool:
    """Does the text hold an SMTP reply or status code?"""
    window = text[:_TEXT_WINDOW]
    return bool(_STATUS.search(window) or _REPLY_CODE.search(window))


def disposition(raw: bytes, part: Part) -> str:
    """The disposition of a receipt (RFC 8098 §3.2.6), for its reason."""
    fields = split(decoded(raw, part)[:10_000])
    return charsets.guess(fields.value("disposition").encode("utf-8", "replace"))[:100]
