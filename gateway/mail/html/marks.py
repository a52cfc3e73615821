"""What the markup of mail programs says of its contents: quoted, introducing a quote, below a separator, hidden."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from gateway.mail.html.tokens import attribute


class Kind(IntEnum):
    """What the markup says of a line."""

    OWN = 0
    QUOTED = 1
    BELOW = 2  # below a separator, from which on everything is another mail's


class Mark(IntEnum):
    """What an element is for."""

    QUOTE = 1
    ATTRIBUTION = 2  # « Le …, X a écrit : », if a quote follows
    HIDDEN = 3
    SEPARATOR = 4  # what follows it, and itself, is another mail
    BLOCK = 5  # likewise, if it holds a header block


VOID = frozenset(
    {"br", "img", "hr", "input", "meta", "link", "col", "wbr", "area", "base", "source", "embed", "param"}
)
_MAX_OPEN = 20  # in one another
_MARKABLE = ("class", "id", "style")
_QUOTES = frozenset(
    {
        "yahoo_quoted",  # and with a number behind
        "protonmail_quote",
        "tutanota_quote",
        "zmail_extra",  # Zoho
        "mail-editor-reference-message-container",  # Outlook on phones
        "ms-outlook-mobile-reference-message",
        "mail_quote_collapse_control_content",
    }
)
_ATTRIBUTIONS = frozenset({"gmail_attr", "moz-cite-prefix", "reply-intro", "protonmail_attribution"})
_SEPARATORS = frozenset({"divrplyfwdmsg", "zwchr", "stopspelling"})  # Outlook on the web, Zimbra, Hotmail
_BORDER = re.compile(r"border:\s{0,3}none;\s{0,3}border-top:\s{0,3}solid\s{0,3}#?\w{3,12}\s{0,3}1", re.IGNORECASE)
_INVISIBLE = re.compile(
    r"display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|(?<![\w-])opacity\s{0,3}:\s{0,3}0(?![\d.])"
    r"|mso-hide\s{0,3}:\s{0,3}all|max-height\s{0,3}:\s{0,3}0(?![\d.])",
    re.IGNORECASE,
)
_VALUES = re.compile(r""""[^"]*"|'[^']*'""")
_HIDDEN = re.compile(r"(?<![\w:=-])hidden(?![\w-])")
_BAR = re.compile(r"border-left|none none none solid")
_MARGINLESS = re.compile(r"(?<![\w-])margin\s{0,3}:\s{0,3}0(?:px|cm|in|pt)?\s{0,3}(?:;|$)", re.IGNORECASE)


def mark(name: str, attributes: str) -> Mark | None:
    """What an element that opens is for; None for most of them."""
    if len(attributes) < 6:
        return None
    folded = attributes.lower()
    if "hidden" in folded and _HIDDEN.search(_VALUES.sub("", folded)):
        return Mark.HIDDEN
    if not any(key in folded for key in _MARKABLE):
        return None
    style = attribute(attributes, "style")
    if _INVISIBLE.search(style):
        return Mark.HIDDEN
    words = f"{attribute(attributes, 'class')} {attribute(attributes, 'id')}".lower().split()
    for word in words:
        if word in _QUOTES or word.startswith("yahoo_quoted") or word.endswith("yahoo_quoted"):
            return Mark.QUOTE
        if word in _ATTRIBUTIONS:
            return Mark.ATTRIBUTION
        if word in _SEPARATORS:
            return Mark.SEPARATOR
    return Mark.BLOCK if name == "div" and _BORDER.search(style) else None


def cites(attributes: str) -> bool:
    """Is a blockquote a quote for sure? Editors make them to indent, too."""
    folded = attributes.lower()
    return "cite" in folded or "quote" in folded or _BAR.search(folded) is not None


def indents(attributes: str) -> bool:
    """Is a blockquote but an indentation? Its style says where it stands, and nothing says that it's a quote."""
    return not cites(attributes) and "margin" in attributes.lower()


def tight(attributes: str) -> bool:
    """Is a paragraph one without margins, so that it's but a line? Outlook's are."""
    named = attribute(attributes, "class")
    return named.startswith(("Mso", "mso", "xMso", "x_Mso")) or bool(
        _MARGINLESS.search(attribute(attributes, "style"))
    )


@dataclass(slots=True)
class _Open:
    """A marked element that is open: its name, and how many of that name are open in it, itself included."""

    name: str
    mark: Mark
    count: int = 1


class Marked:
    """The marked elements that are open. `hiding`: is what they hide left out?"""

    def __init__(self, *, hiding: bool) -> None:
        self.hiding = hiding
        self.elements: list[_Open] = []
        self.marks: frozenset[Mark] = frozenset()

    @property
    def hidden(self) -> bool:
        return Mark.HIDDEN in self.marks

    def open(self, name: str, attributes: str) -> Mark | None:
        """An element opens: what it's for, if anything."""
        if name == "p" and self.elements and self.elements[-1].name == "p":
            self._drop(len(self.elements) - 1)  # a paragraph ends where the next begins
        for element in self.elements:
            element.count += element.name == name
        found = mark(name, attributes)
        if found is Mark.HIDDEN and (name in VOID or not self.hiding):
            return None
        if found and name not in VOID and len(self.elements) < _MAX_OPEN:
            self.elements.append(_Open(name, found))
            self.marks |= {found}
        return found

    def close(self, name: str) -> Mark | None:
        """An element closes: what it was for. Those that were left open in it end too."""
        if not self.elements:
            return None
        for element in self.elements:
            element.count -= element.name == name
        done = next((index for index, element in enumerate(self.elements) if not element.count), None)
        return None if done is None else self._drop(done)

    def _drop(self, index: int) -> Mark:
        first = self.elements[index].mark
        del self.elements[index:]
        self.marks = frozenset(element.mark for element in self.elements)
        return first
