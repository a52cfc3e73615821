"""On which line of a TOML file does a key stand? The parser doesn't tell, so its text is scanned once more.

Only run when there is something to report, on text that the parser has usually accepted. Whatever the text, it
never raises: what it can't make out is missing from its answer, and `line_of` falls back to the table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import tomli

Path = tuple[str | int, ...]  # ("demarches", 2, "organisation")
_DEEPEST = 64  # paths would grow with the square of the depth

_LEXEME = re.compile(
    r'''(?P<space>[ \t\r]+|\#[^\n]*)
      | (?P<newline>\n)
      | (?P<text>"""(?:[^"\\]|\\.|"(?!""))*"""["]{0,2} | \'\'\'(?:[^']|'(?!\'\'))*\'\'\'[']{0,2}
               | "(?:[^"\\\n]|\\.)*" | '[^'\n]*')
      | (?P<mark>[\[\]{},=.])
      | (?P<bare>[^\s\#"'\[\]{},=.]+)
      | (?P<other>.)''',
    re.VERBOSE | re.DOTALL,
)
# What stands between keys that nobody asked for, a header or many lines at a time
_PLAIN_HEADER = re.compile(r"\[\[([A-Za-z0-9_-]+)\]\][ \t\r]*\n")
_PLAIN_LINES = re.compile(
    r"""(?:(?:[A-Za-z0-9_-]+[ \t]*=[ \t]*
             (?:"[^"\\\n]*" | '[^'\n]*' | [A-Za-z0-9_-]+ | \[(?:"[^"\\\n]*" | [ \t,0-9])*\]))?
        [ \t\r]*(?:\#[^\n]*)?\n){1,100}""",
    re.VERBOSE,
)


@dataclass(slots=True)
class _Open:
    """An array or inline table that isn't closed yet. `index` counts in arrays, and is None in tables."""

    path: Path
    index: int | None


@dataclass(slots=True)
class _Scanner:
    """Where the scan stands: `base` is the current [table]; `keys` the key being read, before its « = »."""

    text: str
    wanted: frozenset[Path] | None
    lines: dict[Path, int] = field(default_factory=lambda: {(): 1})
    position: int = 0
    base: Path = ()
    keys: list[str] = field(default_factory=list)
    key_line: int = 1
    in_value: bool = False
    stack: list[_Open] = field(default_factory=list)
    counts: dict[Path, int] = field(default_factory=dict)
    target: Path = ()

    def here(self) -> Path:
        return self.stack[-1].path if self.stack else self.base

    def matters(self, path: Path, *, inside: bool = False) -> bool:
        """Is it wanted, or, `inside`, can anything in it be?"""
        if self.wanted is None or len(path) >= 2:
            return self.wanted is None or path[:2] in self.wanted
        return not inside or any(one[:1] == path for one in self.wanted)

    def note(self, path: Path, line: int) -> None:
        if self.matters(path):
            self.lines.setdefault(path, line)


def locate(text: str, wanted: Collection[Path] | None = None) -> dict[Path, int]:
    """The line (from 1) of every table, key and array element; of those alone that begin with two `wanted` steps."""
    scanner = _Scanner(text, None if wanted is None else frozenset(wanted))
    line, lexemes = _skip(scanner, 1), _lexemes(scanner)
    for kind, lexeme in lexemes:
        line += lexeme.count("\n")
        if kind == "newline":
            _end_line(scanner)
            line = _skip(scanner, line)
        elif kind != "space":
            begun = line - lexeme.count("\n")
            if lexeme == "[" and not (scanner.stack or scanner.keys or scanner.in_value):
                line = _skip(scanner, line + _header(scanner, lexemes, line))
                continue
            _step(scanner, kind, lexeme, begun)
            if len(scanner.stack) + len(scanner.keys) > _DEEPEST:
                break
    return scanner.lines


def _skip(scanner: _Scanner, line: int) -> int:
    """At the start of a line: go on to what has to be read lexeme by lexeme; the line of that."""
    while scanner.wanted is not None and not scanner.stack:
        found = _PLAIN_HEADER.match(scanner.text, scanner.position)
        if found:
            _open_table(scanner, [found[1]], True, line)
        elif scanner.base and not scanner.matters(scanner.base, inside=True):
            found = _PLAIN_LINES.match(scanner.text, scanner.position)
        if not found:
            break
        line += scanner.text.count("\n", *found.span())
        scanner.position = found.end()
    return line


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a path, else of the nearest thing around it."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 1)


def _lexemes(scanner: _Scanner) -> Iterator[tuple[str, str]]:
    while found := _LEXEME.match(scanner.text, scanner.position):
        scanner.position = found.end()
        yield found.lastgroup or "other", found[0]


def _end_line(scanner: _Scanner) -> None:
    if not scanner.stack:
        scanner.keys, scanner.in_value = [], False


def _header(scanner: _Scanner, lexemes: Iterator[tuple[str, str]], line: int) -> int:
    """Read `[a.b]` or `[[a.b]]` to the end of its line; how many lines that was."""
    names: list[str] = []
    of_array, ends = False, 0
    for kind, lexeme in lexemes:
        if kind == "newline":
            ends = 1
            break
        of_array = of_array or (lexeme == "[" and not names)
        if kind in {"bare", "text"}:
            names.append(_unquoted(lexeme))
    _open_table(scanner, names, of_array, line)
    return ends


def _open_table(scanner: _Scanner, names: list[str], of_array: bool, line: int) -> None:
    path: Path = ()
    for place, name in enumerate(names[:_DEEPEST], 1):
        path = (*path, name)
        scanner.note(path, line)
        if of_array and place == len(names):
            scanner.counts[path] = scanner.counts.get(path, -1) + 1
        if path in scanner.counts:
            path = (*path, scanner.counts[path])
    scanner.base, scanner.keys, scanner.in_value = path, [], False
    if scanner.matters(path):
        scanner.lines[path] = line


def _step(scanner: _Scanner, kind: str, lexeme: str, line: int) -> None:
    if kind == "mark" and lexeme in "]}":
        _close(scanner)
    elif kind == "mark" and lexeme == "," and scanner.stack:
        _next(scanner)
    elif not scanner.in_value:
        _key(scanner, kind, lexeme, line)
    else:
        _value(scanner, kind, lexeme, line)


def _close(scanner: _Scanner) -> None:
    if scanner.stack:
        scanner.stack.pop()
    scanner.keys, scanner.in_value, scanner.target = [], True, ()


def _next(scanner: _Scanner) -> None:
    around = scanner.stack[-1]
    if around.index is None:
        scanner.keys, scanner.in_value = [], False
    else:
        around.index += 1
        scanner.target = (*around.path, around.index)


def _key(scanner: _Scanner, kind: str, lexeme: str, line: int) -> None:
    if kind in {"bare", "text"}:
        scanner.key_line = scanner.key_line if scanner.keys else line
        scanner.keys.append(_unquoted(lexeme))
    elif lexeme == "=":
        path = scanner.here()
        for name in scanner.keys:
            path = (*path, name)
            scanner.note(path, scanner.key_line)
        scanner.target, scanner.in_value = path, True


def _value(scanner: _Scanner, kind: str, lexeme: str, line: int) -> None:
    """The first lexeme of a value: a new level, or a scalar whose other lexemes change nothing."""
    target, scanner.target = scanner.target, ()
    if not target:
        return
    scanner.note(target, line)
    if kind == "mark" and lexeme == "[":
        scanner.stack.append(_Open(target, 0))
        scanner.target = (*target, 0)
    elif kind == "mark" and lexeme == "{":
        scanner.stack.append(_Open(target, None))
        scanner.keys, scanner.in_value = [], False


def _unquoted(lexeme: str) -> str:
    if lexeme[0] == "'":
        return lexeme[1:-1]
    if lexeme[0] != '"':
        return lexeme
    try:
        return str(tomli.loads(f"key = {lexeme}")["key"])
    except tomli.TOMLDecodeError:
        return lexeme[1:-1]
