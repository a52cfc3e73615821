"""Commands at the top of an agent's mail: French and English, forgiving in form, never guessing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.commands import LATER, Command, Verb, parse
from gateway.model import Problem


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("@note à vérifier", Command(Verb.NOTE, "à vérifier")),
        ("@assign ines@x.example", Command(Verb.ASSIGN, "ines@x.example")),
        ("@affecter moi", Command(Verb.ASSIGN, "moi")),
        ("@close", Command(Verb.STATUS, "closed")),
        ("@clore", Command(Verb.STATUS, "closed")),
        ("@pending", Command(Verb.STATUS, "pending")),
        ("@attente", Command(Verb.STATUS, "pending")),
        ("@open", Command(Verb.STATUS, "active")),
        ("@rouvrir", Command(Verb.STATUS, "active")),
        ("@spam", Command(Verb.STATUS, "spam")),
        ("@tag urgent", Command(Verb.TAG, "urgent")),
        ("@help", Command(Verb.HELP)),
        ("@aide", Command(Verb.HELP)),
        ("@CLORE", Command(Verb.STATUS, "closed")),
        ("@Clôre", Command(Verb.STATUS, "closed")),
        ("@clo\u0302re", Command(Verb.STATUS, "closed")),
        ("  @note:\u00a0à\u202fvérifier ", Command(Verb.NOTE, "à vérifier")),
        ("\u200b@note\u00a0x", Command(Verb.NOTE, "x")),
        ("\ufeff@note x", Command(Verb.NOTE, "x")),
        ("@note\tx", Command(Verb.NOTE, "x")),
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
    "line", ["@clotûrer", "@", "@ note x", "@dupont a dit", "@notes x", "@@note x", "@note\u2044x"]
)
def test_what_is_not_a_command_is_told(line: str) -> None:
    found = parse(f"{line}\nBonjour")
    assert [problem.code for problem in found.problems] == ["unknown_command"]
    assert found.problems[0].what == line.split(maxsplit=1)[0]


@pytest.mark.parametrize("name", sorted(LATER))
def test_what_comes_later_is_said_so(name: str) -> None:
    assert [problem.code for problem in parse(f"@{name} x").problems] == ["later_command"]


@given(st.text(alphabet="@ \n\u00a0ncloretagx:é", max_size=60))
def test_no_text_is_lost_or_invented(own: str) -> None:
    found = parse(own)
    for line in found.text.split("\n"):
        assert line.strip() in own
    rest = own.replace("\u00a0", " ").strip()
    if rest and not rest.startswith("@"):
        assert (found.text, found.commands, found.problems) == (own.strip(), (), ())


def test_a_hundred_thousand_commands() -> None:
    started = time.perf_counter()
    assert len(parse("@note x\n" * 100_000).commands) == 100_000
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("line", ["@clore Merci beaucoup", "@close Thank you", "@aide moi"])
def test_words_behind_a_command_that_takes_none_are_not_lost(line: str) -> None:
    assert parse(line).problems == (Problem("words_after", line.split(" ", maxsplit=1)[0]),)


@pytest.mark.parametrize("line", ["@note suspect", "**@note** suspect", "＠note suspect", "@Clôre", "@suivre"])
def test_a_command_in_the_middle_of_the_text_is_a_problem(line: str) -> None:
    assert [p.code for p in parse(f"Bonjour,\n{line}\nMerci").problems] == ["misplaced_command"]


def test_a_note_that_was_wrapped_is_whole() -> None:
    note = "@note Attention, ce demandeur a déjà déposé deux dossiers identiques\nsous un autre nom cette année."
    found = parse(f"{note}\n\nBonjour")
    assert found.commands == (Command(Verb.NOTE, note.removeprefix("@note ").replace("\n", " ")),)
    assert found.text == "Bonjour"


@pytest.mark.parametrize(
    "end", ["-- \nAlice Admin\nTél. 05", "--\nAlice", "Envoyé de mon iPhone", "Sent from my phone\n"]
)
def test_a_signature_is_no_answer(end: str) -> None:
    assert parse(f"@clore\n\n{end}").text == ""
    assert parse(f"@clore\nBonjour\n\n{end}").text == "Bonjour"
