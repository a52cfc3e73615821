"""Which file, and which line of it, does a key come from? Entries of many files stand in one list each."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.config.locate import Path, line_of, locate
from gateway.config.problems import Problem, dotted


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its name as it is told; the text of TOML, or of CSV its table and on which line each entry starts."""

    name: str
    text: str = ""
    table: str = ""
    rows: array[int] = field(default_factory=lambda: array("L"))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the form of the file `source`. Where `line` is 0, `path` leads to the key."""

    source: int
    line: int
    path: Path
    text: str


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place to look at; in the order of the files, and of the lines in each."""

    source: int
    line: int
    key: str
    file: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}"


@dataclass(frozen=True, slots=True)
class Sources:
    """All files together: `raw` as if it were one, and what leads back.

    `starts`: for each table of the directory, the place of the first entry of each file, and the file.
    `whole`: every file could be read, so that what isn't there is nowhere.
    `groupes`: those that a CSV file adds to a démarche: (its place, the groupe's) → (file, row).
    """

    raw: dict[str, Any]
    files: Sequence[Source]
    starts: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    groupes: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    whole: bool = True

    def report(self, problems: Iterable[Problem]) -> str:
        """One line per problem and fault, `FILE:LINE: KEY: fault; remedy`, in the order of files and lines."""
        problems = list(problems)
        wanted = [path for one in problems for path in (one.path, one.first) if path]
        places = self.places(wanted)
        told = {(places[one.path], _told(one, places)) for one in problems}
        told |= {(where, fault.text) for fault, where in zip(self.faults, self._of_faults(), strict=True)}
        return "\n".join(
            printable(f"{where}: {text}" if where.key else f"{where}{text}") for where, text in sorted(told)
        )

    def places(self, paths: Iterable[Path]) -> dict[Path, Where]:
        """Where each of these paths of `raw` stands."""
        origins = {path: self._origin(path) for path in paths}
        lines = self._lines(origins.values())
        return {path: self._where(*origin, lines[origin[0]]) for path, origin in origins.items()}

    def _of_faults(self) -> list[Where]:
        lines = self._lines((fault.source, fault.path) for fault in self.faults if not fault.line)
        return [
            Where(one.source, one.line or line_of(lines[one.source], one.path), dotted(one.path), name)
            for one, name in ((fault, self.files[fault.source].name) for fault in self.faults)
        ]

    def _lines(self, origins: Iterable[tuple[int, Path]]) -> dict[int, Mapping[Path, int]]:
        """For each file, the lines of these paths; those of CSV files are known already."""
        wanted: dict[int, set[Path]] = {}
        for source, path in origins:
            wanted.setdefault(source, set()).add(path[:2])
        return {source: locate(self.files[source].text, paths) for source, paths in wanted.items()}

    def _origin(self, path: Path) -> tuple[int, Path]:
        """The file, and the path inside it: (table, row, column …) in CSV files too."""
        if len(path) < 2 or path[0] not in self.starts or not isinstance(path[1], int):
            return 0, path
        if path[2:3] == ("groupes",) and len(path) > 3:
            found = self.groupes.get((path[1], int(path[3])))
            if found:
                return found[0], ("groupes", found[1], *path[4:])
        starts = self.starts[str(path[0])]
        start, source = starts[bisect_right(starts, path[1], key=lambda each: each[0]) - 1]
        return source, (path[0], path[1] - start, *path[2:])

    def _where(self, source: int, path: Path, lines: Mapping[Path, int]) -> Where:
        file = self.files[source]
        if not file.table:
            return Where(source, line_of(lines, path), dotted(path), file.name)
        return Where(source, file.rows[int(path[1])], dotted(path[2:]) or file.table, file.name)


def printable(text: str) -> str:
    """On one line, and harmless to a terminal, whatever keys and values hold."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "\N{REPLACEMENT CHARACTER}", text)


def _told(problem: Problem, places: Mapping[Path, Where]) -> str:
    if not problem.first:
        return problem.text
    here, first = places[problem.path], places[problem.first]
    where = f"on line {first.line}" if here.source == first.source else f"in {first.file}:{first.line}"
    return f"{problem.text} (first {where})"
