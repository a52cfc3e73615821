"""The ways in which a text can be read: as it stands, with its escapes undone, and as one word.

What mail programs do to an address hides it from a plain search and from nobody else: they write it percent-encoded
(RFC 6068 §2), as quoted-printable (RFC 2045 §6.7) or with HTML's character references, break it over lines, put quote
marks, spaces or invisible characters into it, or write it in wide letters. A view undoes that, and remembers where
each of its characters comes from.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from urllib.parse import unquote

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff"
)
_WIDE = "\u2070-\u209f\u2460-\u24ff\ufe50-\ufe6b\uff01-\uff5e\U0001d400-\U0001d7ff"
_ESCAPES = re.compile(  # what they begin with comes first, so that a text without any is looked through at once
    rf"[=%&{_INVISIBLE}{_WIDE}](?:"
    r"(?<==)(?:\s+|[0-9A-F]{2}(?:=[0-9A-F]{2})*)|(?<=%)[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*"
    r"|(?<=&)(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
    r"|(?<![=%&]))"
)
_AT = re.compile(r"[\[({]\s{0,9}[>|\s]{0,9}a\s{0,3}t\s{0,9}[\])}]", re.IGNORECASE)
_BLANK = re.compile(rf"\s+(?:[>|][>|\s]*)?|{_AT.pattern}", re.IGNORECASE)
_WIDE_LETTER = re.compile(f"[{_WIDE}]")
_TAG = re.compile(r"<[^<>]{0,1000}>")
_PASSES = 3  # `&amp;#43;`, `%252B`


@dataclass(frozen=True, slots=True)
class View:
    """A text as it can be read. Character i of it stands at `starts[i]` to `ends[i]` of the original.

    `gaps`: where in it something was taken out, in order; words may begin and end there.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    gaps: Sequence[int] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the original a stretch of it stands."""
        return self.starts[start], self.ends[end - 1]

    def gaps_within(self, start: int, end: int) -> Sequence[int]:
        return self.gaps[bisect_left(self.gaps, start) : bisect_right(self.gaps, end)]


def plain(text: str) -> View:
    """The text as it stands."""
    return View(text, range(len(text)), range(1, len(text) + 1))


def views(text: str) -> Iterator[View]:
    """Every way to read a text, each once. An escape may be one, or letters of what is looked for: both are read.

    Escapes may be broken over lines, and blanks be escaped.
    """
    as_it_is = plain(text)
    joined, meant = _changed(as_it_is, _BLANK, _joined), _decoded(as_it_is)
    seen: set[str] = set()
    for view in (as_it_is, joined, meant, _changed(meant, _BLANK, _joined), _decoded(joined)):
        if view.text not in seen:
            seen.add(view.text)
            yield view


@lru_cache(maxsize=1)  # a file is looked through more than once, block by block
def words(text: str) -> tuple[str, ...]:
    """About what `views` comes to without blanks: cheap, for a first look."""
    word = _word(text)
    meant, again = _escaped(text), _escaped(word)  # mostly the same, and joined already
    others = (_word(other) for other, known in ((meant, text), (again, word)) if other != known)
    return tuple(dict.fromkeys((word, *others)))


def _word(text: str) -> str:
    return _AT.sub("@", "".join(text.split()).replace(">", "").replace("|", ""))


def without_tags(text: str) -> str:
    """HTML without its tags: they may stand in the middle of a word."""
    return _TAG.sub("", text)


def _joined(blank: str) -> str:
    return "@" if blank[0] in "[({" else ""


def _escaped(text: str) -> str:
    for _ in range(_PASSES):
        before, text = text, _ESCAPES.sub(lambda escape: _meant(escape[0]), text)
        if text == before:
            break
    return text


def _decoded(view: View) -> View:
    for _ in range(_PASSES):
        before, view = view, _changed(view, _ESCAPES, _meant)
        if view.text == before.text:
            break
    return view


def _meant(escape: str) -> str:
    """What an escape stands for."""
    match escape[0]:
        case "%":
            return unquote(escape, errors="replace")
        case "&":
            return unescape(escape)
        case "=":
            octets = escape.replace("=", "").strip()  # nothing at the end of a line
            return bytes.fromhex(octets).decode("utf-8", "replace")
    return unicodedata.normalize("NFKC", escape) if _WIDE_LETTER.match(escape) else ""


def _changed(view: View, pattern: re.Pattern[str], instead: Callable[[str], str]) -> View:
    """The view with what the pattern finds put differently; where it is put by nothing, a gap is left."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    gaps: list[int] = []
    copied = length = 0

    def copy(end: int) -> None:
        nonlocal copied, length
        pieces.append(view.text[copied:end])
        starts.extend(view.starts[copied:end])
        ends.extend(view.ends[copied:end])
        gaps.extend(length + gap - copied for gap in view.gaps_within(copied, end))
        length += end - copied
        copied = end

    for found in pattern.finditer(view.text):
        copy(found.start())
        new = instead(found[0])
        pieces.append(new)
        starts += [view.starts[found.start()]] * len(new)
        ends += [view.ends[found.end() - 1]] * len(new)
        if not new:
            gaps.append(length)
        length += len(new)
        copied = found.end()
    if not copied:
        return view
    copy(len(view.text))
    return View("".join(pieces), starts, ends, sorted(set(gaps)))
