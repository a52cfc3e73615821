"""Message-IDs as they really come (RFC 5322 §3.6.4): folded, unbracketed, commented, quoted, repeated.

Ids are kept without angle brackets and without white space, in their own case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.mail.headers import Head, decoded

MAX_REFERENCES = 100
MAX_ID = 998
MIN_BARE_ID = 16  # without an "@": some programs write such ids, and people write « yes »
_BRACKETED = re.compile(r"<([^<>]*)>")
_SPACE = re.compile(r"\s+")
_COMMENT = re.compile(r"\([^()<>]*\)")
_SEPARATOR = re.compile(r"[\s,;<>\"]+")


def message_id(head: Head) -> str:
    """The mail's own id, or "" where it has none that could name it."""
    found = _ids(head.value("message-id"))
    return found[0] if found else ""


def in_reply_to(head: Head) -> tuple[str, ...]:
    """The ids the mail says it answers, in their order."""
    return _bounded(i for value in head.values("in-reply-to") for i in _ids(value))


def references(head: Head) -> tuple[str, ...]:
    """The ids of the mail's ancestors, oldest first; of more than 100 the first and last 50."""
    return _bounded(i for value in head.values("references") for i in _ids(value))


def _bounded(ids: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(ids))
    half = MAX_REFERENCES // 2
    return found if len(found) <= MAX_REFERENCES else (*found[:half], *found[-half:])


def _ids(value: str) -> list[str]:
    """All plausible ids of one field value: those in brackets, else the words that look like one."""
    value = decoded(value)
    found = [i for i in map(_clean, _BRACKETED.findall(value)) if i]
    if found:
        return found
    return [i for i in map(_clean, _SEPARATOR.split(_COMMENT.sub(" ", value))) if "@" in i]


def _clean(text: str) -> str:
    """An id without its white space, or "" for a bogus one: too long, half an address, a typed « yes »."""
    text = _SPACE.sub("", text).strip("<>")
    local, at, domain = text.rpartition("@")
    if len(text) > MAX_ID or not text.isprintable():
        return ""
    usable = local and domain if at else len(text) >= MIN_BARE_ID
    return text if usable else ""
