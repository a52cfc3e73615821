"""Agents are spared: whoever had all the notifications she may have is told of the rest in one mail, a little later.

Only what strangers and machines cause is held back; what a colleague does reaches her at once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gateway.decision.case import Decision
from gateway.desk.deadlines import next_gathering
from gateway.model import Direction, Draft, Filing, Kind, Message, Notice, Purpose

_Filed = tuple[Message, tuple[Draft, ...]]


def notified(decision: Decision) -> frozenset[str]:
    """The agents who would be notified of a mail from outside."""
    filed = decision.filing.messages if decision.filing else ()
    return frozenset(draft.to for one in filed for draft in _notifications(one))


def spared(decision: Decision, crowded: frozenset[str], now: datetime) -> Decision:
    """The same decision, but those who are `crowded` are told later."""
    if not crowded or decision.filing is None:
        return decision
    messages = tuple(_without(filed, crowded) for filed in decision.filing.messages)
    later = tuple(Notice(agent, next_gathering(now), digest=True) for agent in sorted(crowded))
    filing: Filing = replace(decision.filing, messages=messages, notices=(*decision.filing.notices, *later))
    return replace(decision, filing=filing, spared=tuple(sorted(crowded)))


def _notifications(filed: _Filed) -> tuple[Draft, ...]:
    message, drafts = filed
    if message.direction is not Direction.IN or message.kind not in {Kind.EXTERNAL, Kind.MACHINE}:
        return ()
    return tuple(draft for draft in drafts if draft.purpose is Purpose.NOTIFICATION)


def _without(filed: _Filed, crowded: frozenset[str]) -> _Filed:
    message, drafts = filed
    held = [draft for draft in _notifications(filed) if draft.to in crowded]
    if not held:
        return filed
    because = f"{len(held)} of its agents had too many notifications within ten minutes: told in one mail"
    kept = tuple(draft for draft in drafts if draft not in held)
    return replace(message, because=(*message.because, because)), kept
