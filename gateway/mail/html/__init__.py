"""HTML to text, for mail that has nothing else, and to tell what is quoted. Linear, whatever the markup, and flat:
no depth of elements costs more than another.

Paragraphs and line breaks stay; a link becomes `text <url>`; list items get a dash or their number; a row of short
cells is one line; what isn't seen is left out; `blockquote` becomes lines with `> `, so that what is quoted is told
apart as in plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from urllib.parse import unquote

from gateway.mail import names
from gateway.mail.html import marks
from gateway.mail.html.lines import MAX_QUOTE, Line, Lines
from gateway.mail.html.marks import Kind, Mark, Marked
from gateway.mail.html.tokens import attribute, characters, tokens

__all__ = ["MAX_HTML", "Kind", "Page", "page", "to_text"]

MAX_HTML = 1_000_000
_MAX_QUOTES = 100  # in one another; deeper ones tell nothing more
_SPACES = re.compile(r"[ \t\r\n\f]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_UNSEEN = " \t\r\n\f\xa0\xad\u034f\u200b\u200c\u200d\u200e\u2007\u2060\ufeff"  # preheaders are padded with them
_PARAGRAPH = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "dl", "fieldset", "figure"})
_BLOCK = frozenset(
    {"div", "dt", "dd", "center", "form", "section", "article", "address", "header", "footer", "main", "nav", "aside"}
    | {"caption", "legend", "details", "summary", "figcaption", "body", "option"}
)
_TABLES = frozenset({"table", "tr", "td", "th"})
_LISTS = frozenset({"ul", "ol", "menu", "li"})
_INLINE = frozenset({"a", "br", "img"})
_MAX_ALT = 300
_SCHEME = re.compile(r"^(?:https?://|mailto:)?(?:www\.)?")
_RULE = "_" * 32  # as Outlook writes it in plain text
_LABEL = re.compile(r"[^:：]{1,30}[:：]\s")


@dataclass(frozen=True, slots=True)
class Page:
    """A page's text, and what its markup says of each line of it."""

    text: str
    kinds: tuple[Kind, ...]


def to_text(source: str) -> str:
    """The text that a reader of this HTML would see."""
    return page(source).text


@lru_cache(maxsize=2)  # one reading of a mail asks for its page more than once
def page(source: str) -> Page:
    """The text that a reader of this HTML would see, and which lines of it the markup says are quoted."""
    lines = _lines(source[:MAX_HTML], hiding=True)
    if lines is None:
        lines = _lines(source[:MAX_HTML], hiding=False) or []
    texts = [f"{'> ' * line.depth}{line.text}".rstrip(" ") for line in lines]
    return Page("\n".join(texts), _kinds(lines) or (Kind.OWN,))


def _lines(source: str, *, hiding: bool) -> list[Line] | None:
    """The page's lines; None where something hidden didn't end: what it hides may be the mail's own words."""
    writer = _Writer(hiding=hiding)
    for name, value in tokens(source):
        if name == "text":
            writer.text(value)
        else:
            writer.tag(name, value)
    return None if writer.marked.hidden else writer.lines.finish()


def _kinds(lines: Sequence[Line]) -> tuple[Kind, ...]:
    """What the markup says of each line. What introduces a quote belongs to it; without one, it's the author's."""
    below = False
    kinds: list[Kind] = []
    for index, line in enumerate(lines):
        below = below or line.kind is Kind.BELOW or (line.block and _is_header_block(lines, index))
        kinds.append(Kind.BELOW if below else line.kind)
    following = Kind.OWN
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].introduces and following is Kind.QUOTED:
            kinds[index] = Kind.QUOTED
        if lines[index].text.strip():
            following = kinds[index]
    return tuple(kinds)


def _is_header_block(lines: Sequence[Line], start: int) -> bool:
    """Do three lines with labels stand here, in whatever language?"""
    return sum(_LABEL.match(line.text) is not None for line in lines[start : start + 6]) >= 3


class _Writer:
    """What each tag does to the lines."""

    def __init__(self, *, hiding: bool) -> None:
        self.lines = Lines()
        self.marked = Marked(hiding=hiding)
        self.below = False  # a separator
        self.pre = False
        self.tight = False  # is the paragraph one without margins?
        self.quotes: list[tuple[bool, bool]] = []  # of each open blockquote: is it a quote, and for sure?
        self.link = ""  # of the link that is open
        self.since = 0  # how many pieces the line had when it opened

    def text(self, value: str) -> None:
        if self.marked.hidden:
            return
        value = characters(value)
        plain = value.isprintable()  # then spaces are the only signs in it that aren't shown
        if not plain:
            value = names.REORDERING.sub("", _CONTROL.sub(" ", value))
        if self.pre:
            self._preformatted(value)
            return
        if not plain or "  " in value:
            value = _SPACES.sub(" ", value)
        if len(value) > 1 and not value.strip(_UNSEEN):
            value = "\xa0" if "\xa0" in value else " "
        pieces = self.lines.pieces
        if value == " " and not pieces:
            return
        pieces.append(value.lstrip(" ") if not pieces or pieces[-1].endswith(" ") else value)

    def _preformatted(self, value: str) -> None:
        first, *others = value.replace("\r\n", "\n").split("\n")
        self.lines.pieces.append(first)
        for other in others:
            self._break(always=True)
            self.lines.pieces.append(other)

    def tag(self, name: str, attributes: str) -> None:
        bare = name.removeprefix("/")
        closing = bare != name
        self._marked(bare, closing, attributes)
        if self.marked.hidden:
            return
        if bare in _TABLES:
            self._table(name)
        elif bare in _INLINE:
            self._inline(name, attributes)
        elif bare in _LISTS:
            self._list(name, attributes)
        elif bare == "blockquote":
            self._blockquote(closing, attributes)
        elif bare == "hr":
            self._rule()
        elif bare == "pre":
            self._paragraph()
            self.pre = not closing
        elif bare in _PARAGRAPH:
            self.tight = self.tight if closing else marks.tight(attributes)
            self._break() if self.tight else self._paragraph()
        elif bare in _BLOCK:
            self._break()

    def _marked(self, bare: str, closing: bool, attributes: str) -> None:
        """Open or close what marks: a change ends the line, and headers stand apart from what is below them."""
        was_hidden = self.marked.hidden
        found = self.marked.close(bare) if closing else self.marked.open(bare, attributes)
        if found is None or (was_hidden and self.marked.hidden):
            return
        self._break()
        if found in (Mark.SEPARATOR, Mark.BLOCK):
            self.lines.paragraph()
        if not closing and not self.lines.quote:
            self.lines.block = self.lines.block or found is Mark.BLOCK
            self.below = self.below or found is Mark.SEPARATOR
        self._kind()

    def _kind(self) -> None:
        """What the marks say of the lines that follow."""
        sure = Mark.QUOTE in self.marked.marks or any(sure for _, sure in self.quotes[:_MAX_QUOTES])
        self.lines.kind = Kind.BELOW if self.below else Kind.QUOTED if sure else Kind.OWN
        self.lines.introduces = Mark.ATTRIBUTION in self.marked.marks

    # --- what the tags do ------------------------------------------------------------------------------

    def _inline(self, name: str, attributes: str) -> None:
        if name == "br":
            self._break(always=True)
        elif name == "a":
            self.link, self.since = attribute(attributes, "href"), len(self.lines.pieces)
        elif name == "/a":
            self._link(self.link, self.since)
            self.link = ""
        elif name == "img":
            self._image(attributes)

    def _link(self, url: str, since: int) -> None:
        """Show where a link leads, unless it says so itself."""
        if not url:
            return
        shown = "".join(self.lines.pieces[since:]).strip(_UNSEEN)
        scheme, _, target = url.partition(":")
        if scheme.lower() == "mailto":
            target = unquote(target.partition("?")[0]).strip()
            known = _bare(target) in _bare(shown)
        else:
            target = url if scheme.lower() in ("http", "https") else ""
            known = _bare(url) == _bare(shown)
        if target and shown and not known:
            self.lines.pieces.append(f" <{names.visible(''.join(target.split()))}>")

    def _image(self, attributes: str) -> None:
        alt = attribute(attributes, "alt")
        if alt.strip(_UNSEEN) and len(alt) <= _MAX_ALT:
            self.text(f"[{escape(alt)}]")

    def _table(self, name: str) -> None:
        lines = self.lines
        if name in ("td", "th"):
            lines.cell()
        elif name in ("/td", "/th"):
            lines.end_cell()
        elif name == "tr":
            lines.row()
        elif name == "/tr":
            lines.end_row()
        elif name == "table":
            lines.open_table()
        else:
            lines.close_table()
        self._keep_place()

    def _list(self, name: str, attributes: str) -> None:
        if name == "li":
            number = attribute(attributes, "value")
            self.lines.item(int(number) if number.isdecimal() and len(number) < 6 else None)
        elif name in ("ul", "ol"):
            start = attribute(attributes, "start")
            first = int(start) if start.isdecimal() and len(start) < 6 else 1
            self.lines.open_list(first if name == "ol" else -1)
        elif name == "/li":
            self._break()
        else:
            self.lines.close_list()
        self._keep_place()

    def _blockquote(self, closing: bool, attributes: str) -> None:
        self._paragraph()
        if closing:
            del self.quotes[-1:]
        else:
            self.quotes.append((not marks.indents(attributes), marks.cites(attributes)))
        self.lines.quote = min(MAX_QUOTE, sum(quote for quote, _ in self.quotes[:_MAX_QUOTES]))
        self._kind()

    def _rule(self) -> None:
        self._break()
        self.lines.pieces.append(_RULE)
        self._break()

    def _paragraph(self) -> None:
        self._break()
        self.lines.paragraph()

    def _break(self, always: bool = False) -> None:
        self.lines.end_line(always, verbatim=self.pre)
        self._keep_place()

    def _keep_place(self) -> None:
        """Of the open link what stands on this line: its beginning, if the line goes on."""
        self.since = min(self.since, len(self.lines.pieces))


def _bare(url: str) -> str:
    """An address without what people leave out: scheme, www, a slash at the end, spaces."""
    return _SCHEME.sub("", "".join(url.split()).lower()).rstrip("/")
