"""Commands in an agent's mail: lines that start with `@` at its top, in French or English.

Accents, case and kinds of space are forgiven. What isn't understood is a problem that is told, never a guess.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

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
_MOST_WRAPPED = 100  # lines of one note
_SHORTEST_WRAPPED, _LONGEST_WRAPPED = 56, 80  # characters, where mail programs wrap (RFC 5322 §2.1.1 asks for 78)
_TELEPHONES = ("envoye de mon", "envoye depuis", "envoye a partir de", "sent from my", "get outlook for")
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
    """Take the commands off the top of what an agent wrote, and the signature off its end.

    `@note` with words is a note of its line, and of the lines that a mail program wrapped it into. `@note` alone
    makes the whole rest of the mail a note. A command that stands further down is a problem: it was meant as one,
    and must not be read by the usager.
    """
    lines = _unsigned(own.split("\n"))
    commands: list[Command] = []
    problems: list[Problem] = []
    position = 0
    while position < len(lines):
        line = _spaced(lines[position])
        if line and not line.startswith("@"):
            break
        position += 1
        if line:
            more = _continued(lines[position - 1 : position + _MOST_WRAPPED]) if _is_note(line) else []
            _read(" ".join((line, *more)), commands, problems)
            position += len(more)
    problems += _misplaced(lines[position:])
    return _noted(commands, "\n".join(lines[position:]).strip(), problems)


def _unsigned(lines: list[str]) -> list[str]:
    """Without the signature: what follows « -- » (RFC 3676 §4.3), and what telephones add at the end."""
    for number, line in enumerate(lines):
        if line.rstrip() == "--":
            lines = lines[:number]
            break
    while lines and (not lines[-1].strip() or _plain(_spaced(lines[-1])).startswith(_TELEPHONES)):
        lines = lines[:-1]
    return lines


def _is_note(line: str) -> bool:
    word, _, argument = line[1:].partition(" ")
    name = _plain(word.rstrip(":"))
    return bool(argument) and name in _NAMES and _NAMES[name][0] is Verb.NOTE


def _continued(lines: list[str]) -> list[str]:
    """What goes on where the first of the lines was wrapped: every line but the last is as long as lines get."""
    more: list[str] = []
    for before, line in pairwise(lines):
        words = _spaced(line)
        if not (_SHORTEST_WRAPPED <= len(before.rstrip()) <= _LONGEST_WRAPPED) or not words or words.startswith("@"):
            break
        more.append(words)
    return more


def _misplaced(lines: list[str]) -> list[Problem]:
    words = (_spaced(line).partition(" ")[0] for line in lines)
    names = (word for word in words if word.startswith("@") and _plain(word[1:].rstrip(":")) in {*_NAMES, *LATER})
    return [Problem("misplaced_command", name) for name in names]


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
    """The line with every kind of space and of `@` made plain; invisible characters and marks of bold are dropped."""
    kept = ("" if unicodedata.category(c) == "Cf" else " " if c.isspace() else c for c in line)
    words = " ".join("".join(kept).split()).replace("＠", "@").replace("﹫", "@")
    bare = words.lstrip("*_-•· ")
    if bare == words or not bare.startswith("@"):
        return words
    command, space, rest = bare.partition(" ")
    return command.rstrip("*_") + space + rest


def _plain(word: str) -> str:
    """Lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
