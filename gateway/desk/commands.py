"""Commands in an agent's mail: lines that start with `@` at its top, in French or English.

Accents, case and kinds of space are forgiven. What isn't understood is a problem that is told, never a guess.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from gateway.model import Problem, Status


class Verb(StrEnum):
    NOTE = "note"
    ASSIGN = "assign"
    STATUS = "status"
    TAG = "tag"
    HELP = "help"


_NAMES: dict[str, tuple[Verb, str]] = {
    "note": (Verb.NOTE, ""),
    "assign": (Verb.ASSIGN, ""),
    "affecter": (Verb.ASSIGN, ""),
    "close": (Verb.STATUS, Status.CLOSED),
    "clore": (Verb.STATUS, Status.CLOSED),
    "pending": (Verb.STATUS, Status.PENDING),
    "attente": (Verb.STATUS, Status.PENDING),
    "open": (Verb.STATUS, Status.ACTIVE),
    "rouvrir": (Verb.STATUS, Status.ACTIVE),
    "spam": (Verb.STATUS, Status.SPAM),
    "tag": (Verb.TAG, ""),
    "help": (Verb.HELP, ""),
    "aide": (Verb.HELP, ""),
}
# Known to the interface, not to this version: said as such, so that nobody looks for a typing error.
LATER = frozenset(
    [
        "dossier",
        "demarche",
        "global",
        "transmettre",
        "transfer",
        "admettre",
        "admit",
        "suivre",
        "follow",
        "taire",
        "mute",
        "modele",
        "template",
        "fwd",
    ]
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command: a verb and what follows it on the line."""

    verb: Verb
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The commands of a mail, the text that remains for the usager, and what wasn't understood."""

    commands: tuple[Command, ...]
    text: str
    problems: tuple[Problem, ...] = ()


def parse(own: str) -> Parsed:
    """Take the commands off the top of what an agent wrote.

    `@note` with words is a note of that line; `@note` alone makes the whole rest of the mail a note.
    """
    lines = own.split("\n")
    commands: list[Command] = []
    problems: list[Problem] = []
    position = 0
    while position < len(lines):
        line = _spaced(lines[position])
        if line and not line.startswith("@"):
            break
        position += 1
        if line:
            _read(line, commands, problems)
    return _noted(commands, "\n".join(lines[position:]).strip(), problems)


def _read(line: str, commands: list[Command], problems: list[Problem]) -> None:
    word, _, argument = line[1:].partition(" ")
    name = _plain(word.rstrip(":"))
    if name in _NAMES:
        verb, fixed = _NAMES[name]
        if argument and (fixed or verb is Verb.HELP):
            # It may be the answer, written on the same line: dropping it would lose an agent's words.
            problems.append(Problem("words_after", f"@{word}"))
        commands.append(Command(verb, fixed or argument.strip()))
    elif name in LATER:
        problems.append(Problem("later_command", f"@{word}"))
    else:
        problems.append(Problem("unknown_command", f"@{word}"))


def _noted(commands: list[Command], rest: str, problems: list[Problem]) -> Parsed:
    whole = Command(Verb.NOTE)
    if whole in commands:
        if not rest:
            problems.append(Problem("empty_note"))
        noted = tuple(Command(Verb.NOTE, rest) if command == whole else command for command in commands)
        return Parsed(noted, "", tuple(problems))
    return Parsed(tuple(commands), rest, tuple(problems))


def _spaced(line: str) -> str:
    """The line with every kind of space made plain, invisible characters dropped, and its ends trimmed."""
    kept = ("" if unicodedata.category(c) == "Cf" else " " if c.isspace() else c for c in line)
    return " ".join("".join(kept).split())


def _plain(word: str) -> str:
    """Lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
