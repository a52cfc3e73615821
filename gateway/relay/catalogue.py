"""The French of our sentences, read from the catalogue as `make translations` writes it (PO, of GNU gettext).

Nothing is compiled, and nothing is loaded for it: a library that reads catalogues knows the whole world's languages,
which takes a daemon six megabytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Catalogue = Mapping[str, tuple[str, ...]]  # a sentence in English → in another language: the one form, or both

_LINE = re.compile(r'(?:(msgid|msgid_plural|msgstr)(?:\[(\d)\])? )?(".*")')


@dataclass(slots=True)
class _Entry:
    """A sentence as it is being read: its keyword (with the form's number) → the text so far."""

    texts: dict[str, str] = field(default_factory=dict)
    fuzzy: bool = False
    last: str = ""


def catalogue(text: str) -> Catalogue:
    """The sentences of a catalogue that are translated; what is marked as fuzzy isn't."""
    return {
        entry.texts["msgid"]: forms
        for entry in _entries(text)
        if not entry.fuzzy and entry.texts.get("msgid") and all(forms := _forms(entry))
    }


def _forms(entry: _Entry) -> tuple[str, ...]:
    return tuple(told for keyword, told in entry.texts.items() if keyword.startswith("msgstr"))


def _entries(text: str) -> Iterator[_Entry]:
    for block in re.split(r"\n\s*\n", text):
        entry = _Entry()
        for line in block.splitlines():
            if line.startswith("#,"):
                entry.fuzzy = entry.fuzzy or "fuzzy" in line
            elif found := _LINE.fullmatch(line):
                _take(entry, *found.groups(default=""))
        yield entry


def _take(entry: _Entry, keyword: str, form: str, quoted: str) -> None:
    """A text, or some more of the one before."""
    if keyword:
        entry.last = keyword + form
    entry.texts[entry.last] = entry.texts.get(entry.last, "") + json.loads(quoted)  # escaped as JSON is
