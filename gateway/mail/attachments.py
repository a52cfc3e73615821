"""Which parts are attachments, and what is told about each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from gateway.mail import names
from gateway.mail.parts import Part, decoded
from gateway.model import Attachment

_TEXTS = ("text/plain", "text/html")
# Parts of reports and of signed mail that are part of its form, not of what was sent along.
_FORM = ("message/delivery-status", "message/disposition-notification", "message/global-delivery-status")


def is_text(part: Part) -> bool:
    """Is this part something that the author wrote to be read in place?"""
    if part.multipart or part.type not in _TEXTS:
        return False
    disposition, parameters = part.disposition()
    named = bool(parameters.get("filename") or part.parameters.get("name"))
    return disposition != "attachment" and not (named and part.number > 0)


def attachments(raw: bytes, parts: Iterable[Part]) -> tuple[Attachment, ...]:
    """Every leaf that isn't text, in the order of the mail."""
    leaves = (p for p in parts if not p.multipart and not is_text(p) and p.type not in _FORM)
    return tuple(_attachment(raw, part, number) for number, part in enumerate(leaves, 1))


def _attachment(raw: bytes, part: Part, number: int) -> Attachment:
    data = decoded(raw, part)
    disposition, parameters = part.disposition()
    content_id = names.visible(part.head.value("content-id"))[:255].strip("<> ")
    return Attachment(
        name=names.attachment(parameters.get("filename") or part.parameters.get("name", ""), part.type, number),
        type=part.type,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        part=part.number,
        inline=disposition == "inline" or bool(content_id and disposition != "attachment"),
        content_id=content_id,
    )
