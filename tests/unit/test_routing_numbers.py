"""Numbers of dossiers as the platform and people write them; and what only looks like one."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Inbox, InboxKind
from gateway.routing.numbers import (
    bare_numbers,
    demarche_numbers,
    links,
    listed_numbers,
    numbers,
    slugs,
    subject_numbers,
    titles,
)

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
        "dossier no. 123",
        "dossier no.123",
        "dossier N 123",
        "dossier num. 123",
        "dossier n˚ 123",
        "dossier n\ufffd 123",
        "dossier nume\u0301ro 123",
        "dossier n°\n123",
        "> dossier n°\n> 123",
        "dossier *n° 123*",
        "Dossier : n° 123",
        "dossier « Permis n° 7 » n° 123",
        "dossier portant le numéro 123",
        "dossier enregistré sous le n° 123",
        "dossier (n° 123)",
        "n° de dossier : 123",
        "N° dossier 123",
        "le numéro de mon dossier est le 123",
        "Réf. dossier 123",
        "file number 123",
        "number of my file: 123",
        "your application no. 123",
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
        "dossier n° 2024-0123",
        "dossier n° 12 / 2024",
        "dossier n° 12bis",
        "dossier n° 12 bis",
        "dossier n° 14:30",
        "dossier n° 50 %",
        "dossier n° 40 Mo",
        "mon dossier n° 123 456 78 à la CAF",
        "dossier no 12 345 67",
        "dossier n° 1234 5678",
        "dossier n° 123 456 7",
        "dossier n° 123-A de la préfecture",
        "Le dossier no 3 personnes",
        "dossier n° 13 266\n855",
        "dossier n° 13\n> 266 855",
        "pièce n° 3 du dossier",
        "fileno (3)",
        "no file 2000",
        "number of files: 3",
        "",
    ],
)
def test_false_friends(text: str) -> None:
    assert numbers(text) == ()


def test_a_number_after_the_bare_word() -> None:
    assert bare_numbers("mon dossier 123 456 est bloqué") == (123456,)
    assert bare_numbers("dossier n° 123, dossier 05 00 00 00 00, dossier 12/2024, dossier rouge") == ()


@pytest.mark.parametrize(
    "text",
    [
        "mon dossier : 123",
        "dossier (123)",
        "my file 123",
        "dossier no 123",
        "le no 123 de mon dossier",
        "dossier de subvention no 123",
        "dossier de demande de subvention n° 123",
        "le n° 123 de mon dossier",
        "N° 123 : dossier permis",
    ],
)
def test_what_only_may_be_a_dossier(text: str) -> None:
    assert (numbers(text), bare_numbers(text)) == ((), (123,))


@pytest.mark.parametrize(
    "text",
    [
        "la pièce n° 123 du dossier",
        "dossier de la facture n° 123",
        "nombre de dossiers : 123",
        "dossier 123 €",
        "dossier 12 pages",
        "dossier no 12 345 67",
        "dossier 123-A",
        "123 dossiers",
        "the files 123",
    ],
)
def test_what_is_none_at_all(text: str) -> None:
    assert (numbers(text), bare_numbers(text)) == ((), ())


@pytest.mark.parametrize("text", ["dossier no 123456", "dossier n o 123 456", "DOSSIER NO : 123.456"])
def test_no_is_a_sign_before_a_long_number(text: str) -> None:
    assert numbers(text) == (123456,)


def test_each_number_once_in_order() -> None:
    assert numbers("dossier n° 7, dossier n° 5, dossier n° 7") == (7, 5)


def test_several_after_one_plural() -> None:
    assert numbers("mes dossiers n° 123, n° 124 et 13 266 855, merci") == (123, 124, 13266855)
    assert numbers("mes dossiers n° 123, 124 et n° 13 266 855, merci") == (123, 13266855)
    assert listed_numbers("mes dossiers n° 123, 124 et n° 13 266 855, merci") == (124,)
    assert numbers("dossiers n° 1 200, 3 enfants") == (1200,)
    assert numbers("mon dossier n° 123 et 2 pièces") == (123,)
    assert len(numbers("dossiers n° 1" + "".join(f" et {n}" for n in range(2, 40)))) == 11


def test_english_groups_by_commas() -> None:
    assert numbers("Your file no. 13,266,855 has been accepted") == (13266855,)
    assert numbers("dossier n° 123,456") == ()


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ("Accusé de réception – 123 456", (123456,)),
        ("Re: Subvention N° 7", (7,)),
        ("Votre demande numéro 42 est complète", (42,)),
        ("Aide 2024", ()),
        ("31000 Toulouse", ()),
        ("Facture n° 123456", ()),
        ("Démarche n° 42", ()),
        ("[Ticket#123456]", ()),
        ("+33612345678", ()),
        ("12/123456", ()),
        ("0612345678", ()),
    ],
)
def test_numbers_of_custom_subjects(subject: str, found: tuple[int, ...]) -> None:
    assert subject_numbers(subject) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("démarche n° 42", (42,)),
        ("la démarche « Permis » n° 42", (42,)),
        ("procedure no. 42", (42,)),
        ("Démarche : Permis (de végétaliser) (n° 42)\nDossier : n° 7", (42,)),
        ("> Procedure: Permit (no. 42)", (42,)),
        ("Démarche : Permis, n° 42 rue X", ()),
        ("démarche 42", ()),
        ("démarche n° 42/2024", ()),
    ],
)
def test_numbers_of_demarches(text: str, found: tuple[int, ...]) -> None:
    assert demarche_numbers(text) == found


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ("Nouveau message pour votre dossier n° 1 « Permis de végétaliser »", ("Permis de végétaliser",)),
        ("Retrouvez votre brouillon pour la démarche « Permis de végétaliser »", ("Permis de végétaliser",)),
        ("Votre dossier n° 1 a été accepté (Permis de végétaliser)", ("Permis de végétaliser",)),
        ("Dossier n° 1 a été accepté - Permis de végétaliser", ("Permis de végétaliser",)),
        ("Une question", ()),
        ("« Permis »", ("Permis",)),
    ],
)
def test_titles_in_subjects(subject: str, found: tuple[str, ...]) -> None:
    assert titles(subject) == found


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
        ("https://www.demarches.example.org:443//dossiers/123", (D123,)),
        ("Lire le message<https://demarches.example.org/dossiers/123/messagerie>.", (D123,)),
        ("[Lire](https://demarches.example.org/dossiers/123)", (D123,)),
        ("voir demarches.example.org/dossiers/123, merci", (D123,)),
        ("https://demarches.example.org/dossiers/123.pdf", (D123,)),
        ("https://demarches.example.org/demarches/42", (P42,)),
        ("https://demarches.example.org/admin/procedures/42", (P42,)),
        (
            "https://demarches.example.org/users/sign_in?to=https%3A%2F%2Fdemarches.example.org%2Fdossiers%2F123",
            (D123,),
        ),
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
        "evil.demarches.example.org/dossiers/123",
        "ulysse@demarches.example.org/dossiers/123",
        "https://elsewhere.example/demarches.example.org/dossiers/123",
        "https://demarches.example.org/dossiers/123abc",
        "https://demarches.example.org/dossiers/2024-12",
        "https://sendibt2.com/tr/cl/AbCd123/dossiers",
        "https://elsewhere.example/aHR0c!/dossiers/123",
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


TARGET = "https://demarches.example.org/dossiers/123/messagerie"


@pytest.mark.parametrize(
    "link",
    [
        f"https://eur05.safelinks.protection.outlook.com/?url={quote(TARGET, safe='')}&data=05%7C02&reserved=0",
        "https://urldefense.proofpoint.com/v2/url?u=https-3A__demarches.example.org_dossiers_123_messagerie&d=DwMFaQ",
        f"https://urldefense.com/v3/__{TARGET}__;!!AbC!x$",
        "https://urldefense.com/v3/__https://demarches.example.org/dossiers/123__;!!AbC!x$",
        f"https://linkprotect.cudasvc.com/url?a={quote(TARGET, safe='').lower()}&c=E,1,abc",
        f"http://x1z.mjt.lu/lnk/AAAA/1/Hash/{base64.b64encode(TARGET.encode()).decode().rstrip('=')}",
        f"https://filter.example/?u={quote(quote(quote(TARGET, safe=''), safe=''), safe='')}",
    ],
)
def test_rewritten_links(link: str) -> None:
    assert links(f"Lire le message <{link}>", OURS) == (D123,)


LONG = "x" * 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<https://demarches.exam\nple.org/dossiers/1\n23/messagerie>", (D123,)),
        ("> <https://demarches.example.org/dossiers/\n> 123>", (D123,)),
        (f"{LONG} https://demarches.example.org/dossiers/1\n23/messagerie et", (D123,)),
        (f"{LONG} https://demarches.example.org/dossiers/\n123\n", (D123,)),
        (f"{LONG} https://demarches.example.org/procedures/42/\na-suivre/dossiers/123\n", (D123,)),
        (f"{LONG} https://demarches.example.org/dossiers/123\nmessagerie\n", (D123,)),
        (
            f"{LONG} https://demarches.example.org/dossiers/123\nhttps://demarches.example.org/procedures/42",
            (D123, P42),
        ),
        (f"{LONG} https://demarches.example.org/dossiers/\n12 rue des Lilas", ()),
        (
            f"{LONG} https://demarches.example.org/procedures/42\nhttps://demarches.example.org/dossiers/123\n",
            (P42, D123),
        ),
        ("https://demarches.example.org/dossiers/\n123\n", ()),  # a short line wasn't wrapped
    ],
)
def test_links_over_lines(text: str, expected: tuple[Inbox, ...]) -> None:
    assert links(text, OURS) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://demarches.example.org/commencer/permis-de-vegetaliser", ("permis-de-vegetaliser",)),
        ("https://demarches.example.org/commencer/test/permis?x=1", ("permis",)),
        ("https://demarches.example.org/statistiques/Permis.", ("permis",)),
        ("https://elsewhere.example/commencer/permis", ()),
        ("https://demarches.example.org/commencer/", ()),
        ("https://demarches.example.org/dossiers/123", ()),
    ],
)
def test_names_of_demarches_in_links(text: str, found: tuple[str, ...]) -> None:
    assert slugs(text, OURS) == found


@given(st.text(st.sampled_from("dossier n°#12 .\n>:/%aHR0chtps-_?<"), max_size=200))
def test_nothing_raises_and_numbers_are_the_platforms(text: str) -> None:
    found = (*numbers(text), *bare_numbers(text), *subject_numbers(text), *demarche_numbers(text))
    assert all(0 < number < 2**31 for number in found)
    links(text, OURS), slugs(text, OURS), titles(text)


@given(st.integers(1, 2**31 - 1), st.sampled_from(" .'\u00a0\u2009\u202f"))
def test_any_number_however_it_is_grouped(number: int, between: str) -> None:
    assert numbers(f"dossier n° {number:,}".replace(",", between)) == (number,)


@pytest.mark.parametrize(
    "text",
    [
        f"{LONG} https://demarches.example.org/x\n{'y' * 100}\n" * 500,
        "https://" + "%25" * 30_000,
        "<https://demarches.example.org/\n" * 9_000,
        "https://x/aHR0c" + "A" * 200_000,
        "dossiers n° 1" + ", 2" * 90_000,
        "dossier " + "mot " * 70_000,
        "dossier « " * 30_000,
        "dossier n° " + "1 234 " * 50_000,
        "dossier n°" + " " * 300_000,
        "dossier " * 40_000,
        "1" * 300_000,
        "://demarches.example.org/" * 12_000,
        "https://demarches.example.org/dossiers/" + "/dossiers" * 30_000,
    ],
)
def test_time_is_linear(text: str) -> None:
    started = time.process_time()
    numbers(text), bare_numbers(text), subject_numbers(text), demarche_numbers(text), titles(text)
    links(text, OURS), slugs(text, OURS)
    assert time.process_time() - started < 3
