"""Forwarded originals in real mail, against what others state or what a plain reading of the mail gives.

The figures are floors: what is reached, with each miss listed. A miss that isn't listed fails the test.
"""

from __future__ import annotations

import email
import json
import re
from dataclasses import dataclass
from email.message import Message
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.mail.bodies import clean
from gateway.mail.forwards import inline
from gateway.mail.headers import split
from gateway.mail.read import read
from gateway.model import Forwarded, Nature
from tests import corpora

STATED = "expected/crisp-efp.json"
# Fixture → why ours is right, or what ours gets wrong.
MISSES: dict[str, str] = {}


@dataclass(frozen=True)
class Case:
    """A text, the subject it came under, and what the fixture's own test suite states of it."""

    name: str
    subject: str
    text: str
    stated: dict[str, Any]


@cache
def cases() -> tuple[Case, ...]:
    stated = json.loads((corpora.folder() / STATED).read_text())["expected"]
    return tuple(case(name, entry) for name, entries in sorted(stated.items()) for entry in entries)


def case(name: str, entry: dict[str, Any]) -> Case:
    text = clean((corpora.folder() / name).read_bytes().decode())
    return Case(name, subject(entry["subject_file"]), text, entry)


def subject(named: str | None) -> str:
    """The subject's file; one that is named but isn't in the archive is a French Outlook's forward."""
    if not named:
        return ""
    path = corpora.folder() / "crisp-efp" / named
    return path.read_text().strip() if path.is_file() else "TR: Integer consequat non purus"


def right(found: Forwarded | None, stated: dict[str, Any]) -> bool:
    if not stated["forwarded"]:
        return found is None
    told = stated["email"]
    return (
        found is not None
        and (found.author.address, found.author.name) == (told["from"]["address"], told["from"]["name"] or "")
        and found.subject == told["subject"]
        and same_date(found, told["date"])
        and [box.address for box in found.received_by] == [box["address"] for box in told["to"] + (told["cc"] or [])]
        and found.text.split() == told["body"].replace("\ufeff", "").split()
    )


def same_date(found: Forwarded, printed: str) -> bool:
    """The stated date is what was printed: its numbers must be those of ours (the hour may be of another zone)."""
    if found.date is None:
        return False
    numbers = {int(number) for number in re.findall(r"\d+", printed)}
    years = {found.date.year, found.date.year % 100}
    return bool(years & numbers) and {found.date.day, found.date.minute} <= numbers


def test_sender_subject_date_recipients_and_text_as_stated() -> None:
    wrong = {c.name for c in cases() if not right(inline(c.text, c.subject), c.stated)}
    assert len(cases()) >= 97
    assert wrong == set(MISSES)


def test_the_forwarders_words_are_all_above() -> None:
    """What stands above is left to the quote cutter: nothing of it gets into the original's text."""
    for c in cases():
        found = inline(c.text, c.subject)
        if c.stated.get("message") and found:
            assert c.stated["message"].split("\n")[0] not in found.text, c.name


# --- real mail -----------------------------------------------------------------------------------------------

SEPARATOR = re.compile(r"^-{6,} ?Forwarded [Mm]essage ?-{6,}$", re.MULTILINE)


def plainly(text: str) -> tuple[str, str] | None:
    """(sender's address, subject) of the block below the first English separator, where it's of the simplest form."""
    found = SEPARATOR.search(text)
    if not found:
        return None
    block = text[found.end() :].strip("\n").split("\n\n")[0]
    lines = dict(
        line.split(":", 1) for line in block.split("\n") if re.match(r"(From|Subject|Date|To|CC|Cc): ?", line)
    )
    if len(lines) != len(block.split("\n")) or not {"From", "Subject"} <= lines.keys():
        return None  # wrapped: this reading is too plain for it
    address = parseaddr(lines["From"])[1].lower()
    return (address, " ".join(lines["Subject"].split())) if "@" in address else None


@cache
def forwards() -> tuple[tuple[Path, Forwarded | None, tuple[str, str]], ...]:
    """Mails of people and lists that hold such a separator before any quote."""
    found = []
    for path in corpora.mails():
        raw = path.read_bytes()
        if b"orwarded" not in raw:
            continue
        mail = read(raw)
        told = plainly(mail.text)
        if told and mail.nature in (Nature.PERSON, Nature.BULK):
            found.append((path, mail.forwarded, told))
    return tuple(found)


# Replies that bring a forward along in what they quote (« RE: Tr: Fwd: »): rightly no forwards. The second has
# lost its header, and the outermost block in it is a reply's.
IN_QUOTES = {
    "origin-chain/tests/fixtures/complex-forward-anonymized.eml",
    "origin-chain/tests/fixtures/external/extreme-forward-anonymized.eml",
}


def test_real_inline_forwards_agree_with_a_plain_reading() -> None:
    wrong = {
        str(path.relative_to(corpora.folder()))
        for path, found, told in forwards()
        if found is None or (found.author.address, found.subject) != told or found.date is None
    }
    assert len(forwards()) >= 15
    assert wrong == IN_QUOTES


def attached(raw: bytes) -> Message | None:
    """The one message/rfc822 part of a mixed mail, by the standard library."""
    parsed = email.message_from_bytes(raw)
    if parsed.get_content_type() != "multipart/mixed" or not parsed.is_multipart():
        return None
    within = [p for p in parsed.get_payload() if isinstance(p, Message) and p.get_content_type() == "message/rfc822"]
    inner = within[0].get_payload(0) if len(within) == 1 else None
    return inner if isinstance(inner, Message) and str(inner["From"]).count("@") == 1 else None


def test_real_attached_forwards_agree_with_the_standard_library() -> None:
    compared = 0
    for path in corpora.mails():
        raw = path.read_bytes()
        inner = attached(raw) if b"message/rfc822" in raw else None
        if inner is None:
            continue
        mail = read(raw)
        if mail.nature in (Nature.PERSON, Nature.BULK) and inline(mail.text, mail.subject) is None:
            assert mail.forwarded is not None, path
            assert mail.forwarded.author.address == parseaddr(str(inner["From"]))[1].lower(), path
            assert mail.forwarded.message_id == str(inner["Message-ID"] or "").strip("<> \t\r\n"), path
            compared += 1
    assert compared >= 5


@pytest.mark.parametrize("collection", ["list-usrp-2019-2021", "list-linux-man-2021-2022", "lists-harvest/french"])
def test_replies_are_no_forwards(collection: str) -> None:
    """A mail with « Re: » that answers another forwards only where a separator of forwards stands unquoted in it."""
    replies = 0
    for path in corpora.mails(collection)[::2]:
        raw = path.read_bytes()
        head = split(raw)
        if not re.match(r"(\[[^\]]+\] *)?re ?:", head.value("subject"), re.IGNORECASE) or not head.has("in-reply-to"):
            continue
        replies += 1
        mail = read(raw)
        assert mail.forwarded is None or re.search(r"^-+ ?Forwarded", mail.text, re.MULTILINE), path
    assert replies >= 40
