"""« Which dossier? »: the ways in which people answer, and the figures of a mail that are no answer."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.choice import Choice, chosen

NBSP, NARROW = "\u00a0", "\u202f"
URLS = ("https://demarches.example.org", "https://ancien.example.org/")
OFFERED = ((13266855, "Permis de végétaliser"), (123, "Carte de stationnement"), (20245, "Permis de construire"))


def number(
    own: str, subject: str = "Re: Votre message", offered: tuple[tuple[int, str], ...] = OFFERED
) -> int | None:
    choice = chosen(own, subject, offered, URLS)
    return choice.number if choice else None


@pytest.mark.parametrize(
    "own",
    [
        "13266855",
        "13 266 855",
        f"13{NBSP}266{NARROW}855",
        "13.266.855.",
        "13,266,855",
        "13'266'855",
        "dossier n° 13 266 855",
        f"Dossier n°{NBSP}13266855",
        "Bonjour,\n\nC'est le dossier 13 266 855.\n\nCordialement",
        "Bonjour Madame,\n\nIl s’agit du dossier n°13266855, merci d’avance.\n\nUlysse Usager",
        "13266855 : je n'arrive pas à joindre la pièce",
        "Ma question porte sur le dossier déposé en mai, 13266855, et sur lui seul.",
        "Je vous écris au sujet de 13266855 déposé en mai",
        "La pièce manque au dossier 13 266 855 depuis mai",
        "1",
        "1.",
        "1) ",
        "« 1 »",
        "le 1",
        "le 1er",
        "le 1er dossier",
        "Bonjour Madame Dupont - le 1",
        "1. Permis",
        "Le 1 merci",
        "n° 1",
        "#1",
        "numéro un",
        "Réponse : 1",
        "Le premier.",
        "c’est le premier, merci",
        "la première démarche",
        "the first one",
        "It's the first file, thanks",
        "number one please",
        "dossier 1",
        "dossier n° 1 svp",
        "Je pense que c'est le 1",
        "1\n\nEnvoyé de mon iPhone 12",
        "1. Permis de végétaliser",
        "1. Permis de végétaliser (dossier n° 13 266 855)",
        "celui du permis de végétaliser",
        "permis végétaliser",
        "PERMIS DE VEGETALISER",
        "le végétaliser",
        "C'est au sujet de mon permis de végétaliser, dont j'attends la réponse depuis mai.",
        "pas le deuxième mais le premier",
        "Ce n'est pas le 2, c'est le 1.",
        "C'est le 13266855 et pas le 123",
        "https://demarches.example.org/dossiers/13266855",
        "Voici le lien : https://ancien.example.org/dossiers/13266855/messagerie merci",
        "Aucun souci, c'est le premier.",
        "Bonjour à tous, le 1.",
        "Je ne sais pas comment faire pour joindre une pièce. Dossier n° 13266855",
        "1\n-- \nMairie, 2\n3",
    ],
)
def test_the_first_one(own: str) -> None:
    assert number(own) == 13266855


@pytest.mark.parametrize(
    "own",
    [
        "123",
        "le 123 merci",
        "dossier n° 123",
        "dossier 123",
        "le deuxième svp",
        "La 2ème",
        "le 2e",
        "2nd",
        "the second one",
        "numéro deux",
        "le deux",
        "Le 2, merci beaucoup !",
        "option 2",
        "*2*",
        "Je n'ai pas reçu de réponse pour le dossier n° 2 depuis mai",
        "La pièce manque au dossier 123 depuis mai",
        "la demande de stationnement svp",
        "Stationnement",
        "celui de la carte de stationnement et pas celui du permis de construire",
        "123\nhttps://demarches.example.org/dossiers/123",
    ],
)
def test_the_second_one(own: str) -> None:
    assert number(own) == 123


@pytest.mark.parametrize(
    "own",
    [
        "",
        " \n",
        "Bonjour",
        "Merci de votre réponse.",
        "aucun",
        "Aucun des trois.",
        "none of them",
        "je ne sais pas",
        "Je ne sais plus si c'est le 1",
        "I don't know, maybe the first",
        "le premier ou le deuxième",
        "1 ou 2",
        "1/2",
        "1, 2",
        "1-2",
        "les deux",
        "both",
        "tous",
        "le 2 et le 3",
        "13266855 ou 123 ?",
        "le premier (dossier n° 123)",
        "celui du permis",
        "permis de construire et carte de stationnement",
        "pas le 1",
        "ce n'est pas le dossier n° 123",
        "Not the second one",
        "pas celui de la carte de stationnement",
        "4",
        "le quatrième",
        "0",
        "dossier n° 999",
        "le dossier n° 999, pas le 13266855",
        "https://demarches.example.org/dossiers/999",
        "https://other.example.org/dossiers/123",
        "j'ai 2 enfants",
        "Je parle de 2 dossiers",
        "le 2 mars",
        "il y a 2 ans",
        "2 jours",
        "2 €",
        "2,50",
        "à 2h",
        "le 1er message",
        "c'est la première fois que j'écris",
        "merci pour le premier message",
        "celui du premier étage",
        "1. mon adresse a changé",
        "1. mon adresse a changé\n2. mon nom aussi",
        "pour 2 permis",
        "le 2 14:30",
        "dossier n° 999 et 13266855",
        "https://other.example.org/?id=13266855",
        "13266855.ulysse@example.net",
        "facture n° 13266855",
        "Tél. 13 266 855",
        "A13266855",
        "13266855 €",
        "£ 13,266,855",
        "13266855 dollars",
        "https://demarches.example.org/procedures/123",
        "2 rue des Lilas\n20245 Bastia",
        "123 rue de Paris",
        "Facture 123",
        "n° 123-45",
        "A123",
        "CERFA n° 13266855*03",
    ],
)
def test_no_answer_or_two(own: str) -> None:
    assert number(own) is None


def test_it_is_told_why() -> None:
    assert chosen("le 123", "", OFFERED) == Choice(123, "the answer names dossier 123")
    assert chosen("le 2", "", OFFERED) == Choice(123, "the answer takes number 2 of the list, dossier 123")
    assert chosen("stationnement", "", OFFERED) == Choice(
        123, 'the answer names "Carte de stationnement", the démarche of dossier 123'
    )
    link = "https://demarches.example.org/dossiers/123"
    assert chosen(link, "", OFFERED, URLS) == Choice(123, "the answer holds a link to dossier 123")
    assert chosen(link, "", OFFERED) is None


def test_an_offered_number_wins_over_a_place_in_the_list() -> None:
    offered = ((2, "Permis"), (1, "Carte"), (7, "Aide"))
    assert number("1", offered=offered) == 1
    assert number("dossier n° 2", offered=offered) == 2
    assert number("3", offered=offered) == 7
    assert number("le premier", offered=offered) == 2
    assert number("le 1er", offered=offered) == 2


def test_two_dossiers_of_one_demarche_are_not_told_apart_by_its_title() -> None:
    offered = ((11, "Permis de construire"), (12, "Permis de construire"), (13, "Permis"))
    assert number("permis de construire", offered=offered) is None
    assert number("le 2", offered=offered) == 12


def test_the_longer_title_is_meant() -> None:
    offered = ((11, "Permis"), (12, "Permis de construire"), (13, "Le, la, les"))
    assert number("C'est au sujet du permis de construire.", offered=offered) == 12
    assert number("permis", offered=offered) == 11
    assert number("bonjour", offered=offered) is None


def test_in_a_long_answer_a_title_may_be_named_by_the_way() -> None:
    assert number("Mon mari a un permis de végétaliser. " + "Le trottoir est large. " * 20) is None


def test_the_subject_is_asked_last_and_for_numbers_only() -> None:
    assert number("Bonjour", "Re: dossier n° 123") == 123
    assert number("Bonjour", "123") == 123
    assert number("Bonjour", "https://demarches.example.org/dossiers/123") == 123
    assert number("le 1", "dossier n° 123") == 13266855
    assert number("Bonjour", "2") is None
    assert number("Bonjour", "le deuxième") is None
    assert number("Bonjour", "le 2e") is None
    assert number("Bonjour", "Carte de stationnement") is None
    assert number("je ne sais pas", "dossier n° 123") is None


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("123", 123),
        ("13 266 855", 13266855),
        ("le 123 merci", 123),
        ("mon dossier est le 123.", 123),
        ("mon dossier : 13 266 855", 13266855),
        ("Bonjour,\n\nn° 13266855\n\nCordialement\nU. Usager\n31000 Toulouse\n06 12 34 56 78", 13266855),
        ("La pièce manque au dossier 123 depuis le 12/03/2024", 123),
        ("https://demarches.example.org/dossiers/77", 77),
        ("123 ou 124", None),
        ("premier", None),
        ("1er", None),
        ("12 rue des Lilas\n75011 Paris", None),
        ("+33 6 12 34 56 78", None),
        ("le 12/03/2024", None),
        ("4000000000", None),
        ("j'ai 3 enfants", None),
        ("à 14:30", None),
        ("aucun", None),
    ],
)
def test_asked_openly(own: str, expected: int | None) -> None:
    assert number(own, offered=()) == expected


def test_only_the_beginning_is_read_and_no_number_is_cut() -> None:
    assert number(" " * 4_990 + "dossier 123", offered=()) is None
    assert number("x " * 2_490 + "\ndossier n° 13 266 855", offered=()) is None
    assert number("Bonjour\n" * 500 + "dossier 123") == 123


# What stands in people's mails and signatures. The figures are also offered as dossiers, so that any that is
# taken for an answer is seen.
TWO = st.integers(10, 99)
FALSE_FRIENDS = st.one_of(
    st.tuples(st.sampled_from([" ", ".", "-", "", NBSP]), TWO, TWO, TWO, TWO).map(
        lambda t: "06" + "".join(f"{t[0]}{pair}" for pair in t[1:])
    ),
    st.tuples(st.sampled_from([" ", "."]), TWO, TWO, TWO, TWO).map(
        lambda t: "+33 6" + "".join(f"{t[0]}{p}" for p in t[1:])
    ),
    st.integers(10000, 98999).map(lambda n: f"{n} Ville-sur-Mer"),
    st.integers(1, 200).map(lambda n: f"{n} rue des Lilas"),
    st.integers(1, 200).map(lambda n: f"{n} bis, avenue de la République"),
    st.integers(10**13, 10**14 - 1).map(str),
    st.integers(10**13, 10**14 - 1).map(lambda n: f"{str(n)[:3]} {str(n)[3:6]} {str(n)[6:9]} {str(n)[9:]}"),
    st.integers(10**8, 10**9 - 1).map(lambda n: f"SIREN {n}"),
    st.integers(10**8, 10**9 - 1).map(lambda n: f"SIREN : {n:,}".replace(",", " ")),
    st.dates().map(lambda d: f"{d:%d/%m/%Y}"),
    st.dates().map(lambda d: f"le {d.day}.{d.month}.{d.year}"),
    st.dates().map(lambda d: f"le {d.day} mars {d.year}"),
    st.dates().map(lambda d: d.isoformat()),
    st.times().map(lambda t: f"à {t.hour}h{t.minute:02}"),
    st.times().map(lambda t: f"à {t.hour}:{t.minute:02}"),
    st.integers(1, 2 * 10**7).map(lambda n: f"{n} €"),
    st.integers(1, 2 * 10**7).map(lambda n: f"{n:,} euros".replace(",", NARROW)),
    st.tuples(st.integers(1, 9999), TWO).map(lambda t: f"{t[0]},{t[1]} EUR"),
    st.integers(1, 99).map(lambda n: f"nous avons {n} enfants"),
    st.integers(1, 99).map(lambda n: f"{n} %"),
    st.integers(1, 9999).map(lambda n: f"facture n° {n}"),
    st.integers(1900, 2100).map(lambda n: f"en {n}"),
    st.sampled_from(["FR76 3000 6000 0112 3456 7890 189", "cerfa n° 13404*07", "v2.10", "A4", "ulysse2@example.net"]),
)


def figures(friends: list[str]) -> tuple[tuple[int, str], ...]:
    """Every number that could be read out of them, across spaces too, as dossiers."""
    values = {5}
    for friend in friends:
        parts = re.findall(r"[0-9]+", friend)
        values |= {int("".join(parts[i:j])) for j in range(len(parts) + 1) for i in range(j)}
    return tuple((value, "Permis") for value in sorted(values) if 0 < value < 2**31)


@given(st.lists(FALSE_FRIENDS, min_size=1, max_size=4), st.sampled_from(["\n", ", ", " - "]))
def test_false_friends_are_no_answers(friends: list[str], between: str) -> None:
    text = between.join(friends)
    offered = figures(friends)
    assert number(text, offered=offered) is None
    assert number(f"Bonjour,\n\n{text}\n\nCordialement", offered=offered) is None
    assert number(text, offered=()) is None


@given(
    st.lists(FALSE_FRIENDS, max_size=4),
    st.sampled_from(["le 123 merci", "dossier n° 123", "123", "le 2", "C'est le deuxième.", "the second one"]),
    st.sampled_from(["", "Bonjour,\n\n", "Madame, Monsieur,\n"]),
)
def test_an_answer_is_found_among_them(friends: list[str], answer: str, opening: str) -> None:
    signature = "\n".join(friends)
    assert number(f"{opening}{answer}\n\nCordialement,\nUlysse Usager\n{signature}") == 123


WORDS = """le premier deuxième 1 2 123 13 266 855 dossier n° pas ou mais aucun merci permis végétaliser , . )
\n -- euros https://demarches.example.org/dossiers/123 06 12 le/la | 1er"""


@given(
    st.text() | st.lists(st.sampled_from([*WORDS.split(), "\n"])).map(" ".join),
    st.text() | st.sampled_from(["", "Re: dossier n° 123"]),
    st.lists(st.tuples(st.integers(1, 2**31 - 1), st.text(max_size=30)), max_size=5).map(tuple)
    | st.sampled_from([OFFERED, ()]),
)
def test_whatever_is_written(own: str, subject: str, offered: tuple[tuple[int, str], ...]) -> None:
    found = number(own, subject, offered)
    assert found is None or (0 < found < 2**31 and (not offered or found in {dossier for dossier, _ in offered}))


@pytest.mark.parametrize(
    "unit", ["1 a ", "1", " ", "a@", "+", "0 ", "1. a\n", "pas le ", "l'", "dossier ", "1,", "€1"]
)
def test_a_hostile_answer_costs_little(unit: str) -> None:
    offered = tuple((n + 1000, f"Permis numéro {n} de végétaliser") for n in range(50))
    begun = time.process_time()
    number(unit * (100_000 // len(unit)), unit * 1000, offered)
    assert time.process_time() - begun < 2
