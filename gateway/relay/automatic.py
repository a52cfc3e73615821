"""When we write by ourselves to somebody who wrote, and how often (RFC 3834 §2, §3.2). Values only.

At most once to a matter, and never in answer to what our own mail caused: a robot that heeds no header is told one
thing, since its next mail answers that, says the same, or brings our own words back. Two requests of a person are two
matters. Whatever their words, nobody gets more than the limits allow.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from gateway.config.settings import Limits, Trust
from gateway.mail.subjects import base
from gateway.model import Inbox, Mail, Nature, Recalled, Verdict, Volume
from gateway.relay.plan import STALE, Due

_DAY = timedelta(days=1)
_LONGEST = 20_000  # characters that are compared
_ALIKE, _BROUGHT = 0.8, 0.9  # of all words of two mails; of those of ours
_WORD = re.compile(r"[^\W\d_]{3,}")


def acknowledgement_due(
    mail: Mail,
    recalled: Recalled,
    trust: Trust,
    limits: Limits,
    *,
    new: bool,
    inbox: Inbox,
    addressed_refused: bool,
    ours: bool,
    age: timedelta,
    envelope_sender: str | None,
    now: datetime,
) -> Due:
    """Once per conversation, to a person, never where it would tell a stranger something (RFC 3834 §2).

    `inbox`: where its conversation is; `addressed_refused`: it was sent to a dossier that doesn't admit its author;
    `ours`: the author's address is one of the gateway's own; `age`: for how long we have had it.
    """
    reasons = (
        (mail.nature is not Nature.PERSON, f"{mail.nature.value}: machines are told nothing"),
        (not new, "the conversation has begun before"),
        (envelope_sender == "", "the envelope has no sender to answer"),
        (bool(mail.unanswerable), mail.unanswerable),
        (not mail.author.sure, "its author is uncertain"),
        (age > STALE, "it came long ago: to acknowledge it now would only puzzle"),
        (ours, "its author's address is one of ours"),
        (addressed_refused, "it was sent to a dossier that doesn't admit its author: nothing is told"),
        (trust.acknowledge == "never", "the configuration wants none"),
        (mail.authentication.verdict is Verdict.FAIL, "its author's domain disowns it"),
        (
            trust.acknowledge == "authenticated" and mail.authentication.verdict is not Verdict.PASS,
            "its author isn't authenticated",
        ),
    )
    for applies, because in reasons:
        if applies:
            return Due(False, because)
    echoed = _echoed(mail, recalled, inbox)
    return Due(False, echoed) if echoed else _within(limits, recalled.volume, now)


# --- what our own mail caused ----------------------------------------------------------------------------


def _echoed(mail: Mail, recalled: Recalled, inbox: Inbox) -> str:
    """Why it looks like something that our own acknowledgement caused, "" if it doesn't.

    The same words about another dossier or demarche are another request: people copy what they wrote.
    """
    earlier = recalled.volume.to_author
    if earlier and (recalled.sent or recalled.participations):
        return "it answers a mail of ours, and its author had an acknowledgement"
    if not earlier:
        return ""
    about, own, said = _words(base(mail.subject).text), _words(mail.own or mail.text), _words(mail.text)
    for acknowledged in earlier:
        same_matter = acknowledged.inbox == inbox and _alike(about, _words(base(acknowledged.subject).text))
        if own and same_matter and _alike(own, _words(acknowledged.text)):
            return "the same words were acknowledged before"
        answered = _words(acknowledged.answer)
        if answered and len(answered & said) >= _BROUGHT * len(answered):
            return "it brings back what we acknowledged an earlier mail with"
    return ""


def _words(text: str) -> frozenset[str]:
    """Words, not figures: what a robot counts or dates stays the same mail."""
    return frozenset(_WORD.findall(text[:_LONGEST].lower()))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _ALIKE * len(one | other)


# --- how many --------------------------------------------------------------------------------------------


def _within(limits: Limits, volume: Volume, now: datetime) -> Due:
    today = sum(now - acknowledged.at < _DAY for acknowledged in volume.to_author)
    if today >= limits.acknowledgements_per_address:
        return Due(False, "this address had its number for today", "acknowledgements_per_address")
    if volume.in_a_minute >= limits.acknowledgements_per_minute:
        return Due(False, "there were too many within a minute", "acknowledgements_per_minute")
    if volume.braked:
        return Due(False, "there are far more than usual: none leave for an hour", "alarm_above")
    return Due(True, "a person opened a conversation")
