"""Reply addresses in files that are sent along (S7-scrub-files): held and said, in either direction."""

from __future__ import annotations

import base64
import itertools
import quopri
from collections.abc import Callable
from contextlib import nullcontext
from email.message import EmailMessage
from unittest.mock import patch

from gateway import private
from gateway.mail import tokens
from gateway.mail.tokens import Token, TokenKind
from tests.builders import DOMAIN, INES, KEYS, ULYSSE
from tests.security.cases.audience import DOSSIER
from tests.security.hidden import forms, readable
from tests.security.stage import Left, Stage, reply_to, stage
from tests.trials.case import Case, Counted

FORMS = 12  # of each container


def _mail(body: bytes, encoding: str) -> bytes:
    head = f"From: Mairie <contact@{DOMAIN}>\nTo: {ULYSSE}\nSubject: Re\nContent-Transfer-Encoding: {encoding}\n\n"
    return head.encode() + body


CONTAINERS: tuple[tuple[str, str, Callable[[str], bytes]], ...] = (
    ("text/plain", "note.txt", lambda words: f"Voyez {words} svp.".encode()),
    ("text/plain", "note.txt", lambda words: f"Voyez {words} svp.".encode("utf-16")),
    ("text/csv", "liste.csv", lambda words: f'"nom";"{words}"'.encode()),
    ("application/xml", "liste.xml", lambda words: f"<a><b>{words}</b></a>".encode()),
    ("text/calendar", "rdv.ics", lambda words: f"BEGIN:VCALENDAR\r\nORGANIZER:mailto:{words}\r\n".encode()),
    ("text/vcard", "carte.vcf", lambda words: f"BEGIN:VCARD\r\nEMAIL:{words}\r\n".encode()),
    ("application/octet-stream", "copie.eml", lambda words: _mail(words.encode(), "8bit")),
    ("application/octet-stream", "copie.eml", lambda words: _mail(base64.encodebytes(words.encode()), "base64")),
    (
        "application/octet-stream",
        "copie.eml",
        lambda words: _mail(quopri.encodestring(words.encode()), "quoted-printable"),
    ),
)


def _files() -> list[tuple[str, str, bytes, str]]:
    """Type, name, octets and the token that they hold, each its own."""
    every = list(forms())
    picked = every[:: len(every) // FORMS][:FORMS]
    found = []
    for n, ((kind, name, made), form) in enumerate(itertools.product(CONTAINERS, picked)):
        token = tokens.sign(Token(TokenKind.REPLY, 1_000 + n, 0), KEYS)
        found.append((kind, f"{n}-{name}", made(form(f"reponse+{token}@{DOMAIN}")), token))
    return found


def _letter(author: str, to: str, file: tuple[str, str, bytes, str], answered: Left | None) -> bytes:
    kind, name, data, _ = file
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = author, to, "Une question"
    mail["Message-ID"] = f"<{name}-{author}>"
    if answered is not None:
        mail["In-Reply-To"] = f"<{answered.outgoing.message_id}>"
    mail.set_content("Bonjour, voici.")
    main, _, sub = kind.partition("/")
    mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return mail.as_bytes().replace(b"\n", b"\r\n")


def sent_along(*, removed: bool = False) -> Callable[[], Counted]:
    """How many of the tokens are in the mails that leave, when an usager sends the file, and when an agent does."""

    def run() -> Counted:
        unsearched = patch.object(private, "_readable", lambda _: False) if removed else nullcontext()
        with stage() as on, unsearched:
            files = _files()
            return Counted(2 * len(files), sum(_passed(on, file) for file in files), "files")

    return run


def _passed(on: Stage, file: tuple[str, str, bytes, str]) -> int:
    before = len(on.left)
    on.post(_letter(ULYSSE, DOSSIER, file, None), DOSSIER)
    told = next(mail for mail in on.left[before:] if mail.to == INES)
    hers = len(on.left)
    on.post(_letter(INES, reply_to(told), file, told), reply_to(told), sender=INES)
    return sum(
        any(file[3] in readable(mail.said.replace("\0", "")) for mail in mails)
        for mails in (on.left[before:hers], [mail for mail in on.left[hers:] if mail.outside])
    )


CASES = (
    Case(
        "S7-scrub-files",
        "texts, calendars, cards, mails that hold a reply address in 12 disguises, sent along by usagers and agents",
        "no such file is sent on",
        sent_along(),
        sent_along(removed=True),
        "files aren't searched",
    ),
)
