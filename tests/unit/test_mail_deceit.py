"""Authors who show themselves as somebody else, and mails that two programs would see differently, are marked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.decision.imitation import imitated
from gateway.mail import lookalikes
from gateway.mail.read import outline, read
from gateway.model import Author, Mark
from gateway.relay import texts
from gateway.relay.samples import MAILS, PLACE
from tests.builders import ALICE, DOSSIER, MANON, ULYSSE, conversation, make_context, raw_mail

FROM = "evil@x.example"


def marks(sender: str) -> tuple[Mark, ...]:
    return read(raw_mail(sender)).marks


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ('"maire@mairie.fr" <evil@x.example>', "maire@mairie.fr"),
        ("maire@mairie.fr <evil@x.example>", "maire@mairie.fr"),
        ("=?utf-8?q?maire=40mairie=2Efr?= <evil@x.example>", "maire@mairie.fr"),
        ('"Le maire (maire@mairie.fr)" <evil@x.example>', "maire@mairie.fr"),
        ('"maire＠mairie．fr" <evil@x.example>', "maire@mairie.fr"),
        ('"ma\u200bire@mairie.fr" <evil@x.example>', "maire@mairie.fr"),
    ],
)
def test_an_address_in_the_place_of_a_name(sender: str, shown: str) -> None:
    assert marks(sender) == (Mark("address", shown),)


@pytest.mark.parametrize(
    "sender",
    ["Marie Dupont <evil@x.example>", '"evil@x.example" <evil@x.example>', "EVIL@X.example <evil@x.example>"],
)
def test_a_name_that_is_one(sender: str) -> None:
    assert marks(sender) == ()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("u@xn--pypal-4ve.com", "u@pаypal.com"),
        ("u@xn--80ak6aa92e.com", "u@аррӏе.com"),
        ("u@mаirie.fr", "u@mаirie.fr"),
        ("mаire@mairie.fr", "mаire@mairie.fr"),
    ],
)
def test_letters_that_look_like_others(address: str, shown: str) -> None:
    assert marks(f"X <{address}>") == (Mark("script", shown),)


@pytest.mark.parametrize(
    "address", ["u@mairie-évry.fr", "u@xn--vry-9la.fr", "u@例え.jp", "u@кремль.рф", "zoë@exemple.fr", "u@xn--a"]
)
def test_letters_of_one_script_are_what_they_are(address: str) -> None:
    assert marks(f"X <{address}>") == ()


@pytest.mark.parametrize(
    ("name", "address", "whom"),
    [
        ("Mairie d'Exemple", FROM, "Mairie d'Exemple"),
        ("MAIRIE D'EXEMPLE", FROM, "Mairie d'Exemple"),
        ("Маirie d'Exemple", FROM, "Mairie d'Exemple"),
        ("Démarches d'exemple", FROM, "Démarches d'exemple"),
        ("", "u1ysse@usager.example.net", ULYSSE),
        ("Ulysse", "ulysse@usаger.example.net", ULYSSE),
        ("", "a1ice.adrnin@mairie.example.org", ALICE),
    ],
)
def test_somebody_of_the_conversation_is_imitated(tmp_path: Path, name: str, address: str, whom: str) -> None:
    author = Author(address, name, sure=True, because="")
    assert imitated(author, conversation(inbox=DOSSIER), make_context(tmp_path)) == (Mark("imitates", whom),)


@pytest.mark.parametrize(
    ("name", "address", "whom"),
    [("Mairie d'Exemple", FROM, "Mairie d'Exemple"), ("", "a1ice.adrnin@mairie.example.org", ALICE)],
)
def test_whoever_opens_a_conversation_may_imitate_too(tmp_path: Path, name: str, address: str, whom: str) -> None:
    author = Author(address, name, sure=True, because="")
    opened = conversation(inbox=DOSSIER, usager=address)
    assert imitated(author, opened, make_context(tmp_path)) == (Mark("imitates", whom),)


@pytest.mark.parametrize("usager", [ALICE, "accueil@mairie.example.org"])
def test_an_agent_or_the_organisation_that_opens_one_imitates_nobody(tmp_path: Path, usager: str) -> None:
    author = Author(usager, "Mairie d'Exemple", sure=True, because="")
    assert imitated(author, conversation(inbox=DOSSIER, usager=usager), make_context(tmp_path)) == ()


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("Ulysse", ULYSSE),
        ("Manon", "manon@ailleurs.example"),
        ("Manon", MANON),
        ("Mairie d'Ailleurs", FROM),
        ("", ""),
    ],
)
def test_nobody_is(tmp_path: Path, name: str, address: str) -> None:
    author = Author(address, name, sure=True, because="")
    assert imitated(author, conversation(inbox=DOSSIER), make_context(tmp_path)) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [("paypal", "раураl"), ("Mairie", "MAlRIE"), ("modern", "rnodem"), ("vvw", "ww"), ("évry", "evry")],
)
def test_what_looks_alike_has_one_skeleton(one: str, other: str) -> None:
    assert lookalikes.skeleton(one) == lookalikes.skeleton(other)


def test_what_looks_different_has_two() -> None:
    assert lookalikes.skeleton("Marie") != lookalikes.skeleton("Mario")


PART = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("raw", "marked"),
    [
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx\r\n", True),
        (b"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n", True),
        (b"Content-Type: multipart/mixed; boundary=b; boundary=c\r\n\r\n" + PART.encode(), True),
        (b"Content-Type: multipart/mixed; boundary=b; boundary*0=c\r\n\r\n" + PART.encode(), True),
        (b'Content-Type: multipart/mixed; boundary="b; boundary"\r\n\r\n' + PART.encode(), False),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + PART.encode(), False),
    ],
)
def test_a_mail_that_two_programs_see_differently(raw: bytes, marked: bool) -> None:
    assert (Mark("ambiguous") in read(b"From: a@b.example\r\n" + raw).marks) is marked


def test_what_is_known_by_its_header_alone_says_so() -> None:
    assert outline(raw_mail()).marks == (Mark("unread"),)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("code", ["ambiguous", "address", "script", "imitates", "outdated"])
def test_an_agent_is_told_in_words(language: str, code: str) -> None:
    said = dict(MAILS["notification"]["messages"][0]) | {"marks": [{"code": code, "what": "maire@exemple.fr"}]}  # type: ignore[index]
    values = {**MAILS["notification"], "messages": [said], "stranger": False, "refused": None}
    told = texts.render("notification", replace(PLACE, locale=language), **values).text
    (caution,) = (line for line in told.split("\n") if line.startswith(("Attention", "Caution")))
    assert caution.startswith({"fr": "Attention\u00a0:", "en": "Caution:"}[language])
    assert ("maire@exemple.fr" in caution) is (code != "ambiguous")
