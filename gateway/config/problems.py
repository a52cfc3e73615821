"""What is wrong with a key of the configuration, and the remedy, in plain words."""

from __future__ import annotations

import difflib
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gateway.config.locate import Path
from gateway.config.settings import Settings
from gateway.config.values import shown

_WANTED = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list in brackets",
    "model_type": "a table",
    "dataclass_type": "a table",
    "path_type": "a path in quotes",
}
_KINDS = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. `path` leads to the key (for a missing key, to where it should be); `text` holds the remedy.

    `first` leads to the other place where the same thing stands.
    """

    path: Path
    text: str
    first: Path = ()


def dotted(path: Sequence[str | int]) -> str:
    """demarches[2].organisation"""
    words = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(words).removeprefix(".")


def translated(error: ValidationError) -> list[Problem]:
    """Pydantic's findings in plain words. Values of keys are only told where our own checks tell them."""
    return [_translated(dict(fault)) for fault in error.errors(include_url=False)]


def _translated(fault: dict[str, Any]) -> Problem:
    path, kind, value = tuple(fault["loc"]), fault["type"], fault["input"]
    if kind == "missing":
        return Problem(path, _missing(path))
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return Problem(path, _unknown(path))
    if kind == "value_error":
        return Problem(path, str(fault["ctx"]["error"]))
    if kind == "literal_error":
        return Problem(path, f"must be one of {_choices(path)}, not {shown(value)}")
    return Problem(path, f"must be {_WANTED.get(kind, fault['msg'])}, not {_kind(value)}")


def _missing(path: Path) -> str:
    known = fields_at(path[:-1])[str(path[-1])]
    table = table_in(known.annotation)
    if table:
        return f"the table [{dotted(path)}] is missing; `gateway init` writes one to begin with"
    example = known.examples[0] if known.examples else "…"
    return f"is missing; add for instance: {path[-1]} = {shown(example)}"


def _unknown(path: Path) -> str:
    return one_of(str(path[-1]), list(fields_at(path[:-1])), "key")


def one_of(name: str, known: Sequence[str], what: str) -> str:
    """« there is no such key » (or column, or table), and what was meant."""
    close = difflib.get_close_matches(name.lower(), known, n=1)
    if close:
        return f'there is no such {what}; did you mean "{close[0]}"?'
    return f"there is no such {what} here; remove it (known: {', '.join(known)})"


def _choices(path: Path) -> str:
    names = [step for step in path if isinstance(step, str)]
    found = fields_at(path[: path.index(names[-1])])[names[-1]].annotation
    while get_origin(found) is tuple:
        found = get_args(found)[0]
    return ", ".join(shown(choice) for choice in get_args(found))


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a date")


def fields_at(path: Path) -> dict[str, FieldInfo]:
    """The keys that the table at `path` may have, as written in the file."""
    table: type[BaseModel] = Settings
    for step in path:
        if isinstance(step, str):
            table = table_in(named(table)[step].annotation) or table
    return named(table)


def named(table: type[BaseModel]) -> dict[str, FieldInfo]:
    return {known.alias or name: known for name, known in table.__pydantic_fields__.items()}


def table_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field's type holds, alone or in a tuple."""
    if get_origin(annotation) in {tuple, Union, types.UnionType}:
        annotation = get_args(annotation)[0]
    return annotation if isinstance(annotation, type) and hasattr(annotation, "__pydantic_fields__") else None
