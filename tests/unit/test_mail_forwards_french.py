"""Forwards as French clients and webmails write them. All mail here was written for these tests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.mail.forwards import inline
from gateway.model import Address, Forwarded

WHO = Address("ulysse@usager.example.net", "Ulysse Martin")
SUBJECT = "Demande de permis n° 123"
TEXT = "Bonjour,\n\nOù en est mon dossier ?\n\nUlysse"
WHEN = datetime(2025, 2, 3, 10, 12, tzinfo=UTC)
ALICE = "alice@mairie.example.org"
MADE = f"{WHO.name} <{WHO.address}>"

# Each whole, as it stands in the text of the mail.
FORWARDS = {
    "SFR": (
        "========================================\n\n   Message du : 03/02/2025 10:12\n"
        f'   De      : "Ulysse Martin " <{WHO.address}>\n   A       : {ALICE}\n   Copie à : \n'
        f"   Sujet   : {SUBJECT}\n\n\n{TEXT}"
    ),
    "Neuf, quoted": (
        f"> Message du : 03/02/2025 10:12\n> De : {MADE}\n> A : {ALICE}\n> Sujet : {SUBJECT}\n> \n> "
        + TEXT.replace("\n", "\n> ")
    ),
    "Orange, new": (
        f"-------- Message d'origine --------\nDe : {MADE}\nEnvoyé : 3 février 2025 à 10:12\nÀ : {ALICE}\n"
        f"Objet : {SUBJECT}\n\n{TEXT}"
    ),
    "Orange, transferred": (
        f"---------------------------------------- Message transféré ----------------------------------------\n"
        f"De : {MADE}\nDate : 03/02/2025 10:12\nA : {ALICE}\nObjet : {SUBJECT}\n\n{TEXT}"
    ),
    "Orange, quoted, with a copy and a reply address": (
        f"> Message du 03/02/25 10:12\n> De : {MADE}\n> A : {ALICE}, bob@mairie.example.org\n"
        f"> Copie à : carole@mairie.example.org\n> Objet : {SUBJECT}\n> \n> " + TEXT.replace("\n", "\n> ")
    ),
    "laposte.net, new": (
        f'De : "Ulysse Martin" <{WHO.address}>\nA : {ALICE}\nEnvoyé: lundi 3 février 2025 10:12\n'
        f"Objet : {SUBJECT}\n\n{TEXT}"
    ),
    "laposte.net, Zimbra": (
        f'----- Mail transféré -----\nDe: "Ulysse Martin" <{WHO.address}>\nÀ: "alice" <{ALICE}>\n'
        f"Envoyé: Lundi 3 Février 2025 10:12:00\nObjet: {SUBJECT}\n\n{TEXT}"
    ),
    "free.fr, Zimbra with copies": (
        f'----- Mail transféré -----\nDe: "Ulysse Martin" <{WHO.address}>\n'
        f'À: "alice" <{ALICE}>, "bob" <bob@x.example>\n'
        f'Cc: "carole" <carole@x.example>\nEnvoyé: Lundi 3 Février 2025 10:12:00\nObjet: {SUBJECT}\n\n{TEXT}'
    ),
    "free.fr, Horde": (
        f"----- Message transféré de {MADE} -----\n    Date : Mon, 3 Feb 2025 11:12:00 +0100\n"
        f"      De : {MADE}\nAdresse de retour : {MADE}\n   Sujet : {SUBJECT}\n       À : {ALICE}\n\n{TEXT}\n\n"
        "----- Fin du message transféré -----"
    ),
    "Outlook 2003, importance and enclosures": (
        f"-----Message d'origine-----\nDe : Ulysse Martin [mailto:{WHO.address}]\n"
        f"Envoyé : lundi 3 février 2025 10:12\nÀ : Alice ADMIN\nCc : Bob\n"
        f"Objet : {SUBJECT}\nImportance : Haute\nPièces jointes : plan.pdf\n\n{TEXT}"
    ),
    "Outlook 2016": (
        f"De\xa0: {MADE} \nEnvoyé\xa0: lundi 3 février 2025 10:12\nÀ\xa0: Alice ADMIN <{ALICE}>\n"
        f"Cc\xa0: Bob <bob@mairie.example.org>; Carole <carole@mairie.example.org>\nObjet\xa0: {SUBJECT}\n\n{TEXT}"
    ),
    "Outlook for Mac": (
        f"De : {MADE}\nDate : lundi, 3 février 2025 à 10:12\nÀ : Alice ADMIN <{ALICE}>\nObjet : {SUBJECT}\n{TEXT}"
    ),
    "Outlook.com": (
        f"________________________________\nDe : Ulysse Martin <{WHO.address}>\nEnvoyé : lundi 3 février 2025 10:12\n"
        f"À : {ALICE} <{ALICE}>\nObjet : {SUBJECT} \n \n{TEXT}"
    ),
    "Outlook, in the name of somebody": (
        f"De : Martin Ulysse <{WHO.address}> De la part de {MADE}\nEnvoyé : lundi 3 février 2025 10:12\n"
        f"À : {ALICE}\nObjet : {SUBJECT}\n\n{TEXT}"
    ),
    "Windows Mail": (
        f"De : Ulysse Martin<mailto:{WHO.address}>\nEnvoyé le :lundi 3 février 2025 10:12\n"
        f"À : {ALICE}<mailto:{ALICE}>\nObjet :{SUBJECT}\n\n{TEXT}"
    ),
    "Gmail": (
        f"---------- Message transféré ---------\nDe : {MADE}\nDate : lun. 3 févr. 2025 à 10:12\n"
        f"Subject: {SUBJECT}\nTo: Alice <{ALICE}>\n\n\n{TEXT}"
    ),
    "Gmail, older": (
        f"---------- Message transféré ----------\nDe : Ulysse Martin <{WHO.address}>\n"
        f"Date : 3 février 2025 à 10:12\nObjet : {SUBJECT}\nÀ : {ALICE}\nCc : bob@mairie.example.org\n\n\n{TEXT}"
    ),
    "Gmail, English separator, French labels, bold": (
        f"---------- Forwarded message ---------\nDe : *Ulysse Martin* <{WHO.address}>\n"
        f"Date: lun. 3 févr. 2025 à 10:12\nSubject: {SUBJECT}\nTo: <{ALICE}>\n\n\n{TEXT}"
    ),
    "Gmail on Android": (
        f"---------- Forwarded message ---------\nDe : {MADE}\nDate: lun. 3 févr. 2025, 10:12\n"
        f"Subject: {SUBJECT}\nTo: {ALICE} <{ALICE}>\n\n\n{TEXT}"
    ),
    "Apple Mail": (
        f"Début du message réexpédié :\n\nDe: {MADE}\nObjet: {SUBJECT}\nDate: 3 février 2025 à 11:12:00 UTC+1\n"
        f"À: Alice <{ALICE}>\nRépondre à: {MADE}\n\n{TEXT}"
    ),
    "iPad": (
        f"Début du message transféré :\n\n> De: {MADE}\n> Date: 3 février 2025 à 11:12:00 UTC+1\n> À: {ALICE}\n"
        f"> Objet: {SUBJECT}\n> Répondre à: {WHO.address}\n> \n> \ufeff" + TEXT.replace("\n", "\n> ")
    ),
    "Apple Mail 4": (
        f"Début du message réexpédié :\n\n> De : {MADE}\n> Date : 3 février 2025 11:12:00 HNEC\n> À : {ALICE}\n"
        f"> Objet : {SUBJECT}\n>\n> " + TEXT.replace("\n", "\n> ")
    ),
    "Thunderbird": (
        f"-------- Message transféré --------\nSujet : \t{SUBJECT}\nDate : \tMon, 3 Feb 2025 11:12:00 +0100\n"
        f"De : \t{MADE}\nRépondre à : \t{WHO.address}\nOrganisation : \tAssociation\nPour : \t{ALICE}\n"
        f"Copie à : \tbob@mairie.example.org\n\n\n\n{TEXT}"
    ),
    "Thunderbird, older": (
        f"-------- Message original --------\nSujet: \t{SUBJECT}\nDate: \tMon, 3 Feb 2025 11:12:00 +0100\n"
        f"De: \t{MADE}\nPour: \t{ALICE}\n\n\n\n{TEXT}"
    ),
    "K-9 Mail": (
        f"-------- Message original --------\nDe : {MADE}\nEnvoyé : 3 février 2025 11:12:00 GMT+01:00\nÀ : {ALICE}\n"
        f"Objet : {SUBJECT}\n\n{TEXT}"
    ),
    "Samsung": (
        f"-------- Message d’origine --------\nDe : {MADE} \nDate : 03/02/2025  11:12  (GMT+01:00) \n"
        f"À : Alice <{ALICE}> \nObjet : {SUBJECT} \n\n{TEXT}"
    ),
    "eM Client": (
        f'------ Message transféré ------\nDe "Ulysse Martin" <{WHO.address}>\nÀ {ALICE}\nDate 03/02/2025 10:12:00\n'
        f"Objet {SUBJECT}\n\n{TEXT}"
    ),
    "eM Client, with colons": (
        f'------ Message transféré ------\nDe : "Ulysse Martin" <{WHO.address}>\nÀ : {ALICE}\n'
        f"Envoyé : 03/02/2025 10:12:00\nObjet : {SUBJECT}\n\n{TEXT}"
    ),
    "Spark": (
        f"---------- Message transféré ----------\nDe : {MADE}\nDate : 3 févr. 2025 à 11:12 +0100\nÀ : {ALICE}\n"
        f"Objet : {SUBJECT}\n\n{TEXT}"
    ),
    "RainLoop": (
        f'-------- Message transféré -------\nDe: "Ulysse Martin" <{WHO.address}>\nÀ: {ALICE}\n'
        f"Envoyé: 3 février 2025 10:12\nSujet: {SUBJECT}\n\n{TEXT}"
    ),
    "Roundcube, with copies": (
        f"-------- Message original --------\nObjet: {SUBJECT}\nDate: 03/02/2025 10:12\nDe: {MADE}\nÀ: {ALICE}\n"
        f"Cc: bob@mairie.example.org\nRépondre à: {WHO.address}\n\n{TEXT}"
    ),
    "SOGo": (
        f"-------- Message transféré --------\nSujet: {SUBJECT}\nDate: Lundi, Février 3, 2025 11:12 CET\n"
        f"De: {MADE}\nPour: {ALICE}\n\n{TEXT}"
    ),
    "BlueMind": (
        f"---- Message transféré ----\nDe : {MADE}\nEnvoyé : lundi 3 février 2025 à 10:12\nÀ : Alice <{ALICE}>\n"
        f"Sujet : {SUBJECT}\n\n{TEXT}"
    ),
    "OX App Suite": (
        f"---------- Message d'origine ----------\nDe : {MADE}\nÀ : {ALICE}\nDate : 03/02/2025 11:12 CET\n"
        f"Objet : {SUBJECT}\n\n{TEXT}"
    ),
    "Mailo": (
        f"----- Message d'origine -----\nDe : {MADE}\nÀ : {ALICE}\nSujet : {SUBJECT}\n"
        f"Date : 03/02/2025 10:12:00\n\n{TEXT}"
    ),
    "Notes": (
        f"----- Transféré par Alice Admin/MAIRIE/FR le 04/02/2025 09:00 -----\n\nDe :\t{MADE}\nA :\t{ALICE},\n"
        f"Cc :\tbob@mairie.example.org\nDate :\t03/02/2025 10:12\nObjet :\t{SUBJECT}\n\n{TEXT}"
    ),
    "Yahoo": (
        f"----- Mail transféré -----\nDe : {MADE}\nÀ : {ALICE}\nEnvoyé le : Lundi 3 février 2025 10h12\n"
        f"Objet : {SUBJECT}\n\n{TEXT}"
    ),
    "HTML in paragraphs": (
        f"De : {MADE}\n\nEnvoyé : lundi 3 février 2025 10:12\n\nÀ : {ALICE}\n\nCc : bob@x.example\n\n"
        f"Objet : {SUBJECT}\n\n{TEXT}"
    ),
}

# Those whose separator only forwards have.
WORDS = ("transféré", "réexpédié", "forwarded")
SURE = [name for name, text in FORWARDS.items() if any(word in text.lower() for word in WORDS)]


def is_the_original(found: Forwarded | None) -> None:
    assert found is not None
    assert (found.author, found.subject, found.date, found.text) == (WHO, SUBJECT, WHEN, TEXT)


@pytest.mark.parametrize("client", FORWARDS)
@pytest.mark.parametrize("prefix", ["TR: ", "Tr : ", "Fwd: ", "Transféré : "])
def test_a_forward(client: str, prefix: str) -> None:
    is_the_original(inline(FORWARDS[client], f"{prefix}{SUBJECT}", answers=True))


@pytest.mark.parametrize("client", FORWARDS)
def test_words_above_and_a_signature_of_the_phone(client: str) -> None:
    above = "Bonjour,\n\nJe vous transfère le message ci-dessous : est-ce pour vous ?\n\nEnvoyé de mon iPhone\n\n"
    is_the_original(inline(above + FORWARDS[client], f"TR: {SUBJECT}", answers=True))


@pytest.mark.parametrize("client", SURE)
def test_a_separator_of_forwards_says_it_alone(client: str) -> None:
    is_the_original(inline(f"Voir ci-dessous.\n\n{FORWARDS[client]}", "Un dossier", answers=True))


@pytest.mark.parametrize("client", [name for name in FORWARDS if name not in SURE])
def test_all_others_may_be_replies(client: str) -> None:
    assert inline(f"Merci !\n\n{FORWARDS[client]}", f"RE: {SUBJECT}", answers=True) is None


# --- more than one, and words around it ----------------------------------------------------------------------

INNER = FORWARDS["Gmail"]
OUTER = (
    "De : Carole <carole@mairie.example.org>\nEnvoyé : mardi 4 février 2025 09:00\n"
    "À : Alice <alice@mairie.example.org>\nObjet : Fwd: Demande de permis n° 123\n\nEst-ce pour nous ?\n\n"
)


def test_of_a_forward_of_a_forward_the_outer_one_is_the_original_and_the_inner_one_is_in_it() -> None:
    found = inline(f"Pour toi.\n\n{OUTER}{INNER}", f"TR: Fwd: {SUBJECT}")
    assert found is not None
    assert (found.author.address, found.subject) == ("carole@mairie.example.org", f"Fwd: {SUBJECT}")
    assert found.text.startswith("Est-ce pour nous ?\n\n---------- Message transféré")
    is_the_original(inline(found.text, found.subject))


def test_a_chain_of_three_is_reached_link_by_link() -> None:
    text, subject = f"{OUTER.replace('Carole', 'Bob').replace('carole@', 'bob@')}{OUTER}{INNER}", f"TR: {SUBJECT}"
    senders = []
    while (found := inline(text, subject)) is not None:
        senders.append(found.author.address)
        text, subject = found.text, found.subject
    assert senders == ["bob@mairie.example.org", "carole@mairie.example.org", WHO.address]


@pytest.mark.parametrize("client", ["Orange, quoted, with a copy and a reply address", "iPad", "Neuf, quoted"])
def test_what_stands_below_a_quoted_original_is_the_forwarders(client: str) -> None:
    text = f"Bonjour,\n\nVoyez plutôt :\n\n{FORWARDS[client]}\n\nQu'en pensez-vous ?\n\nAlice"
    is_the_original(inline(text, f"TR: {SUBJECT}"))


def test_a_quoted_line_that_was_wrapped_stays_the_originals() -> None:
    text = f"{FORWARDS['iPad']}\nMartin"
    found = inline(text, f"TR: {SUBJECT}")
    assert found is not None
    assert found.text == f"{TEXT}\nMartin"


def test_a_block_that_is_quoted_above_a_text_that_isnt() -> None:
    text = FORWARDS["Neuf, quoted"].replace("> " + TEXT.replace("\n", "\n> "), TEXT)
    is_the_original(inline(text, f"TR: {SUBJECT}"))


def test_what_stands_below_the_line_that_closes_a_forward_is_the_forwarders() -> None:
    text = f"Bonjour,\n\n{FORWARDS['free.fr, Horde']}\n\nQu'en pensez-vous ?"
    is_the_original(inline(text, f"TR: {SUBJECT}"))


def test_the_closing_line_of_an_inner_forward_closes_that_one_alone() -> None:
    below = "\n\nVoilà ce que nous avons reçu.\n\nCarole"
    found = inline(f"{OUTER}{FORWARDS['free.fr, Horde']}{below}", f"TR: {SUBJECT}")
    assert found is not None
    assert found.text.endswith(below)
    is_the_original(inline(found.text, found.subject))


def test_both_closed() -> None:
    begin, end = FORWARDS["free.fr, Horde"].split(TEXT)
    found = inline(f"{begin}Voir.\n\n{FORWARDS['free.fr, Horde']}\n{end}\n\nAlice", f"TR: {SUBJECT}")
    assert found is not None
    assert found.text == f"Voir.\n\n{FORWARDS['free.fr, Horde']}"


def test_words_about_an_end_close_nothing() -> None:
    text = FORWARDS["Gmail"].replace(TEXT, f"{TEXT}\n\nFin du message transféré\n\n-- \nUlysse")
    found = inline(text, f"TR: {SUBJECT}")
    assert found is not None
    assert found.text.endswith("-- \nUlysse")


# --- labels without colons, and subjects that say both -------------------------------------------------------


def test_words_that_begin_like_labels_are_no_header() -> None:
    text = "Message d'origine :\n\nDe Paris à Lyon\nDate de départ\nObjet du voyage\n\nBonjour"
    assert inline(text, f"TR: {SUBJECT}") is None
    assert inline(f"De {MADE}\nÀ {ALICE}\nObjet {SUBJECT}\n\n{TEXT}", f"TR: {SUBJECT}") is None


@pytest.mark.parametrize("above", ["", "Kiitos!\n\n"])
def test_vs_is_a_reply_in_finnish_and_a_forward_in_danish(above: str) -> None:
    finnish = (
        f"Lähettäjä: {MADE}\nLähetetty: maanantai 3. helmikuuta 2025 10.12\nVastaanottaja: {ALICE}\nAihe: {SUBJECT}"
    )
    danish = f"Fra: {MADE}\nSendt: mandag den 3. februar 2025 10:12\nTil: {ALICE}\nEmne: {SUBJECT}"
    assert inline(f"{above}{finnish}\n\n{TEXT}", f"VS: {SUBJECT}") is None
    is_the_original(inline(f"{above}{finnish}\n\n{TEXT}", f"VL: {SUBJECT}"))
    is_the_original(inline(f"{above}{danish}\n\n{TEXT}", f"VS: {SUBJECT}"))
    is_the_original(inline(f"{above}-----Välitetty viesti-----\n{finnish}\n\n{TEXT}", f"VS: {SUBJECT}"))


def test_a_subject_that_says_forward_alone_is_none() -> None:
    for prefix in ("TR", "Fwd", "VS", "WG", "I"):
        assert inline(f"Bonjour,\n\n{TEXT}", f"{prefix}: {SUBJECT}") is None


def test_lines_of_a_block_below_words_with_a_date_and_an_address_are_no_attribution() -> None:
    """A separator that isn't known must not make one sentence of the block below it."""
    text = f"Reçu le 03/02/2025 10:12\n  De : {MADE}\n  A : {ALICE}\n  Copie à :\n  Sujet : {SUBJECT}\n\n{TEXT}"
    found = inline(text, f"TR: {SUBJECT}")
    assert found is not None
    assert (found.author, found.subject, found.text) == (WHO, SUBJECT, TEXT)
