"""The templates, rendered with everything and with nothing: blank lines where paragraphs end, one per language."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import gateway.relay
from gateway.config.settings import Demarche, Instance, Organisation
from gateway.relay import texts
from gateway.relay.texts import Place

FOLDER = Path(gateway.relay.__file__).parent / "templates"
LANGUAGES = ("fr", "en")
MAILS = sorted(path.stem for path in (FOLDER / "fr").glob("[a-z]*.txt") if path.stem != "problem")
ORGANISATION = Organisation(
    siret="21310555400017",
    name="Mairie d'Exemple",
    email="accueil@mairie.example.org",
    telephone="05 00 00 00 00",
    horaires="9 h – 17 h",
    adresse="1 place de la Mairie",
    faq_url="https://mairie.example.org/faq",
)
DEMARCHE = Demarche(number=42, title="Permis de végétaliser", organisation=ORGANISATION.siret)
FULL = {
    "subject": "Objet",
    "text": "Premier.\n\nSecond.",
    "author": "Ulysse <ulysse@usager.example.net>",
    "received": "23/11/2026 à 21 h 44",
    "proof": "verified",
    "refused": 123,
    "attachments": ["a.pdf"],
    "held": ["b.pdf"],
    "assigned_by": "Manon",
    "problems": ["la note est vide", "@toto n’est pas une commande"],
    "recipient": "ulysse@usager.example.net",
    "reply": "550 5.1.1 No such user",
    "uncertain": True,
    "hers": True,
    "answered_to": "ulysse@usager.example.net",
    "stranger": True,
    "notes": ["une note"],
    "answer": True,
}
EMPTY: dict[str, object] = dict.fromkeys(FULL, "") | {"subject": "Objet", "problems": ["vide"], "reply": "550 no"}


def place(locale: str, *, full: bool) -> Place:
    instance = Instance.model_validate({"name": "Démarches", "url": "https://d.example.org", "locale": locale})
    return Place(instance, "6WZT-7XET", ORGANISATION, DEMARCHE, 123) if full else Place(instance, "6WZT-7XET")


def rendered(locale: str, name: str) -> Iterator[str]:
    for full in (True, False):
        for values in (FULL, EMPTY):
            yield texts.render(name, place(locale, full=full), **values).text


def test_both_languages_have_the_same_templates() -> None:
    french, english = ({path.name for path in (FOLDER / language).iterdir()} for language in LANGUAGES)
    assert french == english


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_paragraphs_are_apart(locale: str, name: str) -> None:
    """Blocks of lines end where a sentence begins; the signature of an answer is the one exception."""
    for text in rendered(locale, name):
        assert not text.startswith("\n")
        assert "\n\n\n" not in text
        body, _, _ = f"\n{text}".partition("\n-- \n")
        lines = body.split("\n")
        for before, line in pairwise(lines):
            assert not (len(line) > 100 and before), f"{before!r} runs into {line!r}"
        for line in ("Commandes, chacune", "Commands, each", "L’organisme responsable", "The organisation resp"):
            assert line not in body or f"\n\n{line}" in body
        for marker in ("Référence : 6WZT-7XET\n", "Reference: 6WZT-7XET\n", "/faq\n"):
            after = body.partition(marker)[2]
            assert not after or after.startswith(("\n", "Expéditeur", "Sender"))


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_mail_names_the_place(locale: str) -> None:
    for name in MAILS:
        text = texts.render(name, place(locale, full=True), **FULL).text
        assert all(word in text for word in (ORGANISATION.name, ORGANISATION.siret, "42", "123", "6WZT-7XET")), name


def test_french_sentences_keep_their_marks_on_the_line() -> None:
    """A double mark isn't torn from its word where a client wraps long lines."""
    for name in MAILS:
        for text in rendered("fr", name):
            long = [line for line in text.split("\n") if len(line) > 100]
            assert not [line for line in long if any(f" {mark} " in line for mark in ":;!?")], name
