"""Footers that nobody wrote: what servers and mailing lists set below a mail, behind a rule.

A rule alone says nothing, nor does « confidentiel » in somebody's sentence: between a rule and the next one, or the
end, « this message » must stand and two things that such footers say of it, or two that those of lists say; and
nobody who says « I », greets, or asks something. Where no rule ends it, it goes to the last paragraph that says such
a thing: somebody may go on below.
Signatures aren't touched, nor are notices without a rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gateway.mail.quotes import phrases as words

_MAX_LINES = 40
_SHORTEST = 10
_BEGIN = frozenset("*_-=#~─━")


def footers(lines: Sequence[str]) -> list[range]:
    """The lines of each footer, its rules included."""
    rules = [index for index, line in enumerate(lines) if _is_rule(line)]
    found: list[range] = []
    for at, end in pairwise((*rules, len(lines))):
        if found and at in found[-1]:
            continue  # the rule below a footer
        if end - at <= _MAX_LINES and _is_footer(lines[at + 1 : end]):
            found.append(range(at, end + 1 if end < len(lines) else _end(lines, at + 1)))
    return found


def _end(lines: Sequence[str], start: int) -> int:
    """Below the last paragraph that speaks as footers do."""
    end = len(lines)
    for index in range(len(lines) - 1, start, -1):
        if not lines[index - 1].strip() and lines[index].strip():
            if _speaks(_joined(lines[index:end])):
                return end
            end = index
    return end


def _is_rule(line: str) -> bool:
    if line.lstrip()[:1] not in _BEGIN:
        return False
    bare = "".join(line.split())
    return len(bare) >= _SHORTEST and not bare.strip(bare[0])


def _is_footer(lines: Sequence[str]) -> bool:
    text = _joined(lines)
    if words.PERSONAL.search(text) or words.QUESTION.search(text):
        return False
    said = sum(pattern.search(text) is not None for pattern in words.LEGAL)
    if said >= 2 and words.THIS_MAIL.search(text):
        return True
    return all(pattern.search(text) for pattern in words.LISTED)


def _speaks(text: str) -> bool:
    """Does it say one of the things of which a footer says two?"""
    return any(pattern.search(text) for pattern in (*words.LEGAL, *words.LISTED, words.THIS_MAIL))


def _joined(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines)[:5_000].lower().split())
