"""The platform's notices, and our own mails to usagers: known by their words, where no program marked the copy.

Usagers answer above (or below) a notice that their program copied without a `>` or a separator. A copy is cut only
where its own words stand, block by block: buttons, feet, and below the author's words the greeting and the sentence
that begin it, with what joins them to these. Everything else is the author's, also between those: in doubt nothing is
cut.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.mail.notices.words import LOOKED_AT, Kind, kind, mentioned

_MOST_LINES = 10_000  # that are looked at
_MOST_ATTACHED = 4  # lines of a block below its first
_MOST_UNKNOWN = 30  # blocks of a notice that a démarche may have written itself
_WRAPPED_AT = 45  # characters: no program ended a shorter line
_ENDED = (".", "!", "?", "…", ">")
_LABELS = frozenset({Kind.FOOT, Kind.OUR_FOOT, Kind.BELOW, Kind.BETWEEN})
_LOOSE = frozenset({Kind.BELOW, Kind.NO_REPLY, Kind.RULE})
_SENTENCES = frozenset({Kind.SENTENCE, Kind.OUR_SENTENCE})
_FEET = frozenset({Kind.FOOT, Kind.OUR_FOOT})
_SIGNS = frozenset({Kind.BUTTON, Kind.FOOT, Kind.OUR_FOOT})
_OURS = frozenset({Kind.OUR_SENTENCE, Kind.OUR_FOOT})

_NO_REPLY = re.compile(r"(?:ne-?pas-?repondre|no-?reply|do-?not-?reply)(?:[+.-][^@]*)?@.*")
_OF_THE_PLATFORM = ("x-dn-mailer", "bypass_unverified_mail_protection", "x-deliver-with")


@dataclass(frozen=True, slots=True)
class Span:
    """Lines `start` up to `stop`, without it."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Block:
    kind: Kind
    lines: Span


def copies(lines: Sequence[str]) -> tuple[Span, ...]:
    """The lines that are a notice's or one of our mails', copied without a mark; () where that isn't sure.

    It takes two signs: a sentence and a button or foot, or two lines of a foot. `lines` are those above what a
    separator or our marker begins. Linear in their number; of a very long mail the beginning is looked at.
    """
    if not mentioned(lines):
        return ()
    blocks = _blocks(lines[:_MOST_LINES])
    cut = _cut(blocks)
    if not _sure([block.kind for block, is_cut in zip(blocks, cut, strict=True) if is_cut]):
        return ()
    spans: list[Span] = []
    for index, block in enumerate(blocks):
        if cut[index] and index and cut[index - 1]:
            spans[-1] = Span(spans[-1].start, block.lines.stop)
        elif cut[index]:
            spans.append(block.lines)
    return tuple(spans)


def by_platform(fields: Collection[str], author: str, text: str) -> str:
    """Why a mail is the platform's own (a copy, a redirection), or "".

    `fields`: the names of its header fields, `author`: the address in From; both in lower case.
    """
    for name in _OF_THE_PLATFORM:
        if name in fields:
            return f"it carries {name}, as the platform's mails do"
    if _NO_REPLY.fullmatch(author) and copies(text.split("\n")):
        return "a no-reply address wrote one of the platform's notices"
    return ""


# --- blocks ----------------------------------------------------------------------------------------------


def _blocks(lines: Sequence[str]) -> list[_Block]:
    """The lines that aren't blank, by what they are: a known line with those that belong to it, or one other line."""
    blocks: list[_Block] = []
    index = 0
    while index < len(lines):
        found = kind(lines[index])
        stop = index + 1 if found in (Kind.OTHER, Kind.HEAD) else _attached(lines, index, found)
        if lines[index].strip():
            blocks.append(_Block(found, Span(index, stop)))
        index = stop
    return blocks


def _attached(lines: Sequence[str], first: int, found: Kind) -> int:
    """Where a known line's block ends: with the rest of a sentence that was wrapped, or what stands below a label."""
    stop = first + 1
    while stop < len(lines) and stop - first <= _MOST_ATTACHED and lines[stop].strip():
        above = lines[stop - 1].rstrip()
        several = found is not Kind.BELOW and stop > first + 1  # an address, but not below a line of one value
        labelled = found in _LABELS and (above.endswith((":", ",")) or several)
        wrapped = len(above) >= _WRAPPED_AT and not above.endswith(_ENDED)
        if not (labelled or wrapped) or len(lines[stop]) > LOOKED_AT or kind(lines[stop]) is not Kind.OTHER:
            break
        stop += 1
    return stop


# --- what is cut -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Pending:
    """What is cut if a sign follows: the blocks since `start`.

    `kinds`: which signs count; `unknown`: other lines may stand between, and stay; `foot`: it follows one.
    """

    start: int
    kinds: frozenset[Kind]
    foot: bool = False
    unknown: bool = False

    def goes_on(self, block: _Block, index: int) -> bool:
        if block.kind is Kind.BETWEEN or block.kind in _LOOSE | _SENTENCES:
            return True
        return self.unknown and block.kind is Kind.OTHER and index - self.start <= _MOST_UNKNOWN


def _cut(blocks: Sequence[_Block]) -> list[bool]:
    cut = [block.kind in _SIGNS for block in blocks]
    pending: _Pending | None = None
    others = 0
    for index, block in enumerate(blocks):
        others += block.kind is Kind.OTHER
        below = block.kind in _LOOSE and pending is not None and pending.foot
        if cut[index] or below:
            if pending is not None and (below or block.kind in pending.kinds):
                _fill(blocks, cut, pending.start, index + 1)
            pending = _Pending(index + 1, _SIGNS, foot=below or block.kind in _FEET)
        elif pending is not None and pending.goes_on(block, index):
            continue
        elif block.kind in _SENTENCES and others:
            pending = _begun(blocks, index)
        else:
            pending = None
    _above(blocks, cut)
    return cut


def _fill(blocks: Sequence[_Block], cut: list[bool], start: int, stop: int) -> None:
    """Cut what is known. Other lines may be an answer between a notice's, and a closing below them the author's."""
    answered = False
    for index in range(start, stop):
        answered = answered or blocks[index].kind is Kind.OTHER
        cut[index] = cut[index] or not answered or blocks[index].kind in _SENTENCES


def _begun(blocks: Sequence[_Block], index: int) -> _Pending:
    """A sentence below the author's words. Nobody greets there: with a greeting above it, it's surely a copy's."""
    ours = blocks[index].kind in _OURS
    return _Pending(index, _SIGNS & _OURS if ours else _SIGNS - _OURS, unknown=blocks[index - 1].kind is Kind.HEAD)


def _above(blocks: Sequence[_Block], cut: list[bool]) -> None:
    """What introduces them: a greeting above a sentence, a rule or « do not reply » above a foot."""
    for index in range(len(blocks) - 1, 0, -1):
        found, before = blocks[index].kind, blocks[index - 1].kind
        headed = before is Kind.HEAD and (found in _SENTENCES or found is Kind.HEAD)
        footed = before in (Kind.RULE, Kind.NO_REPLY) and (found in _FEET or found is Kind.NO_REPLY)
        if cut[index] and (headed or footed):
            cut[index - 1] = True


def _sure(kinds: Sequence[Kind]) -> bool:
    feet = sum(found in _FEET for found in kinds)
    if not _SENTENCES.isdisjoint(kinds) and (feet or Kind.BUTTON in kinds):
        return True
    return feet > 1 or (feet == 1 and (Kind.BELOW in kinds or Kind.NO_REPLY in kinds))
