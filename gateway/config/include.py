"""`gateway.toml` and the files it includes, as if they were one.

Included files hold tables of the directory alone, as TOML or CSV. They are taken in the order of their names, each
once, those that one includes right after it: whatever the disk's order, what comes out is the same.
"""

from __future__ import annotations

import gc
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.config import locate, reading, sheet
from gateway.config.problems import one_of
from gateway.config.rules import no_demarche
from gateway.config.settings import Settings
from gateway.config.sheet import DIRECTORY
from gateway.config.sources import Fault, Source, Sources
from gateway.errors import ConfigError

_DEEPEST = 20  # files that include each other
_AT_ONCE = 1000  # entries
_NOT_AGAIN = "take it out, or keep included files in a folder of their own"
_PATTERNS = 'must be a list of patterns, like include = ["directory/*.toml"]'


@dataclass(slots=True)
class _Gathering:
    """What was read so far. `taken` holds the files by their real paths; `sheets` the groupes, for the end."""

    main: Path
    raw: dict[str, Any]
    files: list[Source] = field(default_factory=list)
    starts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    groupes: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    taken: set[Path] = field(default_factory=set)
    sheets: list[tuple[int, sheet.Sheet]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _At:
    """The file that is being read, its place among all, and by which it was included, itself last."""

    path: Path
    source: int
    chain: tuple[Path, ...]


def gather(path: Path) -> Sources:
    """Read `path` and all that it includes. Faults of included files are in the result, and don't end it.

    Raises ConfigError where `path` itself can't be read.
    """
    try:
        tables, text = reading.toml(reading.octets(path))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; correct the path, or its permissions") from None
    except reading.Unusable as error:
        raise ConfigError(f"{path}:{error.line}: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    gathered = _Gathering(path, tables, [Source(_name(path), text)], taken={_real(path)})
    for name in DIRECTORY:
        if isinstance(tables.get(name, []), list):
            gathered.starts[name] = [(0, 0)]
    _include(gathered, _At(path, 0, (_real(path),)), tables)
    whole = not gathered.faults
    _add_groupes(gathered, whole)
    return Sources(gathered.raw, gathered.files, gathered.starts, gathered.groupes, gathered.faults, whole)


def _real(path: Path) -> Path:
    """Without symbolic links; those that lead in a circle stay."""
    return Path(os.path.realpath(path))


def _name(path: Path) -> str:
    """As it can be printed: names on the disk need not be text."""
    return os.fsencode(path).decode(errors="replace")


def _include(gathered: _Gathering, at: _At, tables: dict[str, Any]) -> None:
    patterns = tables.get("include", [])
    if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
        gathered.faults.append(Fault(at.source, 0, ("include",), _PATTERNS))
        del tables["include"]
        return
    found: dict[Path, locate.Path] = {}
    for nth, pattern in enumerate(patterns):
        key = ("include", nth)
        files = list(_matches(at.path.parent, pattern))
        closed = list(_closed(at.path.parent, pattern))
        gathered.faults.extend(Fault(at.source, 0, key, fault) for fault in closed)
        if not files and not closed:
            fault = f'"{pattern}" matches no file in {at.path.absolute().parent}; correct the pattern, or remove it'
            gathered.faults.append(Fault(at.source, 0, key, fault))
        for file in files:
            found.setdefault(file, key)
    for file in sorted(found):
        if fault := _take(gathered, at, file):
            gathered.faults.append(Fault(at.source, 0, found[file], fault))


def _matches(folder: Path, pattern: str) -> Iterator[Path]:
    try:
        names = glob.glob(pattern, root_dir=folder, recursive=True)
    except ValueError:  # a NUL in it
        names = []
    return (folder / name for name in names if not os.path.isdir(folder / name))


def _closed(folder: Path, pattern: str) -> Iterator[str]:
    """Folders in which files were to be looked for and can't be: to pass over them would take away what they hold."""
    if "\0" in pattern or not glob.has_magic(pattern):
        return
    parts = Path(pattern).parts
    looked: set[tuple[str, bool]] = set()
    for nth, part in enumerate((*parts, "**") if parts[-1] == "**" else parts):
        above = os.path.join(*parts[:nth]) if nth else ""
        sought = glob.has_magic(part) or above.endswith("**")
        for met in glob.glob(above, root_dir=folder, recursive=True) if above else [""]:
            if (met, sought) in looked or not os.path.isdir(folder / met):
                continue
            looked.add((met, sought))
            try:
                os.stat(os.path.join(folder, met, os.curdir))  # it lets through (a Path would drop the dot)
                if sought:
                    os.scandir(folder / met).close()
            except OSError as error:
                remedy = "let the daemon's user read that folder, or narrow the pattern"
                yield f"can't read {_name(Path(met or os.curdir))}: {error.strerror}; {remedy}"


def _take(gathered: _Gathering, at: _At, file: Path) -> str:
    """Read one included file; what is wrong with its being included."""
    real = _real(file)
    if real in at.chain:
        circle = [*at.chain[at.chain.index(real) :], real]
        return f"goes in a circle: {' → '.join(_name(Path(one.name)) for one in circle)}; {_NOT_AGAIN}"
    if real in gathered.taken:
        return ""
    if file.suffix.lower() not in {".toml", ".csv"}:
        return f'{_name(file)} is neither TOML nor CSV; narrow the pattern, to "*.toml" or "*.csv"'
    if len(at.chain) > _DEEPEST:
        return f"more than {_DEEPEST} files include each other; name the files in {gathered.main}"
    try:
        content = reading.octets(file)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        return f"can't read {_name(file)}: {said}; make it a file that the daemon's user can read"
    gathered.taken.add(real)
    inside = _At(file, len(gathered.files), (*at.chain, real))
    try:
        (_take_sheet if file.suffix.lower() == ".csv" else _take_toml)(gathered, inside, content)
    except reading.Unusable as error:
        gathered.files.append(Source(_name(file)))
        gathered.faults.append(Fault(inside.source, error.line, (), str(error)))
    return ""


def _take_toml(gathered: _Gathering, at: _At, content: bytes) -> None:
    tables, text = reading.toml(content)
    gathered.files.append(Source(_name(at.path), text))
    for name, entries in tables.items():
        if name in DIRECTORY and isinstance(entries, list):
            _add(gathered, at.source, name, entries)
        elif name != "include":
            gathered.faults.append(Fault(at.source, 0, (name,), _misplaced(name, gathered.main)))
    _include(gathered, at, tables)


def _misplaced(name: str, main: Path) -> str:
    """Why a key can't stand in an included file."""
    if name in DIRECTORY:
        return f"must be a list of tables; write [[{name}]]"
    if name in Settings.model_fields:
        return f"doesn't belong into an included file; move it to {main}"
    return one_of(name, [*DIRECTORY, "include"], "table")


def _take_sheet(gathered: _Gathering, at: _At, content: bytes) -> None:
    table = sheet.table_of(at.path.name)
    if table not in sheet.TABLES:
        fault = f'the name of the file tells no table, "{table}" is none of {", ".join(sheet.TABLES)}'
        raise reading.Unusable(1, f"{fault}; call it for instance demarches-2026.csv")
    found = sheet.read(reading.sheet(content), table)
    gathered.files.append(Source(_name(at.path), table=table, rows=found.lines))
    gathered.faults.extend(Fault(at.source, line, column, text) for line, column, text in found.faults)
    if table == "groupes":
        gathered.sheets.append((at.source, found))
    else:
        _add(gathered, at.source, table, found.entries)


def _add(gathered: _Gathering, source: int, table: str, entries: list[Any]) -> None:
    if table in gathered.starts:  # else the main file's is no list, and told as such
        together = gathered.raw.setdefault(table, [])
        if entries:
            gathered.starts[table].append((len(together), source))
            together.extend(entries if table == "demarches" else _settled(table, entries))


def _settled(table: str, entries: list[Any]) -> Iterator[Any]:
    """The entries as their models, which take less room; those among which there is a fault stay as they are.

    Démarches stay too: groupes may still be added to them.
    """
    annotation: Any = Settings.model_fields[table].annotation
    model: TypeAdapter[Any] = TypeAdapter(annotation)
    for start in range(0, len(entries), _AT_ONCE):
        some = entries[start : start + _AT_ONCE]
        entries[start : start + _AT_ONCE] = [None] * len(some)
        try:
            yield from model.validate_python(some)
        except ValidationError:
            yield from some


def _add_groupes(gathered: _Gathering, whole: bool) -> None:
    """Give the rows of groupes.csv to their démarches; those whose démarche isn't there are told if all was read."""
    if not gathered.sheets or "demarches" not in gathered.starts:
        return
    places: dict[object, int] = {}
    for place, entry in enumerate(gathered.raw.get("demarches", ())):
        if isinstance(entry, dict) and isinstance(entry.get("number"), int):
            places.setdefault(entry["number"], place)
    for source, found in gathered.sheets:
        for row, (line, entry) in enumerate(zip(found.lines, found.entries, strict=True)):
            number = entry.pop("demarche")
            if number in places:
                _add_groupe(gathered, places[number], entry, (source, row))
            elif whole:
                gathered.faults.append(Fault(source, line, ("demarche",), no_demarche(number)))


def _add_groupe(gathered: _Gathering, place: int, groupe: dict[str, Any], origin: tuple[int, int]) -> None:
    groupes = gathered.raw["demarches"][place].setdefault("groupes", [])
    if isinstance(groupes, list):
        gathered.groupes[place, len(groupes)] = origin
        groupes.append(groupe)


@contextmanager
def uncollected() -> Iterator[None]:
    """What is read here stays: looking for garbage in it again and again takes a third of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
