"""Forwarded originals: sender, subject, date, recipients and text, as one project states them of 97 texts.

Of real mail: sender and subject against a plain reading of what stands below English separators; sender, subject,
date and Message-ID against the standard library's reading of attached mails. Replies on mailing lists forward
nothing, unless a separator of forwards stands in them, unquoted.
"""

from __future__ import annotations

import email
import json
import re
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any

from gateway.mail.bodies import clean
from gateway.mail.forwards import inline
from gateway.mail.headers import split
from gateway.mail.read import read
from gateway.model import Forwarded, Mail, Nature
from tests import corpora
from tests.conformance.figure import Case, Figure, figure

STATED = "expected/crisp-efp.json"
_SEPARATOR = re.compile(r"^-{6,} ?Forwarded [Mm]essage ?-{6,}$", re.MULTILINE)
_UNQUOTED = re.compile(r"^-+ ?Forwarded", re.MULTILINE)
_FIELD = re.compile(r"(From|Subject|Date|To|CC|Cc): ?")
_REPLY = re.compile(r"(\[[^\]]+\] *)?re ?:", re.IGNORECASE)
_LISTS = ("list-usrp-2019-2021", "list-linux-man-2021-2022", "lists-harvest/french")
_EVERY = 4  # of the replies on lists: there are thousands


def figures() -> tuple[Figure, ...]:
    """Stated forwards, inline and attached ones in real mail, and replies."""
    return (
        figure("C5-stated", "stated forwards", 0.98, _stated()),
        figure("C5-inline", "inline forwards in real mail", 0.98, _inline()),
        figure("C5-attached", "attached forwards in real mail", 0.98, _attached()),
        figure("C5-replies", "replies, which forward nothing", 1.0, _replies()),
    )


# --- what is stated ------------------------------------------------------------------------------------------


def _stated() -> Iterator[Case]:
    stated = json.loads((corpora.folder() / STATED).read_text())["expected"]
    for name, entries in sorted(stated.items()):
        text = clean((corpora.folder() / name).read_bytes().decode())
        for n, entry in enumerate(entries):
            found = inline(text, _subject(entry["subject_file"]))
            wrong = _wrong(found, entry)
            yield Case(f"{name}#{n}" if n else name, not wrong, wrong)


def _subject(named: str | None) -> str:
    """The subject's file; one that is named but isn't in the archive is a French Outlook's forward."""
    if not named:
        return ""
    path = corpora.folder() / "crisp-efp" / named
    return path.read_text().strip() if path.is_file() else "TR: Integer consequat non purus"


def _wrong(found: Forwarded | None, stated: dict[str, Any]) -> str:
    """What differs, or ""."""
    if not stated["forwarded"] or found is None:
        return "" if bool(stated["forwarded"]) == (found is not None) else f"forwarded: {stated['forwarded']}"
    told = stated["email"]
    above = (stated.get("message") or "\n").split("\n")[0]
    compared = {
        "sender": (told["from"]["address"], told["from"]["name"] or "") == (found.author.address, found.author.name),
        "subject": told["subject"] == found.subject,
        "date": _same_date(found, told["date"]),
        "recipients": [box["address"] for box in told["to"] + (told["cc"] or [])]
        == [box.address for box in found.received_by],
        "text": told["body"].replace("\ufeff", "").split() == found.text.split(),
        "words above": not above or above not in found.text,
    }
    return "".join(f"{what}: {told} / {found}\n" for what, right in compared.items() if not right)


def _same_date(found: Forwarded, printed: str) -> bool:
    """The stated date is what was printed: its numbers must be those of ours (the hour may be of another zone)."""
    if found.date is None:
        return False
    numbers = {int(number) for number in re.findall(r"\d+", printed)}
    years = {found.date.year, found.date.year % 100}
    return bool(years & numbers) and {found.date.day, found.date.minute} <= numbers


# --- real mail -----------------------------------------------------------------------------------------------


@cache
def _candidates() -> tuple[tuple[str, bytes, Mail], ...]:
    """(name, octets, reading) of mails of people and lists that may bring another one along."""
    found = []
    for path in corpora.mails():
        raw = path.read_bytes()
        if b"message/rfc822" in raw or b"orwarded" in raw:
            mail = read(raw)
            if mail.nature in (Nature.PERSON, Nature.BULK):
                found.append((_name(path), raw, mail))
    return tuple(found)


def _name(path: Path) -> str:
    return str(path.relative_to(corpora.folder()))


def _inline() -> Iterator[Case]:
    for name, _, mail in _candidates():
        told = _plainly(mail.text)
        if told:
            found = mail.forwarded
            ours = found and (found.author.address, found.subject)
            yield Case(name, ours == told and found is not None and found.date is not None, f"{told} / {found}")


def _plainly(text: str) -> tuple[str, str] | None:
    """(sender's address, subject) of the block below the first English separator, where it's of the simplest form."""
    found = _SEPARATOR.search(text)
    if not found:
        return None
    block = text[found.end() :].strip("\n").split("\n\n")[0].split("\n")
    lines = dict(line.split(":", 1) for line in block if _FIELD.match(line))
    if len(lines) != len(block) or not {"From", "Subject"} <= lines.keys():
        return None  # wrapped: this reading is too plain for it
    address = parseaddr(lines["From"])[1].lower()
    return (address, " ".join(lines["Subject"].split())) if "@" in address else None


def _attached() -> Iterator[Case]:
    """Mails whose text forwards nothing, with one mail attached: that is the original."""
    for name, raw, mail in _candidates():
        inner = _brought(raw) if b"message/rfc822" in raw else None
        if inner is not None and inline(mail.text, mail.subject) is None:
            expected = _told(inner)
            found = mail.forwarded and _found(mail.forwarded)
            yield Case(name, found == expected, f"stated {expected}\nread   {found}")


def _brought(raw: bytes) -> Message | None:
    """The one message/rfc822 part of a mixed mail, by the standard library."""
    parsed = email.message_from_bytes(raw)
    if parsed.get_content_type() != "multipart/mixed" or not parsed.is_multipart():
        return None
    within = [p for p in parsed.get_payload() if isinstance(p, Message) and p.get_content_type() == "message/rfc822"]
    inner = within[0].get_payload(0) if len(within) == 1 else None
    return inner if isinstance(inner, Message) and str(inner["From"]).count("@") == 1 else None


def _told(inner: Message) -> tuple[str, ...]:
    try:
        date = parsedate_to_datetime(str(inner["Date"])).timestamp()
    except (TypeError, ValueError):
        date = 0.0
    address = parseaddr(str(inner["From"]))[1].lower()
    return address, "".join(_words(inner).split()), str(date), str(inner["Message-ID"] or "").strip("<> \t\r\n")


def _words(inner: Message) -> str:
    """The subject in words, what stands there in eight bits taken for UTF-8."""
    subject = str(dict(inner.raw_items()).get("Subject", ""))
    return str(make_header(decode_header(subject.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))))


def _found(ours: Forwarded) -> tuple[str, ...]:
    date = ours.date.timestamp() if ours.date else 0.0
    return ours.author.address, "".join(ours.subject.split()), str(date), ours.message_id


def _replies() -> Iterator[Case]:
    """A mail with « Re: » that answers another forwards only where a separator of forwards stands unquoted in it."""
    for path in (path for name in _LISTS for path in corpora.mails(name)[::_EVERY]):
        raw = path.read_bytes()
        head = split(raw)
        if _REPLY.match(head.value("subject")) and head.has("in-reply-to"):
            mail = read(raw)
            yield Case(_name(path), mail.forwarded is None or bool(_UNQUOTED.search(mail.text)), str(mail.forwarded))
