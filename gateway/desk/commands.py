"""Commands in an agent's mail: lines that start with `@` at its top, in French or English.

Accents, case and kinds of space are forgiven. What isn't understood is a problem that is told, never a guess.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, takewhile

from gateway.mail.language import plain
from gateway.model import Problem, Status


class Verb(StrEnum):
    NOTE = "note"
    ASSIGN = "assign"
    STATUS = "status"
    SNOOZE = "snooze"
    TAG = "tag"
    MOVE = "move"
    TRANSFER = "transfer"
    ADMIT = "admit"
    REMOVE = "remove"
    REVOKE = "revoke"
    FOLLOW = "follow"
    MUTE = "mute"
    MODELE = "modele"
    FORWARD = "fwd"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Command:
    """One command: a verb and what follows it on the line."""

    verb: Verb
    argument: str = ""


_NAMES: dict[str, Command] = {
    "note": Command(Verb.NOTE),
    "assign": Command(Verb.ASSIGN),
    "affecter": Command(Verb.ASSIGN),
    "close": Command(Verb.STATUS, Status.CLOSED),
    "clore": Command(Verb.STATUS, Status.CLOSED),
    "fermer": Command(Verb.STATUS, Status.CLOSED),
    "cloturer": Command(Verb.STATUS, Status.CLOSED),
    "pending": Command(Verb.STATUS, Status.PENDING),
    "attente": Command(Verb.STATUS, Status.PENDING),
    "open": Command(Verb.STATUS, Status.ACTIVE),
    "rouvrir": Command(Verb.STATUS, Status.ACTIVE),
    "spam": Command(Verb.STATUS, Status.SPAM),
    "tag": Command(Verb.TAG),
    "dossier": Command(Verb.MOVE, "dossier"),
    "demarche": Command(Verb.MOVE, "demarche"),
    "global": Command(Verb.MOVE, "global"),
    "transmettre": Command(Verb.TRANSFER),
    "transfer": Command(Verb.TRANSFER),
    "admettre": Command(Verb.ADMIT),
    "admit": Command(Verb.ADMIT),
    "retirer": Command(Verb.REMOVE),
    "remove": Command(Verb.REMOVE),
    "revoquer": Command(Verb.REVOKE),
    "revoke": Command(Verb.REVOKE),
    "suivre": Command(Verb.FOLLOW),
    "follow": Command(Verb.FOLLOW),
    "taire": Command(Verb.MUTE),
    "mute": Command(Verb.MUTE),
    "modele": Command(Verb.MODELE),
    "template": Command(Verb.MODELE),
    "fwd": Command(Verb.FORWARD),
    "help": Command(Verb.HELP),
    "aide": Command(Verb.HELP),
}
_AFTER = ":.,;!"  # what people put behind a command
_ALONE = frozenset({Verb.STATUS, Verb.FOLLOW, Verb.MUTE, Verb.FORWARD, Verb.HELP})  # nothing may stand behind them
_MOST_WRAPPED = 100  # lines of one note
_GREETINGS = ("bonjour", "bonsoir", "madame", "monsieur", "mesdames", "cher", "chere", "hello", "hi", "dear", "good")
_CLOSINGS = (
    *("cordialement", "bien cordialement", "bien a vous", "sinceres salutations", "salutations", "bonne journee"),
    *(
        "respectueusement",
        "sincerement",
        "kind regards",
        "best regards",
        "regards",
        "yours",
        "sincerely",
        "best wishes",
    ),
)
_SHORTEST_WRAPPED, _LONGEST_WRAPPED = 56, 80  # characters, where mail programs wrap (RFC 5322 §2.1.1 asks for 78)
_PROGRAMS = (
    *(
        "envoye de mon",
        "envoye depuis",
        "envoye a partir de",
        "envoye avec",
        "sent from",
        "sent with",
        "get outlook for",
    ),
    *("telecharger outlook", "obtenir outlook", "obtenez outlook", "provenance : courrier", "provenance: courrier"),
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The commands of a mail, the text that remains for the usager, and what wasn't understood."""

    commands: tuple[Command, ...]
    text: str
    problems: tuple[Problem, ...] = ()

    def has(self, verb: Verb) -> bool:
        return any(command.verb is verb for command in self.commands)


def parse(own: str, names: str = "") -> Parsed:
    """Take the commands off the top of what an agent wrote, and the signature off its end. `names`: hers.

    `@note` with words is a note of its line, and of the lines that a mail program wrapped it into; what follows
    without a blank line or a greeting may still be meant as the note, and is a problem. `@note` alone makes the whole
    rest of the mail a note. A command that stands further down is a problem too: it must not be read by the usager.
    Below commands, a closing formula or a name with what follows is a signature alone, and no answer. What follows
    `@fwd` and the other commands is the forwarded mail.
    """
    lines = unsigned(own.split("\n"))
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
            if _is_note(line) and _runs_on(lines[position : position + 1]):
                problems.append(Problem("note_runs_on"))
    if Command(Verb.FORWARD) in commands:
        return Parsed(tuple(commands), "", tuple(problems))
    rest = lines[position:]
    if commands and Command(Verb.NOTE) not in commands and _is_signature(rest, names):
        rest = []
    problems += _misplaced(rest)
    return _noted(commands, "\n".join(rest).strip(), problems)


def written(own: str) -> tuple[str, ...]:
    """The command lines at the top of what an agent wrote, as they stand there."""
    lines = (_spaced(line) for line in own.split("\n"))
    return tuple(line for line in takewhile(lambda line: not line or line.startswith("@"), lines) if line)


def unsigned(lines: list[str]) -> list[str]:
    """Without the signature: what follows « -- » (RFC 3676 §4.3), and what telephones add at the end."""
    for number, line in enumerate(lines):
        if line.rstrip() == "--":
            lines = lines[:number]
            break
    end = len(lines)
    while end and (not lines[end - 1].strip() or plain(_spaced(lines[end - 1])).startswith(_PROGRAMS)):
        end -= 1
    return lines[:end]


def _is_note(line: str) -> bool:
    word, _, argument = line[1:].partition(" ")
    return bool(argument) and _NAMES.get(plain(word.rstrip(_AFTER))) == Command(Verb.NOTE)


def _continued(lines: list[str]) -> list[str]:
    """What goes on where the first of the lines was wrapped: every line but the last is as long as lines get."""
    more: list[str] = []
    for before, line in pairwise(lines):
        words = _spaced(line)
        if not (_SHORTEST_WRAPPED <= len(before.rstrip()) <= _LONGEST_WRAPPED) or not words or words.startswith("@"):
            break
        more.append(words)
    return more


def _runs_on(following: list[str]) -> bool:
    """Does a line go on where a note stood, without being its answer's beginning?"""
    words = plain(_spaced(following[0])) if following else ""
    return bool(words) and not words.startswith("@") and not words.startswith(_GREETINGS)


def _is_signature(lines: list[str], names: str) -> bool:
    """Does it begin with a closing formula, a ruler, or a line of nothing but her name?"""
    first = next((plain(_spaced(line)) for line in lines if line.strip()), "")
    words = set(first.replace(",", " ").split())
    hers = set(plain(names).replace(",", " ").split())
    ruler = bool(first) and not first.strip("_-=*—– ")
    return ruler or first.startswith((*_CLOSINGS, *_PROGRAMS)) or bool(words and words <= hers)


def _misplaced(lines: list[str]) -> list[Problem]:
    words = (_spaced(line).partition(" ")[0] for line in lines)
    names = (word for word in words if word.startswith("@") and plain(word[1:].rstrip(_AFTER)) in _NAMES)
    return [Problem("misplaced_command", name) for name in names]


def _read(line: str, commands: list[Command], problems: list[Problem]) -> None:
    word, _, argument = line[1:].partition(" ")
    known = _NAMES.get(plain(word.rstrip(_AFTER)))
    argument = argument.strip()
    if known is not None and known.verb in _ALONE:
        argument = argument.strip(_AFTER)
    if known is None:
        problems.append(Problem("unknown_command", f"@{word}"))
    elif known == Command(Verb.STATUS, Status.PENDING) and argument:
        commands.append(Command(Verb.SNOOZE, argument))
    elif known.verb is Verb.MOVE:
        _read_move(word, known.argument, argument, commands, problems)
    elif argument and known.verb in _ALONE:
        # It may be the answer, written on the same line: dropping it would lose an agent's words.
        problems.append(Problem("words_after", f"@{word}"))
        commands.append(known)
    else:
        commands.append(Command(known.verb, known.argument or argument))


def _read_move(word: str, kind: str, argument: str, commands: list[Command], problems: list[Problem]) -> None:
    """`@dossier 123`, « n° 13 266 855 »; `@demarche` alone: the one that the dossier belongs to."""
    figures = argument.casefold().removeprefix("n").lstrip("°ºo. #").replace(" ", "").replace(".", "")
    if kind == "global":
        if argument:
            problems.append(Problem("words_after", f"@{word}"))
        commands.append(Command(Verb.MOVE, kind))
    elif figures.isascii() and figures.isdigit() and len(figures) <= 10:
        commands.append(Command(Verb.MOVE, f"{kind}:{int(figures)}"))
    elif kind == "demarche" and not argument:
        commands.append(Command(Verb.MOVE, kind))
    else:
        problems.append(Problem(f"no_{kind}", argument))


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
