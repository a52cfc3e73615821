"""What must not leave: agents' own addresses, and the signed addresses of other people, however they are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.mail.views import View, plain, views, words

_ATEXT = frozenset(".!#$%&'*+/=?^_`{|}~-")
_MARKUP = frozenset("*~=|{}/'`#!?&$^")  # allowed in an address, but rather beside it: `*bold*`, `?to=`
_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 255
_FEW = 20
_MOST_GAPS = 8  # beside an `@`: more than anybody's program puts into an address


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is looked for, and by what it is replaced.

    `replacement`: what stands for an address, in lower case; None leaves it. It is asked for addresses of `domains`
    alone. `signed`: the stretches of a text that are tokens, with what belongs to them; `instead` stands for those.
    `leads`: how the addresses begin that hold no token and are replaced; None where they may begin with anything.
    """

    replacement: Callable[[str], str | None]
    domains: Collection[str]
    signed: Callable[[str], Iterable[tuple[int, int]]]
    instead: str
    leads: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A stretch of a text, and what is to stand there."""

    start: int
    end: int
    instead: str


def scrub(text: str, secrets: Secrets) -> str:
    """The text without them, linear in its length.

    What touches an address without belonging to it (`*bold*`, `_underlined_`, the next sentence) doesn't hide it, nor
    does what mail programs make of one (`gateway.mail.views`).
    """
    text = _replaced(text, _addresses(plain(text), secrets))
    if not tells(text, secrets):
        return text
    return _replaced(text, (found for view in views(text) for found in _all(view, secrets)))


def tells(text: str, secrets: Secrets) -> bool:
    """May any of them stand in the text, however it is written? Nothing escapes this look, and it costs little."""
    return any(_told(word, secrets) for word in words(text))


def named(text: str, domains: Collection[str], note: Callable[[str], None]) -> None:
    """Note each address of these domains that `scrub` may ask of, however it is written. Nothing is replaced."""
    asked = Secrets(note, domains, _no_stretch, "")
    _ask(plain(text), asked)
    if tells(text, replace(asked, replacement=lambda _: "")):
        for view in views(text):
            _ask(view, asked)


def _no_stretch(_: str) -> tuple[()]:
    return ()


def _ask(view: View, secrets: Secrets) -> None:
    for _ in _addresses(view, secrets):
        raise AssertionError("nothing was to be replaced")


def _told(word: str, secrets: Secrets) -> bool:
    """Is one in a text without blanks? So where an address begins and ends in it isn't known."""
    if next(iter(secrets.signed(word)), None) is not None:
        return True
    at = word.find("@") if _near(word, secrets.domains) else -1
    while at >= 0:
        after = word[at + 1 : _end(word, at)].lower()
        domains = [after[:end] for end in range(len(after), 0, -1) if after[:end] in secrets.domains]
        if domains and _told_at(word[max(0, at - _LONGEST_LOCAL) : at].lower(), domains, secrets):
            return True
        at = word.find("@", at + 1)
    return False


def _near(text: str, domains: Collection[str]) -> bool:
    """May an address of these stand in the text? A look for each of a few takes less than one at every sign."""
    low = text.lower()
    return len(domains) > _FEW or any(f"@{domain}" in low for domain in domains)


def _told_at(before: str, domains: Sequence[str], secrets: Secrets) -> bool:
    """Is it an address that one of these may be the end of?"""
    starts = _begun(before, secrets.leads)
    addresses = (f"{before[start:]}@{domain}" for domain in domains for start in starts)
    return any(secrets.replacement(address) is not None for address in addresses)


def _begun(before: str, leads: tuple[str, ...] | None) -> Iterable[int]:
    """Where an address may begin in what stands before its `@`. To try everywhere takes minutes for a large file."""
    if leads is None:
        return range(len(before))
    return [found.start() for lead in leads for found in re.finditer(re.escape(lead), before)]


def _replaced(text: str, every: Iterable[_Found]) -> str:
    pieces: list[str] = []
    copied = 0
    for found in _apart(every):
        pieces += (text[copied : found.start], found.instead)
        copied = found.end
    return "".join((*pieces, text[copied:]))


def _all(view: View, secrets: Secrets) -> Iterator[_Found]:
    for start, end in secrets.signed(view.text):
        yield _Found(*view.span(start, end), secrets.instead)
    yield from _addresses(view, secrets)


def _apart(every: Iterable[_Found]) -> list[_Found]:
    """In their order; what overlaps is one stretch."""
    apart: list[_Found] = []
    for found in sorted(every, key=lambda found: (found.start, -found.end)):
        if apart and found.start < apart[-1].end:
            apart[-1] = replace(apart[-1], end=max(apart[-1].end, found.end))
        else:
            apart.append(found)
    return apart


# --- addresses -------------------------------------------------------------------------------------------


def _addresses(view: View, secrets: Secrets) -> Iterator[_Found]:
    text, beyond = view.text, 0
    at = text.find("@") if _near(text, secrets.domains) else -1
    while at >= 0:
        for start, end in _candidates(view, at, beyond, secrets.domains):
            instead = secrets.replacement(text[start:end].lower())
            if instead is not None:
                yield _Found(*view.span(start, end), instead)
                beyond = end
                break
        at = text.find("@", max(at + 1, beyond))


def _candidates(view: View, at: int, lowest: int, domains: Container[str]) -> Iterator[tuple[int, int]]:
    """Where the address around the `@` at `at` may begin and end, the longest first."""
    text = view.text
    end = _end(text, at)
    if end == at + 1:
        return
    ends = [end, *reversed(view.gaps_within(at + 2, end)[:_MOST_GAPS])]
    if (dot := text.rfind(".", at + 1, end)) > 0 and "." in text[at + 1 : dot]:
        ends.append(dot)  # « …@mairie.example.Merci »
    fitting = [stop for stop in dict.fromkeys(ends) if text[at + 1 : stop].lower() in domains]
    for stop in fitting:
        for start in _starts(view, at, lowest):
            yield start, stop


def _starts(view: View, at: int, lowest: int) -> Iterator[int]:
    text, first = view.text, at
    while first > lowest and at - first < _LONGEST_LOCAL and (text[first - 1].isalnum() or text[first - 1] in _ATEXT):
        first -= 1
    if first < at:
        yield first
    leading = True
    for start in range(first + 1, at):
        leading = leading and text[start - 1] in _ATEXT
        if leading or text[start - 1] in _MARKUP:
            yield start
    yield from view.gaps_within(first + 1, at - 1)[-_MOST_GAPS:]


def _end(text: str, at: int) -> int:
    end = at + 1
    while end < len(text) and end - at < _LONGEST_DOMAIN and (text[end].isalnum() or text[end] in ".-"):
        end += 1
    while end > at + 1 and text[end - 1] in ".-":  # the full stop of a sentence is no part of the address
        end -= 1
    return end
