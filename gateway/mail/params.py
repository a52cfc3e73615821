"""Structured field values: `type/subtype; name=value` (RFC 2045 §5.1) with RFC 2231's continuations.

One pass over the characters, so that no value is slow; charsets by our own list, which the standard library's
reader doesn't know.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from gateway.mail import charsets
from gateway.mail.headers import decoded

MAX_VALUE = 16_000
_PARAMETER = re.compile(r';\s*([^\s=;"]{1,80})\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CONTINUED = re.compile(r"(.+?)\*(\d{1,3})(\*?)")


def parse(value: str) -> tuple[str, dict[str, str]]:
    """(what stands before the first semicolon, in lower case; the parameters, decoded)."""
    value = value[:MAX_VALUE]
    main, _, _ = value.partition(";")
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, text in _PARAMETER.findall(value[len(main) :]):
        _sort(name.lower(), _unquoted(text), plain, pieces)
    for name, numbered in pieces.items():
        plain[name] = _continued(numbered)
    return main.strip().lower(), plain


def _unquoted(text: str) -> str:
    text = text.strip()
    if not text.startswith('"'):
        return text
    return _ESCAPED.sub(_escape, text[1:].removesuffix('"'))


def _escape(match: re.Match[str]) -> str:
    """A backslash quotes `"` and itself; elsewhere it's a Windows path, and stays."""
    return match[1] if match[1] in '"\\' else match[0]


def _sort(name: str, text: str, plain: dict[str, str], pieces: dict[str, dict[int, tuple[str, bool]]]) -> None:
    """The first value of a name counts; pieces (`name*0*`, `name*1`) and extended values are kept apart."""
    continued = _CONTINUED.fullmatch(name)
    if continued:
        pieces.setdefault(continued[1], {}).setdefault(int(continued[2]), (text, continued[3] == "*"))
    elif name.endswith("*"):
        pieces.setdefault(name[:-1], {}).setdefault(0, (text, True))
    else:
        plain.setdefault(name, _percent(decoded(text)))


_PERCENT = re.compile(r"%[89A-Fa-f][0-9A-Fa-f]")


def _percent(text: str) -> str:
    """Some webmails write RFC 2231's octets without its form: taken for that where they are UTF-8."""
    if not _PERCENT.search(text):
        return text
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        return text


_CHARSET = re.compile(r"([\w.:-]{0,60})'[\w-]{0,40}'")


def _continued(numbered: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231 §4.1: the pieces in order; the charset stands in the first one. Some cut encoded-words that way."""
    charset = "utf-8"
    data = b""
    for index, key in enumerate(sorted(numbered)):
        text, extended = numbered[key]
        if extended and (stated := _CHARSET.match(text)):
            charset = stated[1] if index == 0 else charset  # some state it again in each piece
            text = text[stated.end() :]
        data += unquote_to_bytes(text) if extended else text.encode("utf-8", "replace")
    return decoded(charsets.decode(data, charset))
