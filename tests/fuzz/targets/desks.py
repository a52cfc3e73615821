"""What people write for us to act on: commands, dates, numbers, choices; and what is taken out of what leaves."""

from __future__ import annotations

import re
from dataclasses import replace
from zoneinfo import ZoneInfo

from gateway.desk import commands, dates
from gateway.mail.scrub import Secrets, scrub, tells
from gateway.relay import html
from gateway.relay.compose import compose
from gateway.relay.wire import FIELDS, WireError, transmitted
from gateway.routing import choice, numbers
from tests.builders import NOW, draft, outgoing
from tests.fuzz import seeds
from tests.fuzz.target import Target
from tests.fuzz.targets.fields import text

_PARIS = ZoneInfo("Europe/Paris")
_URLS = ("https://demarches.example.org",)
_COMMANDS = (
    b"@affecter a@b.fr\n@note Bonjour\n\nMerci.\n-- \nX\n",
    b"@attente lundi 9h\n@tag urgent\n@dossier 123\n\nVoici.\n",
    b"@note\nTout ceci.\n@clore\n",
    b"@inconnu\n",
)
_DATES = (b"lundi 14h30", b"jusqu'au 3 mars 2026", b"in 3 days", b"2025-03-03T10:00", b"fin du mois", b"29/02")
_NUMBERS = (
    "dossiers n° 123 456, 124 et 125, démarche n° 42".encode(),
    b"https://demarches.example.org/dossiers/123?x=1 https://demarches.example.org/commencer/permis",
    "Le deuxième, merci. 2) oui".encode(),
)
_HERS = {"a@mairie.example.org": "…", "b@b.fr": "…", "x@y.fr": "…"}
_SECRETS = Secrets(_HERS.get, frozenset({"mairie.example.org", "b.fr", "y.fr"}), lambda _: (), "…")
_ADDRESSES = (
    b"Ecrire \xc3\xa0 *a@mairie.example.org*, ou <b@c.fr>.Merci",
    b"a@b@c.fr _x@y.fr_ ?to=z@t.fr",
    b"mailto:a@b.fr",
)
_TAGS = re.compile(r"<(/?)([a-zA-Z!][a-zA-Z0-9]*)")
_OURS = frozenset("!doctype html head meta title style body p br hr table tr th td a".split())  # noqa: SIM905


def commanded(data: bytes) -> None:
    own = text(data)
    parsed = commands.parse(own, "Inès Instruit")
    assert len(parsed.commands) + len(parsed.problems) <= own.count("@") + own.count("\n") + 1
    assert not parsed.commands or "@" in own
    parsed.text.encode()


def moments(data: bytes) -> None:
    found = dates.moment(text(data), NOW, _PARIS)
    assert found is None or found.tzinfo is not None


def numbered(data: bytes) -> None:
    said = text(data)
    for find in (
        numbers.numbers,
        numbers.listed_numbers,
        numbers.bare_numbers,
        numbers.subject_numbers,
        numbers.demarche_numbers,
    ):
        assert all(0 < number < 2**31 for number in find(said))
    assert all(inbox.number and inbox.number > 0 for inbox in numbers.links(said, _URLS))
    assert all(slug in said.lower() or "%" in said for slug in numbers.slugs(said, _URLS))
    numbers.titles(said)


def chosen(data: bytes) -> None:
    """What is chosen was offered, where anything was."""
    offered = ((123, "Permis de végétaliser"), (456, "Aide au vélo"))
    found = choice.chosen(text(data), "", offered, _URLS)
    assert found is None or found.number in {number for number, _ in offered}


def scrubbed(data: bytes) -> None:
    """Every address of hers goes, the first look misses none of them, and what isn't looked for stays."""
    said = text(data)
    once = scrub(said, _SECRETS)
    assert once == said or tells(said, _SECRETS)
    assert scrub(once, _SECRETS) == once
    assert scrub(said, replace(_SECRETS, replacement=lambda _: None)) == said


def left(data: bytes) -> None:
    """Whatever is written, one mail with our fields leaves, or none."""
    said = text(data)
    first, _, rest = said.partition("|")
    mail = outgoing(letter=draft(first[:300] or "a@b.fr", subject=rest, from_name=rest, text=said))
    for each in (mail, outgoing(letter=draft(subject=rest, from_name=first, text=said))):
        try:
            octets = transmitted(compose(each, ()))
        except WireError:
            continue
        header = octets.partition(b"\r\n\r\n")[0].split(b"\r\n")
        names = [line.partition(b":")[0].decode() for line in header if line[:1] != b" "]
        assert names == [field for field in FIELDS if field in names]
        assert octets.endswith(b"\r\n.\r\n")
        assert octets.count(b"\r\n.\r\n") == 1


def shown(data: bytes) -> None:
    """No tag but ours, nothing to fetch, no script."""
    page = html.page(text(data), text(data[:100]), "fr")
    assert {name.lower() for _, name in _TAGS.findall(page)} <= _OURS
    assert not re.search(r"(?i)\b(?:src|on\w+)=\"|href=\"(?!https?:|mailto:)", re.sub(r">[^<]*<", "><", page))


TARGETS = (
    Target("commands", commanded, lambda: [*_COMMANDS, *seeds.texts()]),
    Target("moments", moments, lambda: _DATES),
    Target("numbers", numbered, lambda: [*_NUMBERS, *seeds.texts()]),
    Target("choice", chosen, lambda: _NUMBERS),
    Target("scrub", scrubbed, lambda: [*_ADDRESSES, *seeds.texts()]),
    Target("compose", left, lambda: [b"a@b.fr>|x\r\nBcc: e@x", *seeds.texts()]),
    Target("page", shown, lambda: [b"https://a.fr/<x> a@b.fr\n----\nA : b\nC : d\n", *seeds.texts()]),
)
