"""Links as they come through other hands: wrapped over lines, percent-encoded, rewritten by filters and trackers.

A filter's link holds its target where one can see it (Safe Links, URL Defense, Barracuda, Mailinblack, Mailjet …), or
hides it behind a number (Brevo, Mimecast): such a one says nothing, and nothing is fetched to find out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote

_SCHEME = r"https?(?::|%3A)(?:/|%2F){2}"
_REST = r"[^\s<>\"'«»“”\u200b]"
_LONGEST = 4_000  # characters; Safe Links take about a thousand
_WRAPPED_AT = 60  # a shorter line wasn't ended by a program
_QUOTE = r"\n(?:> ?){0,20}[ \t]{0,4}"
# `<link>`: white space within the brackets isn't part of it (RFC 3986, appendix C).
_TO_BRACKET = re.compile(rf"(?:{_QUOTE}[^\s<>\"]{{1,300}}){{1,8}}>")
_TO_SPACE = re.compile(rf"(?:{_QUOTE}[^\s<>\"]{{30,300}}(?=\n)){{0,7}}{_QUOTE}[^\s<>\"]{{1,300}}")
_ON_NEXT_LINE = re.compile(_QUOTE)

_ROUNDS = 3  # of percent-encoding: a filter's link within another's
_PROOFPOINT_2 = re.compile(r"/v2/url\?(?:[^&]{1,1000}&){0,8}?u=([^&]{1,4000})", re.IGNORECASE)
_PROOFPOINT_3 = re.compile(r"/v3/__(.{1,4000}?)__;", re.IGNORECASE)
# "http" in base64. In what is encoded here, "/" stands for "?" alone: nothing is lost by stopping at one.
_BASE64 = re.compile(r"(?<![A-Za-z0-9+_-])aHR0c[A-Za-z0-9+_-]{8,2000}")


def pattern(hosts: tuple[str, ...]) -> re.Pattern[str]:
    """What finds links in a text: any with a scheme, and those of `hosts` (as in a regular expression) without."""
    ours = rf"|(?<![\w.@/:=%-])(?:{'|'.join(hosts)})/{_REST}{{1,{_LONGEST}}}" if hosts else ""
    return re.compile(rf"{_SCHEME}{_REST}{{1,{_LONGEST}}}{ours}", re.IGNORECASE)


def found(text: str, links: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Each link of a text, and the same with what may be its end on the next lines ("" where nothing may).

    The end is sure in angle brackets: there only the whole link is given.
    """
    for match in links.finditer(text):
        link, end = match[0], match.end()
        if text[end : end + 1] != "\n":
            yield link, ""
        elif text[match.start() - 1 : match.start()] == "<" and (rest := _TO_BRACKET.match(text, end)):
            yield link + _unwrapped(rest[0][:-1]), ""
        elif end - (text.rfind("\n", max(0, end - _LONGEST), end) + 1) >= _WRAPPED_AT and (
            rest := _TO_SPACE.match(text, end)
        ):
            yield link, link + _unwrapped(rest[0]) if "://" not in rest[0] and _whole(text, rest) else ""
        else:
            yield link, ""


def _unwrapped(rest: str) -> str:
    return _ON_NEXT_LINE.sub("", rest)


def _whole(text: str, rest: re.Match[str]) -> bool:
    """Does the end look like a link's: alone on its line, or with a link's signs? Not « 12 rue des Lilas »."""
    last = rest[0][rest[0].rfind("\n") :].lstrip("\n> \t")
    return text[rest.end() : rest.end() + 1] in ("", "\n") or not {"/", "?", "=", "%"}.isdisjoint(last)


def targets(link: str) -> Iterator[str]:
    """The link, and all that it can be read as."""
    yield link
    decoded = link
    for _ in range(_ROUNDS):
        if "%" not in decoded or (once_more := unquote(decoded)) == decoded:
            break
        decoded = once_more
        yield decoded
    for written in dict.fromkeys((link, decoded)):
        for match in _PROOFPOINT_2.finditer(written):
            yield unquote(match[1].replace("-", "%").replace("_", "/"))
        for match in _PROOFPOINT_3.finditer(written):
            yield match[1]
        for match in _BASE64.finditer(written):
            yield _from_base64(match[0])


def _from_base64(written: str) -> str:
    whole = written[: len(written) - (len(written) % 4 == 1)].replace("+", "-")
    try:
        octets = base64.urlsafe_b64decode(whole + "=" * (-len(whole) % 4))
    except (binascii.Error, ValueError):
        return ""
    return octets.decode("ascii", "replace")
