"""The many ways in which programs and people write an address, and what a reader makes of them again."""

from __future__ import annotations

import html
import itertools
import quopri
import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

Form = Callable[[str], str]
_INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e", "\u202c")


def broken(by: str, *places: int) -> Form:
    """Something in the middle of it, at some places of the whole."""

    def form(address: str) -> str:
        cuts = [0, *sorted({len(address) * place // 100 for place in places}), len(address)]
        return by.join(address[start:end] for start, end in itertools.pairwise(cuts))

    return form


def _at(instead: str) -> Form:
    return lambda address: address.replace("@", instead)


def _escaped(pattern: str) -> Form:
    return lambda address: re.sub(r"[^A-Za-z0-9]", lambda found: pattern.format(ord(found[0])), address)


ENCODED: tuple[Form, ...] = (
    lambda address: address,
    str.upper,
    str.title,
    lambda address: quote(address, safe=""),
    lambda address: quote(quote(address, safe=""), safe=""),
    lambda address: "".join(f"%{ord(letter):02x}" for letter in address),
    _escaped("&#{};"),
    _escaped("&#x{:x};"),
    _escaped("&amp;#{};"),
    lambda address: address.replace("+", "&plus;").replace("@", "&commat;").replace(".", "&period;"),
    lambda address: "".join(f"&#{ord(letter)};" for letter in address),
    _escaped("={:02X}"),
    lambda address: "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in address),
    _at("\uff20"),
    _at(" @ "),
    _at(" (at) "),
    _at("[AT]"),
    lambda address: re.sub(r"\.", " . ", address),
)
BROKEN: tuple[Form, ...] = (
    lambda address: address,
    *(broken(by, place) for by in ("\n", "\r\n> ", "\n> > ", "=\n", "\n    ") for place in (35, 50, 65)),
    *(broken(mark, 40, 60) for mark in _INVISIBLE),
    broken("\u00a0", 50),
    broken(" \n>  ", 45),
    broken("\t", 55),
    broken("\n| ", 40, 60),
)
AROUND: tuple[str, ...] = (
    "{}",
    "<{}>",
    "mailto:{}?subject=Re",
    "*{}*",
    "[{}](mailto:x)",
    "https://x.example/?to={}&n=1",
    '"{}",',
    "({}).",
)


def forms() -> Iterator[Form]:
    """Every way to write it, broken in every way, each in a setting of its own."""
    settings = itertools.cycle(AROUND)
    for encoded, parted in itertools.product(ENCODED, BROKEN):
        yield _set(encoded, parted, next(settings))


def _set(encoded: Form, parted: Form, setting: str) -> Form:
    return lambda address: setting.replace("{}", parted(encoded(address)))


def spelt() -> Iterator[Form]:
    """Letter by letter: what only hides a token, since no two words of a text are told apart in it."""
    yield from (by.join for by in (" ", "\n", *_INVISIBLE))


def readable(text: str) -> str:
    """What somebody with patience gets out of a text: lines joined or not, escapes undone, only letters left."""
    joined = re.sub(rf"=\r?\n|\s+[>|\s]*|[{''.join(_INVISIBLE)}]", "", text)
    return f"{_bare(text)} {_bare(joined)}"


def _bare(text: str) -> str:
    for _ in range(4):
        text = quopri.decodestring(html.unescape(unquote(text)).encode("utf-8", "replace")).decode("utf-8", "replace")
    text = re.sub(r"[\[(]at[\])]", "@", unicodedata.normalize("NFKC", text), flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9@]", "", text.lower())
