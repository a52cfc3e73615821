"""Real mail: no line is lost between own text and quotes, no word between HTML and text; quotes are found whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

from gateway.mail.bodies import clean
from gateway.mail.charsets import decode
from gateway.mail.headers import split
from gateway.mail.html import page
from gateway.mail.html.marks import Mark, mark
from gateway.mail.parts import decoded, tree, with_lines
from gateway.mail.quotes import cut, quotes
from gateway.mail.read import read
from tests import corpora
from tests.conformance.quotes import words

LIST = "list-usrp-2019-2021/mail"
FRENCH = "lists-harvest/french"


def lines(text: str) -> Counter[str]:
    return Counter(line for line in text.split("\n") if line.strip())


def test_no_line_is_lost_by_markup() -> None:
    for path in corpora.sample(600, LIST):
        mail = read(path.read_bytes())
        assert lines(mail.text) == lines(f"{mail.own}\n{mail.quoted}"), path


def test_what_is_own_quotes_nothing() -> None:
    """But for a separator at the very top, which is kept, hardly a mail's own text is cut again."""
    found = [mail.own for path in corpora.sample(600, LIST) if (mail := read(path.read_bytes())).quoted]
    assert sum(quotes(own) for own in found) <= len(found) // 100


def test_french_attributions_are_cut() -> None:
    """« Le …, X a écrit : » is nobody's own words, however it's broken over lines."""
    paths = [
        path
        for path in corpora.mails(FRENCH)
        if re.search(rb"a\s*(?:=C3=A9|\xc3\xa9|=E9|\xe9)crit", path.read_bytes())
    ]
    left = 0
    for path in paths:
        mail = read(path.read_bytes())
        left += re.search(r"^Le .{6,80}(?:\n.{0,80}){0,2}écrit\s?:", mail.own, re.MULTILINE) is not None
    assert len(paths) > 50
    assert left <= len(paths) // 50


# --- HTML to text --------------------------------------------------------------------------------------------


class Shown(HTMLParser):
    """The words of a page, by the standard library's parser; a page that hides something isn't compared."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.dropped = 0
        self.hides = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        written = " ".join(f'{name}="{value or ""}"' for name, value in attrs)
        self.hides = self.hides or mark(tag, written) is Mark.HIDDEN
        self.dropped += tag in ("script", "style", "head", "title", "template", "noscript", "xml", "svg", "select")

    def handle_endtag(self, tag: str) -> None:
        self.dropped -= tag in ("script", "style", "head", "title", "template", "noscript", "xml", "svg", "select")

    def handle_data(self, data: str) -> None:
        if not self.dropped:
            self.words.extend(re.findall(r"[^\W_]+", data))


def pages() -> Iterator[str]:
    for path in corpora.sample(1_500):
        raw = with_lines(path.read_bytes())
        for part in tree(raw, split(raw)).parts:
            if part.type == "text/html":
                yield clean(decode(decoded(raw, part), part.parameters.get("charset", "")))[:200_000]


def test_no_word_of_a_page_is_lost() -> None:
    """What the standard library's parser finds in a page stands in its text; in one of a hundred, not all of it."""
    compared = short = 0
    for source in pages():
        shown = Shown()
        shown.feed(source)
        if shown.hides or not shown.words:
            continue
        compared += 1
        text = page(source).text
        missing = Counter("".join(shown.words)) - Counter("".join(re.findall(r"[^\W_]+", text)))
        short += missing.total() > 0
    assert compared > 300
    assert short <= compared // 100


def test_a_page_alone_is_cut_as_with_its_text() -> None:
    """The own text of the HTML part alone has the words of the mail's own text, in nine of ten replies."""
    agreed = compared = 0
    for path in corpora.sample(400, LIST):
        raw = with_lines(path.read_bytes())
        htmls = [part for part in tree(raw, split(raw)).parts if part.type == "text/html"]
        if len(htmls) != 1:
            continue
        found = page(clean(decode(decoded(raw, htmls[0]), htmls[0].parameters.get("charset", ""))))
        compared += 1
        agreed += "".join(words(cut(found.text, found.kinds).own)) == "".join(words(read(raw).own))
    assert compared > 100
    assert agreed >= compared * 0.9
