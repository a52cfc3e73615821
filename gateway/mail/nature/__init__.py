"""Who or what wrote a mail: a person, or a machine of which kind, and the rule that tells.

The rules stand in the order in which they are asked; the first that answers counts. To take a person for a machine is
the worse error: what people's mail carries too proves nothing.

evidence   what the rules look at, and how they answer
reported   bounces, delays, receipts; what postmasters are sent
challenge  those who ask the sender to prove themselves
automatic  automatic answers, other desks, calendars, lists
absence    absence messages that nothing marks
words      the words of all of them, in every language (with words_reports, words_absence)
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.mail import notices
from gateway.mail.nature import absence, automatic, challenge, reported
from gateway.mail.nature.evidence import Evidence, Judgement
from gateway.model import Nature

__all__ = ["Evidence", "Judgement", "judge"]


def judge(evidence: Evidence) -> Judgement:
    """The first rule that answers; a person, where none does."""
    for rule in _RULES:
        judgement = rule(evidence)
        if judgement is not None:
            return judgement
    return Judgement(Nature.PERSON, "nothing in it says that a machine wrote it")


_OUR_ID = re.compile(r"[0-9]{1,12}\.[a-z2-7]{32}")  # gateway.mail.tokens.message_id


def _echo(e: Evidence) -> Judgement | None:
    """Our own mail come back: its author is in our domain, and its Message-ID is one as we write them.

    The domain alone isn't enough: an agent may have her address there.
    """
    local, _, domain = e.message_id.lower().rpartition("@")
    if not e.domain or domain != e.domain.lower() or not _OUR_ID.fullmatch(local):
        return None
    if not e.author.address.endswith("@" + domain):
        return None
    return Judgement(Nature.ECHO, f"From and Message-ID are ours, of {domain}")


def _platform(e: Evidence) -> Judgement | None:
    """A notice of the platform that we stand beside, sent or forwarded to us by a rule."""
    because = notices.by_platform({field.name for field in e.head.fields}, e.author.address, e.text)
    return Judgement(Nature.PLATFORM, because) if because else None


_RULES: tuple[Callable[[Evidence], Judgement | None], ...] = (
    _echo,
    reported.feedback,
    reported.status_report,
    reported.receipt,
    reported.notified,
    reported.in_words,
    _platform,
    automatic.calendar,
    challenge.challenge,
    automatic.acknowledgement,
    automatic.declared,
    absence.absence_subject,
    automatic.bulk,
    absence.absence_text,
    automatic.robot,
    automatic.null_sender,
)
