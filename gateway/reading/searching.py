"""The files of a mail, searched for what they mustn't tell: signed addresses, and those of agents.

By how these look, since whoever searches holds neither keys nor the directory: what looks like one is told, and the
daemon knows which are (`gateway.private`). Runs in a worker, a command or a test; the daemon never imports it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from gateway.mail import charsets, tokens
from gateway.mail.contents import MAILS, contents
from gateway.mail.headers import split
from gateway.mail.parts import decoded, tree, with_lines
from gateway.mail.scrub import Secrets, named, tells
from gateway.mail.views import without_tags
from gateway.reading.question import Search, Suspects

_MAX_LEVELS = 4  # mails in mails
_BLOCK = 100_000  # characters that are searched at a time: memory stays small, and time is looked at between
_OVERLAP = 4_000  # of them that are searched with both: what would be found is shorter, blanks and tags included
MOST = 10_000  # suspects of a file: they are judged one by one


class _Enough(Exception):
    """There is more that is suspect than is told."""


def searched(raw: bytes, search: Search) -> tuple[Suspects, ...]:
    """What is suspect in each of the files, in their order. Those that there is no time for aren't whole."""
    until = time.process_time() + search.seconds
    return tuple(_of(data, search, lambda: time.process_time() > until) for data in contents(raw, search.parts))


def _of(data: bytes, search: Search, over: Callable[[], bool]) -> Suspects:
    signed: dict[str, None] = {}
    addresses: dict[str, None] = {}
    try:
        for text in _blocks(data):
            if over():
                return Suspects(whole=False)
            _note_signed(text, search, _noting(signed))
            if search.domains:
                named(text, search.domains, _noting(addresses))
    except _Enough:
        return Suspects(tuple(signed), tuple(addresses), whole=False)
    return Suspects(tuple(signed), tuple(addresses))


def _noting(found: dict[str, None]) -> Callable[[str], None]:
    def note(suspect: str) -> None:
        found[suspect] = None
        if len(found) > MOST:
            raise _Enough

    return note


def _note_signed(text: str, search: Search, note: Callable[[str], None]) -> None:
    """Note what `scrub.tells` would ask of, had it the keys."""

    def signed(word: str) -> tuple[()]:
        for start, end in tokens.looking_so(word, search.key_ids):
            note(word[start:end])
        return ()

    tells(text, Secrets(note, (search.domain,), signed, "", search.leads))


# --- what a file says -------------------------------------------------------------------------------------


def _blocks(data: bytes) -> Iterator[str]:
    """All that a file says, some of it at a time, with HTML's tags and without."""
    for text in _texts(data):
        for start in range(0, len(text), _BLOCK):
            block = text[start : start + _BLOCK + _OVERLAP]
            yield block
            if "<" in block:
                yield without_tags(block)


def _texts(data: bytes, level: int = 0) -> Iterator[str]:
    """All that a file says to whoever opens it: its octets, as letters, and the parts of a mail."""
    if not data or level > _MAX_LEVELS:
        return
    wide = (charsets.decode(data, "utf-16"),) if b"\0" in data else ()
    yield from (charsets.decode(data.replace(b"\0", b""), "utf-8"), *wide)
    mail = with_lines(data)
    parts = tree(mail, split(mail)).parts
    if len(parts) > 1 or parts[0].head.has("content-transfer-encoding") or parts[0].type in MAILS:
        for part in parts:
            if not part.multipart:
                yield from _texts(decoded(mail, part), level + 1)
