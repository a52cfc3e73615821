"""The HTML alternative: the words of the plain text, nothing but a few tags, links that lead where they say."""

from __future__ import annotations

import re
import time
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.relay import html, samples, texts
from gateway.relay.templating import LANGUAGES

TAGS = {"html", "head", "meta", "title", "style", "body", "p", "br", "hr", "table", "tr", "th", "td", "a"}
ATTRIBUTES = {
    "html": {"lang"},
    "meta": {"charset", "name", "content"},
    "th": {"scope"},
    "a": {"href"},
}
VOID = {"meta", "br", "hr"}


class Parsed(HTMLParser):
    """What a page holds: its elements in order, its words, its links."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.title = ""
        self.links: list[list[str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert tag in TAGS, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES.get(tag, set()), (tag, attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append([dict(attrs)["href"] or "", ""])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "title" in self.open:
            self.title += data
        elif "body" in self.open:
            self.words += data.split()
            if "a" in self.open:
                self.links[-1][1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")


def page(text: str, subject: str = "s", language: str = "fr") -> Parsed:
    return Parsed(html.page(text, subject, language))


def letters(text: str) -> str:
    """The text without what can't be shown, its lines of dashes, and its spaces."""
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
    lines = (line for line in kept.split("\n") if not re.fullmatch(r"[-_]{2,80} ?", line))
    return "".join("\n".join(lines).split())


def body(text: str) -> str:
    return html.page(text, "s", "fr").partition("<body>\n")[2].partition("\n</body>")[0]


fragments = st.sampled_from(
    [
        *(
            "<script>alert(1)</script>",
            "<img src=x onerror=y>",
            "<!--",
            "-->",
            "]]>",
            "<![CDATA[",
            "<?php",
            "</body>",
        ),
        *("&lt;b&gt;", "&amp;", "&#60;", '"', "'", "><", "javascript:alert(1)", "data:text/html,x", "\\", "`"),
        *("http://", "https://x.example/a?b=c&d=<e>", "https://x.example/«", 'https://x.example/"onclick="y'),
        *(
            "u@x.example",
            "mailto:u@x.example",
            "u@x",
            "@",
            "a b@c.d",
            "é@x.fr",
            "u@x.éa",
            "Clé : valeur",
            "Clé: valeur",
        ),
        *("\n", "\n\n", "-- ", "----", "___", " : ", "\t", "\u00a0", "\u2028", "\x0b", "\x00", "\x1b[31m", "\ud800"),
        *("– ", "  ", ">", "> cité", "1. ", "\u202e", "\u200b", "\ufeff", "\U0001f600"),
    ]
)
anything = st.lists(fragments | st.text(max_size=12), max_size=20).map("".join)


@example("Clé : <b>\nClé : https://x.example/&quot;", "</title><script>", "fr")
@example("a<b>&amp; : x\na</p> : <i>", "x", "fr")
@example("https://x.example/" + "a" * 3000, "x", "en")
@given(anything, anything, st.sampled_from(LANGUAGES))
def test_whatever_the_text_the_page_is_made_of_a_few_tags_and_its_words(
    text: str, subject: str, language: str
) -> None:
    found = page(text, subject, language)
    assert "".join(found.words) == letters(text)
    assert "".join(found.title.split()) == "".join(
        c for c in subject if unicodedata.category(c) not in {"Cc", "Cs"} and not c.isspace()
    )
    assert dict(found.elements)["html"] == {"lang": language}
    for target, shown in found.links:
        assert target.startswith(("https://", "http://", "mailto:"))
        assert target.removeprefix("mailto:") == shown


@given(st.lists(st.text(alphabet="abé :.\u00a0", max_size=20), max_size=6))
def test_words_are_kept_apart(lines: list[str]) -> None:
    """Where the text has a space or a line's end, the page has one, or an element's end."""
    text = "\n".join(lines)
    shown = re.sub(r"<[^>]*>", " ", body(text))
    assert shown.split() == text.split()


def test_the_same_text_is_the_same_page() -> None:
    assert html.page("a\nb", "s", "fr") == html.page("a\nb", "s", "fr")


@pytest.mark.parametrize("name", [*sorted(samples.TO_USAGER), "transmission"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_our_mails(name: str, language: str) -> None:
    for place, values in samples.situations(name):
        words = texts.render(name, place, **values)
        assert "".join(page(words.text, words.subject, language).words) == letters(words.text)


def test_nothing_is_fetched_and_nothing_runs() -> None:
    whole = html.page("Bonjour", "s", "fr")
    assert not re.search(r"url\(|@import|src=|<script|<img|<link|http", whole)
    style = whole.partition("<style>")[2].partition("</style>")[0]
    assert len(style) < 900
    assert "prefers-color-scheme:dark" in style
    assert "color-scheme:light dark" in style


# --- its shapes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n\nc\n", "<p>a<br>\nb</p>\n<p>c</p>"),
        ("a\n\n-- \nb", "<p>a</p>\n<hr>\n<p>b</p>"),
        ("----\nb", "<hr>\n<p>b</p>"),
        ("Clé : a", "<p>Clé : a</p>"),
        (
            "Clé\u00a0: a\nAutre clé: b : c",
            '<table>\n<tr><th scope="row">Clé\u00a0:</th><td>a</td></tr>\n<tr><th scope="row">Autre clé:</th>',
        ),
        ("x\nA: 1\nB: 2\ny", "<p>x</p>\n<table>\n"),
        ("https://a.example\nhttps://b.example", '<p><a href="https://a.example">https://a.example</a><br>\n<a'),
        ("- a\n  b", "<p>- a<br>\nb</p>"),
        ("", ""),
    ],
)
def test_shapes(text: str, expected: str) -> None:
    assert body(text).startswith(expected)
    assert bool(body(text)) == bool(expected)


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("Voir https://x.example/a.", ["https://x.example/a"]),
        ("(https://x.example/a)", ["https://x.example/a"]),
        ("https://x.example/a_(b)", ["https://x.example/a_(b)"]),
        ("«\u00a0https://x.example/a\u00a0»", ["https://x.example/a"]),
        ("«https://x.example/a»,", ["https://x.example/a"]),
        ("https://mairie-é.example/é?a=b&c=d#e", ["https://mairie-é.example/é?a=b&c=d#e"]),
        ("http://[::1]/a", ["http://[::1]/a"]),
        ("https://x.example/<b>", ["https://x.example/"]),
        ("HTTPS://x.example ftp://x.example javascript:x data:x", []),
        ("https:// http://. https://?", []),
        ("u@x.example, <v.w+t@y.example>.", ["mailto:u@x.example", "mailto:v.w+t@y.example"]),
        ("mailto:u@x.example?subject=a", ["mailto:u@x.example"]),
        ("@note u@x é@x.example u@x.exampleé a@b@c.example", []),
        ("https://x.example/u@y.example", ["https://x.example/u@y.example"]),
    ],
)
def test_links(text: str, targets: list[str]) -> None:
    assert [target for target, _ in page(text).links] == targets


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "a@" * 300_000,
        "https://" * 100_000,
        "https://a" + ")" * 300_000,
        "a.b-" * 200_000 + "@",
        "u@" + "a." * 300_000,
        "Clé : " * 100_000,
        "a: b\n" * 200_000,
        ":" * 500_000,
        "-" * 500_000,
        "\n" * 500_000,
        " " * 500_000 + "x",
    ],
    ids=[
        "letters",
        "ats",
        "schemes",
        "brackets",
        "local",
        "domain",
        "keys",
        "pairs",
        "colons",
        "dashes",
        "lines",
        "spaces",
    ],
)
def test_time_is_linear(text: str) -> None:
    started = time.process_time()
    html.page(text, "s", "fr")
    assert time.process_time() - started < 5
