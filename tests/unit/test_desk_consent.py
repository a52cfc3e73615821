"""What counts as an agent's yes, as her no, and as neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.consent import Consent, consent

YES = (
    *("oui", "Oui.", "OUI !", "yes", "Yes, thanks", "ok", "OK merci", "Okay", "d'accord", "D’accord.", "Je confirme"),
    *(
        "je le confirme",
        "Confirmé",
        "confirmer",
        "I confirm",
        "Confirmed.",
        "« oui »",
        "*Oui*",
        "\n\n oui",
        "o\u200bui",
    ),
    *("oui\n\nNon, rien.", "oui, envoyez-le", "Oui, c’est bien moi"),
)
NO = (
    "non",
    "Non !",
    "no",
    "No, sorry",
    "Ce n’est pas moi",
    "pas moi",
    "It wasn't me",
    "not me",
    "«\u00a0non\u00a0»",
    "non\noui",
)
NEITHER = (
    *(
        "Bonjour",
        "Okapi",
        "nonobstant",
        "note",
        "ouïr",
        "oui ?",
        "oui mais non",
        "Oui, pas moi",
        "ok, not mine",
        "@clore",
    ),
    *(
        "> oui",
        "Je ne confirme pas",
        "Confirmer quoi ?",
        "confirmation",
        "Cordialement\noui",
        "yes but later",
        "Ok? no",
    ),
    *(
        "Oui, c’est du phishing",
        "oui c'est une usurpation",
        "Oui, annulez tout",
        "ok je regarde demain",
        "Yes, this is fraud",
        "OK, delete it",
        "OK, attendez",
        "ok, pirate",
    ),
)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        *((words, Consent.GIVEN) for words in YES),
        *((words, Consent.WITHHELD) for words in NO),
        *((words, Consent.UNCLEAR) for words in NEITHER),
    ],
)
def test_what_she_says(words: str, said: Consent) -> None:
    assert consent(words) is said


@pytest.mark.parametrize("words", ["", " \n\u00a0\n", "Envoyé de mon iPhone", "-- \nInès Instruit"])
def test_silence_says_nothing(words: str) -> None:
    assert consent(words) is Consent.UNCLEAR


@given(st.sampled_from([*YES[:18], *NO, *NEITHER]), st.text(max_size=200))
def test_what_stands_below_her_first_line_says_nothing(words: str, below: str) -> None:
    if words.strip() and "\n" not in words.strip():
        assert consent(f"{words}\n{below}") is consent(words)


@given(st.text(max_size=80), st.sampled_from(["?", " pas", " ne", " not", " never", " mais"]))
def test_a_doubt_is_never_a_yes(line: str, doubt: str) -> None:
    first = f"oui {line.splitlines()[0] if line.splitlines() else ''}{doubt}"
    assert consent(first) is not Consent.GIVEN


def test_a_hundred_thousand_lines() -> None:
    assert consent("oui" + "\nEnvoyé de mon iPhone" * 100_000) is Consent.GIVEN
