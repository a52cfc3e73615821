"""« Which dossier? »: an usager who writes to a general address is asked, and answers in any way people do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.clients import gmail, letter, outlook, telephone
from tests.servers.gateway import (
    BOB,
    CONTACT,
    DIRECTORY,
    DOMAIN,
    EVERYBODY,
    MANON,
    NEIGHBOURS,
    NOE,
    PAULA,
    PIERRE,
    SUZIE,
    Gateway,
    Sent,
    configuration,
    running,
)

QUESTION = "Bonjour,\n\nOù en est ma demande ?\n\nMerci"
ANSWERS = {
    "the number": ("521", 521),
    "with a sign": ("Dossier n° 511, merci", 511),
    "the place in the list": ("le 2", 512),
    "in letters": ("Bonjour,\n\nC'est le troisième.\n\nCordialement", 521),
    "by its title": ("celui du permis de conduire", 521),
    "a link": ("https://demarches.example.org/dossiers/512", 512),
    "with a telephone number": ("Le dossier 511. Mon téléphone : 06 12 34 56 78", 511),
}
UNCLEAR = {
    "several": "Les deux premiers",
    "none": "Je ne sais pas",
    "a title that two share": "celui du titre de séjour",
    "another's": "Dossier 123",
    "no number": "Comment faire ?",
}


def own(usager: str, first: int) -> str:
    """Three open dossiers and a closed one of an usager; their numbers are told as if they were 511, 512 and 521."""
    rows = [(first, 51, "Nord", "en_construction"), (first + 1, 51, "Sud", "en_instruction")]
    rows += [(first + 10, 52, "", "en_construction"), (first + 20, 52, "", "accepte")]
    return "".join(
        f'[[dossiers]]\nnumber = {number}\ndemarche = {demarche}\nusager = "{usager}"\nstate = "{state}"\n'
        + (f'groupe = "{groupe}"\n' if groupe else "")
        for number, demarche, groupe, state in rows
    )


PEOPLE = {
    name: (f"u{place}@usager.example.net", 1000 * place + 511) for place, name in enumerate((*ANSWERS, *UNCLEAR), 1)
}
DOSSIERS = "".join(own(*person) for person in PEOPLE.values())
INSTRUCTEURS = {511: NOE, 512: SUZIE, 521: PIERRE}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(
        tmp_path_factory.mktemp("which"), configuration(directory=DIRECTORY + NEIGHBOURS + DOSSIERS)
    ) as started:
        yield started


def inboxes(gateway: Gateway) -> dict[str, str]:
    """Where each conversation was filed last, by its reference, as the log tells."""
    return {event["conversation"]: event["inbox"] for event in gateway.events("mail_filed")}


def asked(gateway: Gateway, usager: str, to: str = CONTACT) -> Sent:
    gateway.post(letter(usager, QUESTION, to=to), to=to)
    (acknowledgement,) = gateway.sent(usager)
    return acknowledgement


def test_the_acknowledgement_lists_her_open_dossiers(gateway: Gateway) -> None:
    usager, first = PEOPLE["the number"]
    told = asked(gateway, usager)
    assert "Quel dossier votre message concerne-t-il ?" in told.words
    for place, (number, title) in enumerate(
        ((first, "Titre de séjour"), (first + 1, "Titre de séjour"), (first + 10, "Permis de conduire")), 1
    ):
        assert f"{place}. dossier n° {number} – {title}" in told.words
    assert str(first + 20) not in told.text, "that one is closed"
    for number in (first, first + 10):
        assert str(number) in told.html


@pytest.mark.parametrize("way", ANSWERS)
def test_her_answer_routes_the_conversation(gateway: Gateway, way: str) -> None:
    usager, first = PEOPLE[way]
    words, meant = ANSWERS[way]
    told = gateway.sent(usager)[0] if gateway.sent(usager) else asked(gateway, usager)
    for number in INSTRUCTEURS:
        words = words.replace(str(number), str(first + number - 511))
    client = (gmail, outlook, telephone)[list(ANSWERS).index(way) % 3]
    gateway.post(client(told, usager, words))
    assert inboxes(gateway)[told.reference] == f"dossier:{first + meant - 511}"
    instructeur = gateway.latest(INSTRUCTEURS[meant], told.reference)
    assert f"Dossier : n° {first + meant - 511}" in instructeur.words
    assert [mail.to for mail in gateway.sent(about=told.reference)] == [MANON, usager, INSTRUCTEURS[meant]]
    gateway.post(gmail(instructeur, INSTRUCTEURS[meant], "Elle est en cours."))
    assert gateway.latest(usager).from_name == "Préfecture d'Exemple"


@pytest.mark.parametrize("way", UNCLEAR)
def test_where_it_is_not_clear_nothing_moves(gateway: Gateway, way: str) -> None:
    usager, _ = PEOPLE[way]
    told = asked(gateway, usager)
    gateway.post(gmail(told, usager, UNCLEAR[way]))
    assert not inboxes(gateway)[told.reference].startswith("dossier:")
    others = {mail.to for mail in gateway.sent(about=told.reference)} - {MANON, usager}
    assert others <= {PAULA}, "nobody of a dossier"


def test_within_a_demarche_only_its_dossiers_are_offered(gateway: Gateway) -> None:
    usager, _ = PEOPLE["the number"]
    to = f"demarche+51@{DOMAIN}"
    gateway.post(letter(usager, QUESTION, to=to), to=to)
    told = gateway.latest(usager)
    assert "2. dossier n°" in told.words
    assert "3. dossier n°" not in told.words
    assert "Permis de conduire" not in told.text
    assert "Délai de réponse habituel : 10 jours ouvrés." in told.words


def test_who_has_no_dossier_is_asked_for_a_number_and_not_let_into_anothers(gateway: Gateway) -> None:
    stranger = "stranger@usager.example.net"
    told = asked(gateway, stranger)
    assert (
        "Si votre message concerne un dossier, merci de répondre à ce courriel en indiquant son numéro." in told.words
    )
    gateway.post(gmail(told, stranger, "456"))
    assert inboxes(gateway)[told.reference] in {"global", "demarche:43"}
    mails = gateway.sent(about=told.reference)
    assert {mail.to for mail in mails} <= {stranger, MANON, BOB}
    assert not any("Aide au vélo" in mail.text for mail in mails if mail.to == stranger), "nothing is told of it"


def test_nobody_else_got_a_mail(gateway: Gateway) -> None:
    usagers = {usager for usager, _ in PEOPLE.values()} | {"stranger@usager.example.net"}
    assert {mail.to for mail in gateway.sent()} <= {*EVERYBODY, *usagers}
