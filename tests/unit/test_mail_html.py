"""HTML as a reader would see it, in plain text; and what its markup says is quoted."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import html
from gateway.mail.html import Kind

TEXTS = {
    "links": (
        "<a href='https://www.example.org/'>www.example.org</a>, <a href='https://e.example/a'>le site</a>",
        "www.example.org, le site <https://e.example/a>",
    ),
    "a link that wraps": ("<a href='https://e.example/a\n b'>x</a>", "x <https://e.example/ab>"),
    "an address": ("<a href='mailto:c@e.example?subject=x'>c@e.example</a>", "c@e.example"),
    "an address with a name": ("<a href='mailto:c@e.example?subject=x'>Claire</a>", "Claire <c@e.example>"),
    "a number": ("<a href='tel:+33612345678'>06 12 34 56 78</a>", "06 12 34 56 78"),
    "an empty link": ("a<a href='https://e.example/t'><img src=p></a>b", "ab"),
    "a picture that leads somewhere": (
        "<a href='https://e.example/t'><img alt='Logo'></a>",
        "[Logo] <https://e.example/t>",
    ),
    "lists": (
        "<p>Il manque :</p><ul><li>un</li><li>deux<ol><li>a<li>b</ol></li><li><p>trois</p></li></ul>fin",
        "Il manque :\n\n- un\n- deux\n  1. a\n  2. b\n- trois\n\nfin",
    ),
    "numbers": ("<ol start=3><li>x</li><li value=7>y</li><li>z</li></ol>", "3. x\n7. y\n8. z"),
    "an empty item": ("<ul><li></li><li>a</li></ul>", "- a"),
    "a table": (
        "<table><tr><th>Pièce<th>Date</tr><tr><td><p>RIB</p></td><td><div>3 mars</div></td></tr></table>",
        "Pièce  Date\nRIB  3 mars",
    ),
    "an address in a cell": (
        "<table><tr><td>Adresse</td><td>12 rue des Lilas<br>75011 Paris</td></tr></table>",
        "Adresse  12 rue des Lilas\n75011 Paris",
    ),
    "a layout": (
        "<table><tr><td><table><tr><td><img alt='Logo'></td></tr><tr><td><h1>T</h1><p>Un.</p></table></table>fin",
        "[Logo]\nT\n\nUn.\n\nfin",
    ),
    "columns of text": (
        f"<table><tr><td>{'a ' * 70}</td><td>{'b ' * 70}</td></tr></table>",
        f"{'a ' * 69}a\n{'b ' * 69}b",
    ),
    "cells without a table": ("<td>a</td><td>b</td>", "a  b"),
    "rows without an end": ("<table><tr><td>a<td>b<tr><td>c</table>d", "a  b\nc\n\nd"),
    "headings": ("<h1>T</h1>a<h2>U</h2><p>b</p>", "T\n\na\n\nU\n\nb"),
    "a rule": ("a<hr>b", f"a\n{'_' * 32}\nb"),
    "lines": ("a<br><br>b<div><br></div>c<div>d<div>e</div></div>f", "a\n\nb\n\nc\nd\ne\nf"),
    "Word's paragraphs": (
        "<p class=Mso>a<o:p></o:p></p><p class=Mso><o:p>&nbsp;</o:p></p><p class=Mso>b</p><p class=Mso>c</p>",
        "a\n\nb\nc",
    ),
    "paragraphs without margins": ("<p style='margin:0'>a</p><p style='margin:0px;color:red'>b</p>", "a\nb"),
    "a paragraph of nothing": ("<p>a</p><p>&nbsp;</p><p>b</p>", "a\n\nb"),
    "preformatted text": ("<pre>a\n\n  b</pre>", "a\n\n  b"),
    "what isn't shown": (
        "<div style='display:none'>A</div><p style=\"mso-hide:all\">z</p><p hidden>y</p>Vu<i style='opacity:0'>x</i>",
        "Vu",
    ),
    "what is hidden, whole": ("a<div style='max-height:0px'><div>x</div>y</div>b", "a\nb"),
    "what is shown": (
        "<p class='hidden' style='overflow:hidden;opacity:0.9;max-height:0.5em' aria-hidden=true>a</p>b",
        "a\n\nb",
    ),
    "a preheader's padding": (
        "a&zwnj;&nbsp;&#847;&zwnj;&nbsp;<p>&zwnj;&nbsp;&zwnj;</p>b",
        "a\u200c\xa0\u034f\u200c\xa0\n\nb",
    ),
    "a hidden paragraph": ("<p hidden>A<p>Vu</p>fin", "Vu\n\nfin"),
    "what is hidden and doesn't end": ("<div style='display:none'>Aperçu<p>Vu</p>", "Aperçu\n\nVu"),
    "Outlook's comments": (
        "<!--[if mso]><table><tr><td>mso</td></tr></table><![endif]--><![if !mso]>autres<![endif]>",
        "autres",
    ),
    "islands": ("<xml><o:x>1</o:x></xml><svg><text>s</text></svg><select><option>o</select>a", "a"),
    "an indentation": ("<blockquote style='margin:0 0 0 40px;border:none'>retrait</blockquote>x", "retrait\n\nx"),
    "a quote with a bar": ("<blockquote style='margin:0 0 0 .8ex;border-left:1px #ccc solid'>a</blockquote>", "> a"),
    "a head without an end": (
        "<html><head><meta charset=utf-8><body><p>Oui</p><blockquote type=cite><html><head><title>t</title></head>q",
        "Oui\n\n> q",
    ),
    "elements that end with their tag": (
        "a<title/>b<svg class=\"x\"/>c<xml id='y' />d<script src='z'/>e<p>f<svg><text>s</text></svg>g</p>",
        "abcde\n\nfg",
    ),
    "a value that ends with a slash": ("<script src=https://e.example/>s</script>a", "a"),
    "empty comments": ("a<!-->b<!--->c<!---->d<!--x-->e", "abcde"),
    "an order that was changed": (
        "a\u202eb&#x2066;c <a href='https://e.example/\u202ea\u200bb&#x202e;c'>x</a>",
        "abc x <https://e.example/abc>",
    ),
    "a link over cells": ("<a href='https://e.example/'>x<td>y</a>", "x  y <https://e.example/>"),
    "control characters": ("a&#27;b&#133;c\x85d", "ab\u2026c d"),
}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_text(name: str) -> None:
    source, text = TEXTS[name]
    assert html.to_text(source) == text


OUTLOOK = (
    "<div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal>"
    "<b>Lähettäjä:</b> S &lt;s@example.org&gt;<br><b>Päivä:</b> maanantai<br><b>Aihe:</b> x</p></div>"
)
# What stands between the author's « Oui » and the other's « Merci ».
QUOTES = {
    "Gmail": "<div class='gmail_quote'><p class='gmail_attr'>Στις Δευ, S:</p><blockquote class='gmail_quote'>",
    "Thunderbird": "<div class='moz-cite-prefix'>S, tiistaina:</div><blockquote type=cite cite='mid:x'>",
    "Roundcube": "<p id='reply-intro'>S, tiistaina</p><blockquote type='cite' style='padding: 0 0.4em'>",
    "Apple": "<blockquote type='cite'><div>Den 3. feb. 2025 kl. 10.12 skrev S:</div>",
    "Yahoo": "<div id='ydp1yahoo_quoted_12' class='ydp1yahoo_quoted'><div>S, tiistaina:</div>",
    "Proton": "<div class='protonmail_quote'>S, tiistaina:<br><blockquote class='protonmail_quote'>",
    "Outlook on the web": "<div id=appendonsend></div><hr><div id=divRplyFwdMsg><b>Lähettäjä:</b> S</div>",
    "Outlook": OUTLOOK,
    "Outlook on phones": "<div id='mail-editor-reference-message-container'><div>Lähettäjä: S</div>",
    "Zimbra": "<hr id='zwchr' data-marker='__DIVIDER__'><div>Lähettäjä: S</div>",
}


@pytest.mark.parametrize("name", sorted(QUOTES))
def test_quotes_by_markup(name: str) -> None:
    page = html.page(f"<div>Oui</div>{QUOTES[name]}<div>Merci</div>")
    kinds = dict(zip(page.text.split("\n"), page.kinds, strict=True))
    assert kinds.pop("Oui") is Kind.OWN
    assert kinds.get("Merci", kinds.get("> Merci")) is not Kind.OWN
    assert all(kind is not Kind.OWN for line, kind in kinds.items() if line.strip("> _"))


@pytest.mark.parametrize(
    "source",
    [
        "<blockquote>a</blockquote>",
        "<blockquote style='margin:0 0 0 40px'>a</blockquote>",
        "<div class='gmail_attr'>Voici :</div><div>b</div>",
        "<div class='gmail_quote'>---------- Forwarded message ---------<br>De : S</div>",
        "<div style='border:none;border-top:solid #E1E1E1 1.0pt'>Claire Petit<br>Mairie</div>",
        "<blockquote type=cite></blockquote>a",
        "<div class=yahoo_quoted><div>q</div></div>".replace("q", "") + "a",
    ],
)
def test_what_markup_leaves_to_the_author(source: str) -> None:
    assert set(html.page(source).kinds) == {Kind.OWN}


def test_what_follows_a_quote_is_the_authors() -> None:
    page = html.page("<div class=yahoo_quoted><div>q<div>r</div></div></div>a<blockquote type=cite>q</blockquote>b")
    kinds = dict(zip(page.text.split("\n"), page.kinds, strict=True))
    assert kinds["q"] is kinds["r"] is kinds["> q"] is Kind.QUOTED
    assert kinds["a"] is kinds["b"] is Kind.OWN


ODD = ["</div>", "</blockquote>", "</td>", "<tr>", "<table>", "</table>", "<p>", "</p>", "<li>", "<pre>", "\n", "mot"]
ODDER = ["<a href='x\ny'>", "</a>", "<img alt='a\nb'>", "&nbsp;", "&#10;", "<hr>", "<ol>", "<ul>"]
PIECES = st.sampled_from([*(source for source, _ in TEXTS.values()), *QUOTES.values(), *ODD, *ODDER])


@given(st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=20).map("".join))
def test_each_line_has_a_kind(source: str) -> None:
    page = html.page(source)
    assert len(page.kinds) == page.text.count("\n") + 1


TAGS = ["<div>", "<table><tr><td>", "<td>", "<ul><li>", "<p>", "<span style='margin:0'>", "</p>", "</td>", "<tr>"]
MORE_TAGS = ["</tr></table>", "</ul>", "</div>", "<br>", "<blockquote>", "<pre>", "</blockquote>", "<h1>", "<hr>"]


@given(st.lists(st.sampled_from([*TAGS, *MORE_TAGS]), max_size=30))
def test_no_word_is_lost(tags: list[str]) -> None:
    words = [f"mot{index}" for index in range(len(tags))]
    source = "".join(f"{tag}{word} " for tag, word in zip(tags, words, strict=True))
    assert [word for word in html.to_text(source).split() if word.startswith("mot")] == words


HOSTILE = {
    "quotes": "<blockquote>" * 80_000 + "x",
    "tables": "<table><tr><td>x" * 50_000,
    "cells": "<td>x" * 150_000,
    "rows": "<table>" + "<tr><td>a<td>b" * 60_000,
    "lists": "<ul><li>x" * 90_000,
    "hidden": "<div style='display:none'>x" * 35_000,
    "marked": "<div class=yahoo_quoted>" * 40_000 + "</div>" * 20_000,
    "open tags": "<" * 500_000,
    "links": "<a><br>" * 120_000,
    "ends of links": "x<b>" * 100_000 + "</a>" * 100_000,
    "links over cells": "x<b>" * 50_000 + "<a href=http://e.example>x<td></a>" * 20_000,
    "attributes": "<p " + "class=a " * 120_000 + ">x",
    "a quote": '<p class="' * 90_000,
    "entities": "&#" * 500_000,
    "lines": "<pre>" + "\n" * 500_000,
    "pictures": "<img alt='x'>" * 70_000,
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_pages_cost_little(name: str) -> None:
    begun = time.process_time()
    html.page(HOSTILE[name])
    assert time.process_time() - begun < 6
