"""Challenge-response: a filter asks the sender to prove that they are human before it lets their mail through.

Such mail is told to an agent, and never answered: only a person can do what it asks. It is known by the service that
sends it, or by saying both that the mail is held and that the sender is to prove themselves: on marked mail, or on an
answer with a link to do so. People who write of such things say « I received », or ask; who forwards one has it below
a quote.
"""

from __future__ import annotations

from gateway.mail.nature import words
from gateway.mail.nature.evidence import Evidence, Judgement, said
from gateway.model import Nature


def challenge(e: Evidence) -> Judgement | None:
    if e.head.has("list-id"):
        return None
    prove, held = words.PROVE.search(e.opening), words.HELD.search(e.opening)
    service = words.CHALLENGERS.search(e.author.address)
    if service and (prove or held):
        return Judgement(Nature.CHALLENGE, f"{e.author.address} says {said(prove or held)}")
    link = words.CHALLENGERS.search(e.text[:20_000].lower())
    if link and prove and not words.TELLS_OF_IT.search(e.opening):
        return Judgement(Nature.CHALLENGE, f"a link to {said(link)} and {said(prove)}")
    linked = words.LINK.search(e.text[:20_000]) is not None and not words.TELLS_OF_IT.search(e.opening)
    if prove and held and (e.automatic() or e.no_sender() or (e.answered and linked)):
        return Judgement(Nature.CHALLENGE, f"it says {said(held)} and {said(prove)}")
    return None
