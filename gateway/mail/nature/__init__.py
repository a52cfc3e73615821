"""Who or what wrote a mail: a person, or a machine of which kind, and the rule that tells.

The rules stand in the order in which they are asked; the first that answers counts. To take a person for a machine is
the worse error: what people's mail carries too proves nothing.

evidence   what the rules look at, and how they answer
loops      our own mail come back, what goes round in circles, other gateways
reported   bounces, delays, receipts; what postmasters are sent
challenge  those who ask the sender to prove themselves
verification  services that send a code or a link to whoever claims one of our addresses
automatic  automatic answers, other desks, calendars, lists
absence    absence messages that nothing marks
words      the words of all of them, in every language (with words_reports, words_absence)

`unanswerable` says what nothing automatic may answer, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.mail import notices
from gateway.mail.nature import absence, automatic, challenge, loops, reported, verification
from gateway.mail.nature.evidence import Evidence, Judgement
from gateway.mail.nature.loops import MOST_HOPS, hops
from gateway.mail.nature.unanswerable import unanswerable
from gateway.model import Nature

__all__ = ["MOST_HOPS", "Evidence", "Judgement", "hops", "judge", "unanswerable"]


def judge(evidence: Evidence) -> Judgement:
    """The first rule that answers; a person, where none does."""
    for rule in _RULES:
        judgement = rule(evidence)
        if judgement is not None:
            return judgement
    return Judgement(Nature.PERSON, "nothing in it says that a machine wrote it")


def _platform(e: Evidence) -> Judgement | None:
    """A notice of the platform that we stand beside, sent or forwarded to us by a rule."""
    because = notices.by_platform({field.name for field in e.head.fields}, e.author.address, e.text)
    return Judgement(Nature.PLATFORM, because) if because else None


_RULES: tuple[Callable[[Evidence], Judgement | None], ...] = (
    loops.circling,
    loops.echo,
    loops.other_gateway,
    reported.feedback,
    reported.status_report,
    reported.receipt,
    reported.notified,
    reported.in_words,
    _platform,
    automatic.calendar,
    challenge.challenge,
    verification.verification,
    automatic.acknowledgement,
    automatic.declared,
    absence.absence_subject,
    automatic.bulk,
    absence.absence_text,
    automatic.robot,
    automatic.null_sender,
)
