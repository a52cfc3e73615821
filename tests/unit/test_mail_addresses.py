"""Who wrote: sure only where nothing can be read in two ways."""

from __future__ import annotations

import re

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.mail import addresses
from gateway.mail.dates import date
from gateway.mail.headers import split
from gateway.model import Address


def author(*fields: bytes) -> addresses.Reading:
    return addresses.author(split(b"\r\n".join((*fields, b"", b""))))


@pytest.mark.parametrize(
    ("field", "address", "name"),
    [
        (b"From: Claire Petit <Claire.Petit@Example.ORG>", "claire.petit@example.org", "Claire Petit"),
        (b"From: claire@example.org", "claire@example.org", ""),
        (b"From: <claire@example.org>", "claire@example.org", ""),
        (b"From: claire@example.org (Claire Petit)", "claire@example.org", "Claire Petit"),
        (b'From: "Petit, Claire" <claire@example.org>', "claire@example.org", "Petit, Claire"),
        (b"From: =?utf-8?q?C=C3=A9cile?= <cecile@example.org>", "cecile@example.org", "Cécile"),
        (b"From: Claire\r\n <claire@example.org>", "claire@example.org", "Claire"),
        ("From: Zoé <zoé@mairie-évry.example>".encode(), "zoé@xn--mairie-vry-h7a.example", "Zoé"),
        (b'From: "=?utf-8?q?Claire?=" <claire@example.org>', "claire@example.org", "Claire"),
    ],
)
def test_a_plain_author_is_sure(field: bytes, address: str, name: str) -> None:
    found = author(field).author
    assert (found.address, found.name, found.sure) == (address, name, True)


@pytest.mark.parametrize(
    "fields",
    [
        (b"To: a@example.org",),
        (b"From: ",),
        (b"X: y", b"no field", b"From: a@example.org", b"To: b", b"Subject: c", b"Date: d"),
        (b"From: a@example.org", b"no field", b"From: b@example.org"),
        (b"From: Claire",),
        (b"From: <>",),
        (b"From: admin@legit.example", b"From: mallory@attack.example"),
        (b"From: mallory@attack.example", b"from: admin@legit.example"),
        (b"From : admin@legit.example",),
        (b"From", b" : <first@attack.example>"),
        (b"From: <first@attack.example>, <admin@legit.example>",),
        (b"From: <first@attack.example>\\,<admin@legit.example>",),
        (b"From: <admin@legit.example>\\,<second@attack.example>",),
        (b"From: <@attack.example,@any.example:admin@legit.example>",),
        (b"From: <@attack.example:admin@legit.example>",),
        (b"From: admin@legit.example <mallory@attack.example> <admin@legit.example>",),
        (b"From: <admin@legit.example>mallory@attack.example",),
        (b"From: admin@legit.example mallory@attack.example",),
        (b"From: friends: a@example.org, b@example.org;",),
        (b"From: <admin@legit.example\x00@attack.example>",),
        (b"From: <admin@legit.example\xff>",),
        (b"From: " + b"(" * 60_000 + b"<a@example.org>",),
        (b"From: " + b"a@example.org, " * 5_000,),
        (b'From: ["]\\;a@legit.example',),
        (b"From: b@attack.example,<<",),
        (b"From: <a@@example.org>",),
        (b"From: <a@exa mple.org>",),
        (b"From: <a@-example.org>",),
        (b"From: friends:admin@legit.example;",),
        (b"From: :admin@legit.example",),
        (b"From: <<admin@legit.example>>",),
        (b"From: =?utf-8?b?PGFkbWluQGxlZ2l0LmV4YW1wbGU+?=",),
        (b"From: =?utf-8?q?admin=40legit.example?=",),
        (b"From: =?utf-8?b?PGFkbWluQGxlZ2l0LmV4YW1wbGU+?=, <x@attack.example>",),
        (b"From: <admin@legit.example>;<x@attack.example>",),
        (b"From: admin@legit.example\x00@attack.example",),
        (b"\x00From: admin@legit.example", b"From: x@attack.example"),
        (b" From: admin@legit.example", b"From : x@attack.example"),
        ("From: admin@ｌegit.example".encode(),),
        ("From: admin@legit\u200b.example".encode(),),
        ("From: admin@legit。example".encode(),),
    ],
)
def test_a_doubtful_author_is_not_sure_and_says_why(fields: tuple[bytes, ...]) -> None:
    found = author(*fields).author
    assert not found.sure
    assert found.because


def test_several_authors_are_called_so() -> None:
    assert "more than one address" in author(b"From: a@example.org, b@example.org").author.because


def test_the_best_guess_is_kept() -> None:
    assert author(b"From: <first@attack.example>, <admin@legit.example>").author.address == "first@attack.example"
    assert author(b"Sender: claire@example.org").author.address == "claire@example.org"


def test_a_name_that_shows_another_address_is_kept_and_told() -> None:
    found = author(b'From: "marie@mairie.example" <mallory@attack.example>')
    assert found.author.name == "marie@mairie.example"
    assert found.anomalies
    assert not author(b'From: "claire@example.org" <claire@example.org>').anomalies


def test_names_lose_what_cannot_be_seen() -> None:
    field = b"From: =?utf-8?q?Cl=E2=80=AEaire=E2=80=8B=00?= <claire@example.org>"
    assert author(field).author.name == "Claire"
    assert len(author(b"From: " + b"x" * 3_000 + b" <claire@example.org>").author.name) <= 120


def test_two_spellings_never_become_one_person() -> None:
    spellings = ["strasse.example", "straße.example", "STRASSE.example", "istanbul.example", "ıstanbul.example"]
    found = {addresses.normal(f"a@{s}") for s in spellings}
    assert len(found) == 4
    assert addresses.normal("a@Évry.example") == addresses.normal("a@e\u0301vry.example")
    assert (
        addresses.normal("é@example.org")
        == addresses.normal("e\u0301@EXAMPLE.org.")
        != addresses.normal("e@example.org")
    )
    assert addresses.normal('"a.b"@example.org') == "a.b@example.org"
    assert addresses.normal('"a..b"@example.org') == '"a..b"@example.org'


@pytest.mark.parametrize(
    "name", ["a@-example.org", "a@☃.example", "a@\u0301a.example", "a@xn--é.example", "a@a\u200d.example"]
)
def test_what_can_be_no_domain_is_nobodys(name: str) -> None:
    assert addresses.normal(name) == ""


_letters = st.sampled_from("aAéÉßıIſsSKkÅåœŒ\u0301-xn1ａ。.")
_domains = st.text(_letters, min_size=1, max_size=12).map(lambda name: f"{name}.example")


@given(_domains, _domains)
@example("strasse.example", "straße.example")
@example("ſ.example", "s.example")
@example("é.example", "e\u0301.example")
def test_one_domain_is_one_person_however_it_is_spelled(one: str, other: str) -> None:
    """IDNA (UTS 46, as browsers and mail servers look a name up) is the judge of what is one domain."""
    ours = [addresses.normal(f"a@{domain}") for domain in (one, other)]
    theirs = [_looked_up(domain) for domain in (one, other)]
    for address, name in zip(ours, theirs, strict=True):
        assert address in {"", f"a@{name}"}
        assert address or not name
    assert (ours[0] == ours[1] != "") == (theirs[0] == theirs[1] != "")


def _looked_up(domain: str) -> str:
    try:
        name = idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return ""
    return name if re.fullmatch(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+example", name) else ""


def test_recipients() -> None:
    head = split(
        b"To: Contact <contact@example.org>, dossier+12@example.org\nTo: contact@example.org\n"
        b"Cc: undisclosed-recipients:;\nBcc: b@example.org\n"
        b"Delivered-To: <Reponse+ABC@example.org>\nX-Original-To: x@example.org\n\n"
    )
    to = addresses.recipients(head, "to")
    assert to == (Address("contact@example.org", "Contact"), Address("dossier+12@example.org"))
    assert addresses.recipients(head, "cc", "bcc") == (Address("b@example.org"),)
    assert addresses.delivered_to(head) == ("reponse+abc@example.org", "x@example.org")


def test_recipients_are_bounded() -> None:
    head = split(b"To: " + b", ".join(b"a%d@example.org" % n for n in range(3_000)) + b"\n\n")
    assert len(addresses.recipients(head, "to")) == addresses.MAX_ADDRESSES
    head = split(b"".join(b"To: a%d@example.org\n" % n for n in range(900)) + b"\n")
    assert len(addresses.recipients(head, "to")) == addresses.MAX_ADDRESSES


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        (b"Mon, 3 Feb 2025 10:12:00 +0100", "2025-02-03T09:12:00+00:00"),
        (b"Mon, 3 Feb 2025 10:12:00 +0100 (CET)", "2025-02-03T09:12:00+00:00"),
        (b"Mon Feb  3 10:12:00 2025", "2025-02-03T10:12:00+00:00"),
        (b"Mon, 3 Feb 2025 10:12:00", "2025-02-03T10:12:00+00:00"),
        (b"lundi", None),
        (b"Mon, 99 Feb 2025 10:12:00 +0100", None),
        (b"Mon, 3 Feb 99999999999 10:12:00 +0100", None),
    ],
)
def test_dates(value: bytes, iso: str | None) -> None:
    found = date(split(b"Date: " + value + b"\n\n"))
    assert (found.isoformat() if found else None) == iso


@pytest.mark.parametrize(
    ("value", "address", "name"),
    [
        ('"Claire.P" <claire@example.org.>', "claire@example.org", "Claire.P"),
        ("MAILER-DAEMON (Service des messages)", "", "Service des messages"),
        ("Claire Petit <claire>", "", "Claire Petit"),
        ("claire@mairie <claire>", "claire@mairie", ""),
    ],
)
def test_a_name_is_told_where_the_address_is_none(value: str, address: str, name: str) -> None:
    found = author(f"From: {value}".encode()).author
    assert (found.address, found.name) == (address, name)
