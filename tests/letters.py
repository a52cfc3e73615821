"""`python -m tests.letters`: write gateway/mail/letters.txt anew, from Unicode's list as the library brings it."""

from __future__ import annotations

import json
import unicodedata
from importlib.resources import files
from typing import Any

from gateway.mail import lookalikes


def listed() -> dict[str, str]:
    """Letters of other scripts, and the Latin one that each looks like."""
    alike = json.loads(files("confusable_homoglyphs").joinpath("confusables.json").read_text("utf-8"))
    found = {c: _first(others) for c, others in alike.items() if _foreign(c)}
    return {c: latin for c, latin in sorted(found.items()) if latin}


def _foreign(character: str) -> bool:
    if len(character) != 1 or character.isascii() or not unicodedata.category(character).startswith("L"):
        return False
    return unicodedata.category(character) != "Lm" and not unicodedata.name(character, "").startswith("LATIN ")


def _first(alike: list[dict[str, Any]]) -> str:
    return next((one["c"] for one in alike if len(one["c"]) == 1 and one["c"].isascii() and one["c"].isalpha()), "")


if __name__ == "__main__":
    text = "".join(f"{letter} {latin}\n" for letter, latin in listed().items())
    lookalikes.LISTED.write_text(text, "utf-8")
