"""A conversation as a page: what people wrote as they laid it out, and nothing that runs or is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commands import conversations, pages
from gateway.mail.html.clean import MAX_TAGS, clean
from tests.builders import listed, make_context, opened, raw_mail, take

TYPE = "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("source", "cleaned"),
    [
        ("<p>a<b>b</b></p>", "<p>a<b>b</b></p>"),
        ("<p style='x' class=y id=z onclick=q>a</p>", "<p>a</p>"),
        ("<script>x</script><style>y</style><title>z</title>a", "a"),
        ("<img src='http://x/' srcset='http://x/ 1x' alt='le logo'>", '<img alt="le logo">'),
        ("<a href='javascript:x'>a</a>", '<a rel="noopener noreferrer nofollow">a</a>'),
        ("<a href='/x'>a</a>", '<a rel="noopener noreferrer nofollow">a</a>'),
        ("<a href='https://x/' target=y>a</a>", '<a href="https://x/" rel="noopener noreferrer nofollow">a</a>'),
        ("<td background=x colspan=2>a", "a"),
        ("<form action=x><input name=y>a</form>", "a"),
    ],
)
def test_html_is_cleaned_to_a_closed_list(source: str, cleaned: str) -> None:
    assert clean(source) == cleaned


def test_too_much_markup_is_not_looked_at() -> None:
    assert clean("<b>" * MAX_TAGS) is not None
    assert clean("<b>" * (MAX_TAGS + 1)) is None
    assert pages.markup(raw_mail(text="<i>" * (MAX_TAGS + 1), Content_Type=TYPE)) is None


def test_a_mail_without_html_has_none() -> None:
    assert pages.markup(raw_mail()) is None


def test_a_conversation_as_a_page(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    with opened(tmp_path) as store:
        text = "<h1>Ma demande</h1><script>x</script><img src='http://x.example/p'>"
        take(store, context, raw_mail(subject="<i>Objet</i>", text=text, Content_Type=TYPE))
        take(store, context, raw_mail(text="1 < 2 & 3", identifier="b@x", answers="m1@usager.example.net"))
        (summary,) = listed(store)
        shown = conversations.laid_out(store, context, summary["reference"], None)
    page = shown.document["html"]
    assert shown.lines == (page,)
    assert "<h1>Ma demande</h1>" in page
    assert "&lt;i&gt;Objet&lt;/i&gt;" in page
    assert "1 &lt; 2 &amp; 3" in page
    assert "<script" not in page
    assert "x.example" not in page
    assert "default-src 'none'" in page
