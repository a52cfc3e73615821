"""What must not leave: agents' own addresses, and the signed addresses of other people, wherever they stand."""

from __future__ import annotations

from collections.abc import Callable

_IN_ADDRESS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_`{|}~-")
_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 255


def scrub(text: str, replacement: Callable[[str], str | None]) -> str:
    """Replace addresses in a text: `replacement(address)` says by what, None leaves it. Linear time."""
    pieces: list[str] = []
    copied = 0
    at = text.find("@")
    while at >= 0:
        start, end = _bounds(text, at, copied)
        instead = replacement(text[start:end].lower()) if start < at < end - 1 else None
        if instead is not None:
            pieces += (text[copied:start], instead)
            copied = end
        at = text.find("@", max(at + 1, copied))
    return "".join((*pieces, text[copied:]))


def _bounds(text: str, at: int, lowest: int) -> tuple[int, int]:
    """Where the address around the `@` at `at` begins and ends."""
    start = at
    while start > lowest and at - start < _LONGEST_LOCAL and text[start - 1] in _IN_ADDRESS:
        start -= 1
    end = at + 1
    while end < len(text) and end - at < _LONGEST_DOMAIN and text[end] in _IN_ADDRESS:
        end += 1
    while end > at + 1 and text[end - 1] in ".-'":  # the full stop of a sentence is no part of the address
        end -= 1
    while start < at and text[start] in ".'":
        start += 1
    return start, end
