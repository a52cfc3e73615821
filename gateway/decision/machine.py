"""A machine's mail: recorded, answered by nobody. A bounce marks its delivery, and whoever must know is told."""

from __future__ import annotations

from dataclasses import replace

from gateway import acting
from gateway.decision.case import Case, Decision, filing, message
from gateway.model import DeliveryState, Filing, Kind, Mail, Message, Nature, Settlement
from gateway.relay import plan


def from_machine(case: Case) -> Decision:
    """File it; the status stays as it is."""
    no = plan.Due(False, f"{case.mail.nature.value}: machines are told nothing")
    filed = message(case, Kind.MACHINE)
    changes = filing(case, case.conversation, filed)
    if case.mail.nature is Nature.BOUNCE and case.recalled.sent:
        changes = _bounced(case, filed)
    return Decision(case.placement, case.route, case.grade, no, changes)


def _bounced(case: Case, filed: Message) -> Filing:
    sent = case.recalled.sent[0]
    reply = _reported(case.mail)
    drafts = acting.undelivered_drafts(case.context, sent, reply)
    return replace(
        filing(case, case.conversation, filed, drafts),
        settlements=(Settlement(sent.id, DeliveryState.REFUSED, reply),),
        history=(acting.failure_event(sent, f"came back: {reply}"),),
    )


def _reported(mail: Mail) -> str:
    """What the bounce says, in one line."""
    if mail.report and mail.report.recipients:
        first = mail.report.recipients[0]
        return f"{first.status} {first.diagnostic}".strip()[:500] or "bounced without a reason"
    return "bounced without a readable report"
