"""A citizen's words that look like what programs write: nothing of them is cut."""

from __future__ import annotations

import pytest

from gateway.mail.mark import REPLY_MARKER
from gateway.mail.quotes import cut, has_marker
from gateway.mail.read import read

BELOW = "« Votre dossier est complet. »\n\nJe conteste donc ce refus."

REPORTED = [
    f"Le 3 février 2025 à 10h12, le service des élections a écrit :\n{BELOW}",
    "Le 3 février 2025 à 10h12, le service des élections a écrit :\nVotre dossier est complet.\n\nJe conteste.",
    f"Le 3 février 2025 à 10:12, Mme Martin a écrit :\n{BELOW}",
    f"Le 03/02/2025 à 10:12, Mme Martin a écrit :\n{BELOW}",
    f"Le 03/02/2025 à 10:12, Paul a écrit :\n{BELOW}",
    f"Le 3 février 2025 à 10:12, la mairie <mairie@example.org> a écrit :\n\n{BELOW}",
    "On 3 March 2025 at 10:15, the clerk at the desk said:\nyour file is complete.\n\nThat is wrong.",
    "On Mon, 3 March 2025 at 10:15, the clerk said:\nyour file is complete.\n\nThat is wrong.",
    "Am 3. März 2025 um 10:15 Uhr schrieb Frau Müller:\nalles sei da.\n\nDas stimmt nicht.",
    "Am 03.03.2025 um 10:15 schrieb Frau Müller:\nalles sei da.\n\nDas stimmt nicht.",
    "El 3 de marzo de 2025 a las 10:15, la funcionaria escribió:\ntodo está.\n\nNo es verdad.",
    "Il 3 marzo 2025 alle 10:15 la signora Rossi ha scritto:\nva bene.\n\nNon è vero.",
    "Op 3 maart 2025 om 10:15 schreef mevrouw Jansen:\nhet is goed.\n\nDat klopt niet.",
    "Le 3 février 2025 vers 22:15, sur le mur de l'école, un inconnu a écrit :\nà bas le maire.\n\nJe l'ai vu.",
    "Le 03/02/2025 à 22:15, sur le mur de l'école, un inconnu a écrit :\nà bas le maire.\n\nJe l'ai vu.",
    "Le 03/02/2025 à 10:12, il a écrit :\nViens.\n\nLe 04/02/2025 à 11:12, elle a répondu :\nNon.",
    "Le 03/02/2025 à 10:12, Paul a écrit :\nViens.\n\nLe 04/02/2025 à 11:12, Marie a écrit :\nNon.\n\nVoilà.",
]


@pytest.mark.parametrize("text", REPORTED)
@pytest.mark.parametrize("above", ["Bonjour,\n", "Bonjour,\n\n"])
def test_what_somebody_reports_is_theirs(text: str, above: str) -> None:
    assert cut(above + text).own == above + text


@pytest.mark.parametrize(
    "attribution",
    [
        "Le 03/02/2025 à 10:12, Support <support@example.org> a écrit :",
        "On Mon, Feb 3, 2025 at 10:12 AM Marie Petit <m@example.org> wrote:",
        "Am 03.02.25 um 10:12 schrieb Marie Petit <m@example.org>:",
        "Le lundi 3 février 2025 à 10:12, Support <support@example.org> a écrit :",
    ],
)
def test_an_address_is_believed(attribution: str) -> None:
    assert cut(f"Oui.\n\n{attribution}\n\nVotre RIB ?").own == "Oui."


LETTERS = [
    "De : Jean Petit, 12 rue des Lilas\nÀ : Monsieur le Maire\nObjet : place PMR\n\nJe sollicite une place.",
    "De : Jean Petit <jean@example.net>\nÀ : Monsieur le Maire\nObjet : place PMR\n\nJe sollicite une place.",
    "De : Paris\nÀ : Lyon\nDate : 12 mars\nObjet : formation\nMontant : 80 €\n\nMerci de le rembourser.",
    "De : 22h\nÀ : 3h\nObjet : bruit du bar\n\nC'est toutes les nuits.",
    "From: London\nTo: Paris\nDate: 12 March\nSubject: travel\n\nPlease refund it.",
    "Von: Jean Petit\nAn: das Amt\nBetreff: Parkausweis\n\nIch bitte um einen Ausweis.",
    "Expéditeur : Jean Petit\nDestinataire : la mairie\nObjet : colis\n\nLe colis est perdu.",
]


@pytest.mark.parametrize("text", LETTERS)
@pytest.mark.parametrize("above", ["Voici ma demande.\n", "Voici ma demande.\n\n"])
def test_a_letter_with_its_head_is_the_authors(text: str, above: str) -> None:
    assert cut(above + text).own == above + text


WORDS = [
    "Message initial :\nje demande une place.",
    "Message transmis :\n\nle voisin se plaint.",
    "Original message:\nplease call me.",
    "Message initial :\nDe : Paris\nÀ : Lyon",
    "Je réponds à votre\nmessage du 03/02/25 10:12 :\nvoici mon RIB.",
    "Ursprüngliche Nachricht:\nich bitte um einen Ausweis.",
]


@pytest.mark.parametrize("text", WORDS)
@pytest.mark.parametrize("above", ["Bonjour,\n", "Bonjour,\n\n"])
def test_words_with_a_colon_cut_nothing(text: str, above: str) -> None:
    assert cut(above + text).own == above + text


def test_words_above_marked_lines_leave_the_sentence_whole() -> None:
    text = "Je réponds à votre\nmessage du 03/02/25 10:12 :\n> Votre RIB ?\n\nLe voici."
    assert cut(text).own == "Je réponds à votre\nmessage du 03/02/25 10:12 :\nLe voici."


@pytest.mark.parametrize(
    "below",
    ["> Votre RIB ?", "De : S <s@example.org>\nDate : 3 févr. 2025 10:12\nÀ : C\nObjet : x\n\nVotre RIB ?"],
)
def test_words_with_a_colon_above_a_mail(below: str) -> None:
    assert cut(f"Oui.\n\nBegin forwarded message:\n\n{below}").own == "Oui."


ABOUT_MARKERS = [
    "Hello,\nyour mail says: reply above this line — but I see no line.\nPlease call me about my permit.",
    "Bonjour, votre mail dit « Répondez au-dessus de cette ligne -- mais laquelle ? »\nRappelez-moi.",
    "Hello,\nreply above this line\n-- \nJean",
    "Hello,\n--\nreply above this line of the form, please, it says.\nThanks",
    "Bonjour,\non lit :\n« ---- Répondez au-dessus de cette ligne / Reply above this line ---- »\nimpossible.",
    "Bonjour,\nRépondez au-dessus de cette ligne : où donc -- je ne vois rien.\nMerci",
]


@pytest.mark.parametrize("text", ABOUT_MARKERS)
def test_who_speaks_of_our_marker_keeps_their_words(text: str) -> None:
    assert cut(text).own == text
    assert not has_marker(text)


@pytest.mark.parametrize(
    "marker",
    [
        "---- Répondez au-dessus de cette ligne ----",
        "---- Reply above this line ----",
        "> ✂ ---- Répondez au-dessus de cette\n> ligne / Reply above this\n> line ----",
        f"Le lun. 3 févr. 2025 à 10:12, S <s@example.org> a écrit : {REPLY_MARKER}",
    ],
)
def test_our_marker_however_it_is_wrapped(marker: str) -> None:
    assert cut(f"Oui.\n\n{marker}\nNotre notification").own == "Oui."


FOOTERS = [
    "J'ai reçu ce message par erreur, il est destiné à M. Durand et contient des données personnelles.",
    "Ce message est confidentiel. Je suis destinataire d'une amende indue.",
    "Ce message est confidentiel : puis-je savoir qui en est destinataire ?",
    "Bonjour, ce message confidentiel a été transmis par erreur.",
    "Nous avons reçu ce message confidentiel par erreur.",
    "This message is confidential and I got it in error.",
    "Diese Nachricht ist vertraulich, ich habe sie irrtümlich bekommen.",
    "Je veux me désabonner de la liste de diffusion.",
]


def test_below_a_footer_somebody_may_go_on() -> None:
    footer = "==========\nCe message est confidentiel.\n\nSi vous n'en êtes pas destinataire, supprimez-le."
    assert (
        cut(f"Bonjour,\n\n{footer}\n\nMerci d'en tenir compte.").own.split("\n\n")[-1] == "Merci d'en tenir compte."
    )
    assert "supprimez" not in cut(f"Bonjour,\n\n{footer}").own


@pytest.mark.parametrize("text", FOOTERS)
@pytest.mark.parametrize("rule", ["-------------------------", "=========="])
def test_a_footer_that_somebody_wrote_is_theirs(text: str, rule: str) -> None:
    assert cut(f"Bonjour,\n{rule}\n{text}").own == f"Bonjour,\n{rule}\n{text}"


LIST = "Voici mes pièces :\n> Carte d'identité\n> Justificatif\n\nMerci"


def mail(text: str, *fields: str) -> bytes:
    head = ("From: c@example.net", "Content-Type: text/plain; charset=utf-8", *fields)
    return ("\r\n".join(head) + "\r\n\r\n" + text.replace("\n", "\r\n")).encode()


@pytest.mark.parametrize("fields", [(), ("Subject: Mes documents",)])
def test_what_answers_nothing_quotes_nothing(fields: tuple[str, ...]) -> None:
    assert read(mail(LIST, *fields)).own == LIST
    assert cut(LIST, answers=False).quoted == ""


@pytest.mark.parametrize(
    "field", ["Subject: Re: x", "Subject: TR: x", "In-Reply-To: <1@x.example>", "References: <1@x.example>"]
)
def test_what_answers_may_quote(field: str) -> None:
    assert read(mail(LIST, field)).own == "Voici mes pièces :\nMerci"


@pytest.mark.parametrize("marked", ["> Votre RIB ?", "> Votre\n\n> RIB ?"])
def test_an_attribution_says_that_it_answers(marked: str) -> None:
    text = f"Oui.\n\nLe 03/02/2025 à 10:12, Support a écrit :\n{marked}\n\nMerci"
    assert cut(text, answers=False).own == cut(text).own == "Oui.\n\nMerci"
