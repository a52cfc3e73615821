"""A machine's mail: recorded, answered by nobody (RFC 3834 §2). Whoever must know is told.

| nature          | who is told                                        | the conversation                        |
|-----------------|----------------------------------------------------|-----------------------------------------|
| bounce          | the agent whose mail it was, or the inbox's others | stays; the delivery is refused          |
| delay           | nobody: the server still tries, and reports an end | stays                                   |
| auto-reply      | nobody: her answer is waited for as before         | stays                                   |
| acknowledgement | nobody: a desk's answer will come as a person's    | stays                                   |
| receipt         | nobody; but whoever was told that we don't know    | stays; the delivery is sent             |
| echo            | nobody: proof that a mail arrived is no answer     | stays                                   |
| loop            | nobody: whatever it caused would go round again    | stays                                   |
| bulk, report, … | nobody: none of these is anybody's request         | stays                                   |
| challenge       | its agents: only a person can do what it asks      | active: our mail doesn't arrive before  |
| verification    | its agents, with a warning; nobody else ever is    | active: somebody must know              |
| calendar        | its agents, if somebody wrote words with it        | active then: those are a person's       |

A conversation that a machine's mail opens is closed from the start, and nobody hears of it; but for a person's words.
A challenge that answers nothing of ours is somebody's bait for a click. A verification mail lets whoever uses it pass
for the gateway with a service that trusts our domain: it is put before agents wherever it was sent to.
"""

from __future__ import annotations

from dataclasses import replace

from gateway import acting
from gateway.decision.case import Case, Decision, filing, message
from gateway.desk import states
from gateway.model import (
    Conversation,
    DeliveryState,
    Draft,
    Event,
    Filing,
    Kind,
    Mail,
    Message,
    Nature,
    Notice,
    Problem,
    Settlement,
    Status,
)
from gateway.relay import plan


def from_machine(case: Case) -> Decision:
    """File it; the status stays as it is, unless it is work for an agent."""
    nature = case.mail.nature
    no = plan.Due(False, f"{nature.value}: machines are told nothing")
    filed = message(case, Kind.MACHINE)
    if _is_work(case):
        changes, told = _put_before(case, filed)
        return Decision(case.placement, case.route, case.grade, no, changes, told)
    if nature is Nature.BOUNCE and case.recalled.sent:
        changes = _bounced(case, filed)
    elif nature is Nature.RECEIPT and case.recalled.sent and _arrival(case):
        changes = _arrived(case, filed)
    else:
        changes = filing(case, _placed(case), filed, (), _of_persons(case))
    return Decision(case.placement, case.route, case.grade, no, changes)


def _placed(case: Case) -> Conversation:
    """Its conversation; where other mail comes to it with this one, as their mails together put it."""
    if case.placement.standing is None or case.new:
        return _awake(case, case.conversation)
    inbox, strength = case.route.inbox, int(case.route.strength)
    return _awake(case, replace(case.conversation, inbox=inbox, strength=strength))


def _awake(case: Case, conversation: Conversation) -> Conversation:
    """A person's mail that comes to it with this one is work."""
    if any(message.kind is Kind.EXTERNAL for message in case.moved.values()):
        return states.written(conversation, case.arrival.received_at)
    return conversation


def _of_persons(case: Case) -> tuple[Notice, ...]:
    """Who is told of a person's mail that comes to it with this one."""
    awake = _awake(case, case.conversation)
    if awake is case.conversation or case.quiet:
        return ()
    return tuple(Notice(agent, case.now, digest=False) for agent in case.context.told(_placed(case), ""))


# --- what didn't arrive -----------------------------------------------------------------------------------


def _bounced(case: Case, filed: Message) -> Filing:
    sent = case.recalled.sent[0]
    said = _reported(case.mail, sent.recipient)
    reply = said or "bounced without a readable report"
    problem = None if said else Problem("delivery_bounced")
    drafts = acting.undelivered_drafts(case.context, sent, reply, problem)
    return replace(
        filing(case, case.conversation, filed, drafts),
        settlements=(Settlement(sent.id, DeliveryState.REFUSED, reply, case.arrival.digest),),
        history=(acting.delivery_event(sent, f"came back: {reply}"),),
    )


def _arrival(case: Case) -> str:
    """What a report of an arrival says (RFC 3464 §2.3.3), "" where it is none."""
    report, to = case.mail.report, case.recalled.sent[0].recipient
    arrived = [r for r in report.recipients if r.action in {"delivered", "relayed", "expanded"}] if report else []
    one = next((r for r in arrived if to in (r.original, r.recipient)), arrived[0] if len(arrived) == 1 else None)
    return f"{one.status} {one.action} {one.diagnostic}".strip()[:500] if one else ""


def _arrived(case: Case, filed: Message) -> Filing:
    """Who was told that nobody knows is told that it is known now."""
    sent, reply = case.recalled.sent[0], _arrival(case)
    drafts = acting.arrived_drafts(case.context, sent, reply) if sent.uncertain else ()
    event = acting.delivery_event(sent, f"arrived after all: {reply}")
    return replace(
        filing(case, case.conversation, filed, drafts),
        settlements=(Settlement(sent.id, DeliveryState.SENT, reply, case.arrival.digest),),
        history=(event,) if sent.uncertain else (),
    )


def _reported(mail: Mail, recipient: str) -> str:
    """What the bounce says of a recipient, in one line; of the first, if it knows her under another name. "" for
    nothing that can be read.
    """
    if mail.report is None or not mail.report.recipients:
        return ""
    first = mail.report.recipients[0]
    reported = next((r for r in mail.report.recipients if recipient in (r.original, r.recipient)), first)
    return f"{reported.status} {reported.diagnostic}".strip()[:500]


# --- what only a person can do -----------------------------------------------------------------------------


_WORK = {
    Nature.CHALLENGE: (plan.Reason.CHALLENGE, "a filter asks for a person"),
    Nature.VERIFICATION: (plan.Reason.VERIFICATION, "a service wants to verify an address of ours"),
    Nature.CALENDAR: (plan.Reason.MESSAGE, "words came with a calendar's"),
}


def _is_work(case: Case) -> bool:
    if case.conversation.status is Status.SPAM or case.quiet:
        return False
    if case.mail.nature is Nature.CHALLENGE:
        return not case.new
    if case.mail.nature is Nature.VERIFICATION:
        return True
    return case.mail.nature is Nature.CALENDAR and bool(case.mail.own.strip())


def _put_before(case: Case, filed: Message) -> tuple[Filing, tuple[str, ...]]:
    """Its agents are told, and the conversation waits for them."""
    conversation = states.written(case.conversation, case.arrival.received_at)
    told = case.context.told(conversation, case.mail.author.address)
    drafts: list[Draft] = []
    notices: list[Notice] = []
    for agent in told:
        later = acting.later(case.context, agent, case.thread, case.now)
        if later is None:
            drafts.append(_notification(case, agent, conversation, filed))
        else:
            notices.append(later)
    event = Event("gateway", f"put before its agents: {_WORK[case.mail.nature][1]}")
    return replace(filing(case, conversation, filed, drafts, notices), history=(event,)), told


def _notification(case: Case, agent: str, conversation: Conversation, filed: Message) -> Draft:
    reason = _WORK[case.mail.nature][0]
    name = case.mail.author.name if filed.author else ""
    place = case.context.place_of(conversation)
    return plan.notification(agent, place, (filed,), conversation, author_name=name, reason=reason)
