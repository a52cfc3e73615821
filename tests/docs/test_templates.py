"""The templates as a whole: French complete, blank lines where paragraphs end, French as French is written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from babel.dates import get_month_names
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import gateway.relay
from gateway.relay import samples, texts
from gateway.relay.templating import LANGUAGES, MONTHS, sources

ROOT = Path(__file__).parents[2]
FOLDER = Path(gateway.relay.__file__).parent
CATALOGUE = FOLDER / "locale" / "fr" / "LC_MESSAGES" / "gateway.po"
MAILS = sorted(samples.MAILS)


# --- the catalogue -----------------------------------------------------------------------------------------


@cache
def wanted() -> Catalog:
    """The sentences of the templates, found as `make translations` finds them."""
    babel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["babel"]
    methods = [(mapping["pattern"], mapping["method"]) for mapping in babel["mappings"]]
    options = {mapping["pattern"]: mapping for mapping in babel["mappings"]}
    found = Catalog(locale="fr")
    for file, _, message, _, context in extract_from_dir(FOLDER / "templates", methods, options):
        found.add(message, None, [(file, 1)], context=context)
    return found


@cache
def french() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="fr", abort_invalid=True)


def forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
    assert text is not None
    return (text,) if isinstance(text, str) else tuple(text)


def placeholders(text: str) -> list[str]:
    assert not re.search(r"%(?!\(\w+\)s|%)", text), text
    return sorted(re.findall(r"%\((\w+)\)s", text))


def translated() -> Iterator[Message]:
    return (message for message in french() if message.id)


def test_french_has_every_sentence_and_no_other() -> None:
    needed, had = ({message.id for message in catalogue if message.id} for catalogue in (wanted(), french()))
    assert needed - had == set(), "missing: run `make translations`, and translate what is new"
    assert had - needed == set(), "stale: run `make translations`"
    assert len(needed) > 100
    assert french().obsolete == {}


def test_nothing_is_left_to_translate() -> None:
    for message in translated():
        assert not message.fuzzy, message.id
        assert all(forms(message.string)), message.id
        assert not list(message.check(french())), message.id


def test_what_is_translated_is_compiled() -> None:
    compiled = read_mo(BytesIO(CATALOGUE.with_suffix(".mo").read_bytes()))
    found = {forms(message.id): forms(message.string) for message in compiled if message.id}
    assert found == {forms(message.id): forms(message.string) for message in translated()}, "make translations"
    assert compiled.plural_expr == french().plural_expr


@pytest.mark.parametrize("language", LANGUAGES)
def test_months_bear_their_names(language: str) -> None:
    assert MONTHS[language].split() == list(get_month_names("wide", locale=language).values())


def test_translations_name_the_same_values() -> None:
    for message in translated():
        english, told = forms(message.id), forms(message.string)
        assert len(english) == len(told)
        for one, other in zip(english, told, strict=True):
            assert placeholders(one) == placeholders(other), message.id


def test_sentences_are_paragraphs() -> None:
    """Whoever translates sees whole sentences, not pieces, and not pages."""
    for message in translated():
        for text in forms(message.id):
            assert text == text.strip()
            assert "\n" not in text
            assert len(text) < 400


def test_nothing_is_said_beside_the_catalogue() -> None:
    """Every word of a template that isn't a value stands in a sentence that can be translated."""
    for name, source in sources().items():
        bare = re.sub(r"\{% trans.*?endtrans %\}", "", source, flags=re.DOTALL)
        bare = re.sub(r"\{[{%].*?[}%]\}", "", bare)
        assert not re.search(r"[^\W\d_]", bare), name


# --- how they are laid out ---------------------------------------------------------------------------------


def rendered(language: str, name: str) -> Iterator[str]:
    for place, values in samples.situations(name):
        yield texts.render(name, replace(place, locale=language), **values).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_paragraphs_are_apart(language: str, name: str) -> None:
    """Blocks of lines end where a sentence begins."""
    for text in rendered(language, name):
        assert not text.startswith("\n")
        assert "\n\n\n" not in text
        listed = text.partition("@note")[2]
        lines = text.replace(listed, "").split("\n")
        for before, line in pairwise(lines):
            assert not (len(line) > 110 and before), f"{before!r} runs into {line!r}"
        for line in ("Commandes, chacune", "Commands, each", "Cet organisme est", "This organisation is"):
            assert line not in text or f"\n\n{line}" in text
        for marker in ("Référence\u00a0: K7MP-4QXZ\n", "Reference: K7MP-4QXZ\n"):
            after = text.partition(marker)[2]
            assert not after or after.startswith(("\n", "Pièces jointes", "Attachments")), after[:80]


def test_french_is_written_as_french_is() -> None:
    for message in translated():
        for told in forms(message.string):
            assert "'" not in told, f"a straight apostrophe: {told}"
            assert not re.search(r"[^\u00a0\d\]/]:(?!//)|[^\u00a0][;!?»]", told), f"a mark without its space: {told}"
            assert not re.search(r"«(?!\u00a0)", told), told
            assert not re.search(r"[;!?»:]\w", told.replace("%", "")), told


def test_english_has_no_french_spaces() -> None:
    for message in translated():
        for text in forms(message.id):
            assert not re.search(r"[\u00a0’«»]|\s[;:!?]", text), text
