"""How a text can be read, and where each character of a reading comes from."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.views import views, without_tags, words


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a%2Bb%40c", "a+b@c"),
        ("a%252Bb", "a+b"),
        ("a&#43;b&commat;c&#x40;d", "a+b@c@d"),
        ("a&amp;#43;b", "a+b"),
        ("a=2Bb=40c", "a+b@c"),
        ("ab=\r\ncd", "abcd"),
        ("ab\n> > cd", "abcd"),
        ("ab\n| cd", "abcd"),
        ("a b\u00a0c\td", "abcd"),
        ("a\u200bb\u2060c\ufeffd\u00ade", "abcde"),
        ("ａ＠ｂ", "a@b"),
        ("a (at) b [AT] c", "a@b@c"),
    ],
)
def test_what_programs_make_of_an_address_is_undone(text: str, read: str) -> None:
    assert read in [view.text for view in views(text)]
    assert read in words(text)


def test_letters_that_look_like_an_escape_are_read_too() -> None:
    assert {"t=AEB", "t\ufffdB"} <= {view.text for view in views("t=AEB")}


@given(
    st.lists(
        st.sampled_from(["a", "é", "@", "%2B", "=\n", "&#64;", "\n> ", " ", "\u200b", "Ａ", "=", "%"]), max_size=12
    )
)
def test_a_stretch_of_a_view_leads_back_to_where_it_came_from(pieces: list[str]) -> None:
    text = "".join(pieces)
    for view in views(text):
        assert len(view.text) == len(view.starts) == len(view.ends)
        assert all(start < end for start, end in zip(view.starts, view.ends, strict=True))
        assert list(view.starts) == sorted(view.starts)
        assert list(view.gaps) == sorted(set(view.gaps))
        for n, letter in enumerate(view.text):
            start, end = view.span(n, n + 1)
            assert letter in text[start:end] or text[start] in "%=&Ａ"


def test_tags_may_stand_in_the_middle_of_a_word() -> None:
    assert without_tags("rep<wbr>on<b class='x'>se") == "reponse"


@pytest.mark.parametrize(
    "text", ["%" * 300_000, "&" * 300_000, "&amp;" * 60_000, "\n>" * 150_000, "<" * 300_000, " a" * 150_000]
)
def test_time_is_linear(text: str) -> None:
    started = time.process_time()
    list(views(text))
    without_tags(text)
    assert time.process_time() - started < 5
