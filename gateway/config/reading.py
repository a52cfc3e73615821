"""Octets of a file → text → tables. Each fault with its line; nothing else is ever raised."""

from __future__ import annotations

import re
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import tomli

LARGEST = 200_000_000  # octets
_LINE = re.compile(r"(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_REMEDIES = {
    "Invalid value": "texts stand in quotes, true and false are written small",
    "Illegal character": "close the quotes before the end of the line",
    "Cannot overwrite a value": "the key is there twice; keep one of the two",
    "Cannot declare": "the table is there twice; merge the two, or write [[…]] where there may be several",
    "Expected '=' after a key": 'write key = "value"',
    "Expected newline": "one key per line, and nothing after its value but a comment",
    "Unclosed array": "close the list with ]",
    "Unterminated string": "close the quotes",
    "Unescaped '\\'": "write \\\\ for a backslash, or put the text in single quotes",
}
_NOT_UTF8 = {
    False: "not UTF-8 text; save the file in UTF-8",
    True: "not UTF-8 text; save it again as « CSV UTF-8 » (Excel), or with the character set « Unicode (UTF-8) » "
    "(LibreOffice, « Edit filter settings »)",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Unusable(ValueError):
    """A file whose content can't be read; `line` is where, and the text says what is wrong and the remedy."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def octets(path: Path) -> bytes:
    """The content of a file. Raises OSError, and ValueError where it is no file, or too large."""
    found = path.stat()
    if not (S_ISREG(found.st_mode) or S_ISDIR(found.st_mode)):
        raise ValueError("not a file; this isn't a configuration")
    if found.st_size > LARGEST:
        raise ValueError(f"larger than {LARGEST} octets; this isn't a configuration")
    return path.read_bytes()


def toml(content: bytes) -> tuple[dict[str, Any], str]:
    """The tables of a TOML file, and its text. Raises Unusable."""
    text = _decoded(content, "utf-8-sig", sheet=False)
    try:
        return tomli.loads(text), text
    except tomli.TOMLDecodeError as error:
        raise _syntax(text, str(error)) from None
    except RecursionError:
        raise Unusable(1, "lists or tables are nested too deeply; this isn't a configuration") from None
    except ValueError as error:  # int() takes so many digits and no more
        longest = max(re.finditer(r"[0-9_]+", text), key=lambda found: len(found[0]))
        raise Unusable(text.count("\n", 0, longest.start()) + 1, f"not TOML: {error}; correct the number") from None


def sheet(content: bytes) -> str:
    """The text of a CSV file: UTF-8, or UTF-16 with its byte order mark. Raises Unusable."""
    if content.startswith(_UTF16):
        return _decoded(content, "utf-16", sheet=True)
    if (place := content.find(b"\0")) >= 0:
        raise Unusable(_line(content, place), _NOT_UTF8[True])
    return _decoded(content, "utf-8-sig", sheet=True)


def _decoded(content: bytes, encoding: str, *, sheet: bool) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unusable(_line(content, error.start), _NOT_UTF8[sheet]) from None


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1


def _syntax(text: str, said: str) -> Unusable:
    found = _LINE.fullmatch(said)
    if found is None:
        return Unusable(1, f"not TOML: {said}; correct the syntax")
    line = int(found[2]) if found[2] else text.count("\n") + 1
    column = f"column {found[3]}" if found[3] else "end of file"
    remedy = next((told for known, told in _REMEDIES.items() if found[1].startswith(known)), "correct the syntax")
    return Unusable(line, f"{column}: not TOML: {found[1]}; {remedy}")
