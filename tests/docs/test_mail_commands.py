"""Every command by mail is in the documents and in the mails that offer it, in both languages, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.desk import commands
from gateway.desk.commands import Command, Verb, parse
from gateway.mail.mark import REPLY_MARKER
from gateway.relay.templating import LANGUAGES, packaged, rendered

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/commands.md").read_text("utf-8").partition("## By mail")[2]
AGENTS = (ROOT / "docs/agents.md").read_text("utf-8")
NAMED = re.compile(r"`@([a-z]+)")


def column(language: str) -> list[str]:
    """The names of commands in the page's column for a language, in their order."""
    rows = re.findall(r"^\| (`@.+?) \| (.+?) \| ", PAGE, re.MULTILINE)
    cells = [first if language == "fr" or second == "the same" else second for first, second in rows]
    return list(dict.fromkeys(name for cell in cells for name in NAMED.findall(cell)))


def test_commands_by_mail_are_in_the_page() -> None:
    assert set(NAMED.findall(PAGE)) == set(commands._NAMES)


def test_both_columns_hold_every_command() -> None:
    french, english = ([commands._NAMES[name] for name in names] for names in map(column, LANGUAGES))
    assert french == english
    assert set(french) == set(commands._NAMES.values())


def mailed(language: str, part: str) -> list[str]:
    """The lines of a part of our mails that tell commands, without what introduces them."""
    return rendered(packaged(), language, f"/{part}.txt", {}).strip().split("\n")[1:]


def offered(language: str, part: str) -> list[str]:
    """The names of commands that the lines begin with."""
    return [name[1] for line in mailed(language, part) if (name := re.match(r"@([a-z]+)", line))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_mails_offer_each_command_once(language: str) -> None:
    """In the words of the language that they are written in, as the page has them."""
    assert len(offered(language, "_commands")) == len(mailed(language, "_commands"))
    assert sorted(offered(language, "_commands")) == sorted(column(language))
    done = [commands._NAMES[name] for name in column(language)]
    assert len(set(done)) == len(done)
    assert {command.verb for command in done} | {Verb.SNOOZE} == set(Verb)


@pytest.mark.parametrize(("language", "example"), [("fr", "@attente 15/12"), ("en", "@pending 15/12")])
def test_mails_tell_how_to_put_off(language: str, example: str) -> None:
    """The one verb without a name of its own: a name, and a date."""
    assert [command.verb for command in parse(example).commands] == [Verb.SNOOZE]
    name = example.partition(" ")[0]
    assert any(f"; {name} date" in line for line in mailed(language, "_commands"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_short_list_is_part_of_the_long_one(language: str) -> None:
    short, whole = mailed(language, "_commands_short"), mailed(language, "_commands")
    assert set(short[:-1]) < set(whole)
    assert commands._NAMES[offered(language, "_commands_short")[-1]] == Command(Verb.HELP)


# --- the page for agents ---------------------------------------------------------------------------------


HEADINGS = {"fr": "## En français", "en": "## In English"}
MOST_WORDS = 900  # five minutes, slowly


def for_agents(language: str) -> str:
    """The half of docs/agents.md in a language."""
    return re.split(r"^## ", AGENTS.partition(f"{HEADINGS[language]}\n")[2], flags=re.MULTILINE)[0]


def examples(language: str) -> list[str]:
    """The commands of the table, as they are to be typed."""
    cells = re.findall(r"^\| (`@.+?) \| ", for_agents(language), re.MULTILINE)
    return [example for cell in cells for example in re.findall(r"`(@[^`]+)`", cell)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_agents_are_told_every_command_and_no_other(language: str) -> None:
    """In their language; `@fwd` has a paragraph of its own."""
    told = {word.strip("@") for word in re.findall(r"`(@[a-z]+)", for_agents(language))}
    people = {"ines"}
    assert told - people == set(column(language))
    in_table = {example[1:].partition(" ")[0] for example in examples(language)}
    assert in_table == set(column(language)) - {"fwd"}


@pytest.mark.parametrize(("language", "example"), [(lang, e) for lang in LANGUAGES for e in examples(lang)])
def test_what_agents_are_told_to_write_is_understood(language: str, example: str) -> None:
    parsed = parse(example)
    assert parsed.problems == ()
    assert [command.verb for command in parsed.commands] != []
    assert parsed.text == ""
    verb = commands._NAMES[example[1:].partition(" ")[0]].verb
    expected = Verb.SNOOZE if example.endswith("15/12") else verb
    assert [command.verb for command in parsed.commands] == [expected]


def test_both_halves_tell_the_same() -> None:
    french, english = ([parse(e).commands[0].verb for e in examples(language)] for language in LANGUAGES)
    assert french == english
    assert len(french) > 15
    bold = [re.findall(r"^(?:\d\. )?\*\*", for_agents(language), re.MULTILINE) for language in LANGUAGES]
    assert bold[0] == bold[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_example_does_what_it_shows(language: str) -> None:
    mail = for_agents(language).partition("```\n")[2].partition("```")[0]
    parsed = parse(mail)
    assert parsed.problems == ()
    assert [command.verb for command in parsed.commands] == [Verb.NOTE, Verb.STATUS]
    assert parsed.text.startswith(("Bonjour,", "Hello,"))
    assert "@" not in parsed.text


def test_agents_find_the_words_of_the_mails() -> None:
    """What the page says stands in a mail does."""
    french, english = REPLY_MARKER.strip("✂- ").split(" / ")
    unproven = {"message": {"proof": "unverified", "proof_code": ""}}
    for language, quoted, line in (("fr", "«\u00a0{}\u00a0»", french), ("en", "“{}”", english)):
        authenticity = rendered(packaged(), language, "/_authenticity.txt", unproven).strip()
        assert quoted.format(authenticity) in for_agents(language)
        assert quoted.format(line) in for_agents(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_agents_read_it_in_five_minutes(language: str) -> None:
    assert len(for_agents(language).split()) < MOST_WORDS


def test_its_french_is_written_as_french_is() -> None:
    told = re.sub(r"`[^`\n]+`|```.*?```|<[^>]+>", "", for_agents("fr"), flags=re.DOTALL)
    told = re.sub(r"\(#[^)]*\)|^\|[-|]+\|$", "", told, flags=re.MULTILINE)
    assert "'" not in told
    assert not re.search(r"[^\u00a0][:;!?»]", told)
    assert not re.search(r"«[^\u00a0]", told)
