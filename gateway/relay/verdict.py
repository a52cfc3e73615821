"""What the answers of a server come to, for a mail and for all that come after it (RFC 5321 §4.2, RFC 3463). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.model import DeliveryState, Problem
from gateway.relay.dialogue import Reply

CLOSING = 421
_GO_ON = 354
_UNPROVEN = frozenset({530, 534, 535, 538})  # it wants us to log in (RFC 4954 §6)
_POSTPONED = re.compile(r"4\.(?:3\.[012]|7)")  # at the end of a mail: the server is full or stopping, or slows us
# What servers say to us and not to this mail, most of them only at RCPT: they don't relay for us, or for this sender.
_NOT_FOR_US = re.compile(
    r"relay(?:ing)? (?:access )?(?:denied|not (?:allowed|permitted)|prohibited)|(?:unable|not permitted) to relay"
    r"|(?:sender address|client host|helo command) rejected|authentication (?:is )?required|not authenticated"
)
# But they may repeat what somebody else's server said to them, who could hold up all mail that way.
_OF_THE_RECIPIENT = re.compile(r"recipient|said:|\b5\.1\.[0-6]\b")


class Stage(Enum):
    """Where in a mail's transaction a server answers; the first three are its envelope."""

    MAIL = 0
    RCPT = 1
    DATA = 2
    END = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wide`: every other mail would meet the same. `in_step`: the connection can be used for the next one.

    `problem`: what went wrong, where that isn't the server's word.
    """

    state: DeliveryState
    words: str
    wide: bool = False
    in_step: bool = True
    problem: Problem | None = None


BROKEN = Problem("delivery_broken")  # where no answer came


def of_envelope(replies: Sequence[Reply], broken: str, *, peculiar: bool) -> Verdict | None:
    """What the answers to MAIL, RCPT and DATA come to; None where the server waits for the mail.

    `broken`: why some are missing. `peculiar`: the mail asks for something at MAIL that others don't, and may be
    refused for it alone.
    """
    for stage, reply in zip(Stage, replies, strict=False):
        if not _is_fine(stage, reply):
            return _refused(stage, reply, peculiar=peculiar, waited_for=_awaits_mail(replies))
    if broken:
        return Verdict(DeliveryState.DEFERRED, broken, wide=not replies, in_step=False, problem=BROKEN)
    return None


def of_mail(reply: Reply) -> Verdict:
    """What the answer to the mail itself comes to.

    Only its first digit counts (RFC 5321 §4.2): any 2xx is a mail taken, never to be sent again.
    """
    if 200 <= reply.code < 300:
        return Verdict(DeliveryState.SENT, str(reply))
    if 400 <= reply.code < 600:
        return _refused(Stage.END, reply, peculiar=True)
    return Verdict(DeliveryState.UNKNOWN, f"{reply.code} is no answer to a mail", in_step=False, problem=BROKEN)


def is_over(replies: Sequence[Reply], broken: str) -> bool:
    """Had the server ended the connection before this mail was begun?"""
    return replies[0].code == CLOSING if replies else bool(broken)


def _is_fine(stage: Stage, reply: Reply) -> bool:
    return reply.code == _GO_ON if stage is Stage.DATA else reply.code in {250, 251}


def _awaits_mail(replies: Sequence[Reply]) -> bool:
    """Some say 354 also where they took no recipient (RFC 2920 §3.1)."""
    return len(replies) > Stage.DATA.value and replies[Stage.DATA.value].code == _GO_ON


def _refused(stage: Stage, reply: Reply, *, peculiar: bool, waited_for: bool = False) -> Verdict:
    """4xx is « later », 5xx is « no »; where we are refused, it is « later » for all until that is mended."""
    in_step = 400 <= reply.code < 600 and reply.code != CLOSING and not waited_for
    for_good = 500 <= reply.code < 600
    if for_good and _is_ours(stage, reply, peculiar=peculiar):
        return Verdict(DeliveryState.DEFERRED, str(reply), wide=True, in_step=in_step)
    if for_good:
        return Verdict(DeliveryState.REFUSED, str(reply), in_step=in_step)
    return Verdict(DeliveryState.DEFERRED, str(reply), _holds_all_up(stage, reply), in_step)


def _is_ours(stage: Stage, reply: Reply, *, peculiar: bool) -> bool:
    """Is it us whom the server refuses, our sender or our login, and not this mail?"""
    if stage is Stage.MAIL:
        return not peculiar
    if reply.code in _UNPROVEN:
        return True
    said = reply.text.lower()
    return stage is not Stage.END and bool(_NOT_FOR_US.search(said)) and not _OF_THE_RECIPIENT.search(said)


def _holds_all_up(stage: Stage, reply: Reply) -> bool:
    """Does a « later » speak of the server, and not of this mail or its recipient?"""
    if reply.code == CLOSING:
        return True
    match stage:
        case Stage.MAIL:
            return 400 <= reply.code < 500
        case Stage.RCPT:
            return False
        case _:
            return bool(_POSTPONED.match(reply.text))
