"""The letters of other scripts that look Latin."""

from __future__ import annotations

from gateway.mail.lookalikes import letters, skeleton
from tests.letters import listed


def test_they_are_those_of_unicodes_list() -> None:
    assert letters() == listed(), "python -m tests.letters writes them anew"


def test_a_name_in_cyrillic_letters_looks_like_the_latin_one() -> None:
    assert skeleton("Маriе") == skeleton("Marie")
    assert skeleton("Marion") != skeleton("Marie")
