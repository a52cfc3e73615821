"""Numbers of dossiers and démarches in what people and the platform write: links, « dossier n° 123 456 ».

The forms are those of the platform's own mails. A number proves nothing: the directory confirms it, and admission
decides. One pass over the text, no nested repetition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway.model import Inbox, InboxKind

_MAX = 2**31 - 1
# No number begins with 0, as telephone numbers do; « 12/2024 » and « 12 345/2024 » are references of something else,
# and a group of five figures ends a SIRET.
_GROUP = r"[ \u00a0\u202f.][0-9]"
_FIGURES = (
    rf"([1-9][0-9]{{0,2}}(?:{_GROUP}{{3}}){{1,3}}|[1-9][0-9]{{0,9}})"
    rf"(?![\d/]|[.,]\d|(?:{_GROUP}{{3}}){{1,3}}/|(?:{_GROUP}{{3}}){{0,2}}{_GROUP}{{5}})"
)
_MARKED = re.compile(
    r"\b(?:dossiers?|files?)[\s\u00a0\u202f]{1,3}(?:n[\s\u00a0\u202f]?[°ºo]\.?|num[ée]ro|number|#)"
    r"[\s\u00a0\u202f]{0,3}" + _FIGURES,
    re.IGNORECASE,
)
_BARE = re.compile(r"\bdossiers?[\s\u00a0\u202f]{1,3}" + _FIGURES, re.IGNORECASE)
_END_OF_LINK = re.compile(r"[\s<>\"'«»\u00a0]|$")
_LONGEST_LINK = 2000
MOST_TEXT = 100_000  # characters that are looked through: evidence stands near the top, and a mail may be very long


def numbers(text: str) -> tuple[int, ...]:
    """Numbers written as the platform writes them: « dossier n° 123 456 », "file no. 123"."""
    return _valid(match.group(1) for match in _MARKED.finditer(text))


def bare_numbers(text: str) -> tuple[int, ...]:
    """Numbers that follow the word « dossier » alone. They might be a year: only believed of the usager."""
    return _valid(match.group(1) for match in _BARE.finditer(text))


def _valid(figures: Iterator[str]) -> tuple[int, ...]:
    found = (int(re.sub(r"\D", "", text)) for text in figures)
    return tuple(dict.fromkeys(number for number in found if 0 < number <= _MAX))


def links(text: str, urls: tuple[str, ...]) -> tuple[Inbox, ...]:
    """Inboxes that links of the platform name; `urls` are its addresses, past and present."""
    hosts = {host for url in urls if (host := urlsplit(url).netloc.lower())}
    lowered = text.lower()
    found = [inbox for host in hosts for inbox in _links(lowered, host)]
    return tuple(dict.fromkeys(inbox for _, inbox in sorted(found, key=lambda pair: pair[0])))


def _links(text: str, host: str) -> Iterator[tuple[int, Inbox]]:
    start = text.find("://" + host + "/")
    while start >= 0:
        begin = start + len(host) + 4
        window = text[begin : begin + _LONGEST_LINK]
        end = _END_OF_LINK.search(window)
        inbox = _inbox(window[: end.start() if end else None])
        if inbox is not None:
            yield start, inbox
        start = text.find("://" + host + "/", begin)


def _inbox(path: str) -> Inbox | None:
    steps = path.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0].split("/")
    for word, kind in (("dossiers", InboxKind.DOSSIER), ("procedures", InboxKind.DEMARCHE)):
        if word in steps[:-1]:
            figures = steps[steps.index(word) + 1].rstrip(".,;:)]")
            if figures.isascii() and figures.isdigit() and len(figures) <= 10 and 0 < int(figures) <= _MAX:
                return Inbox(kind, int(figures))
    return None
