"""What the author wrote, apart from what they quoted."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.quotes import REPLY_MARKER, cut

OWN = "Bonjour,\n\nVoici la pièce demandée.\n\nClaire"
QUOTE = "> Merci d'envoyer\n> votre RIB."

ATTRIBUTIONS = [
    "Le lun. 3 févr. 2025 à 10:12, Support <support@example.org> a écrit :",
    "Le lun. 3 févr. 2025 à 10:12, Support <support@example.org> a écrit\xa0:",
    "Le lun. 3 févr. 2025 à 10:12, Support <support@example.org> a écrit\u202f:",
    "Le lun. 3 févr. 2025 à 10:12, Service des aides aux\nentreprises <support@example.org> a\nécrit :",
    "Le 03/02/2025 à 10:12, Support a écrit\xa0:",
    "Le lundi 23 septembre 2024 à 13:22 +0000, Support a écrit :",
    "On Mon, Feb 3, 2025 at 10:12 AM Support <support@example.org> wrote:",
    "On Mon, Feb 3, 2025 at 10:12 AM Support\n<support@example.org> wrote:",
    "Am 03.02.25 um 10:12 schrieb Support:",
    "Am Mo., 3. Feb. 2025 um 10:12 Uhr schrieb Support <\nsupport@example.org>:",
    "El lun, 3 feb 2025 a las 10:12, Support (<support@example.org>) escribió:",
    "Il giorno lun 3 feb 2025 alle ore 10:12 Support <support@example.org> ha scritto:",
    "Em seg., 3 de fev. de 2025 às 10:12, Support <support@example.org> escreveu:",
    "Op ma 3 feb 2025 om 10:12 schreef Support <support@example.org>:",
    "ср, 29 мая 2019 г. в 22:56, Support <support@example.org>:",
]

SEPARATORS = [
    "-----Message d'origine-----",
    "-----Message d’origine-----",
    "----- Message original -----",
    "-----Original Message-----",
    "---------- Forwarded message ---------",
    "---------- Message transféré ---------",
    "-----Ursprüngliche Nachricht-----",
    "-----Mensaje original-----",
    "-----Messaggio originale-----",
    "-----Mensagem original-----",
    "-----Oorspronkelijk bericht-----",
    "De : Support <support@example.org>\nEnvoyé : lundi 3 février 2025 10:12\nÀ : Claire\nObjet : Votre dossier",
    "De\xa0: Support\nEnvoyé\xa0: lundi\nÀ\xa0: Claire\nObjet\xa0: Votre dossier",
    "*De :* Support\n*Envoyé :* lundi\n*À :* Claire\n*Objet :* Votre dossier",
    "From: Support\nSent: Monday\nTo: Claire\nSubject: Your file",
    "Von: Support\nGesendet: Montag\nAn: Claire\nBetreff: Ihr Antrag",
    "________________________________\nDe : Support\nEnvoyé : lundi\nÀ : Claire\nObjet : x",
    REPLY_MARKER,
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_a_reply_above(attribution: str, gap: str) -> None:
    found = cut(f"{OWN}\n\n{attribution}{gap}{QUOTE}\n")
    assert found.own == OWN
    assert found.quoted.startswith(attribution.split("\n", maxsplit=1)[0])


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_a_reply_below(attribution: str) -> None:
    assert cut(f"{attribution}\n{QUOTE}\n\n{OWN}").own == OWN


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_separator(separator: str) -> None:
    found = cut(f"{OWN}\n\n{separator}\n\nMerci d'envoyer votre RIB.\n")
    assert found.own == OWN
    assert found.quoted.endswith("votre RIB.")


@pytest.mark.parametrize("attribution", ATTRIBUTIONS[:5])
def test_a_quote_without_its_marks(attribution: str) -> None:
    assert cut(f"{OWN}\n\n{attribution}\n\nMerci d'envoyer votre RIB.").own == OWN


def test_answers_between_quotes() -> None:
    text = "Le 03/02/2025 à 10:12, Support a écrit :\n> Votre nom ?\n\nPetit\n\n> Votre ville ?\n\nÉvry\n"
    found = cut(text)
    assert [line for line in found.own.split("\n") if line] == ["Petit", "Évry"]
    assert "Votre nom" in found.quoted
    assert "Votre ville" in found.quoted


@pytest.mark.parametrize(
    "marker",
    [
        REPLY_MARKER,
        f"> {REPLY_MARKER}",
        f"> > {REPLY_MARKER}",
        "? ---- R?pondez au-dessus de cette ligne / Reply above this line ----",
        "âœ‚ ---- RÃ©pondez au-dessus de cette ligne / Reply above this line ----",
        "> ✂ ---- Répondez au-dessus de cette ligne /\n> Reply above this line ----",
        "✂ —— Répondez au-dessus de cette\nligne / Reply above this line ——",
        "*✂ ---- Répondez au-dessus de cette ligne / Reply above this line ----*",
    ],
)
@pytest.mark.parametrize(
    "attribution", ["", "Le 03/02/2025 à 10:12, Support <reponse+abc@example.org> a écrit :\n\n"]
)
def test_our_marker_ends_what_is_relayed(marker: str, attribution: str) -> None:
    found = cut(f"{OWN}\n\n{attribution}{marker}\nNotre notification\n> et sa suite")
    assert found.own == OWN
    assert "reponse+abc" not in found.own


def test_our_marker_at_the_top_leaves_nothing_to_relay() -> None:
    assert cut(f"{REPLY_MARKER}\nNotre notification").own == ""


def test_an_answer_below_our_quoted_notification() -> None:
    assert cut(f"> {REPLY_MARKER}\n> Notre notification\n\n{OWN}").own == OWN


@pytest.mark.parametrize(
    "text",
    [
        OWN,
        "Le maire m'a écrit : il refuse.\nQue faire ?",
        "Le 3 février, le maire a écrit :\nje refuse.\nQue faire ?".replace("Le 3 février", "Le maire"),
        "Bonjour,\nDe : voici mon nom\nmerci",
        "Objet : demande\nBonjour",
        "Je transmets le message original demain.",
        "Please reply above this line of the form.",
        "-- \nClaire\nEnvoyé de mon iPhone",
        "____________\nmention légale",
        "Bonjour,\nOn dit que le maire m'a écrit :\nje refuse.",
        "Bonjour,\nDe : Claire\nObjet : demande\nmerci",
        "Comme il est écrit :\n- un\n- deux",
    ],
)
def test_in_doubt_nothing_is_cut(text: str) -> None:
    assert cut(text).own == text


def test_a_bare_forward_keeps_its_text() -> None:
    text = "---------- Forwarded message ---------\nDe : Marie\nDate: lundi\nÀ : Claire\nObjet : x\n\nLe texte."
    assert cut(text).own == text


def test_quotes_alone_are_nobodys_words() -> None:
    assert cut(QUOTE).own == ""


LINES = st.sampled_from(
    [
     "", " ", "mot", "> cité", ">", "Le 3/2/2025 à 10:12, X <x@y> a", "écrit :", "a écrit :", "De : x",
     "À : y", "Objet : z", "-----Message d'origine-----", REPLY_MARKER, "> " + REPLY_MARKER, "____________",
     "On 3/2 X wrote:", "\xa0"
    ]
)  # fmt: skip


@given(st.lists(st.one_of(LINES, st.text(max_size=30)), max_size=25).map("\n".join))
def test_no_line_is_lost(text: str) -> None:
    found = cut(text)
    lines = [line for line in (*found.own.split("\n"), *found.quoted.split("\n")) if line.strip()]
    assert Counter(lines) == Counter(line for line in text.split("\n") if line.strip())
