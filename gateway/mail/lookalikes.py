"""Characters that look like others: which words could be taken for which (UTS #39 §4), and which scripts one mixes.

The list of what looks alike is only loaded where letters beyond Latin occur: it is large, and such mail is rare.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_MOST = 400  # characters that are looked at
_ALIKE = str.maketrans({"0": "o", "1": "l", "|": "l", "i": "l", "5": "s"})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_LETTERS = ("Lu", "Ll", "Lo", "Lt")
# What one text writes together: Japanese, Korean and Chinese take their characters from several scripts.
_EAST_ASIA = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})


def skeleton(text: str) -> str:
    """What a text looks like: two that look alike have one skeleton. For comparing alone; "" for nothing to see."""
    apart = unicodedata.normalize("NFKD", text[:_MOST])
    bare = "".join(c for c in apart if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Cc"))
    plain = bare if bare.isascii() else "".join(map(_latin, bare))
    plain = " ".join(plain.casefold().translate(_ALIKE).split())
    for pair, one in _PAIRS:
        plain = plain.replace(pair, one)
    return plain


@lru_cache(maxsize=2048)
def _latin(character: str) -> str:
    """The Latin letter that a character looks like, else itself."""
    if character.isascii() or unicodedata.category(character) not in _LETTERS:
        return character
    from confusable_homoglyphs import confusables  # noqa: PLC0415 (15 MB, which hardly any mail takes)

    found = confusables.is_confusable(character, greedy=True, preferred_aliases=["latin"]) or []
    alike = (one["c"] for each in found for one in each["homoglyphs"] if len(one["c"]) == 1 and one["c"].isascii())
    return next((c for c in alike if c.isalpha()), character)


def scripts(text: str) -> frozenset[str]:
    """The scripts that its letters are of, by their names in Unicode."""
    letters = (c for c in text[:_MOST] if unicodedata.category(c) in _LETTERS)
    found = frozenset(unicodedata.name(c, "UNKNOWN ").partition(" ")[0] for c in letters)
    return found - {"FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC"} | ({"LATIN"} if "FULLWIDTH" in found else frozenset())


def deceptive(word: str) -> bool:
    """Does it mix scripts that no one writes in one word, or look Latin without a Latin letter in it?"""
    found = scripts(word)
    if found <= {"LATIN"} or found <= _EAST_ASIA | {"LATIN"}:
        return False
    return len(found) > 1 or skeleton(word).isascii()
