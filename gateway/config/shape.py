"""From parsed TOML to `Settings`, and on past the first faults, so that all of them are told in one go.

Where keys are faulty, they are left out; where an entry can't do without them, the entry is left out too, and a
placeholder takes the place of [instance] and [addresses]. What remains is checked like a sound file.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path as File
from typing import Any

from pydantic import ValidationError

from gateway.config.locate import Path
from gateway.config.problems import Problem, translated
from gateway.config.rules import Declared, check
from gateway.config.settings import Settings

_PLACEHOLDERS = {
    "instance": {"name": "-", "url": "https://placeholder.invalid"},
    "addresses": {"domain": "placeholder.invalid", "global": "global@placeholder.invalid"},
}
# What takes the place of a faulty value whose default would make a second fault
_STAND_INS = {"listen": "127.0.0.1:0", "security": "tls"}
Origin = dict[Path, list[int]]  # array of tables → for each entry kept, its place in the file


def settle(raw: Mapping[str, Any], folder: File, *, whole: bool = True) -> tuple[Settings | None, list[Problem]]:
    """The settings, and everything that is wrong; settings are only to be used where nothing is.

    Where `raw` isn't `whole`, because a file couldn't be read, references to what it may hold are no faults.
    """
    settings, problems = _validated(raw, folder)
    broken: frozenset[str] = frozenset()
    origin: Origin = {}
    if settings is None:
        rest = _without(raw, {_key_of(problem.path) for problem in problems})
        settings, left = _validated(rest, folder)
        if settings is None:
            broken = frozenset(str(problem.path[0]) for problem in left)
            rest, origin = _without_entries(rest, left)
            settings, _ = _validated(rest, folder)
    if settings is not None:
        found = check(settings, _declared(raw) if whole else None, broken)
        problems += [replace(one, path=_at(one.path, origin), first=_at(one.first, origin)) for one in found]
    return settings, problems


def _validated(raw: Mapping[str, Any], folder: File) -> tuple[Settings | None, list[Problem]]:
    whole = {"store": {}, "relay": {}} | dict(raw)  # their defaults are paths, which need the folder
    try:
        return Settings.model_validate(whole, context={"folder": folder}), []
    except ValidationError as error:
        return None, translated(error)


def _entry_of(path: Path) -> Path:
    """The entry of an array of tables in which `path` lies, or () outside of these."""
    place = 2 if path[:1] == ("intake",) else 1
    return path[: place + 1] if len(path) > place and isinstance(path[place], int) else ()


def _key_of(path: Path) -> Path:
    """What to leave out for a fault at `path`: the whole key, not an element of its value."""
    if entry := _entry_of(path):
        return path[: len(entry) + 1]
    first = next((place for place, step in enumerate(path) if isinstance(step, int)), len(path))
    return path[:first]


def _without(raw: Mapping[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """`raw` without the keys at `paths`, which itself stays; an entry that is named itself becomes an empty table."""
    rest = dict(raw)
    own: set[Path] = {()}
    for path in paths:
        inner: Any = rest
        for place, step in enumerate(path[:-1], 1):
            if not _leads(inner, step):
                inner = None
                break
            if path[:place] not in own:
                inner[step] = copy.copy(inner[step])
                own.add(path[:place])
            inner = inner[step]
        if isinstance(inner, list):
            inner[int(path[-1])] = {}
        elif isinstance(inner, dict):
            inner.pop(path[-1], None)
            if path[-1] in _STAND_INS and path[0] in {"intake", "relay"}:
                inner[path[-1]] = _STAND_INS[str(path[-1])]
    return rest


def _leads(inner: Any, step: str | int) -> bool:
    return isinstance(step, int) if isinstance(inner, list) else isinstance(inner, dict) and step in inner


def _without_entries(rest: dict[str, Any], left: Iterable[Problem]) -> tuple[dict[str, Any], Origin]:
    """`rest` without the entries that are still faulty, and where the others came from."""
    gone: dict[Path, set[int]] = {}
    for problem in left:
        if entry := _entry_of(problem.path):
            gone.setdefault(entry[:-1], set()).add(int(entry[-1]))
        elif problem.path[0] in _PLACEHOLDERS:
            rest[str(problem.path[0])] = _PLACEHOLDERS[str(problem.path[0])]
    origin: Origin = {}
    for array, places in gone.items():
        *around, name = (str(step) for step in array)
        holder = rest[around[0]] if around else rest
        origin[array] = [place for place in range(len(holder[name])) if place not in places]
        holder[name] = [holder[name][place] for place in origin[array]]
    return rest, origin


def _at(path: Path, origin: Origin) -> Path:
    """The path as it is in the file."""
    entry = _entry_of(path)
    if not entry or entry[:-1] not in origin:
        return path
    return (*entry[:-1], origin[entry[:-1]][int(entry[-1])], *path[len(entry) :])


def _declared(raw: Mapping[str, Any]) -> Declared:
    organisations = _list(raw, "organisations")
    sirets = (each.get("siret") if isinstance(each, dict) else getattr(each, "siret", None) for each in organisations)
    demarches = [entry for entry in _tables(raw, "demarches") if isinstance(entry.get("number"), int)]
    return Declared(
        frozenset(re.sub(r"[\s.]", "", siret) for siret in sirets if isinstance(siret, str)),
        frozenset(entry["number"] for entry in demarches),
        frozenset(
            (entry["number"], str(groupe.get("label"))) for entry in demarches for groupe in _tables(entry, "groupes")
        ),
    )


def _tables(raw: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [entry for entry in _list(raw, name) if isinstance(entry, dict)]


def _list(raw: Mapping[str, Any], name: str) -> list[Any]:
    entries = raw.get(name)
    return entries if isinstance(entries, list) else []
