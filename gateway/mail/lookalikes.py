"""Characters that look like others: which words could be taken for which (UTS #39 §4), and which scripts one mixes.

The list of what looks alike is only read where letters beyond Latin occur: such mail is rare.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

LISTED = Path(__file__).with_name("letters.txt")
_MOST = 400  # characters that are looked at
_ALIKE = str.maketrans({"0": "o", "1": "l", "|": "l", "i": "l", "5": "s"})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_LETTERS = ("Lu", "Ll", "Lo", "Lt")
# What one text writes together: Japanese, Korean and Chinese take their characters from several scripts.
_EAST_ASIA = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})


def skeleton(text: str) -> str:
    """What a text looks like: two that look alike have one skeleton. For comparing alone; "" for nothing to see."""
    return _skeleton(text[:_MOST])


@lru_cache(maxsize=1024)  # those of our own people are compared with each mail's author
def _skeleton(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in apart if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Cc"))
    plain = bare if bare.isascii() else "".join(map(_latin, bare))
    plain = " ".join(plain.casefold().translate(_ALIKE).split())
    for pair, one in _PAIRS:
        plain = plain.replace(pair, one)
    return plain


def _latin(character: str) -> str:
    """The Latin letter that a character looks like, else itself."""
    return letters().get(character, character)


@cache
def letters() -> Mapping[str, str]:
    """Letters of other scripts, and the Latin one that each looks like.

    The thousand of Unicode's list that matter here, as `tests/letters.py` takes them from a library that brings it:
    reading the whole would take each process a third of a second, and some megabytes.
    """
    return dict(line.split(" ") for line in LISTED.read_text("utf-8").splitlines())


def scripts(text: str) -> frozenset[str]:
    """The scripts that its letters are of, by their names in Unicode."""
    letters = (c for c in text[:_MOST] if unicodedata.category(c) in _LETTERS)
    found = frozenset(unicodedata.name(c, "UNKNOWN ").partition(" ")[0] for c in letters)
    return found - {"FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC"} | ({"LATIN"} if "FULLWIDTH" in found else frozenset())


def deceptive(word: str) -> bool:
    """Does it mix scripts that no one writes in one word, or look Latin without a Latin letter in it?"""
    if word.isascii():
        return False
    found = scripts(word)
    if found <= {"LATIN"} or found <= _EAST_ASIA | {"LATIN"}:
        return False
    return len(found) > 1 or skeleton(word).isascii()
