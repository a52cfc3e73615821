"""What must not leave: agents' own addresses, and the signed addresses of other people, wherever they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

_ATEXT = frozenset(".!#$%&'*+/=?^_`{|}~-")
_MARKUP = frozenset("*~=|{}/'`#!?&$^")  # allowed in an address, but rather beside it: `*bold*`, `?to=`
_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 255


def scrub(text: str, replacement: Callable[[str], str | None]) -> str:
    """Replace addresses in a text: `replacement(address)` says by what, None leaves it. Linear time.

    What touches an address without belonging to it (`*bold*`, `_underlined_`, the next sentence) doesn't hide it.
    """
    pieces: list[str] = []
    copied = 0
    at = text.find("@")
    while at >= 0:
        for start, end in _candidates(text, at, copied):
            instead = replacement(text[start:end].lower())
            if instead is not None:
                pieces += (text[copied:start], instead)
                copied = end
                break
        at = text.find("@", max(at + 1, copied))
    return "".join((*pieces, text[copied:]))


def _candidates(text: str, at: int, lowest: int) -> Iterator[tuple[int, int]]:
    """Where the address around the `@` at `at` may begin and end, the longest first."""
    end = _end(text, at)
    ends = [end]
    if (dot := text.rfind(".", at + 1, end)) > 0 and "." in text[at + 1 : dot]:
        ends.append(dot)  # « …@mairie.example.Merci »
    for stop in ends if end > at + 1 else ():
        for start in _starts(text, at, lowest):
            yield start, stop


def _starts(text: str, at: int, lowest: int) -> Iterator[int]:
    first = at
    while first > lowest and at - first < _LONGEST_LOCAL and (text[first - 1].isalnum() or text[first - 1] in _ATEXT):
        first -= 1
    if first < at:
        yield first
    leading = True
    for start in range(first + 1, at):
        leading = leading and text[start - 1] in _ATEXT
        if leading or text[start - 1] in _MARKUP:
            yield start


def _end(text: str, at: int) -> int:
    end = at + 1
    while end < len(text) and end - at < _LONGEST_DOMAIN and (text[end].isalnum() or text[end] in ".-"):
        end += 1
    while end > at + 1 and text[end - 1] in ".-":  # the full stop of a sentence is no part of the address
        end -= 1
    return end
