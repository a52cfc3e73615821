"""In which language a mail is written; and the forms of words that are taken for one."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.language import language, plain, stem

FRENCH = [
    "Bonjour, où en est mon dossier ?",
    "Bonjour,\n\nMerci.\n\nCordialement",
    "BONJOUR, JE N’AI PAS RECU LA REPONSE",
    "Je n'arrive pas à joindre le justificatif de domicile à ma demande.",
    "Pouvez-vous me rappeler svp",
    "Madame, Monsieur,\n\nVeuillez trouver ci-joint la pièce demandée.\n\nSalutations distinguées",
    "C'est fait, merci",
    "J'ai envoyé les documents hier par la poste, est-ce que vous les avez reçus ?",
    """Bonjour, le lien « Sign in » ne marche pas, le message est : The page you are looking for is not here.
Comment est-ce que je peux avoir accès à mon dossier ? Je n'ai pas reçu de mail de votre part. Merci d'avance""",
]
ENGLISH = [
    "Hello, where is my file?",
    "I can't log in to my account",
    "Please find attached the document you asked for.",
    "Thank you for your answer.\n\nKind regards",
    "When will I get an answer?",
    "The upload fails with an error message",
    "Dear Sir or Madam,\n\nI would like to know whether the permit is still valid.\n\nYours faithfully",
]
OTHERS = [
    "Hola, quisiera saber en qué estado está mi expediente. Gracias por su ayuda. Saludos",
    "Buenos días, no puedo enviar la solicitud de la licencia de obras",
    "Estimados señores: les escribo de nuevo porque no me han respondido a la pregunta sobre la carta.",
    "Buongiorno, vorrei sapere a che punto è la mia pratica. Grazie, cordiali saluti",
    "Non riesco ad allegare il documento alla domanda, come posso fare?",
    "Guten Tag, ich habe eine Frage zu meinem Antrag. Mit freundlichen Grüßen",
    "Wann bekomme ich eine Antwort? Die Unterlagen sind in der Post.",
    "Goedemorgen, ik heb een vraag over mijn dossier. Met vriendelijke groeten",
    "Wanneer krijg ik een antwoord op de aanvraag? Het document is er niet in te zien.",
    "Olá, gostaria de saber em que estado está o meu processo. Obrigado",
    "Não consigo enviar o documento da candidatura, o que posso fazer?",
    "Bon dia, voldria saber com està el meu expedient. Gràcies per la seva ajuda",
    "Bună ziua, aș dori să știu care este stadiul dosarului meu. Mulțumesc",
    "Jag har en fråga om min ansökan och när den blir klar, jag har inte fått något svar. Tack på förhand",
    "Hej, jeg har et spørgsmål om min ansøgning. Hvornår kan I svare? Med venlig hilsen",
    "Dzień dobry, chciałbym zapytać o moją sprawę. Dziękuję",
    "مرحبا، أريد أن أعرف أين وصل ملفي",
]
UNSURE = [
    "",
    "ok",
    "Oui",
    "Merci",
    "Thanks",
    "13 266 855",
    "Ulysse Usager\n12 rue des Lilas\n75011 Paris\n06 12 34 56 78",
    "Hello, bonjour, where is my file, où est mon dossier ? Thanks, merci, have a nice day, bonne journée",
    "the vous " * 200,
    "Dupont Martin Durand Bernard Petit Robert Richard Moreau Laurent Simon Michel Garcia Roux Blanc Henry nous vous",
]


@pytest.mark.parametrize("text", FRENCH)
def test_french(text: str) -> None:
    assert language(text) == "fr"


@pytest.mark.parametrize("text", ENGLISH)
def test_english(text: str) -> None:
    assert language(text) == "en"


@pytest.mark.parametrize("text", OTHERS)
def test_other_languages_are_neither(text: str) -> None:
    assert language(text) == ""
    assert language("\n".join([text] * 20)) == ""


@pytest.mark.parametrize("text", UNSURE)
def test_what_cannot_be_told(text: str) -> None:
    assert language(text) == ""


def test_only_the_beginning_counts() -> None:
    french, english = FRENCH[0] + "\n", ENGLISH[0] + "\n"
    assert language(french * 200 + english * 1000) == "fr"
    assert language("x" * 5_000 + french) == ""


@given(st.text())
def test_whatever_is_written(text: str) -> None:
    assert language(text) in {"fr", "en", ""}
    assert plain(plain(text)) == plain(text)


@given(st.text(alphabet=st.characters(min_codepoint=0x400), max_size=200))
def test_other_alphabets_are_neither(text: str) -> None:
    letters = "".join(c for c in text if not plain(c).isascii())
    assert language(letters) == ""


@given(st.lists(st.sampled_from(OTHERS[:11]), min_size=1, max_size=10))
def test_neighbouring_languages_are_never_taken_for_ours(mails: list[str]) -> None:
    assert language("\n".join(mails)) == ""


@given(
    st.lists(st.sampled_from(FRENCH), min_size=1, max_size=10),
    st.lists(st.sampled_from(ENGLISH), min_size=1, max_size=9),
)
def test_a_language_is_never_the_other(french: list[str], english: list[str]) -> None:
    assert language("\n".join(french)) == "fr"
    assert language("\n".join(english)) == "en"


def test_a_hostile_text_costs_little() -> None:
    begun = time.process_time()
    language("\ufdfa" * 1_000_000)
    assert time.process_time() - begun < 2


def test_plain() -> None:
    assert plain("L’ÉTÉ\u00a0où ｆｕｌｌ Straße n\u030a") == "l'ete ou full strasse n"
    assert plain("n° 1º") == "n° 1o"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dossiers", "dossier"),
        ("mails", "mail"),
        ("niveaux", "niveau"),
        ("deposee", "depose"),
        ("deposees", "deposer"),
        ("anciennes", "ancien"),
        ("entries", "entry"),
        ("changed", "change"),
        ("uploading", "upload"),
    ],
)
def test_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("one", "other"), [("passe", "pas"), ("mot500", "mot50"), ("plante", "plan"), ("2024s", "2024")]
)
def test_two_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@given(st.text(alphabet="abcdeginrsxy0"))
def test_a_stem_remains(word: str) -> None:
    assert len(stem(word)) >= min(len(word), 4)


def test_no_character_keeps_what_is_written_upon_it() -> None:
    """Whatever the short cuts: as if each character were looked at."""
    every = (chr(code) for code in range(sys.maxunicode + 1) if chr(code) not in "’‘ʼ`´′")
    wrong = [c for c in every if plain(c) != _slowly(c)]
    assert wrong == []
    assert plain("a\u0301\u05b4’É") == "a'e"


def _slowly(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
