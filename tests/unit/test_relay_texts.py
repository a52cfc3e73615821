"""The words of our mails: both languages, every template, with much and with little to say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from jinja2 import meta

from gateway.config.settings import Organisation
from gateway.model import Attachment, Mail, Nature, Problem, Proof, Recalled
from gateway.relay import plan, texts
from gateway.relay.texts import Place
from tests.builders import DOSSIER, GLOBAL, ROOT, mail, make_context, passing, settings

FOLDER = ROOT / "gateway" / "relay" / "templates"
NAMES = sorted(path.name for path in (FOLDER / "fr").iterdir())
LETTERS = [name.removesuffix(".txt") for name in NAMES if not name.startswith("_") and name != "problem.txt"]
CODES = [
    *("no_part", "spam_right", "assign_reach", "unknown_agent", "unknown_command", "later_command", "empty_note"),
    *(
        "words_after",
        "misplaced_command",
        "below_marker",
        "empty_tag",
        "no_usager",
        "empty",
        "unverified",
        "other_author",
    ),
]
MUCH: dict[str, Any] = {
    "subject": "Une question",
    "author": "Ulysse <ulysse@usager.example.net>",
    "received": "01/03/2025 à 10 h 30",
    "text": "Bonjour,\n\nUne question.",
    "proof": "verified",
    "refused": 124,
    "attachments": ["a.pdf", "b.pdf"],
    "held": ["c.zip"],
    "assigned_by": "Manon",
    "problems": ["une raison", "une autre"],
    "recipient": "ulysse@usager.example.net",
    "reply": "550 no such user",
    "uncertain": True,
    "hers": True,
    "answered_to": "ulysse@usager.example.net",
    "stranger": True,
    "notes": ["une note"],
    "answer": True,
}
LITTLE: dict[str, Any] = dict.fromkeys(MUCH, "") | {
    **{name: MUCH[name] for name in ("received", "recipient", "reply")},
    "subject": "—",
    "author": "?",
    "refused": None,
    "attachments": [],
    "held": [],
    "problems": [],
    "uncertain": False,
}


def place(locale: Literal["fr", "en"], much: bool) -> Place:
    context = make_context(instance={"locale": locale})
    return context.place("ABCD-2345", DOSSIER if much else GLOBAL)


@pytest.mark.parametrize("name", LETTERS)
@pytest.mark.parametrize("locale", ["fr", "en"])
@pytest.mark.parametrize("much", [True, False])
def test_every_template_renders(name: str, locale: Literal["fr", "en"], much: bool) -> None:
    words = texts.render(name, place(locale, much), **(MUCH if much else LITTLE))
    whole = f"{words.subject}\n{words.text}"
    assert words.subject.strip()
    assert "ABCD-2345" in whole
    assert not re.search(r"None|Undefined|\{[{%]|%\}|\[\]|\['|\n\n\n", whole), whole
    assert all(line == line.rstrip() or line == "-- " for line in whole.split("\n")), whole
    assert words.text.endswith("\n")
    assert not words.text.startswith("\n")
    if much and name not in {"refused"}:
        for part in ("Mairie d'Exemple", "21310555400017", "Permis de végétaliser", "123"):
            assert part in whole, part


@pytest.mark.parametrize("locale", ["fr", "en"])
@pytest.mark.parametrize("code", CODES)
def test_every_problem_has_words(locale: str, code: str) -> None:
    words = texts.problem(Problem(code, "ines@x.example"), locale)
    assert words
    assert code not in words
    assert "None" not in words


def test_the_problems_are_all_there_are() -> None:
    used = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        used |= set(re.findall(r'Problem\(\s*"(\w+)"', path.read_text("utf-8")))
    used |= {"unverified", "other_author"}
    assert used == set(CODES)
    for locale in ("fr", "en"):
        assert set(re.findall(r'code == "(\w+)"', (FOLDER / locale / "problem.txt").read_text("utf-8"))) == used


def variables(locale: str, name: str) -> set[str]:
    source = (FOLDER / locale / name).read_text("utf-8")
    return meta.find_undeclared_variables(texts._environment().parse(source))


def test_both_languages_say_the_same() -> None:
    assert sorted(path.name for path in (FOLDER / "en").iterdir()) == NAMES
    for name in NAMES:
        assert variables("fr", name) == variables("en", name), name
        for locale in ("fr", "en"):
            included = re.findall(r'include "(\w+)/', (FOLDER / locale / name).read_text("utf-8"))
            assert set(included) <= {locale}, name


def test_french_is_written_as_french_is() -> None:
    for path in (FOLDER / "fr").iterdir():
        prose = re.sub(r"\{[{%].*?[}%]\}", "", path.read_text("utf-8"))
        assert "'" not in prose, f"{path.name}: a straight apostrophe"
        assert not re.search(r"[^\s\u00a0\u202f][;!?»]", prose), path.name
        assert not re.search(r"«[^\s\u00a0\u202f]", prose), path.name


def test_what_people_write_is_no_template() -> None:
    words = texts.render("answer", place("fr", True), subject="{{ 7*7 }}", text="{% raw %}{{ instance }}", held=[])
    assert words.subject == "{{ 7*7 }}"
    assert "{% raw %}{{ instance }}" in words.text


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(Exception, match="undefined"):
        texts.render("answer", place("fr", True), subject="x")


def test_times_are_local() -> None:
    instance = settings().instance
    summer = datetime(2025, 7, 1, 22, 30, tzinfo=UTC)
    assert texts.local_time(summer, instance) == "2 juillet 2025 à 00\u00a0h\u00a030"
    english = instance.model_copy(update={"locale": "en", "timezone": "Indian/Reunion"})
    assert texts.local_time(summer, english) == "2 July 2025 at 02:30"


# --- plan: which mails a message causes --------------------------------------------------------------------


def due(letter: Mail | None = None, recalled: Recalled | None = None, **values: Any) -> plan.Due:
    trust = settings(trust={"acknowledge": values.pop("acknowledge", "person")}).trust
    conditions = {"new": True, "ours": False, "addressed_refused": False, "envelope_sender": "u@x"}
    conditions |= {"age": timedelta(hours=1), **values}
    return plan.acknowledgement_due(letter or mail(), recalled or Recalled(), trust, **conditions)


def test_an_acknowledgement_is_due_once_to_a_person() -> None:
    assert due().due
    assert due(envelope_sender=None).due
    assert not due(new=False).due
    assert not due(ours=True).due
    assert not due(age=timedelta(days=4)).due
    assert not due(envelope_sender="").due
    assert not due(addressed_refused=True).due
    assert not due(mail(sure=False)).due
    assert due(recalled=Recalled(acknowledgements=9)).due
    assert not due(recalled=Recalled(acknowledgements=10)).due
    assert not due(acknowledge="never").due
    assert not due(acknowledge="authenticated").due
    assert due(mail(authentication=passing()), acknowledge="authenticated").due


@pytest.mark.parametrize("nature", [nature for nature in Nature if nature is not Nature.PERSON])
def test_machines_are_told_nothing(nature: Nature) -> None:
    assert not due(mail(nature=nature)).due


def test_the_acknowledgement_repeats_nothing_of_what_was_written() -> None:
    letter = plan.acknowledgement("u@x", place("fr", True), mail().date or datetime.now(UTC))
    assert (letter.automatic, letter.silent) == (True, True)
    assert "Une question" not in letter.subject + letter.text


def message(*sizes: int) -> Any:
    from gateway.model import Direction, Kind, Message

    attachments = tuple(Attachment(f"{n}.pdf", "application/pdf", size, "", n) for n, size in enumerate(sizes))
    when = datetime(2025, 3, 1, tzinfo=UTC)
    return Message(
        "", Direction.IN, Kind.EXTERNAL, Nature.PERSON, Proof.PLAUSIBLE, "u@x", (), when, "s", "t", "", attachments
    )


def test_what_is_too_large_is_named_and_held_back() -> None:
    letter = plan.notification(
        "a@x", place("fr", True), message(10, plan.MOST_ENCLOSED, 20), "U", subject="s", usager="u@x"
    )
    assert [e.attachment.name for e in letter.enclosures] == ["0.pdf", "2.pdf"]
    assert "1.pdf" in letter.text
    assert "Pièces jointes : 0.pdf, 2.pdf" in letter.text


def test_an_answer_names_the_organisation_and_no_agent() -> None:
    letter = plan.answer("u@x", plan.Role.USAGER, place("fr", True), replace(message(), author="ines@x"), subject="s")
    assert letter.from_name == "Mairie d'Exemple"
    assert "ines@x" not in letter.text + letter.from_name
    assert (letter.automatic, letter.silent, letter.subject) == (False, False, "Re: s")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [("x", "Re: x"), ("Re: x", "Re: x"), ("RE : x", "RE : x"), ("", "Re: —"), ("Reçu", "Re: Reçu")],
)
def test_re_once(subject: str, expected: str) -> None:
    assert plan.reply_subject(subject) == expected


def test_a_contact_without_anything_but_a_name() -> None:
    bare = Organisation.model_validate({"siret": "21310555400017", "name": "Mairie"})
    words = texts.render("acknowledgement", replace(place("fr", True), organisation=bare), received="x")
    assert "Téléphone" not in words.text
