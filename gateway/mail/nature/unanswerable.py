"""What nothing automatic may answer, though a person may have written it (RFC 3834 §2).

Where it proves nothing of who wrote it, the mail is a person's all the same: only no machine of ours answers.
"""

from __future__ import annotations

import re

from gateway.mail.nature import words
from gateway.mail.nature.automatic import ours
from gateway.mail.nature.evidence import Evidence

_PRECEDENCES = ("bulk", "list", "junk")
# Who reads there isn't who wrote: programs, and the owners of lists.
_OFFICE = re.compile(
    r"owner-.*|.*-(?:owner|request|bounces?|confirm|leave|unsubscribe)|(?:.*-)?bounces?[+=-].*"
    r"|bounces?|mailer[-_]?daemon|double-bounce|majordomo|listserv|sympa|mailman|nobody|www-data|root"
)


def unanswerable(e: Evidence) -> str:
    """Why, or "" where it may be answered."""
    return _through_a_list(e) or _asked_not_to(e) or _nobodys(e)


def _through_a_list(e: Evidence) -> str:
    """Its members would get the answer; but what comes through a contact address that is a list is its writers'."""
    if any(ours(e, e.head.value(name)) for name in ("list-id", "list-post")):
        return ""
    field = next((field.name for field in e.head.fields if field.name.startswith("list-")), "")
    if field:
        return f"{field}: it came through a list"
    precedence = e.head.value("precedence").lower()
    return f"precedence: {precedence}" if precedence in _PRECEDENCES else ""


def _asked_not_to(e: Evidence) -> str:
    wanted = re.split(r"[\s,;]+", e.head.value("x-auto-response-suppress")[:300].lower())
    if {"all", "autoreply"} & set(wanted):
        return "x-auto-response-suppress: its sender wants no automatic answer"
    return "x-loop: it is to go no further" if e.head.has("x-loop") else ""


def _nobodys(e: Evidence) -> str:
    """By its author's address, or by that to which its errors go."""
    sender = (e.envelope_sender or "").lower()
    own = bool(e.domain) and f".{sender.rpartition('@')[2]}".endswith(f".{e.domain.lower()}")
    for address in (e.author.address, "" if own else sender):
        local = address.rpartition("@")[0][:300]
        if local and (_OFFICE.fullmatch(local) or words.ROBOT_ADDRESS.match(address)):
            return f"{local}@ is no person's address"
    return ""
