"""Commands at the top of an agent's mail: French and English, forgiving in form, never guessing."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.commands import Command, Parsed, Verb, parse
from gateway.model import Problem, Status


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("@note à vérifier", Command(Verb.NOTE, "à vérifier")),
        ("@assign ines@x.example", Command(Verb.ASSIGN, "ines@x.example")),
        ("@affecter moi", Command(Verb.ASSIGN, "moi")),
        ("@close", Command(Verb.STATUS, "closed")),
        ("@clore", Command(Verb.STATUS, "closed")),
        ("@fermer", Command(Verb.STATUS, "closed")),
        ("@clôturer", Command(Verb.STATUS, "closed")),
        ("@pending", Command(Verb.STATUS, "pending")),
        ("@attente", Command(Verb.STATUS, "pending")),
        ("@attente lundi à 14 h", Command(Verb.SNOOZE, "lundi à 14 h")),
        ("@pending tomorrow", Command(Verb.SNOOZE, "tomorrow")),
        ("@open", Command(Verb.STATUS, "active")),
        ("@rouvrir", Command(Verb.STATUS, "active")),
        ("@spam", Command(Verb.STATUS, "spam")),
        ("@tag urgent", Command(Verb.TAG, "urgent")),
        ("@dossier 123", Command(Verb.MOVE, "dossier:123")),
        ("@dossier n° 13 266 855", Command(Verb.MOVE, "dossier:13266855")),
        ("@dossier N°13.266.855", Command(Verb.MOVE, "dossier:13266855")),
        ("@dossier #123", Command(Verb.MOVE, "dossier:123")),
        ("@démarche 42", Command(Verb.MOVE, "demarche:42")),
        ("@demarche", Command(Verb.MOVE, "demarche")),
        ("@global", Command(Verb.MOVE, "global")),
        ("@transmettre Préfecture d'Exemple", Command(Verb.TRANSFER, "Préfecture d'Exemple")),
        ("@transfer 21310555400017", Command(Verb.TRANSFER, "21310555400017")),
        ("@admettre a@x.example", Command(Verb.ADMIT, "a@x.example")),
        ("@admit a@x.example", Command(Verb.ADMIT, "a@x.example")),
        ("@suivre", Command(Verb.FOLLOW)),
        ("@follow", Command(Verb.FOLLOW)),
        ("@taire", Command(Verb.MUTE)),
        ("@mute", Command(Verb.MUTE)),
        ("@modèle délai", Command(Verb.MODELE, "délai")),
        ("@template delay", Command(Verb.MODELE, "delay")),
        ("@modele", Command(Verb.MODELE)),
        ("@fwd", Command(Verb.FORWARD)),
        ("@help", Command(Verb.HELP)),
        ("@aide", Command(Verb.HELP)),
        ("@CLORE", Command(Verb.STATUS, "closed")),
        ("@Clôre", Command(Verb.STATUS, "closed")),
        ("@clo\u0302re", Command(Verb.STATUS, "closed")),
        ("  @note:\u00a0à\u202fvérifier ", Command(Verb.NOTE, "à vérifier")),
        ("\u200b@note\u00a0x", Command(Verb.NOTE, "x")),
        ("\ufeff@note x", Command(Verb.NOTE, "x")),
        ("@note\tx", Command(Verb.NOTE, "x")),
        ("＠note x", Command(Verb.NOTE, "x")),
        ("**@clore**", Command(Verb.STATUS, "closed")),
        ("- @clore", Command(Verb.STATUS, "closed")),
    ],
)
def test_one_command(line: str, expected: Command) -> None:
    for own in (line, f"\n{line}\n\n", f"{line}\r"):
        found = parse(own)
        assert (found.commands, found.text, found.problems) == ((expected,), "", ()), own


def test_commands_then_text() -> None:
    found = parse("@clore\n\n@note a\n@note b\nBonjour,\n\n@dupont vous répond.\n")
    assert [c.argument for c in found.commands] == ["closed", "a", "b"]
    assert found.text == "Bonjour,\n\n@dupont vous répond."
    assert found.problems == ()


def test_text_alone_is_an_answer() -> None:
    assert parse("Bonjour,\n@x\n") == parse("  \nBonjour,\n@x")
    assert parse("Bonjour,\n@x").commands == ()
    assert parse("") == parse("\n \n")


def test_a_bare_note_takes_the_rest() -> None:
    found = parse("@note\n@clore\nLigne 1\n\nLigne 2")
    assert found.commands == (Command(Verb.NOTE, "Ligne 1\n\nLigne 2"), Command(Verb.STATUS, "closed"))
    assert found.text == ""  # nothing of a note may leave
    assert parse("@note").problems == (Problem("empty_note"),)


@pytest.mark.parametrize(
    "line", ["@clotûrer_", "@", "@ note x", "@dupont a dit", "@notes x", "@@note x", "@note\u2044x"]
)
def test_what_is_not_a_command_is_told(line: str) -> None:
    found = parse(f"{line}\nBonjour")
    assert [problem.code for problem in found.problems] == ["unknown_command"]
    assert found.problems[0].what == line.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("@dossier", Problem("no_dossier")),
        ("@dossier celui de Paul", Problem("no_dossier", "celui de Paul")),
        ("@dossier 123 et 124", Problem("no_dossier", "123 et 124")),
        ("@dossier 12345678901", Problem("no_dossier", "12345678901")),
        ("@dossier ²", Problem("no_dossier", "²")),
        ("@demarche quarante-deux", Problem("no_demarche", "quarante-deux")),
        ("@global 5", Problem("words_after", "@global")),
    ],
)
def test_where_to_must_be_a_number(line: str, problem: Problem) -> None:
    assert parse(line).problems == (problem,)


def test_below_a_forward_stands_the_forwarded_mail() -> None:
    below = "\nBonjour Inès,\n@clore\n@note pas pour vous"
    found = parse(f"@fwd\n@note reçu ce matin\n{below}")
    assert found == Parsed((Command(Verb.FORWARD), Command(Verb.NOTE, "reçu ce matin")), "")


NAMES = st.sampled_from(["clore", "attente", "rouvrir", "spam", "suivre", "taire", "aide", "help", "close", "mute"])
SPACES = st.text(alphabet=" \t\u00a0\u202f\u200b\ufeff", max_size=3)


@given(
    NAMES, st.lists(st.sampled_from(["\u0301", "\u0302", ""]), min_size=8, max_size=8), st.booleans(), SPACES, SPACES
)
def test_accents_case_and_spaces_change_nothing(
    name: str, accents: list[str], upper: bool, before: str, after: str
) -> None:
    word = unicodedata.normalize("NFC", "".join(c + a for c, a in zip(name, accents, strict=False)))
    assert parse(f"{before}@{word.upper() if upper else word}{after}") == parse(f"@{name}")


@given(st.text(alphabet="@ \n\u00a0ncloretagx:é", max_size=60))
def test_no_text_is_lost_or_invented(own: str) -> None:
    found = parse(own)
    for line in found.text.split("\n"):
        assert line.strip() in own
    rest = own.replace("\u00a0", " ").strip()
    if rest and not rest.startswith("@"):
        assert (found.text, found.commands) == (own.strip(), ())
        assert {problem.code for problem in found.problems} <= {"misplaced_command"}


@given(st.text(max_size=200))
def test_whatever_is_written_is_read(own: str) -> None:
    """Each line that starts with `@` is a command or a problem; the text never starts with one."""
    found = parse(own)
    first = next((line for line in own.split("\n") if line.strip()), "")
    if first.startswith("@"):
        assert found.commands or found.problems
    assert not found.text.startswith("@")


def test_two_hundred_thousand_blank_lines() -> None:
    """Some 0.2 s; a minute where each of them copies the others."""
    started = time.process_time()
    assert parse("@clore" + "\n" * 200_000).commands == (Command(Verb.STATUS, Status.CLOSED),)
    assert time.process_time() - started < 15


def test_a_hundred_thousand_commands() -> None:
    started = time.process_time()
    assert len(parse("@note x\n" * 100_000).commands) == 100_000
    assert time.process_time() - started < 15


@pytest.mark.parametrize(
    "line", ["@clore Merci beaucoup", "@close Thank you", "@aide moi", "@suivre Inès", "@fwd Re"]
)
def test_words_behind_a_command_that_takes_none_are_not_lost(line: str) -> None:
    assert parse(line).problems == (Problem("words_after", line.split(" ", maxsplit=1)[0]),)


@pytest.mark.parametrize(
    "line",
    [
        "@note suspect",
        "**@note** suspect",
        "＠note suspect",
        "@Clôre",
        "@suivre",
        "\u00a0@transmettre Préfecture",
        "@fwd",
        "- @dossier 5",
        "@attente:",
    ],
)
def test_a_command_in_the_middle_of_the_text_is_a_problem(line: str) -> None:
    assert [p.code for p in parse(f"Bonjour,\n{line}\nMerci").problems] == ["misplaced_command"]


def test_a_note_that_was_wrapped_is_whole() -> None:
    note = "@note Attention, ce demandeur a déjà déposé deux dossiers identiques\nsous un autre nom cette année."
    found = parse(f"{note}\n\nBonjour")
    assert found.commands == (Command(Verb.NOTE, note.removeprefix("@note ").replace("\n", " ")),)
    assert found.text == "Bonjour"


def test_a_short_note_does_not_take_the_answer_with_it() -> None:
    found = parse("@note vu\nBonjour, voici la réponse à votre question.")
    assert (found.commands, found.text) == (
        (Command(Verb.NOTE, "vu"),),
        "Bonjour, voici la réponse à votre question.",
    )


@pytest.mark.parametrize(
    "end", ["-- \nAlice Admin\nTél. 05", "--\nAlice", "Envoyé de mon iPhone", "Sent from my phone\n"]
)
def test_a_signature_is_no_answer(end: str) -> None:
    assert parse(f"@clore\n\n{end}").text == ""
    assert parse(f"@clore\nBonjour\n\n{end}").text == "Bonjour"


@pytest.mark.parametrize("line", ["@clore.", "@clore !", "@CLORE:", "@Clôre,"])
def test_what_people_put_behind_a_command_is_forgiven(line: str) -> None:
    assert parse(line) == parse("@clore")


@pytest.mark.parametrize(
    "own",
    [
        "@note Vu avec le service juridique.\nOn va sans doute refuser, il ment.",
        "@note Vu avec le service juridique, qui est d’avis que la demande n’est pas fondée et que\nl’usager ment.",
        "@clore\n@note vu\nau téléphone",
    ],
)
def test_what_may_still_be_the_note_is_no_answer(own: str) -> None:
    assert [problem.code for problem in parse(own).problems] == ["note_runs_on"]


@pytest.mark.parametrize("rest", ["Bonjour,\nOui.", "\nOui.", "Madame,\nNon.", "@clore"])
def test_a_note_ends_at_a_blank_line_or_a_greeting(rest: str) -> None:
    found = parse(f"@note vu\n{rest}")
    assert found.problems == ()
    assert found.commands[0] == Command(Verb.NOTE, "vu")


@pytest.mark.parametrize(
    "rest",
    [
        "Cordialement,\nAlice Martin",
        "Bien à vous\n\nAlice Martin\nMairie d’Exemple\nTél. 05",
        "Alice",
        "MARTIN Alice\nService de l’urbanisme",
        "_____________\nMairie d’Exemple\n3975",
        "Télécharger Outlook pour Android<https://aka.ms/AAb9ysg>",
        "Provenance : Courrier pour Windows",
    ],
)
def test_a_signature_below_commands_is_no_answer(rest: str) -> None:
    for commands in ("@clore", "@note Vu.", "@clore\n@tag urgent"):
        found = parse(f"{commands}\n\n{rest}", "Alice Martin")
        assert (found.text, found.problems) == ("", ()), commands


def test_what_agents_sign_with_an_answer_stays() -> None:
    for own in (
        "@clore\n\nBonjour,\n\nOui.\n\nCordialement,\nAlice",
        "Cordialement reçu.",
        "@clore\n\nAlice vous répond.",
    ):
        assert parse(own, "Alice Martin").text.endswith(own.splitlines()[-1])
