"""The original inside a forwarded mail, by client and language. All mail here was written for these tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import mark, phrases
from gateway.mail.contents import content
from gateway.mail.forwards import inline
from gateway.mail.forwards.dates import when
from gateway.mail.forwards.people import people, person
from gateway.mail.read import read
from gateway.model import Address, Forwarded

WHO = Address("ulysse@usager.example.net", "Ulysse Martin")
SUBJECT = "Demande de permis n° 123"
TEXT = "Bonjour,\n\nOù en est mon dossier ?\n\nUlysse"
WHEN = datetime(2025, 2, 3, 10, 12, tzinfo=UTC)
MADE = f"{WHO.name} <{WHO.address}>"
ALICE = "alice@mairie.example.org"

# What a client writes above the original; %s: the sender, in this client's form.
CLIENTS = {
    "Gmail fr": (
        "---------- Forwarded message ---------\nDe : {made}\nDate: lun. 3 févr. 2025 à 10:12\n"
        "Subject: {subject}\nTo: <{to}>\n\n\n"
    ),
    "Gmail fr, bold, separator in French": (
        "---------- Message transféré ---------\nDe\xa0: *Ulysse Martin* <{address}>\n"
        "Date\xa0: lun. 3 févr. 2025, 10:12\nObjet\xa0: {subject}\nÀ\xa0: {to} <{to}>\n\n"
    ),
    "Gmail en": (
        "---------- Forwarded message ---------\nFrom: {made}\nDate: Mon, Feb 3, 2025 at 10:12 AM\n"
        "Subject: {subject}\nTo: <{to}>\n\n\n"
    ),
    "Gmail de": (
        "---------- Forwarded message ---------\nVon: {made}\nDate: Mo., 3. Feb. 2025 um 10:12 Uhr\n"
        "Subject: {subject}\nTo: <{to}>\n\n\n"
    ),
    "Gmail es": (
        "---------- Forwarded message ---------\nDe: {made}\nDate: lun, 3 feb 2025 a las 10:12\n"
        "Subject: {subject}\nTo: <{to}>\n\n\n"
    ),
    "Gmail ro": (
        "---------- Forwarded message ---------\nDe la: {made}\nDate: lun., 3 feb. 2025 la 10:12\n"
        "Subject: {subject}\nTo: <{to}>\n\n\n"
    ),
    "Gmail cs": (
        "---------- Forwarded message ---------\nOd: {made}\nDate: po 3. 2. 2025 v 10:12\n"
        "Subject: {subject}\nTo: <{to}>\n\n\n"
    ),
    "Gmail tr": (
        "---------- Forwarded message ---------\nGönderen: {made}\nDate: 3 Şub 2025 Pzt, 10:12\n"
        "Subject: {subject}\nTo: <{to}>\n\n\n"
    ),
    "Outlook fr, -----Message d'origine-----": (
        "-----Message d'origine-----\nDe : Ulysse Martin [mailto:{address}] \n"
        "Envoyé : lundi 3 février 2025 10:12\nÀ : Alice ADMIN\nObjet : {subject}\n\n"
    ),
    "Outlook fr, typographic apostrophe": (
        "-----Message d’origine-----\nDe : {made} \n"
        "Envoyé : lundi 3 février 2025 10:12\nÀ : Alice ADMIN <{to}>\nObjet : {subject}\n\n"
    ),
    "Outlook fr": "De : {made}\nEnvoyé : lundi 3 février 2025 10:12\nÀ : {to}\nObjet : {subject}\n\n",
    "Outlook fr, narrow spaces": (
        "De\u202f: {made}\nEnvoyé\u202f: lundi 3\xa0février 2025 10:12\nÀ\u202f: {to}\nObjet\u202f: {subject}\n\n"
    ),
    "Outlook fr, bold": "*De :* {made}\n*Envoyé :* lundi 3 février 2025 10:12\n*À :* {to}\n*Objet :* {subject}\n\n",
    "Outlook fr, thin line": (
        "________________________________\nDe : {made}\nEnvoyé : lundi 3 février 2025 10:12:00\n"
        "À : {to} <{to}>\nCc : Bob <bob@mairie.example.org>\nObjet : {subject}\n\n"
    ),
    "Outlook fr, a line each": (
        "De : {made}\n\nEnvoyé : lundi 3 février 2025 10:12\n\nÀ : {to}\n\nObjet : {subject}\n\n"
    ),
    "Outlook mobile fr": (
        "Obtenir Outlook pour Android<https://aka.ms/x>\n________________________________\nFrom: {made}\n"
        "Sent: Monday, February 3, 2025 10:12:00 AM\nTo: {to} <{to}>\nSubject: {subject}\n\n"
    ),
    "Outlook en": "From: {made}\nSent: Monday, February 3, 2025 10:12 AM\nTo: {to}\nSubject: {subject}\n\n",
    "Outlook de": "Von: {made}\nGesendet: Montag, 3. Februar 2025 10:12\nAn: {to}\nBetreff: {subject}\n\n",
    "Outlook es": "De: {made}\nEnviado el: lunes, 3 de febrero de 2025 10:12\nPara: {to}\nAsunto: {subject}\n\n",
    "Outlook it": "Da: {made}\nInviato: lunedì 3 febbraio 2025 10:12\nA: {to}\nOggetto: {subject}\n\n",
    "Outlook pt": "De: {made}\nEnviada: 3 de fevereiro de 2025 10:12\nPara: {to}\nAssunto: {subject}\n\n",
    "Outlook nl": "Van: {made}\nVerzonden: maandag 3 februari 2025 10:12\nAan: {to}\nOnderwerp: {subject}\n\n",
    "Outlook hu": "Feladó: {made}\nElküldve: 2025. február 3. 10:12\nCímzett: {to}\nTárgy: {subject}\n\n",
    "Outlook ja": "差出人: {made}\n送信日時: 2025年2月3日 10:12\n宛先: {to}\n件名: {subject}\n\n",
    "new Outlook fr": "De : {made}\nDate : lundi, 3 février 2025 à 10:12\nÀ : {to} <{to}>\nObjet : {subject}\n",
    "Apple Mail fr": (
        "Début du message réexpédié :\n\n> De: {made}\n> Objet: {subject}\n"
        "> Date: 3 février 2025 à 10:12:00 UTC\n> À: {to}\n> \n> "
    ),
    "iPhone fr": (
        "Envoyé de mon iPhone\n\nDébut du message transféré\xa0:\n\n> De: {made}\n"
        "> Date: 3 février 2025 à 11:12:00 UTC+1\n> À: {to}\n> Objet: {subject}\n> \n> \ufeff"
    ),
    "Apple Mail fr, older": (
        "Début du message réexpédié :\n\n> Expéditeur: {made}\n> Objet: {subject}\n"
        "> Date: 3 février 2025 11:12:00 HNEC\n> Destinataire: {to}\n> \n> "
    ),
    "Apple Mail en": (
        "Begin forwarded message:\n\n> From: {made}\n> Subject: {subject}\n"
        "> Date: 3 February 2025 at 11:12:00 CET\n> To: {to}\n> \n> "
    ),
    "Apple Mail de": (
        "Anfang der weitergeleiteten Nachricht:\n\n> Von: {made}\n> Betreff: {subject}\n"
        "> Datum: 3. Februar 2025 um 11:12:00 MEZ\n> An: {to}\n> \n> "
    ),
    "Apple Mail es": (
        "Inicio del mensaje reenviado:\n\n> De: {made}\n> Asunto: {subject}\n"
        "> Fecha: 3 de febrero de 2025, 11:12:00 CET\n> Para: {to}\n> \n> "
    ),
    "Apple Mail it": (
        "Inizio messaggio inoltrato:\n\n> Da: {made}\n> Oggetto: {subject}\n"
        "> Data: 3 febbraio 2025 alle ore 11:12:00 CET\n> A: {to}\n> \n> "
    ),
    "Apple Mail pl": (
        "Początek przekazywanej wiadomości:\n\n> Od: {made}\n> Temat: {subject}\n"
        "> Data: 3 lutego 2025 o 11:12:00 CET\n> Do: {to}\n> \n> "
    ),
    "Thunderbird fr": (
        "-------- Message transféré --------\nSujet : \t{subject}\nDate : \tMon, 3 Feb 2025 11:12:00 +0100\n"
        "De : \t{made}\nPour : \t{to}\nCopie à : \tBob <bob@mairie.example.org>\n\n\n\n"
    ),
    "Thunderbird en": (
        "-------- Forwarded Message --------\nSubject: \t{subject}\nDate: \tMon, 3 Feb 2025 11:12:00 +0100\n"
        "From: \t{made}\nTo: \t{to}\n\n\n\n"
    ),
    "Thunderbird de": (
        "-------- Weitergeleitete Nachricht --------\nBetreff: \t{subject}\nDatum: \tMon, 3 Feb 2025 11:12:00 +0100\n"
        "Von: \t{made}\nAn: \t{to}\nKopie (CC): \tBob <bob@mairie.example.org>\n\n\n\n"
    ),
    "Thunderbird nl": (
        "-------- Doorgestuurd bericht --------\nOnderwerp: \t{subject}\nDatum: \tMon, 3 Feb 2025 11:12:00 +0100\n"
        "Van: \t{made}\nAan: \t{to}\n\n\n\n"
    ),
    "Thunderbird pt": (
        "-------- Mensagem encaminhada --------\nAssunto: \t{subject}\nData: \tMon, 3 Feb 2025 11:12:00 +0100\n"
        "De: \t{made}\nPara: \t{to}\n\n\n\n"
    ),
    "Yahoo fr": (
        "----- Message transféré -----\nDe : {made}\nÀ : {to} <{to}>\n"
        "Envoyé : lundi 3 février 2025 à 11:12:00 UTC+1\nObjet : {subject}\n\n"
    ),
    "Yahoo fr, run together": (
        "   ----- Message transféré ----- De : {made}À : {to} <{to}>"
        "Envoyé : lundi 3 février 2025 à 11:12:00 UTC+1Objet : {subject}\n "
    ),
    "Yahoo it, run together": (
        "   ----- Messaggio inoltrato ----- Da: {made}A: {to} <{to}>"
        "Inviato: lunedì 3 febbraio 2025 alle ore 11:12:00 CETOggetto: {subject}\n "
    ),
    "Zimbra fr": (
        '----- Mail transféré -----\nDe: "Ulysse Martin" <{address}>\nÀ: "Alice" <{to}>\n'
        "Envoyé: Lundi 3 Février 2025 10:12:00\nObjet: {subject}\n\n"
    ),
    "Zimbra fr, as a reply's": (
        '----- Mail original -----\nDe: "Ulysse Martin" <{address}>\nÀ: "Alice" <{to}>\n'
        "Envoyé: Lundi 3 Février 2025 10:12:00\nObjet: {subject}\n\n"
    ),
    "Roundcube fr": (
        "-------- Message original --------\nObjet: {subject}\nDate: 03.02.2025 10:12\nDe: {made}\nÀ: {to}\n\n"
    ),
    "Orange": ("> Message du 03/02/25 10:12\n> De : {made}\n> A : {to}\n> Copie à : \n> Objet : {subject}\n> \n> "),
    "La Poste": ("> Message du 03/02/2025 à 10h12\n> De : {made}\n> A : {to}\n> Objet : {subject}\n>\n> "),
    "Samsung": (
        "-------- Message d'origine --------\nDe : {made} \nDate : 03/02/2025  11:12  (GMT+01:00) \n"
        "À : {to} \nObjet : {subject} \n\n"
    ),
    "Proton fr": (
        "------- Message transféré -------\nDe : {made}\nDate : Le lundi 3 février 2025 à 10:12\n"
        "Objet : {subject}\nÀ : {to}\n\n"
    ),
    "Proton en": (
        "------- Forwarded Message -------\nFrom: {made}\nDate: On Monday, February 3rd, 2025 at 10:12 AM\n"
        "Subject: {subject}\nTo: {to}\n\n"
    ),
    "GMX fr: the date first": ("Envoyé: lundi 3 février 2025 à 10:12\nDe: {made}\nÀ: {to}\nObjet: {subject}\n\n"),
    "HubSpot fr": (
        "---------- Message transféré ---------\nDe : {made}\nDate : lundi 3 février 2025, 11:12:00 +0100\n"
        "Objet : {subject}\nÀ : {to}\n\n"
    ),
    "IONOS": (
        "---------- Original Message ----------\nFrom: {made}\nTo: {to}\nDate: 02/03/2025 11:12 AM CET\n"
        "Subject: {subject}\n\n"
    ),
    "MailMate": (
        "Forwarded message:\n\n> From: {made}\n> To: {to}\n> Subject: {subject}\n"
        "> Date: Mon, 3 Feb 2025 10:12:00 +0000\n>\n> "
    ),
    "Mutt": (
        "----- Forwarded message from {made} -----\n\nDate: Mon, 3 Feb 2025 11:12:00 +0100\n"
        "From: {made}\nTo: {to}\nSubject: {subject}\n\n"
    ),
    "KMail fr": (
        "----------  Message transmis  ----------\n\nSujet : {subject}\nDate : lundi 3 février 2025, 11:12:00 CET\n"
        "De : {made}\nÀ : {to}\n\n"
    ),
    "Exchange 2010 fr, a name alone of the recipient": (
        "________________________________________\nDe : Ulysse Martin [{address}]\n"
        "Date d’envoi : lundi 3 février 2025 10:12\nÀ : Alice ADMIN\nObjet : {subject}\n\n"
    ),
    "Thunderbird hr": (
        "-------- Proslijeđena poruka --------\nNaslov: \t{subject}\nDatum: \tMon, 3 Feb 2025 11:12:00 +0100\n"
        "Šalje: \t{made}\nPrima: \t{to}\n\n\n\n"
    ),
    "163.com": (
        "-------- Forwarding messages --------\nFrom: {made}\nDate: 2025-02-03 10:12:00\nTo:  {to}\n"
        "Subject: {subject}\n"
    ),
    "Notes fr": (
        "----- Transféré par Alice Admin/MAIRIE le 04/02/2025 09:00 -----\n\nDe : {made}\nA : {to}\n"
        "Date : 03/02/2025 10:12\nObjet : {subject}\n\n"
    ),
}


def made(client: str) -> str:
    head = CLIENTS[client].format(made=MADE, address=WHO.address, subject=SUBJECT, to=ALICE)
    if head.endswith(("> ", "\ufeff")):
        return head + TEXT.replace("\n", "\n> ")
    return head + TEXT


def is_the_original(found: Forwarded | None) -> None:
    assert found is not None
    assert (found.author, found.subject, found.date, found.text) == (WHO, SUBJECT, WHEN, TEXT)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_forward_of_each_client(client: str) -> None:
    found = inline(made(client), f"TR : {SUBJECT}", answers=True)
    is_the_original(found)
    assert found is not None
    assert found.received_by[:1] in (
        (Address(ALICE),),
        (Address(ALICE, "Alice"),),
        (Address(ALICE, "Alice ADMIN"),),
        (),
    )


@pytest.mark.parametrize("client", CLIENTS)
def test_with_words_of_the_forwarder_above(client: str) -> None:
    """Own words, and what quotes makes of them, are untouched by the forward below."""
    above = "Bonjour Inès,\n\nPeux-tu regarder ? Merci.\n\nAlice\n\n"
    is_the_original(inline(above + made(client), f"Fwd: {SUBJECT}", answers=True))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_subject_without_prefix_and_nothing_above(client: str) -> None:
    if client not in ("Outlook mobile fr", "iPhone fr"):  # their signatures stand above
        is_the_original(inline(made(client), "Pour toi", answers=True))


@pytest.mark.parametrize(
    "prefix", ["TR:", "TR :", "Tr\xa0:", "FW:", "Fwd:", "WG:", "I:", "RV:", "ENC:", "VS:", "VB:"]
)
def test_prefixes_of_forwards(prefix: str) -> None:
    is_the_original(inline(f"Voir plus bas\n\n{made('Outlook fr')}", f"{prefix} {SUBJECT}", answers=True))
    is_the_original(
        inline(f"Voir plus bas\n\n{made('Outlook fr')}", f"[mairie] {prefix} RE: {SUBJECT}", answers=True)
    )


@pytest.mark.parametrize(
    "prefix", ["RE:", "Re :", "RE: TR:", "AW:", "SV:", "R:", "Antw:", "Réf. :", "RE: [liste] Fwd:"]
)
@pytest.mark.parametrize("client", ["Outlook fr", "Outlook fr, -----Message d'origine-----", "Samsung", "Orange"])
def test_a_reply_is_no_forward(client: str, prefix: str) -> None:
    assert inline(f"Merci !\n\n{made(client)}", f"{prefix} {SUBJECT}") is None
    assert inline(made(client), f"{prefix} {SUBJECT}") is None


def test_without_prefix_a_block_is_a_forward_unless_the_mail_answers_another() -> None:
    text = f"Voir plus bas\n\n{made('Outlook fr')}"
    is_the_original(inline(text, "Pour toi"))
    assert inline(text, "Pour toi", answers=True) is None


def test_a_formal_letter_is_no_forward() -> None:
    letter = "De : Ulysse Martin\nÀ : Mairie d'Exemple\nObjet : demande de permis\n\nMadame, Monsieur,"
    assert inline(letter, "Demande de permis") is None


@pytest.mark.parametrize(
    "above",
    [
        "Merci.\n\nLe lun. 3 févr. 2025 à 10:12, Alice <alice@mairie.example.org> a écrit :\n\n> Bonjour\n> \n> ",
        "Merci.\n\nLe lun. 3 févr. 2025 à 10:12, Alice <alice@mairie.example.org> a écrit :\n\n",
        f"Merci.\n\n{mark.REPLY_MARKER}\n\nBonjour,\n\n",
        "Merci.\n\nDe : Alice <alice@mairie.example.org>\nEnvoyé : lundi\nÀ : x\nObjet : RE: y\n\nBonjour,\n\n",
    ],
)
def test_a_forward_in_the_quote_of_a_reply_is_the_quotes(above: str) -> None:
    quoted = made("Gmail fr") if not above.endswith("> ") else made("Gmail fr").replace("\n", "\n> ")
    assert inline(above + quoted, f"RE: {SUBJECT}") is None
    assert inline(above + quoted, SUBJECT, answers=True) is None


def test_a_block_in_the_quote_of_a_reply_is_the_quotes() -> None:
    above = f"Merci.\n\nLe lun. 3 févr. 2025 à 10:12, Alice <{ALICE}> a écrit :\n\n> Bonjour\n\n"
    assert inline(above + made("Outlook fr"), SUBJECT) is None


def test_words_about_a_forward_are_no_separator() -> None:
    assert inline(f"Transféré par Bob :\n\n{made('Outlook fr')}", f"RE: {SUBJECT}") is None


def test_an_address_and_a_colon_without_a_date_are_no_attribution() -> None:
    assert inline(f"Écrire à Ulysse <{WHO.address}> :\n\n    Bonjour", f"TR: {SUBJECT}") is None


def test_a_quoted_separator_in_a_reply_is_its_quote() -> None:
    """Gmail answers digests so, without an attribution."""
    assert inline("Merci.\n\n" + "> " + made("Gmail en").replace("\n", "\n> "), f"Re: {SUBJECT}") is None


def test_a_separator_of_forwards_needs_no_prefix() -> None:
    is_the_original(inline(f"Pour information.\n\n{made('Gmail fr')}", f"Re: {SUBJECT}", answers=True))


@pytest.mark.parametrize(
    "attribution",
    [
        "Le 03/02/2025 10:12, « Ulysse Martin » <ulysse@usager.example.net> a écrit\xa0:",
        'On 2/3/25, 10:12 AM, "Ulysse Martin" <ulysse@usager.example.net> wrote:',
        "Am 03.02.25, 10:12 schrieb Ulysse Martin <ulysse@usager.example.net>:",
        "Op 03-02-2025 10:12 heeft Ulysse Martin <ulysse@usager.example.net> geschreven:",
        "Il giorno lun 3 feb 2025 alle ore 10:12 Ulysse Martin\n<ulysse@usager.example.net> ha scritto:",
        "Ulysse Martin <ulysse@usager.example.net> kirjoitti 3.2.2025 10.12:",
    ],
)
def test_an_attribution_is_a_forward_only_where_the_subject_says_so(attribution: str) -> None:
    text = f"{attribution}\n\n    " + TEXT.replace("\n", "\n    ")
    is_the_original(inline(text, f"TR: {SUBJECT}"))
    assert inline(text, f"RE: {SUBJECT}") is None
    assert inline(text, SUBJECT) is None


def test_an_attribution_in_the_forwarders_words_is_not_the_original() -> None:
    above = "Voici ce que Bob <bob@mairie.example.org> a reçu le 04/02/2025 :\n\n"
    is_the_original(inline(above + made("Gmail fr"), f"TR: {SUBJECT}"))


def test_an_attribution_whose_text_is_not_set_off() -> None:
    is_the_original(inline(f"Am 03.02.25, 10:12 schrieb {MADE}:\n\n{TEXT}", f"WG: {SUBJECT}"))


def test_an_attribution_above_quoted_lines() -> None:
    quoted = TEXT.replace("\n", "\n> ")
    is_the_original(inline(f"Pour toi\n\nLe 03/02/2025 à 10:12, {MADE} a écrit :\n> {quoted}", f"TR: {SUBJECT}"))


def test_an_attribution_below_a_separator_of_forwards() -> None:
    text = f'-------- Пересылаемое сообщение --------\n03.02.2025, 10:12, "Ulysse Martin" <{WHO.address}>:\n\n{TEXT}'
    is_the_original(inline(text, f"Fwd: {SUBJECT}"))
    is_the_original(inline(f"Pour toi\n\n{text}", SUBJECT, answers=True))


def test_a_mail_whose_lines_were_run_together() -> None:
    """Nothing tells where its subject ends: it's the mail's own, and no word of the text is lost."""
    words = "Bonjour, où en est mon dossier ? " * 10
    text = (
        f"Pour toi\n-------- Message d'origine --------De : {MADE} Date : 03/02/2025  11:12  (GMT+01:00) "
        f"À : {ALICE} Objet : {SUBJECT} {words}\nUlysse"
    )
    found = inline(text, f"TR: {SUBJECT}")
    assert found is not None
    assert (found.author, found.subject, found.date) == (WHO, SUBJECT, WHEN)
    assert found.text == f"{SUBJECT} {words.strip()}\nUlysse"


def test_a_boundary_far_below_is_not_looked_for() -> None:
    assert inline("mots\n" * 20_000 + made("Gmail fr"), f"TR: {SUBJECT}") is None


def test_wrapped_header_lines() -> None:
    text = (
        "---------- Forwarded message ---------\nDe : Direction de la citoyenneté et de l’attractivité <\n"
        "accueil@mairie.example.org>\nDate: lun. 3 févr. 2025 à\n10:12\n"
        "Subject: Votre demande de permis de végétaliser le trottoir de la rue des\nLilas\n"
        "To: Ulysse <ulysse@usager.example.net>,\n Bob <bob@mairie.example.org>\n\n\nBonjour"
    )
    found = inline(text, "Fwd: x")
    assert found is not None
    assert found.author == Address("accueil@mairie.example.org", "Direction de la citoyenneté et de l’attractivité")
    assert found.date == WHEN
    assert found.subject == "Votre demande de permis de végétaliser le trottoir de la rue des Lilas"
    assert [box.address for box in found.received_by] == ["ulysse@usager.example.net", "bob@mairie.example.org"]
    assert found.text == "Bonjour"


def test_a_wrapped_subject_at_the_end_of_the_block() -> None:
    subject = "Votre demande de permis de végétaliser le trottoir devant le numéro"
    text = f"De : {MADE}\nDate : 3/2/2025\nÀ : {ALICE}\nObjet : {subject}\nquarante-deux\n\nBonjour"
    found = inline(text, "TR: x")
    assert found is not None
    assert found.subject == f"{subject} quarante-deux"
    assert found.text == "Bonjour"


def test_words_just_below_the_block_are_the_originals() -> None:
    found = inline(f"De : {MADE}\nDate : 3/2/2025\nÀ : {ALICE}\nObjet : Permis\nBonjour,\n\nDate : demain", "TR: x")
    assert found is not None
    assert (found.subject, found.text) == ("Permis", "Bonjour,\n\nDate : demain")


def test_a_paragraph_just_below_a_long_subject_is_the_originals() -> None:
    subject = "Votre demande de permis de végétaliser le trottoir devant le numéro 42"
    text = f"De : {MADE}\nDate : 3/2/2025\nÀ : {ALICE}\nObjet : {subject}\nBonjour,\nOù en est mon dossier ?"
    found = inline(text, "TR: x")
    assert found is not None
    assert (found.subject, found.text) == (subject, "Bonjour,\nOù en est mon dossier ?")


def test_labels_apart_from_their_values() -> None:
    found = inline(f"De :\n{MADE}\nEnvoyé :\n3/2/2025 10:12\nÀ :\n{ALICE}\nObjet :\n{SUBJECT}\n\n{TEXT}", "TR: x")
    is_the_original(found)


def test_the_quotes_of_the_original_stay_in_its_text() -> None:
    inner = f"{TEXT}\n\nLe 1 févr. 2025 à 9:00, Alice <{ALICE}> a écrit :\n\n> Bonjour"
    found = inline(made("Gmail fr").removesuffix(TEXT) + inner, "Fwd: x")
    assert found is not None
    assert found.text == inner


def test_without_a_subject_in_the_block_it_is_the_mails_own() -> None:
    found = inline(f"De : {MADE}\nEnvoyé : 3/2/2025\nÀ : {ALICE}\n\n{TEXT}", f"TR: {SUBJECT}")
    assert found is not None
    assert found.subject == SUBJECT


def test_bold_stars_of_the_label_only() -> None:
    found = inline(f"*De :* {MADE}\n*Date :* 3/2/2025\n*Objet :****URGENT***\n\n{TEXT}", "TR: x")
    assert found is not None
    assert found.subject == "***URGENT***"


def test_an_encoded_subject() -> None:
    found = inline(f"De : {MADE}\nDate : 3/2/2025\nObjet : =?utf-8?q?Caf=C3=A9?=\n\n{TEXT}", "TR: x")
    assert found is not None
    assert found.subject == "Café"


def test_a_label_inside_of_a_name_in_a_line_run_together() -> None:
    text = f"----- Message transféré ----- De : CASA: Permis <{WHO.address}>À : {ALICE}Objet : {SUBJECT}\n{TEXT}"
    found = inline(text, f"TR: {SUBJECT}")
    assert found is not None
    assert found.author == Address(WHO.address, "CASA: Permis")


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("Ulysse Martin <ulysse@usager.example.net>", WHO),
        ("ulysse@usager.example.net", Address(WHO.address)),
        ("<Ulysse@Usager.example.net>", Address(WHO.address)),
        ("ulysse@usager.example.net <ulysse@usager.example.net>", Address(WHO.address)),
        ("Ulysse Martin (ulysse@usager.example.net)", WHO),
        ("ulysse@usager.example.net (Ulysse Martin)", WHO),
        ("Ulysse Martin [ulysse@usager.example.net]", WHO),
        ("Ulysse Martin [mailto:ulysse@usager.example.net]", WHO),
        ("Ulysse Martin <mailto:ulysse@usager.example.net>", WHO),
        ("Ulysse Martin <ulysse@usager.example.net<mailto:ulysse@usager.example.net>>", WHO),
        ("« Ulysse Martin » <ulysse@usager.example.net>", WHO),
        ("'Ulysse Martin' <ulysse@usager.example.net>", WHO),
        ("**Ulysse Martin** <ulysse@usager.example.net>", WHO),
        ("=?utf-8?q?Ulysse_Martin?= <ulysse@usager.example.net>", WHO),
        ("'ulysse@usager.example.net' via Contact <contact@mairie.example.org>", Address(WHO.address)),
        ("MARTIN Ulysse", Address("", "MARTIN Ulysse")),
        ("Martin, Ulysse <ulysse@usager.example.net>", Address(WHO.address, "Martin, Ulysse")),
        (
            "liste@x.example [mailto:liste@x.example] De la part de Ulysse Martin",
            Address("", "Ulysse Martin"),
        ),
        ("contact@liste.example.org On Behalf Of Ulysse Martin <ulysse@usager.example.net>", WHO),
        ('"directeur@mairie.example.org" <pirate@bad.example>', Address("pirate@bad.example")),
        ("", Address("")),
    ],
)
def test_senders_as_they_are_printed(printed: str, expected: Address) -> None:
    assert person(printed) == expected


def test_lists_of_recipients() -> None:
    found = people('Martin, Ulysse <u@x.example>; "Doe; Jane" <j@x.example>; k@x.example', "U <u@x.example>")
    assert [box.address for box in found] == ["u@x.example", "j@x.example", "k@x.example"]
    found = people("Martin, Ulysse <u@x.example>, j@x.example, K <k@x.example>", "nom seul")
    assert found == (Address("u@x.example", "Martin, Ulysse"), Address("j@x.example"), Address("k@x.example", "K"))


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("mar. 4 mars 2025 à 9h05", "2025-03-04 09:05"),
        ("le 1er mars 2025 à 9 h 31", "2025-03-01 09:31"),
        ("mar. 04/03/2025 09:05", "2025-03-04 09:05"),
        ("mercredi 5 août 2020 14:25:08", "2020-08-05 14:25:08"),
        ("5 avr. 2020 à 14:25:08 UTC+2", "2020-04-05 12:25:08"),
        ("28/10/21, 12:46", "2021-10-28 12:46"),
        ("28.10.21 kl. 12.46", "2021-10-28 12:46"),
        ("10/28/21, 12:46 PM", "2021-10-28 12:46"),
        ("2/3/25, 12:05 AM", "2025-02-03 00:05"),
        ("28-Oct-21 2:00pm", "2021-10-28 14:00"),
        ("Wed Oct 27 09:31:00 2021", "2021-10-27 09:31"),
        ("2021-10-27T09:31:00Z", "2021-10-27 09:31"),
        ("26. oktober 2021 kl. 14.25.08 CEST", "2021-10-26 12:25:08"),
        ("27. listopada 2021. 12:46", "2021-10-27 12:46"),  # Croatian: October
        ("27 listopada 2021 12:46", "2021-11-27 12:46"),  # Polish: November
        ("úterý 2. července 2024 09:26", "2024-07-02 09:26"),
        ("úterý 2. června 2024 09:26", "2024-06-02 09:26"),
        ("2 de març de 2024 a les 9:26", "2024-03-02 09:26"),
        ("вторник, 2 ноября 2021 г., 09:26:50 GMT+1", "2021-11-02 08:26:50"),
        ("2021년 10월 27일 (수) 오후 2:25", "2021-10-27 14:25"),
        ("lundi", ""),
        ("31 février 2021", ""),
        ("99/99/9999", ""),
        ("3 février", ""),
        ("1 Jan 2021 09:31 +9999", "2021-01-01 09:31"),
    ],
)
def test_dates_as_they_are_printed(printed: str, expected: str) -> None:
    found = when(printed)
    assert (found.isoformat(" ") if found else "") == (
        datetime.fromisoformat(expected).replace(tzinfo=UTC).isoformat(" ") if expected else ""
    )


LOCALES = [
    *("fr", "en", "de", "es", "it", "pt", "nl", "da", "sv", "nb", "fi", "et", "pl", "cs", "sk", "hu", "ro", "hr"),
    *("ru", "uk", "tr", "el"),
]


@pytest.mark.parametrize("locale", LOCALES)
def test_every_month_of_a_language_is_read(locale: str) -> None:
    """As the Unicode consortium's data spell them, in full and short."""
    dates = pytest.importorskip("babel.dates")
    for month in range(1, 13):
        day = datetime(2021, month, 27, tzinfo=UTC)
        for pattern in ("medium", "long", "full"):
            printed = dates.format_date(day, pattern, locale=locale)
            assert when(printed) == day, printed


def test_labels_are_in_the_form_they_are_compared_in() -> None:
    assert all(label == " ".join(label.lower().split()) for label in phrases.LABELS)


# --- whole mails --------------------------------------------------------------------------------------------


def mail(subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Alice <alice@mairie.example.org>"
    message["To"] = "contact@support.example.org"
    message["Subject"] = subject
    message["Message-ID"] = "<outer@mairie.example.org>"
    message["Date"] = "Tue, 4 Feb 2025 09:00:00 +0100"
    message.set_content(text)
    return message


def inner() -> EmailMessage:
    message = EmailMessage()
    message["From"] = MADE
    message["To"] = ALICE
    message["Cc"] = "bob@mairie.example.org"
    message["Subject"] = SUBJECT
    message["Message-ID"] = "<inner@usager.example.net>"
    message["Date"] = "Mon, 3 Feb 2025 11:12:00 +0100"
    message.set_content(TEXT)
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="plan.pdf")
    return message


def test_an_inline_forward_is_read_with_the_attachments_of_the_mail() -> None:
    message = mail(f"TR: {SUBJECT}", made("Outlook fr"))
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="plan.pdf")
    found = read(message.as_bytes())
    is_the_original(found.forwarded)
    assert found.forwarded is not None
    assert [a.name for a in found.forwarded.attachments] == ["plan.pdf"]
    assert found.attachments == found.forwarded.attachments


def test_html_alone() -> None:
    message = mail(f"TR: {SUBJECT}", "")
    lines = "".join(f"<p>{line}</p>" for line in TEXT.split("\n\n"))
    message.set_content(
        "<div>Pour toi</div><hr><div id='divRplyFwdMsg'><b>De&nbsp;:</b> Ulysse Martin &lt;"
        f"<a href='mailto:{WHO.address}'>{WHO.address}</a>&gt;<br><b>Envoyé&nbsp;:</b> lundi 3 février 2025 10:12<br>"
        f"<b>À&nbsp;:</b> {ALICE}<br><b>Objet&nbsp;:</b> {SUBJECT}</div>{lines}",
        subtype="html",
    )
    is_the_original(read(message.as_bytes()).forwarded)


def test_an_attached_mail() -> None:
    message = mail(f"TR: {SUBJECT}", "Pour toi.\n")
    message.add_attachment(inner())
    found = read(message.as_bytes())
    is_the_original(found.forwarded)
    assert found.forwarded is not None
    assert found.forwarded.message_id == "inner@usager.example.net"
    assert [box.address for box in found.forwarded.received_by] == [ALICE, "bob@mairie.example.org"]
    assert found.own == "Pour toi."
    attached, plan = found.forwarded.attachments
    assert b"plan.pdf" in content(message.as_bytes(), attached.part)
    assert (plan.name, content(message.as_bytes(), plan.part)) == ("plan.pdf", b"%PDF")


def test_the_files_of_an_attached_mail_are_its_own_and_not_those_of_its_neighbours() -> None:
    other = mail("Autre chose", "Rien")
    other.add_attachment(b"%PDF-2", maintype="application", subtype="pdf", filename="autre.pdf")
    nested = mail("Plus bas", "Voir")
    nested.add_attachment(b"%PDF-3", maintype="application", subtype="pdf", filename="fond.pdf")
    first = inner()
    first.add_attachment(nested)
    message = mail(f"TR: {SUBJECT}", "Pour toi.\n")
    message.add_attachment(b"%PDF-0", maintype="application", subtype="pdf", filename="avant.pdf")
    message.add_attachment(first)
    message.add_attachment(other)
    message.add_attachment(b"%PDF-4", maintype="application", subtype="pdf", filename="apres.pdf")
    found = read(message.as_bytes()).forwarded
    assert found is not None
    names = [attachment.name for attachment in found.attachments]
    assert names[1:2] + names[3:] == ["plan.pdf", "fond.pdf"]
    assert {attachment.type for attachment in found.attachments} == {"message/rfc822", "application/pdf"}


@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_an_attached_eml_file(line: str) -> None:
    message = mail("Pour toi", "")
    data = inner().as_bytes().replace(b"\n", line.encode())
    message.add_attachment(data, maintype="application", subtype="octet-stream", filename="Demande.EML")
    is_the_original(read(message.as_bytes()).forwarded)


def test_the_text_comes_before_the_attached() -> None:
    message = mail(f"TR: {SUBJECT}", made("Gmail fr"))
    other = mail("Autre chose", "Rien")
    message.add_attachment(other)
    is_the_original(read(message.as_bytes()).forwarded)


def test_an_attached_file_that_is_no_mail() -> None:
    message = mail("Pour toi", "Voici.")
    message.add_attachment(b"pas un mail", maintype="application", subtype="octet-stream", filename="x.eml")
    assert read(message.as_bytes()).forwarded is None


def test_a_bounce_forwards_nothing() -> None:
    raw = (
        b"From: MAILER-DAEMON@mx.example.org\nTo: a@support.example.org\nSubject: Undelivered Mail\n"
        b'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        b"--b\nContent-Type: text/plain\n\nsorry\n--b\nContent-Type: message/delivery-status\n\n"
        b"Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; u@x.example\nAction: failed\nStatus: 5.1.1\n\n"
        b"--b\nContent-Type: message/rfc822\n\nFrom: a@support.example.org\nSubject: x\n\ny\n--b--\n"
    )
    assert read(raw).forwarded is None


def test_a_machine_forwards_nothing() -> None:
    message = mail(f"TR: {SUBJECT}", made("Gmail fr"))
    assert read(message.as_bytes()).forwarded is not None
    message["Auto-Submitted"] = "auto-replied"
    assert read(message.as_bytes()).forwarded is None


def test_a_digest_is_no_forward() -> None:
    raw = (
        b"From: alice@mairie.example.org\nTo: a@support.example.org\nSubject: recueil\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/digest; boundary="b"\n\n--b\n\nFrom: u@x.example\nSubject: un\n\n1\n'
        b"--b\n\nFrom: v@x.example\nSubject: deux\n\n2\n--b--\n"
    )
    found = read(raw)
    assert (len(found.attachments), found.forwarded) == (2, None)


def test_a_mail_attached_within_a_mail_within_a_mail() -> None:
    """One level is opened, however deep it goes."""
    message = inner()
    for depth in range(30):
        outer = mail(f"niveau {depth}", "voir")
        outer.add_attachment(message)
        message = outer
    found = read(message.as_bytes()).forwarded
    assert found is not None
    assert found.subject == "niveau 28"


# --- whatever the input --------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(
            "De : ",
            "From: ",
            "Envoyé : ",
            "À : ",
            "Objet : ",
            "Assunto ",
            "Date:",
            ":",
            "\n",
            "\n\n",
            "> ",
            "*",
            "<",
            ">",
        ),
        *("---------- Forwarded message ---------", "-----Message d'origine-----", "----- Mensaje reenviado ----- "),
        *(
            "a@b.fr",
            "<a@b.fr>",
            "[mailto:a@b.fr]",
            "3 févr. 2025",
            "31/31/31 99:99",
            "À :",
            "«",
            '"',
            ",",
            ";",
            "\xa0",
        ),
        *("De la part de ", " via ", "a écrit :", "=?utf-8?q?=C3?=", "１２", "²", "İ", "\x00", "\ud800", "mots"),
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=60).map("".join)


@given(TEXTS, st.sampled_from(["", "TR: x", "RE: x", "[a] [b] I :", "²:"]), st.booleans())
def test_it_never_raises(text: str, subject: str, answers: bool) -> None:
    found = inline(text, subject, answers=answers)
    assert found is None or found.author.address or found.author.name or found.text is not None
    if found and found.date:
        assert found.date.utcoffset() is not None


@given(st.binary(max_size=400))
def test_attached_junk_never_raises(data: bytes) -> None:
    raw = (
        b"From: a@x.example\nSubject: TR: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nvoir\n"
        b"--b\nContent-Type: message/rfc822\n\n" + data + b"\n--b--\n"
    )
    found = read(raw).forwarded
    assert found is None or found.attachments


@given(TEXTS)
def test_dates_and_people_never_raise(text: str) -> None:
    assert all(box.address for box in people(text, text))
    assert isinstance(person(text), Address)
    assert when(text) is None or isinstance(when(text), datetime)


@pytest.mark.parametrize(
    "unit",
    [
        "mots mots mots mots mots mots\n",
        "\n",
        ":",
        "De : x\n",
        "De : a,\nb,\nb,\nb,\n",
        "--- forwarded message --- a:b:c:d Assunto x\n",
        "<a@b.fr> 28/10/2021 12:46:\n",
        "> " * 30 + "De : \n",
        "Le 28/10/2021 à 12:46, Jean <a@b.fr> a écrit :\n> x\n",
    ],
)
@pytest.mark.parametrize("subject", ["", "TR: x"])
def test_the_time_grows_with_the_text_at_most(unit: str, subject: str) -> None:
    """Eight times the text takes at most about eight times as long: far from the 64 of a quadratic cost."""

    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size] + f"\n{made('Gmail fr')}"
        begun = time.process_time()
        inline(text, subject)
        return time.process_time() - begun

    small = min(seconds(60_000) for _ in range(3))
    assert seconds(480_000) < max(small, 0.002) * 24
