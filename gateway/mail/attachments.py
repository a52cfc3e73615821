"""Which parts are attachments, and what is told about each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gateway.mail import charsets, names
from gateway.mail.contents import MAILS, calendars, expanded, inside, is_mail, sealed
from gateway.mail.headers import split
from gateway.mail.looks import looks
from gateway.mail.parts import MAX_PARTS, Part, decoded, is_text
from gateway.model import Attachment

# Parts of reports and of signed mail that are part of its form, not of what was sent along.
_FORM = (
    "message/delivery-status",
    "message/disposition-notification",
    "message/feedback-report",
    "message/global-delivery-status",
    "message/global-disposition-notification",
)
# Mails in these are what the report or the digest is about, not what someone sent along.
_COLLECTIONS = ("multipart/report", "multipart/digest")


def attachments(raw: bytes, parts: Sequence[Part]) -> tuple[Attachment, ...]:
    """Every leaf that isn't text, in the order of the mail; after an attached mail, the files that came with it."""
    found: list[Attachment] = []
    holders: dict[int, str] = {}  # index of a part that holds others → the name that it's listed under
    for index, part in enumerate(parts):
        holders[index] = holders.get(part.parent, "")
        if part.multipart or is_text(part) or part.type in _FORM:
            continue
        made = _attachment(part, decoded(raw, part), len(found) + 1, holders[index])
        found.append(made)
        if part.type in sealed.TYPES:
            holders[index] = made.name
        elif is_mail(part) and (part.parent < 0 or parts[part.parent].type not in _COLLECTIONS):
            _add_files(raw, part, found)
    return tuple(found)


def _add_files(raw: bytes, mail: Part, found: list[Attachment]) -> None:
    """The files of an attached mail, and of mails in it; but for its pictures, which are part of its text."""
    waiting = [(mail, found[-1].name)]
    while waiting and len(found) < MAX_PARTS:
        around, name = waiting.pop()
        for part in expanded(b"", inside(raw, around).parts).parts[: MAX_PARTS - len(found)]:
            if not part.multipart and not is_text(part) and part.type not in _FORM:
                made = _attachment(part, decoded(b"", part), len(found) + 1, name)
                if not (made.inline and made.type.startswith("image/")):  # Apple Mail shows files inline, too
                    found.append(made)
                    if is_mail(part):
                        waiting.append((part, made.name))


def _attachment(part: Part, data: bytes, number: int, holder: str) -> Attachment:
    disposition, parameters = part.disposition()
    content_id = names.visible(part.head.value("content-id"))[:255].strip("<> ")
    claimed = parameters.get("filename") or part.parameters.get("name", "") or _title(part, data)
    return Attachment(
        name=names.attachment(claimed, part.type, number),
        type=part.type,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        part=part.number,
        inline=disposition == "inline" or bool(content_id and disposition != "attachment"),
        content_id=content_id,
        inside=holder,
        looks=looks(data),
    )


def _title(part: Part, data: bytes) -> str:
    """A name for what has none but tells what it's about: a mail its subject, a calendar its summary."""
    title = ""
    if part.type in MAILS:
        title = split(data.lstrip(b"\r\n")).text("subject")
    elif part.type in calendars.TYPES:
        title = calendars.event(charsets.decode(data, part.parameters.get("charset", "utf-8"))).summary
    title = title.translate(_SLASHES).strip(" .")
    return f"{title}{names.extension(part.type)}" if title else ""


_SLASHES = str.maketrans("/\\", "__")
