"""Numbers of dossiers as the platform and people write them; and what only looks like one."""

from __future__ import annotations

import time

import pytest

from gateway.model import Inbox, InboxKind
from gateway.routing.numbers import bare_numbers, links, numbers

NBSP, NARROW = "\u00a0", "\u202f"
# The subjects of the platform's own mails, with § for the number.
SUBJECTS = [
    "Votre dossier n° § a bien été déposé (Permis de végétaliser)",
    "Votre dossier n° § va être examiné (Permis de végétaliser)",
    "Votre dossier n° § est en train d’être réexaminé (Permis)",
    "Votre dossier n° § a été accepté (Permis)",
    "Votre dossier n° § a été refusé (Permis)",
    "Votre dossier n° § a été classé sans suite (Permis)",
    "Nouveau message pour votre dossier n° § « Permis »",
    "Vous devez corriger votre dossier n° § « Permis »",
    "Attention : votre dossier n° § n’est pas déposé",
    "La décision a été rendue pour votre dossier n°§ (Permis)",
    "Nouveau message envoyé sur le dossier n°§",
    "Nouvel avis rendu sur le dossier n°§",
    "Le dossier n° § a changé de groupe d’instructeurs",
    "Le dossier n° § a été supprimé à la demande de l’usager",
    "Donnez votre avis sur le dossier n° § (Permis)",
    "Dossier n° § a été accepté - Permis",
    "alice.admin@mairie.example.org vous a envoyé le dossier n° §",
    "New message on your file no. § « Permit »",
    "Your file n° § has been submitted",
    "You need to modify your file no. §",
]


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("figures", ["13266855", "13 266 855", f"13{NBSP}266{NARROW}855", "13.266.855"])
def test_the_platforms_subjects(subject: str, figures: str) -> None:
    for space in (" ", NBSP, NARROW, ""):
        written = subject.replace("n° §", f"n°{space}§").replace("§", figures)
        assert numbers(written) == (13266855,), written
        assert numbers(f"Re: {written.upper()}") == (13266855,), written


@pytest.mark.parametrize(
    "text",
    [
        "dossier numéro 123",
        "Dossier numero 123",
        "dossiers n° 123 et autres",
        "dossier # 123",
        "le dossier nº123.",
        "dossier n° 123, merci",
        "dossier n° 123 06 12 34 56 78",
        "(dossier n°123)",
    ],
)
def test_as_people_write_it(text: str) -> None:
    assert numbers(text) == (123,)


@pytest.mark.parametrize(
    "text",
    [
        "arrêté n° 12/2024",
        "dossier n° 12/2024",
        "dossier n° 12 345/2024",
        "dossier n° 1 234 567/8",
        "dossier n° 3,5",
        "dossier n° 1.5",
        "dossier n° 05 00 00 00 00",
        "dossier n° 012 345 678",
        "dossier n° 213 105 554 00017",
        "dossier n° 21310555400017",
        "SIRET n° 213 105 554 00017",
        "téléphone n° 06 12 34 56 78",
        "facture n° 123",
        "dossier n° 0",
        "dossier n° 2147483648",
        "profile no. 123",
        "undossier n° 123",
        "dossier n° ١٢٣",
        "dossier n°",
        "",
    ],
)
def test_false_friends(text: str) -> None:
    assert numbers(text) == ()


def test_a_number_after_the_bare_word() -> None:
    assert bare_numbers("mon dossier 123 456 est bloqué") == (123456,)
    assert bare_numbers("dossier n° 123, dossier 05 00 00 00 00, dossier 12/2024, dossier rouge") == ()


def test_each_number_once_in_order() -> None:
    assert numbers("dossier n° 7, dossier n° 5, dossier n° 7") == (7, 5)


# --- links -----------------------------------------------------------------------------------------------

OURS = ("https://demarches.example.org", "https://old.example.org:8443/")
D123, P42 = Inbox(InboxKind.DOSSIER, 123), Inbox(InboxKind.DEMARCHE, 42)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://demarches.example.org/dossiers/123", (D123,)),
        ("http://demarches.example.org/dossiers/123/messagerie", (D123,)),
        ("<https://DEMARCHES.example.org/dossiers/123/attestation>", (D123,)),
        ('<a href="https://demarches.example.org/dossiers/123">', (D123,)),
        ("voir https://demarches.example.org/dossiers/123.", (D123,)),
        ("(https://demarches.example.org/dossiers/123)", (D123,)),
        ("https://demarches.example.org/dossiers/123?x=/procedures/7#y", (D123,)),
        ("https://demarches.example.org/procedures/42/a-suivre/dossiers/123/messagerie", (D123,)),
        ("https://demarches.example.org/procedures/42/suivis", (P42,)),
        ("https://demarches.example.org/manager/dossiers/123", (D123,)),
        ("https://old.example.org:8443/dossiers/123", (D123,)),
        (
            "https://demarches.example.org/procedures/42/x\nhttps://demarches.example.org/dossiers/123",
            (P42, D123),
        ),
    ],
)
def test_our_links(text: str, expected: tuple[Inbox, ...]) -> None:
    assert links(text, OURS) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://elsewhere.example/dossiers/123",
        "https://demarches.example.org.evil.example/dossiers/123",
        "https://evil-demarches.example.org/dossiers/123",
        "https://demarches.example.org@evil.example/dossiers/123",
        "demarches.example.org/dossiers/123",
        "https://demarches.example.org/commencer/123",
        "https://demarches.example.org/dossiers/",
        "https://demarches.example.org/dossiers/abc",
        "https://demarches.example.org/dossiers/0",
        "https://demarches.example.org/dossiers/99999999999",
        "https://demarches.example.org/dossiers/²",
        "https://demarches.example.org/faq?next=/dossiers/123",
    ],
)
def test_links_that_say_nothing(text: str) -> None:
    assert links(text, OURS) == ()


@pytest.mark.parametrize(
    "text",
    [
        "dossier n° " + "1 234 " * 50_000,
        "dossier n°" + " " * 300_000,
        "dossier " * 40_000,
        "1" * 300_000,
        "://demarches.example.org/" * 12_000,
        "https://demarches.example.org/dossiers/" + "/dossiers" * 30_000,
    ],
)
def test_time_is_linear(text: str) -> None:
    started = time.perf_counter()
    numbers(text), bare_numbers(text), links(text, OURS)
    assert time.perf_counter() - started < 3
