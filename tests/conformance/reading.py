"""C3: subjects, authors, bodies and attachments, as six projects state them of their own test mails.

Texts are compared by their letters and digits: line breaks, punctuation and what a link or an image becomes are a
matter of taste. What another project shows as text may be an attachment here, and the other way round: what counts is
that the content is found.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

from gateway.mail import charsets
from gateway.mail.bodies import body
from gateway.mail.contents import content
from gateway.mail.headers import split
from gateway.mail.parts import tree
from gateway.mail.read import read
from gateway.model import Attachment, Mail
from tests import corpora
from tests.conformance import stated
from tests.conformance.figure import Case, Figure, figure
from tests.conformance.stated import File, Stated

_LINK = re.compile(r"<[a-z]+:[^<>\s]{1,4000}>|\[[^\[\]\n]{0,300}\]", re.IGNORECASE)


def figures() -> tuple[Figure, ...]:
    """The four figures of C3."""
    return (
        figure("C3-subjects", "stated subjects", 0.99, _cases(_subject)),
        figure("C3-authors", "stated authors", 0.99, _cases(_author)),
        figure("C3-bodies", "stated bodies", 0.99, _cases(_bodies)),
        figure("C3-attachments", "stated attachments", 0.99, _cases(_files)),
    )


def _cases(judge: Callable[[Stated, bytes, Mail], Iterator[tuple[bool, str]]]) -> Iterator[Case]:
    for one in stated.stated():
        raw, mail = _read(one.file)
        for n, (right, detail) in enumerate(judge(one, raw, mail)):
            yield Case(f"{one.file}#{n}" if n else one.file, right, "" if right else detail)


@cache
def _read(name: str) -> tuple[bytes, Mail]:
    raw = (corpora.folder() / name).read_bytes()
    return raw, read(raw)


def _told(wanted: object, found: object) -> str:
    return f"stated {str(wanted)[:300]!r}, read {str(found)[:300]!r}"


def _subject(one: Stated, _: bytes, mail: Mail) -> Iterator[tuple[bool, str]]:
    if one.subject is not None:
        pieces = ["".join(piece.split()) for piece in one.subject.split("\ufffd")]
        same = re.fullmatch(".{1,2}".join(map(re.escape, pieces)), "".join(mail.subject.split())) is not None
        yield same, _told(one.subject, mail.subject)


def _author(one: Stated, _: bytes, mail: Mail) -> Iterator[tuple[bool, str]]:
    if one.author is not None:
        address, name = one.author
        same = address is None or address.lower() == mail.author.address
        named = name is None or "".join(name.split()) == "".join(mail.author.name.split())
        yield same and named, _told(one.author, (mail.author.address, mail.author.name))


def _letters(text: str) -> str:
    return "".join(re.findall(r"[^\W_]+", _LINK.sub(" ", text)))


def _bodies(one: Stated, raw: bytes, mail: Mail) -> Iterator[tuple[bool, str]]:
    for text in one.texts:
        said = (text, stated.words_of(text))  # a text may be stated with its markup
        yield any(_in(form, found) for found in _readings(raw, mail) for form in said), _told(text, mail.text)


def _in(stated_text: str, text: str) -> bool:
    """Where a statement holds replacement characters, what was there isn't stated."""
    letters = _letters(text)
    if "\ufffd" not in stated_text:
        return _letters(stated_text) in letters
    at = 0
    for piece in filter(None, map(_letters, stated_text.split("\ufffd"))):
        at = letters.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def _readings(raw: bytes, mail: Mail) -> Iterator[str]:
    """The text; the pages beside it, which another project may have shown instead; texts that came as files."""
    yield mail.text
    for part in tree(raw, split(raw)).parts:
        if part.type == "text/html":
            yield body(raw, (replace(part, parent=-1),)).text
    for attachment in mail.attachments:
        if attachment.type == "message/rfc822":
            yield read(content(raw, attachment.part)).text
        elif attachment.type.startswith("text/"):
            yield charsets.guess(content(raw, attachment.part))


def _files(one: Stated, raw: bytes, mail: Mail) -> Iterator[tuple[bool, str]]:
    for wanted in one.files:
        right = any(_same(wanted, found, raw) for found in mail.attachments)
        right = right or (wanted.text is not None and _letters(stated.words_of(wanted.text)) in _letters(mail.text))
        yield right, _told(wanted, [(a.name, a.type, a.size) for a in mail.attachments])


def _same(wanted: File, found: Attachment, raw: bytes) -> bool:
    """Is it the stated one? A name that we made up, where the mail gives none, isn't compared."""
    named = wanted.name is not None and not found.name.startswith("attachment-")
    if named and _bare(str(wanted.name)) != _bare(found.name):
        return False
    if wanted.type == "message/rfc822":
        return found.type == wanted.type or found.name.endswith(".eml")
    data = content(raw, found.part)
    if wanted.text is not None:
        return _letters(wanted.text) in _letters(charsets.guess(data))
    if wanted.sha256 is not None:
        return wanted.sha256 in map(_digest, _forms(data))
    return wanted.size is None or abs(wanted.size - found.size) <= 2


def _forms(data: bytes) -> Iterator[bytes]:
    """The bytes as they may be stated: themselves, in base64, or as UTF-8 with either line end."""
    yield data
    yield base64.b64encode(data)
    for label in ("utf-8", "iso-8859-1"):
        text = data.decode(label, "replace").encode()
        yield from (text, text.rstrip(b"\r\n"), text.replace(b"\r\n", b"\n"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _bare(name: str) -> str:
    """The letters and digits of a name without its folder."""
    return _letters(re.split(r"[/\\]", name)[-1].lower())
