"""The words of our mails: every template in both languages, with much and with little to say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError, UndefinedError

from gateway import log
from gateway.config.settings import Organisation
from gateway.model import Problem
from gateway.relay import grammar, required, samples, templating, texts
from gateway.relay.samples import NOWHERE, PLACE
from gateway.relay.templating import LANGUAGES, texts_of
from gateway.relay.texts import Place
from tests.builders import ROOT

CODES = [
    *("no_part", "spam_right", "assign_reach", "unknown_agent", "ambiguous_agent", "unknown_command", "words_after"),
    *("misplaced_command", "one_conversation", "below_marker", "digest_reply", "empty", "empty_note", "empty_tag"),
    *("bad_date", "past_date", "unknown_modele", "modele_faulty", "no_usager", "no_proof", "other_author"),
    *("no_dossier", "no_demarche", "move_reach", "same_inbox", "transfer_reach", "transfer_unreachable"),
    *("unknown_organisation", "ambiguous_organisation", "bad_address", "admit_agent", "admit_own"),
    *("already_admitted", "no_forward", "erase_right", "repair_right", "other_dossiers", "other_usager", "not_yours"),
    *("note_runs_on", "spam_answer", "far_date", "not_admitted", "moved_on"),
    *(
        "attachment_infected",
        "attachment_type",
        "attachment_size",
        "attachment_token",
        "attachment_address",
        "attachment_unsearched",
        "release_right",
    ),
    *("failed_proof", "uncertain_author", "unclear_answer", "confirmed_before", "withdrawn_before", "confirmed_late"),
    *("token_revoked", "token_expired", "no_holder"),
    *("delivery_given_up", "delivery_virus", "delivery_composing", "delivery_defect", "delivery_smarthost"),
    *("delivery_broken", "delivery_stopped", "delivery_bounced", "delivery_unready"),
]
COMMANDS = {
    "en": "note assign close pending open spam tag dossier demarche global transfer admit remove revoke follow mute "
    "template fwd help",
    "fr": "note affecter clore attente rouvrir spam tag dossier demarche global transmettre admettre retirer "
    "revoquer suivre taire modele fwd aide",
}


def at(place: Place, language: str) -> Place:
    return replace(place, locale=language)


def own(source: str, name: str = "answer", **values: object) -> str:
    """What a template of that source becomes."""
    place = replace(PLACE, texts=texts_of({f"{name}.txt": source}), locale="en")
    return templating.render(name, place, **{**samples.MAILS[name], **values}).text


# --- every template ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", samples.MAILS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mail_in_every_situation(name: str, language: str) -> None:
    for place, values in samples.situations(name):
        words = texts.render(name, at(place, language), **values)
        whole = f"{words.subject}\n{words.text}"
        assert words.subject.strip()
        assert not re.search(r"None|Undefined|\{[{%]|%\}|%\(|\[\]|\['|\n\n\n", whole), whole
        assert all(line == line.rstrip() or line == "-- " for line in whole.split("\n")), whole
        assert words.text.endswith("\n")
        assert not words.text.startswith("\n")


@pytest.mark.parametrize("name", samples.MAILS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mail_tells_what_it_must(name: str, language: str) -> None:
    assert list(required.lacks(templating.packaged(), "", language, name)) == []


@pytest.mark.parametrize("file", sorted(templating.sources()))
def test_our_templates_keep_to_their_own_rules(file: str) -> None:
    name = file.removesuffix(".txt")
    common = {} if name == "_problem" else templating.place_values(PLACE)
    known = {**common, **(samples.MAILS.get(name) or samples.PARTS[name])}
    tree = templating.packaged().environments["en"].parse(templating.sources()[file])
    assert list(grammar.faults(tree, known, samples.PARTS)) == []


def test_there_are_no_other_templates() -> None:
    assert {file.removesuffix(".txt") for file in templating.sources()} == {*samples.MAILS, *samples.PARTS}
    assert samples.NEEDED.keys() == samples.MAILS.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_is_in_the_list(language: str) -> None:
    words = texts.render("help", at(PLACE, language), **samples.MAILS["help"]).text
    assert re.findall(r"^@(\w+)", words, re.M) == COMMANDS[language].split()


def test_an_acknowledgement_names_the_organisation_once() -> None:
    for language in LANGUAGES:
        text = texts.render("acknowledgement", at(PLACE, language), **samples.MAILS["acknowledgement"]).text
        assert text.count(samples.ORGANISATION.name) == 1
        assert text.count(samples.ORGANISATION.siret) == 1


def test_a_contact_without_anything_but_a_name() -> None:
    bare = Organisation(siret="21310555400017", name="Mairie")
    place = replace(at(PLACE, "fr"), organisation=bare)
    text = texts.render("acknowledgement", place, **samples.MAILS["acknowledgement"]).text
    assert "Organisme\u00a0: Mairie (SIRET 21310555400017)\nDémarche" in text


def test_citizens_are_not_called_by_the_agents_word() -> None:
    for name in samples.TO_USAGER | {"transmission"}:
        for language in LANGUAGES:
            values = {**samples.MAILS[name], "text": "x"} if "text" in samples.MAILS[name] else samples.MAILS[name]
            text = texts.render(name, at(PLACE, language), **values).text
            assert "usager" not in re.sub(r"\S+@\S+", "", text).lower(), name


# --- problems ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("what", ["", "ines@x.example"])
def test_every_problem_has_words(language: str, code: str, what: str) -> None:
    words = texts.problem(Problem(code, what), language)
    assert len(words) > 10
    assert code not in words
    assert "\n" not in words
    assert "not possible" not in words
    assert "pas été possible" not in words


def test_the_problems_are_all_there_are() -> None:
    used: set[str] = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        used |= set(re.findall(r'(?:\bProblem|\.refuse)\(\s*"(\w+)"', path.read_text("utf-8")))
    assert used <= set(CODES), used - set(CODES)
    worded = re.findall(r'code == "(\w+)"', templating.sources()["_problem.txt"])
    assert set(worded) == set(CODES)


def test_an_unknown_problem_is_no_gap() -> None:
    assert texts.problem(Problem("brand_new"), "en") == "this was not possible (brand_new)"
    assert texts.problem(Problem("brand_new"), "fr") == "cela n’a pas été possible (brand_new)"


def test_an_instance_has_its_own_words_for_a_problem() -> None:
    mine = texts_of({"_problem.txt": "Non : {{ code }}.\n"})
    assert texts.problem(Problem("empty"), "fr", mine) == "Non : empty."


# --- how templates are read --------------------------------------------------------------------------------


def test_a_line_of_tags_vanishes_and_every_other_line_ends() -> None:
    source = (
        "s\n{% if text %}\none {% if text %}two{% endif %}\n{% endif %}\n"
        "{% trans %}three{% endtrans %}\n{% trans %}\nfour\n  and five\n{% endtrans %}\n{# nothing #}\nsix\n"
    )
    assert own(source) == "one two\nthree\nfour and five\nsix\n"


def test_blank_lines_are_tidied_but_those_of_people() -> None:
    assert own("s\n\n\n\n{{ text }}\n\n\n\nend\n", text="a\n\n\n\nb") == "a\n\n\n\nb\n\nend\n"


def test_a_subject_is_one_line() -> None:
    place = replace(PLACE, locale="en")
    words = texts.render("answer", place, **{**samples.MAILS["answer"], "subject": "a\nBcc: x\n\nb", "text": "t"})
    assert words.subject == "a Bcc: x b"
    assert words.text.startswith("t\n")


@given(st.text(max_size=40))
def test_what_people_write_is_no_template(text: str) -> None:
    quoted = "{{ 7*7 }}{% raw %} %(x)s " + text
    for language in LANGUAGES:
        place = at(PLACE, language)
        words = texts.render(
            "answer", place, subject="x", text=f"<{quoted}>", first_name=f"100 % {quoted}", guest=False
        )
        assert f"<{quoted}>".replace("\x1e", "\n") in words.text
        assert words.text.count("{{ 7*7 }}{% raw %} %(x)s ") == 2
        assert "100 %" in words.text


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="undefined"):
        texts.render("answer", PLACE, subject="x")


@pytest.mark.parametrize(
    "source", ["{{ organisation }}", "{{ demarche }}", "{% trans %}a {{ organisation }}{% endtrans %}", "{{ held }}"]
)
def test_the_inside_of_an_object_is_never_written(source: str) -> None:
    with pytest.raises(TemplateError, match="is no text"):
        own(f"s\n{source}\n", held=["plan.zip"])


def test_what_is_missing_is_never_written_as_none() -> None:
    place = replace(NOWHERE, texts=texts_of({"answer.txt": "s\n{% trans %}no. {{ dossier }}{% endtrans %}\n"}))
    with pytest.raises(TemplateError, match="NoneType is no text"):
        templating.render("answer", place, **samples.MAILS["answer"])


def test_where_an_own_template_fails_ours_is_taken_and_it_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation that no check thought of still has its mails, and its operator learns of the line."""
    told: list[dict[str, object]] = []
    monkeypatch.setattr(log, "template_failed", lambda **fields: told.append(fields))
    faulty = texts_of({"answer.txt": "s\n\n{{ demarche.title }}\n", "fr/_problem.txt": "{{ x }}"})
    values = samples.MAILS["answer"]
    assert texts.render("answer", replace(NOWHERE, texts=faulty), **values) == texts.render(
        "answer", NOWHERE, **values
    )
    assert texts.problem(Problem("empty"), "fr", faulty) == texts.problem(Problem("empty"), "fr")
    assert texts.render("answer", replace(PLACE, texts=faulty), **values).text == "Permis de végétaliser\n"
    assert told == [
        {"template": "answer.txt", "line": 3, "reason": "'None' has no attribute 'title'"},
        {"template": "fr/_problem.txt", "line": 1, "reason": "'x' is undefined"},
    ]


def test_only_what_is_missing_is_told_to_be_asked_for() -> None:
    (fault,) = required.lacks(texts_of({"help.txt": "s\n{{ marker }}\n{{ 1e400 }}"}), "", "fr", "help")
    assert fault.text == "name 'inf' is not defined; mend it there, or write it more simply"


def test_templates_have_no_functions() -> None:
    for source in ("{{ range(3) }}", "{{ lipsum() }}", "{{ cycler('a') }}", "{{ namespace() }}", "{{ joiner() }}"):
        with pytest.raises(UndefinedError):
            own(f"s\n{source}\n")
    with pytest.raises(TemplateError):
        own("s\n{{ ''.__class__.__mro__ }}\n")


# --- languages and times -----------------------------------------------------------------------------------


def test_a_place_speaks_its_language_else_the_instances() -> None:
    assert (PLACE.language, at(PLACE, "en").language) == ("fr", "en")
    english = replace(PLACE, instance=PLACE.instance.model_copy(update={"locale": "en"}))
    assert english.language == "en"
    values = samples.MAILS["help"]
    assert "Bonjour," in texts.render("help", PLACE, **values).text
    assert "Hello," in texts.render("help", english, **values).text
    assert "Bonjour," in texts.render("help", at(english, "fr"), **values).text


@pytest.mark.parametrize(
    ("time", "zone", "french", "english"),
    [
        ("2026-03-01T08:30", "Europe/Paris", "1er mars 2026 à 9 h 30", "1 March 2026 at 09:30"),
        ("2025-07-01T22:30", "Europe/Paris", "2 juillet 2025 à 0 h 30", "2 July 2025 at 00:30"),
        ("2025-07-31T22:05", "Indian/Reunion", "1er août 2025 à 2 h 05", "1 August 2025 at 02:05"),
        ("2025-12-11T12:00", "UTC", "11 décembre 2025 à 12 h 00", "11 December 2025 at 12:00"),
    ],
)
def test_times_are_local(time: str, zone: str, french: str, english: str) -> None:
    place = replace(PLACE, instance=PLACE.instance.model_copy(update={"timezone": zone}))
    moment = datetime.fromisoformat(time).replace(tzinfo=UTC)
    assert texts.local_time(moment, place).replace("\u00a0", " ") == french
    assert texts.local_time(moment, at(place, "en")) == english


def test_one_and_many_are_told_apart_in_both_languages() -> None:
    def subject(total: int, language: str) -> str:
        return texts.render("digest", at(PLACE, language), **{**samples.MAILS["digest"], "total": total}).subject

    assert subject(1, "fr").endswith("une conversation vous attend")
    assert subject(2, "fr").endswith("2 conversations vous attendent")
    assert subject(1, "en").endswith("a conversation waits for you")
    assert subject(2, "en").endswith("2 conversations wait for you")
