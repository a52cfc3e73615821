"""A mail that touches what is there already: the conversations around it, parted anew with it among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.model import GLOBAL, Conversation, Held, InboxKind, Neighbourhood, Trace
from gateway.threading.partition import Block, Rules, openings, parted
from gateway.threading.place import Beside, Placement, Standing, also, joined


@dataclass(frozen=True, slots=True)
class Assigned:
    """A block and the conversation it is, 0 for a new one; what becomes part of it, and which messages come to it."""

    block: Block
    conversation: int
    merge: tuple[int, ...]
    takes: tuple[int, ...]


def placed(its: Trace, quick: Placement, neighbours: Neighbourhood, rules: Rules) -> Placement:
    """Part the conversations that the mail touches anew, with it among them. `quick`: what `place` said.

    Without neighbours (they are too many to be looked at) that stands.
    """
    if not neighbours.traces:
        return quick
    every = assigned(parted((*neighbours.traces, its), neighbours.held, rules), neighbours.held)
    mine = next(given for given in every if any(trace.id == 0 for trace in given.block.traces))
    held, touching = neighbours.held, _touching(every)
    changed = (_beside(given, touching, held, rules) for given in every if given is not mine)
    related = touching[id(mine.block)]
    conversation = _whole(mine, held)
    return Placement(
        conversation,
        also(_in_words(its, mine, held, quick), (held[i].conversation for i in related)),
        quick.participation,
        merge=mine.merge,
        related=related,
        takes=mine.takes,
        standing=_standing(mine, held, rules),
        beside=tuple(beside for beside in changed if beside is not None),
    )


def settled(whole: Neighbourhood, rules: Rules) -> tuple[Beside, ...]:
    """What parting all of these conversations anew changes."""
    every = assigned(parted(whole.traces, whole.held, rules), whole.held)
    touching = _touching(every)
    changes = (_beside(given, touching, whole.held, rules) for given in every)
    return tuple(changed for changed in changes if changed is not None)


def _touching(every: Iterable[Assigned]) -> dict[int, tuple[int, ...]]:
    """The conversations that each block touches, but for those that are new."""
    found = list(every)
    ids = {id(given.block): given.conversation for given in found}
    near = ((given.block, {ids[id(block)] for block in given.block.beside} - {0}) for given in found)
    return {id(block): tuple(sorted(others)) for block, others in near}


def _whole(given: Assigned, held: Mapping[int, Held]) -> Conversation | None:
    if not given.conversation:
        return None
    return joined(held[given.conversation].conversation, [held[other].conversation for other in given.merge])


def _standing(given: Assigned, held: Mapping[int, Held], rules: Rules) -> Standing:
    """Who opened it stays its usager. Where several did, nobody is, until an agent says who is to be answered.

    So whatever a mail claims, it never turns answers that were meant for one person to another, nor out of a dossier.
    """
    kept, evidence = held.get(given.conversation), given.block.evidence
    if kept is not None and kept.frozen:
        return Standing(kept.conversation.usager, evidence)
    writers = {trace.author for trace in given.block.traces if not trace.machine}
    if given.conversation:
        openers = {held[i].conversation.usager for i in (given.conversation, *given.merge)}
    else:
        openers = {given.block.owner, *writers}
    if len(openers) > 1 and len(writers) == 1:
        openers &= writers  # whoever else opened it wrote nothing that is there by now
    usager = openers.pop() if len(openers) == 1 else ""
    number = evidence.inbox.number if evidence.inbox.kind is InboxKind.DOSSIER else None
    inside = number is None or rules.admitted(usager, number)
    return Standing(usager if inside else "", evidence)


def _beside(
    given: Assigned, touching: Mapping[int, tuple[int, ...]], held: Mapping[int, Held], rules: Rules
) -> Beside | None:
    """What changes in another conversation, None if nothing does."""
    kept, standing = held.get(given.conversation), _standing(given, held, rules)
    same = kept is not None and (kept.frozen or _stands(kept.conversation, standing))
    if same and not given.merge and not given.takes:
        return None
    mine = {given.conversation, *given.merge} - {0}
    stay = tuple(t.id for t in given.block.traces if t.conversation in mine and not t.machine)
    return Beside(_whole(given, held), standing, given.merge, given.takes, stay, touching[id(given.block)])


def _stands(conversation: Conversation, standing: Standing) -> bool:
    handed = conversation.inbox == GLOBAL and bool(conversation.organisation)
    return conversation.usager == standing.usager and (handed or conversation.inbox == standing.evidence.inbox)


def _in_words(its: Trace, mine: Assigned, held: Mapping[int, Held], quick: Placement) -> str:
    """Why it is placed there."""
    if quick.participation is not None:
        return quick.because
    others = [trace for trace in mine.block.traces if trace.id]
    reference = held[mine.conversation].conversation.reference if mine.conversation else "a new conversation"
    cited = next((t for i in its.cited for t in others if t.message_id == i), None)
    if cited is not None:
        return f"it answers <{cited.message_id}> in {reference}"
    late = next((t for t in others if its.message_id and its.message_id in t.cited), None)
    if late is not None:
        return f"it came after its reply <{late.message_id}> in {reference}"
    for words, key in (
        ("Outlook's Thread-Index", its.traits.outlook),
        ("base subject, within 30 days,", its.traits.matter),
    ):
        if key and any(key in (t.traits.outlook, t.traits.matter) for t in others):
            return f"the same {words} between the same people as in {reference}"
    named = its.traits.evidence.because if its.traits.evidence else ""
    if mine.block.beside and mine.block.root is its:
        apart = f"it cites mail of another conversation, and is apart from it: {named}"
        return apart if named and its.traits.evidence and its.traits.evidence.named else f"{quick.because}, apart"
    return "nothing that we know is cited: a new conversation"


# --- which conversation is which -------------------------------------------------------------------------


def assigned(blocks: Iterable[Block], held: Mapping[int, Held]) -> list[Assigned]:
    """Give each block the oldest of the conversations whose first message is in it; the rest become part of it.

    One in which an agent acted goes before all others, and keeps its usager: a stranger whose mail a token led there
    would else bring it into a conversation of his own.
    """
    found = list(blocks)
    position = {trace.id: place for place, block in enumerate(found) for trace in block.traces}
    won: dict[int, list[int]] = defaultdict(list)
    for conversation, opening in openings(trace for block in found for trace in block.traces).items():
        won[position[opening.id]].append(conversation)

    def rank(conversation: int) -> tuple[bool, int]:
        there = held.get(conversation)
        return (there is None or not there.frozen, conversation)

    return [_given(block, sorted(won[place], key=rank)) for place, block in enumerate(found)]


def _given(block: Block, won: list[int]) -> Assigned:
    mine = set(won)
    takes = tuple(sorted(t.id for t in block.traces if t.id and t.conversation not in mine))
    return Assigned(block, won[0] if won else 0, tuple(won[1:]), takes)
