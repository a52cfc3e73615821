"""HTML to text, for mail that has nothing else. Linear, whatever the markup: ours, because the converters and
parsers at hand take minutes on a few kilobytes made for them.

Paragraphs and line breaks stay; a link becomes `text <url>`; list items get a dash; a table row is one line;
`blockquote` becomes lines with `> `, so that what is quoted is told apart as in plain text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

MAX_HTML = 1_000_000
_MAX_QUOTE = 20
_TAG = re.compile(r"/?([a-zA-Z][a-zA-Z0-9:-]{0,30})")
_HREF = re.compile(r"""\bhref\s*=\s*("[^"]{0,4000}"|'[^']{0,4000}'|[^\s>"']{1,4000})""", re.IGNORECASE)
_ALT = re.compile(r"""\balt\s*=\s*("[^"]{1,300}"|'[^']{1,300}')""", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\n\f]+")
_DROPPED = frozenset({"script", "style", "head", "title", "template", "noscript"})
_PARAGRAPH = frozenset({"p", "ul", "ol", "table", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "dl"})
_BLOCK = frozenset({"div", "tr", "li", "dt", "dd", "center", "form", "section", "article", "address", "header"})


def to_text(source: str) -> str:
    """The text that a reader of this HTML would see."""
    writer = _Writer()
    for kind, value in _tokens(source[:MAX_HTML]):
        if kind == "text":
            writer.text(html.unescape(value))
        else:
            writer.tag(kind, value)
    return writer.finish()


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    """("text", characters), or ("p", attributes) and ("/p", "") for tags. Each character is looked at a few times."""
    folded = source.lower()
    folded = folded if len(folded) == len(source) else source  # some capitals grow when lowered
    unclosed: set[str] = set()  # dropped elements known not to end: searched for once
    position = 0
    while position < len(source):
        start = source.find("<", position)
        if start < 0:
            break
        if start > position:
            yield "text", source[position:start]
        position, token = _markup(source, folded, start, unclosed)
        if token:
            yield token
    if position < len(source):
        yield "text", source[position:]


def _markup(source: str, folded: str, start: int, unclosed: set[str]) -> tuple[int, tuple[str, str] | None]:
    """What stands at a "<", and where it ends."""
    if source.startswith("<!--", start):
        return _after(source, "-->", start + 4), None
    if source.startswith(("<!", "<?"), start):
        return _after(source, ">", start), None
    match = _TAG.match(source, start + 1)
    if match is None:
        return start + 1, ("text", "<")
    end = _tag_end(source, match.end())
    name = match[0].lower()
    if name in _DROPPED:
        return _after_dropped(source, folded, name, end, unclosed), None
    return end, (name, source[match.end() : end])


def _after_dropped(source: str, folded: str, name: str, start: int, unclosed: set[str]) -> int:
    closing = -1 if name in unclosed else folded.find(f"</{name}", start)
    if closing < 0:
        unclosed.add(name)
        return start
    return _after(source, ">", closing)


def _after(source: str, what: str, start: int) -> int:
    """Just after the next `what`; where there is none, the end: it's the rest that can't be told."""
    found = source.find(what, start)
    return len(source) if found < 0 else found + len(what)


def _tag_end(source: str, start: int) -> int:
    """After the ">" that ends a tag; one inside an attribute's quotes isn't it."""
    end = source.find(">", start)
    for _ in range(3):
        if end < 0 or source.count('"', start, end) % 2 == 0:
            break
        end = source.find(">", end + 1)
    return len(source) if end < 0 else end + 1


class _Writer:
    """Collects the text, line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line: list[str] = []
        self.quote = 0
        self.depth = 0  # of the last line
        self.gap = False  # does a blank line come before the next one?
        self.pre = 0
        self.links: list[tuple[str, int]] = []  # (url, how many pieces the line had when it opened)

    def text(self, value: str) -> None:
        if self.pre:
            first, *others = value.replace("\r\n", "\n").split("\n")
            self.line.append(first)
            for other in others:
                self._break(always=True)
                self.line.append(other)
            return
        value = _SPACES.sub(" ", value)
        if value == " " and not self.line:
            return
        self.line.append(value.lstrip(" ") if not self.line or self.line[-1].endswith(" ") else value)

    def tag(self, name: str, attributes: str) -> None:
        if name == "br":
            self._break(always=True)
        elif name in ("a", "/a"):
            self._link(name, attributes)
        elif name == "img":
            self._image(attributes)
        elif name in ("td", "th"):
            self._cell()
        elif name.removeprefix("/") == "blockquote":
            self._paragraph()
            self.quote = max(0, min(_MAX_QUOTE, self.quote + (-1 if name.startswith("/") else 1)))
        elif name.removeprefix("/") in _PARAGRAPH:
            self._paragraph()
            if name.removeprefix("/") == "pre":
                self.pre = 0 if name.startswith("/") else 1
        elif name.removeprefix("/") in _BLOCK:
            self._break()
            if name == "li":
                self.line.append("- ")

    def _link(self, name: str, attributes: str) -> None:
        if name == "a":
            match = _HREF.search(attributes)
            del self.links[_MAX_QUOTE:]  # links don't nest: these were never closed
            self.links.append((html.unescape(match[1]).strip("\"' ") if match else "", len(self.line)))
            return
        if not self.links:
            return
        url, since = self.links.pop()
        shown = "".join(self.line[since:]).strip()
        if url.startswith(("http://", "https://")) and url.rstrip("/") != shown.rstrip("/"):
            self.line.append(f" <{url}>" if shown else f"<{url}>")

    def _image(self, attributes: str) -> None:
        match = _ALT.search(attributes)
        if match and match[1].strip("\"' "):
            self.text("[" + html.unescape(match[1]).strip("\"' ") + "]")

    def _cell(self) -> None:
        if any(piece.strip(" -") for piece in self.line[-3:]):
            self.line.append("  ")

    def _paragraph(self) -> None:
        self._break()
        self.gap = bool(self.lines)

    def _break(self, always: bool = False) -> None:
        """End the line. An empty one counts only where the author asked for it."""
        line = "".join(self.line)
        self.line = []
        self.links = [(url, 0) for url, _ in self.links]
        if line.strip() or always:
            if self.gap and self.lines[-1].strip("> "):
                self.lines.append("> " * min(self.quote, self.depth))
            self.gap = False
            self.depth = self.quote
            self.lines.append("> " * self.quote + (line if self.pre else line.strip(" ")))

    def finish(self) -> str:
        self._break()
        return "\n".join(line.rstrip(" ") for line in self.lines).strip("\n")
