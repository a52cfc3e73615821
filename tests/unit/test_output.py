"""What commands print: numbers with their words, and nothing that turns a terminal around."""

from __future__ import annotations

import pytest

from gateway.commands.output import Shown, harmless, many, show, table


@pytest.mark.parametrize(("count", "said"), [(0, "0 mails"), (1, "1 mail"), (2, "2 mails"), (21, "21 mails")])
def test_one_mail_and_several_mails(count: int, said: str) -> None:
    assert many(count, "mail") == said


def test_words_that_have_a_plural_of_their_own() -> None:
    assert [many(count, "delivery", "deliveries") for count in (1, 2)] == ["1 delivery", "2 deliveries"]


def test_what_people_wrote_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    odd = "\x1b[2J\u202eabc [bold]:smile:"
    show(Shown(None, (odd, table(("a",), [(odd,)]))), as_json=False)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert said.count("[2Jabc [bold]:smile:") == 2 == said.count(harmless(odd))


def test_lines_of_a_pipe_are_as_long_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 200
    show(Shown(None, (long, table(("a", "b"), [("x", long)]))), as_json=False)
    assert len(capsys.readouterr().out.splitlines()) == 3
