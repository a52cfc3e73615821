"""Message-IDs as they really come (RFC 5322 §3.6.4): folded, unbracketed, commented, quoted, encoded, repeated.

Ids are kept without angle brackets and without white space, in their own case: programs compare them octet by octet,
and what we cite must be what they wrote.

What can't name one mail is no id, so that it joins no strangers: what is too long or half an address, a « yes » typed
at a prompt, a program's « undefined », the address of someone who takes part in the mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.mail.headers import Head, decoded

MAX_REFERENCES = 100
MAX_ID = 998  # octets: what fits into a line (RFC 5322 §2.1.1), and into an index of every engine
MIN_WITHOUT_DOMAIN = 16  # some programs write ids without an "@"; people write « yes »
MIN_WITHOUT_DIGIT = 20  # outside brackets: what is shorter, and has no digit, is a person's address
_UNSET = frozenset(("null", "undefined", "none", "nil", "unknown"))
_BRACKETED = re.compile(r"<([^<>]*)>?")  # one that isn't closed ends where the next begins, or with the field
_SPACE = re.compile(r"\s+")
_COMMENT = re.compile(r"\([^()<>]*\)")
_SEPARATOR = re.compile(r"[\s,;<>\"']+")
_BETWEEN_ADDRESSES = re.compile(r"[\s<>()\[\],;:\"]+")
_PEOPLE = ("from", "sender", "reply-to", "to", "cc")
# A server that gives a mail another id keeps the one that its author's own copy bears, and later mails cite; and in
# some reports it's the id of the mail that they are about.
_FORMER = ("x-microsoft-original-message-id", "x-google-original-message-id", "x-original-message-id")


def message_id(head: Head) -> str:
    """The mail's own id, or "" where it has none that could name it."""
    value = decoded(head.value("message-id"))
    found = _bracketed(value) or _bare(value)
    return found[0] if found else ""


def in_reply_to(head: Head) -> tuple[str, ...]:
    """The ids the mail says it answers, in their order.

    Where some stand in brackets, the other words are a phrase: « Your message of "Tue, 3 Feb" <id> ».
    """
    values = [decoded(value) for value in head.values("in-reply-to")]
    found = _bounded(i for value in values for i in _bracketed(value) or _bare(value))
    people = _people(head) if found else frozenset()
    return tuple(i for i in found if i.lower() not in people)


def references(head: Head) -> tuple[str, ...]:
    """The ids of the mail's ancestors, oldest first, and before them its own former one.

    Of more than 100 the first and last 50: where the thread began, and what was answered. Those in between are cited
    by the mails in between.
    """
    values = [decoded(value) for value in head.values("references")]
    own = message_id(head)
    former = (i for name in _FORMER for value in head.values(name) for i in _bracketed(value) if i != own)
    return _bounded((*former, *(i for value in values for i in _mixed(value))))


def loose(cited: Iterable[str], head: Head) -> tuple[str, ...]:
    """Those of the cited ids which stand nowhere in brackets: words that look like ids, and may be none."""
    if not cited:
        return ()
    values = [*head.values("in-reply-to"), *head.values("references")]
    if all(value.startswith("<") and value.count("<") == value.count("@") for value in values):
        return ()
    firm = {i for value in values for i in _bracketed(decoded(value))}
    return tuple(i for i in cited if i not in firm)


def _bounded(ids: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(ids))
    half = MAX_REFERENCES // 2
    return found if len(found) <= MAX_REFERENCES else (*found[:half], *found[-half:])


def _bracketed(value: str) -> list[str]:
    """All ids of a field that stand in angle brackets."""
    matches = _BRACKETED.finditer(_unescaped(value))
    return [i for match in matches if (i := _clean(match[1]))]


def _bare(value: str) -> list[str]:
    """All words of a field that look like an id. One that stands alone may be without an "@"."""
    words = [word for word in _SEPARATOR.split(_COMMENT.sub(" ", value)) if word]
    likely = [word for word in words if len(words) == 1 or "@" in word]
    return [i for word in likely if (i := _clean(word)) and _like_an_id(i)]


def _mixed(value: str) -> list[str]:
    """Ids with brackets and without, in their order: clients copy what they find in a parent's In-Reply-To."""
    value = _unescaped(value)
    if "<" not in value:
        return _bare(value)
    found, last = [], 0
    for match in _BRACKETED.finditer(value):
        found += [*_with_domain(value[last : match.start()]), _clean(match[1])]
        last = match.end()
    return [i for i in (*found, *_with_domain(value[last:])) if i]


def _with_domain(value: str) -> list[str]:
    return [i for i in _bare(value) if "@" in i] if "@" in value else []


def _unescaped(value: str) -> str:
    """Some webmails escape the brackets as in HTML."""
    return value.replace("&lt;", "<").replace("&gt;", ">") if "&" in value else value


def _clean(text: str) -> str:
    """An id without its white space, or "" for what is none."""
    stripped = text.strip()
    identifier = _SPACE.sub("", stripped)
    local, at, domain = identifier.rpartition("@")
    if not identifier.isprintable() or len(identifier.encode()) > MAX_ID or local.lower() in _UNSET:
        return ""
    if at:
        return identifier if local and domain else ""
    return identifier if identifier == stripped and len(identifier) >= MIN_WITHOUT_DOMAIN else ""


def _like_an_id(identifier: str) -> bool:
    local = identifier.rpartition("@")[0] or identifier
    return len(local) >= MIN_WITHOUT_DIGIT or any(c.isdigit() for c in local)


def _people(head: Head) -> frozenset[str]:
    """The addresses of everyone who takes part: « In-Reply-To: X <x@y>'s message of … » names its author too."""
    fields = (value.lower() for name in _PEOPLE for value in head.values(name))
    return frozenset(word for value in fields for word in _BETWEEN_ADDRESSES.split(value) if "@" in word)
