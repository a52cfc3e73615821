"""CSV files as spreadsheets write them → entries of a table of the directory.

A sheet is only another way to write a table: its columns are the keys, and what its cells become is checked by
the same models as what stands in TOML. Here only its form is: header, delimiter, quotes, cells per row.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from gateway.config.problems import fields_at, one_of, table_in
from gateway.config.values import shown

DIRECTORY = ("organisations", "demarches", "dossiers", "agents", "support_groups", "faq")
TABLES = (*DIRECTORY, "groupes")
_DELIMITERS = ";,\t"
_PHRASES = {"words"}  # lists whose elements hold spaces
_FLAGS = {"true": True, "vrai": True, "oui": True, "1": True, "false": False, "faux": False, "non": False, "0": False}
_SEP = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
_OWN_FILE = "stands in a sheet of its own, groupes.csv, with the columns demarche, label, instructeurs; move it there"

Convert = Callable[[str], Any]
Told = tuple[int, tuple[str, ...], str]  # line, column or (), what is wrong and the remedy


@dataclass(frozen=True, slots=True)
class Sheet:
    """`entries` as TOML would give them, `lines` where each starts, `faults` what is wrong with the form."""

    entries: list[dict[str, Any]]
    lines: array[int]
    faults: list[Told]


def table_of(name: str) -> str:
    """demarches-2026.csv → demarches"""
    return re.split(r"[-.]", name.lower(), maxsplit=1)[0]


def read(text: str, table: str) -> Sheet:
    """The rows of one of `TABLES`. Nothing is raised; rows of a wrong form are left out and told."""
    sheet = Sheet([], array("L"), [])
    rows = _rows(text, sheet.faults)
    line, header = next(rows, (1, []))
    names = [cell.strip().lower() for cell in header]
    while names and not names[-1]:
        names.pop()
    faults = list(_header_faults(line, names, _columns(table)))
    if faults:
        sheet.faults.extend(faults)
    else:
        _fill(sheet, rows, names, table)
    return sheet


def _fill(sheet: Sheet, rows: Iterator[tuple[int, list[str]]], names: Sequence[str], table: str) -> None:
    known, width = _columns(table), len(names)
    columns = [(name, _conversion(name, known[name]), known[name].is_required()) for name in names]
    for line, cells in rows:
        if len(cells) != width and not _trimmed(cells, width):
            fault = f"{_counted(len(cells), 'cell')} where the header has {width}; {_remedy(len(cells), width)}"
            sheet.faults.append((line, (), fault))
            continue
        entry = {}
        for (name, convert, required), cell in zip(columns, cells, strict=True):
            if cell or required:
                content = cell.strip()
                if content or required:
                    entry[name] = convert(content)
        sheet.entries.append(entry)
        sheet.lines.append(line)


def _trimmed(cells: list[str], width: int) -> bool:
    """Take empty cells beyond the header away. Was that all there was to do?"""
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    return len(cells) == width


def _counted(number: int, what: str) -> str:
    return f"there {'is' if number == 1 else 'are'} {number} {what}{'' if number == 1 else 's'}"


def _remedy(cells: int, width: int) -> str:
    if cells < width:
        return "add the delimiters that are missing; a column that is always filled, put last, keeps them"
    return "put a cell that holds the delimiter in quotes"


# --- rows ------------------------------------------------------------------------------------------------


def _rows(text: str, faults: list[Told]) -> Iterator[tuple[int, list[str]]]:
    """Each row that isn't empty, with the line it starts on. Stops where the quotes can't be made out."""
    told = _SEP.match(text)
    start = told.end() if told else 0
    rest = text[start:] if start else text
    reader = csv.reader(io.StringIO(rest, newline=""), delimiter=told[1] if told else _delimiter(rest), strict=True)
    before = 1 if told else 0
    line = before + 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield line, cells
            line = before + reader.line_num + 1
    except csv.Error as error:
        faults.append((line, (), f"not CSV: {error}; a cell in quotes ends with one, and doubles those inside it"))


def _delimiter(text: str) -> str:
    """The one of `_DELIMITERS` that the first line with something in it holds most often."""
    header = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    return max(_DELIMITERS, key=header.count)


# --- columns ---------------------------------------------------------------------------------------------


def _columns(table: str) -> Mapping[str, FieldInfo]:
    if table == "groupes":
        return {"demarche": fields_at(("dossiers", 0))["demarche"], **fields_at(("demarches", 0, "groupes", 0))}
    return {name: known for name, known in fields_at((table, 0)).items() if table_in(known.annotation) is None}


def _header_faults(line: int, names: Sequence[str], known: Mapping[str, FieldInfo]) -> Iterator[Told]:
    if not names:
        yield line, (), f"there is no header; write the names of the columns on the first line: {';'.join(known)}"
        return
    for place, name in enumerate(names):
        if not name:
            yield line, (), f"column {place + 1} has no name; give it one, or remove it (known: {', '.join(known)})"
        elif name == "groupes":
            yield line, (name,), _OWN_FILE
        elif name not in known:
            yield line, (name,), one_of(name, list(known), "column")
        elif name in names[:place]:
            yield line, (name,), "the column is there twice; keep one of the two"
    for name, column in known.items():
        if column.is_required() and name not in names:
            example = column.examples[0] if column.examples else "…"
            yield line, (name,), f"the column is missing; add it, with cells like {shown(str(example))}"


def _conversion(name: str, column: FieldInfo) -> Convert:
    """From a cell to what TOML would give; cells that can't be are left as they are, and told by the model."""
    annotation = column.annotation
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        if name in _PHRASES:
            return _phrases
        return _numbers if int in (inner, *get_args(inner)) else _list
    return {int: _number, bool: _flag}.get(annotation, str) if isinstance(annotation, type) else str


def _number(cell: str) -> int | str:
    digits = cell if cell.isdigit() else re.sub(r"\s", "", cell)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else cell


def _flag(cell: str) -> bool | str:
    return _FLAGS.get(cell.lower(), cell)


def _phrases(cell: str) -> list[str]:
    return [part for each in cell.split("|") if (part := each.strip())]


def _list(cell: str) -> list[str]:
    """Separated by spaces, commas or semicolons; where there is a |, by that alone: elements may hold spaces."""
    return _phrases(cell) if "|" in cell else [part for part in re.split(r"[\s,;]+", cell) if part]


def _numbers(cell: str) -> list[int | str]:
    return [_number(each) for each in _list(cell)]
