"""A mail in an agent's name that isn't proven to be hers: kept, and put before her. Nothing of it happens before.

What she reads is what would act: all of the text, and who would be written to.
"""

from __future__ import annotations

from dataclasses import replace

from gateway import acting
from gateway.decision.case import NOT_DUE, Case, Decision, filing, message
from gateway.desk.acts import Outcome
from gateway.desk.commands import written
from gateway.model import Ask, Draft, Event, Filing, Kind, Problem, Purpose, Verdict
from gateway.relay import plan


def unproven(case: Case, agent: str) -> Problem:
    """Why a mail isn't proven to be hers: the weightiest of the reasons."""
    author = case.mail.author
    if not author.sure:
        return Problem("uncertain_author")
    if author.address != agent:
        return Problem("other_author", case.context.tokenless(author.address))
    failed = case.mail.authentication.verdict is Verdict.FAIL
    return Problem("failed_proof" if failed else "no_proof")


def put_before(case: Case, agent: str, outcome: Outcome) -> Decision:
    """Ask her at her own address, unless she was asked often enough. `outcome`: what it would do, were it proven."""
    why = unproven(case, agent)
    words = acting.in_words(why)
    # What she would confirm, and nothing of what the mail quotes.
    filed = replace(message(case, Kind.INTERNAL, [f"not proven: {words}"]), text=case.mail.own)
    if case.quiet or case.told_enough(agent):
        because = "it is imported or old" if case.quiet else "she was asked often enough today"
        unasked = f"kept a mail in the name of {agent} ({words}) without asking her: {because}"
        return _decision(case, filing(case, case.conversation, filed), unasked)
    changes = filing(case, case.conversation, filed, (_question(case, agent, outcome, why),))
    asks = Ask(agent, case.mail.author.name, case.conversation.usager)
    return _decision(case, replace(changes, asks=asks), f"asked {agent} to confirm a mail in her name: {words}")


def _decision(case: Case, changes: Filing, what: str) -> Decision:
    changes = replace(changes, history=(Event("gateway", what),))
    return Decision(case.placement, case.route, case.grade, NOT_DUE, changes, confirmation=what)


def _question(case: Case, agent: str, outcome: Outcome, why: Problem) -> Draft:
    mail, context = case.mail, case.context
    base = message(case, Kind.EXTERNAL)
    hers = replace(base, author=agent)
    would = acting.act_filing(context, case.conversation, outcome, hers, case.thread, case.now)
    answers = (d.to for _, drafts in would.messages for d in drafts if d.purpose is Purpose.ANSWER)
    return plan.confirmation(
        agent,
        context.place_of(case.conversation),
        replace(base, text=mail.own),
        subject=case.conversation.subject,
        author_name=mail.author.name,
        why=why,
        commands=written(mail.own),
        goes_to=tuple(dict.fromkeys(answers)),
        until=case.now + context.settings.trust.confirm_within,
    )
