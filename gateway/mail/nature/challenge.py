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
    text = e.text[:20_000]
    service, link = words.CHALLENGERS.search(e.author.address), words.CHALLENGERS.search(text.lower())
    marked = bool(e.automatic()) or e.no_sender()
    linked = e.answered and words.LINK.search(text) is not None
    if not (service or link or marked or linked):
        return None  # most people's mail: what it says needn't be searched, which takes longest
    prove = words.PROVE.search(e.opening)
    held = words.HELD.search(e.opening) if prove or service else None
    if service and (prove or held):
        return Judgement(Nature.CHALLENGE, f"{e.author.address} says {said(prove or held)}")
    if prove is None or (link is None and held is None):
        return None
    people = words.TELLS_OF_IT.search(e.opening) is not None
    if link and not people:
        return Judgement(Nature.CHALLENGE, f"a link to {said(link)} and {said(prove)}")
    if held and (marked or (linked and not people)):
        return Judgement(Nature.CHALLENGE, f"it says {said(held)} and {said(prove)}")
    return None
