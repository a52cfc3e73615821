"""Base subjects: a subject without what replying, forwarding, lists and filters put around it (RFC 5256 §2.1).

Beyond the RFC, which knows « Re: » and « Fwd: » alone: the marks of the languages Europe writes, counted ones
(`Re[2]:`, `Re^2:`), any space or colon, automatic answers (« Réponse automatique : »). Two rules differ from it:

- a tag in which a number stands free names a matter ([#123], [PATCH 1/3], [dossier 45]), no list: it stays;
- a mark of one letter (R: and I: are Italian) needs a space behind its colon: `R:\\` is a drive.

What a mark hides is only ever compared with other subjects of the same people, so « I: » too many does no harm,
while a mark too few tears a conversation apart.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from gateway.mail import phrases


def _unaccented(word: str) -> str:
    """As capitals are often written: « REPONSE : », « ΑΠΑΝΤΗΣΗ: »."""
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


# « VS » is a Finn's reply (vastaus) and a Dane's or Norwegian's forward (videresendt): it's taken for both.
_REPLIES = frozenset(map(_unaccented, {*phrases.REPLY_PREFIXES, "vs", "απ", "απάντηση", "ответ"}))
_FORWARDS = frozenset(map(_unaccented, {*phrases.FORWARD_PREFIXES, "πρθ", "fs", "trs", "переслано"}))
_MARKS = _REPLIES | _FORWARDS
_MARK = re.compile(
    r"([^\s\d:()\[\]{}^*<>\"/\\_-]{1,16}?)\.? ?"  # a word, which may be cut short
    r"(?:\[[^\[\]]{1,40}\]|\(\d{1,3}\)|[\^*-]?\d{1,3})? ?:"  # its count, or a list's tag
)
_TAG = re.compile(r"\[[^\[\]]{0,80}\]|\{[^{}]{1,20}\}|\*{2,8} ?[^\s*]{1,20} ?\*{2,8}")
_FREE_NUMBER = re.compile(r"(?<![^\W\d])\d")
_FORWARDED = "(fwd)"
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Base:
    """What a subject is about. `text` is for comparison only, "" where nothing is left.

    `response`: a reply mark stood there, a person's or a machine's; `forward`: a forward's. Both may be.
    """

    text: str
    response: bool
    forward: bool


def base(subject: str) -> Base:
    """Take a decoded subject apart. `text` is case-folded, in NFKC, with single spaces."""
    text = _plain(subject)
    start, end = 0, len(text)
    kept: list[str] = []
    dropped = ""
    response = forward = False
    while start < end:
        if text[start] == " ":
            start += 1
        elif text[end - 1] == " ":
            end -= 1
        elif text.endswith(_FORWARDED, start, end):
            forward, end = True, end - len(_FORWARDED)
        elif text[start] == "[" and text[end - 1] == "]" and _mark(text, start + 1, end - 1)[1] in _FORWARDS:
            start, end = start + 1, end - 1  # [Fwd: …]
        elif tag := _TAG.match(text, start, end):
            start = tag.end()
            if _FREE_NUMBER.search(tag[0]):
                kept.append(tag[0])
            else:
                dropped = tag[0]
        else:
            after, word = _mark(text, start, end)
            if not word:
                break
            response |= word in _REPLIES
            forward |= word in _FORWARDS
            start = after
    about = " ".join(filter(None, (*kept, text[start:end])))
    if about or not dropped:
        return Base(about, response, forward)
    if dropped == text:  # a tag that is the whole text stays (RFC 5256 §2.1)
        return Base(text, response, forward)
    inner = base(dropped)  # shorter each time; [Fwd: …] may stand there, too
    return Base(inner.text, response or inner.response, forward or inner.forward)


def _plain(subject: str) -> str:
    """One case, one kind of letters, spaces and colons, nothing unseen."""
    return " ".join(unicodedata.normalize("NFKC", _UNSEEN.sub("", subject)).casefold().split())


def _mark(text: str, start: int, end: int) -> tuple[int, str]:
    """(where the subject goes on, the mark's word) if a mark begins at `start`, else (start, "")."""
    match = _MARK.match(text, start, end)
    word = _unaccented(match[1]) if match else ""
    if match and word in _MARKS and (len(word) > 1 or text.startswith(" ", match.end())):
        return match.end(), word
    absence = phrases.ABSENCE.match(text, start, end)
    return (absence.end(), "re") if absence and absence.end() < end else (start, "")
