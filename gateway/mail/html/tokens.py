"""HTML to tokens: tags and text, in one pass, whatever the markup. Ours, because the parsers at hand take minutes on
a few kilobytes made for them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_TAG = re.compile(r"/?([a-zA-Z][a-zA-Z0-9:-]{0,30})")
# A head isn't dropped but what's in it: where its end is missing, it isn't the next one's, in a quote.
_DROPPED = frozenset({"script", "style", "title", "template", "noscript", "xml", "svg", "select", "datalist"})
_VALUE = r"""\s{0,9}=\s{0,9}("[^"]{0,4000}"|'[^']{0,4000}'|[^\s>"']{1,4000})"""
_NAMED = {
    name: re.compile(rf"(?<![\w-]){name}{_VALUE}", re.IGNORECASE)
    for name in ("href", "alt", "class", "id", "style", "type", "start", "width", "height", "value")
}


def tokens(source: str) -> Iterator[tuple[str, str]]:
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


def attribute(attributes: str, name: str) -> str:
    """The value of one of the attributes that are read here, "" where there is none."""
    match = _NAMED[name].search(attributes)
    return characters(match[1]).strip("\"' \t\r\n") if match else ""


def characters(text: str) -> str:
    """Text with its character references read. One that nobody could mean (a number of thousands of digits) stays."""
    try:
        return html.unescape(text)
    except ValueError:
        return text


def _markup(source: str, folded: str, start: int, unclosed: set[str]) -> tuple[int, tuple[str, str] | None]:
    """What stands at a "<", and where it ends."""
    if source.startswith("<!--", start):
        return _after(source, "-->", start + 2), None  # <!--> and <!---> are whole ones
    if source.startswith(("<!", "<?"), start):
        return _after(source, ">", start), None
    match = _TAG.match(source, start + 1)
    if match is None:
        return start + 1, ("text", "<")
    end = _tag_end(source, match.end())
    name = match[0].lower()
    if name in _DROPPED and not _is_empty(source[match.end() : end]):
        return _after_dropped(source, folded, name, end, unclosed), None
    return end, (name, source[match.end() : end])


def _is_empty(attributes: str) -> bool:
    """Does the element end with its tag, as XML has it?"""
    return attributes == "/>" or attributes.endswith((" />", '"/>', "'/>"))


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
