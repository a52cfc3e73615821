"""Which mails make one conversation: a function of the mails alone, whatever the order in which they came.

1. Every mail hangs on the nearest mail that it cites and that counts: its author wrote that one, or was written to.
   A response that cites nothing hangs on the mail before it in Outlook's own thread, or of the same base subject,
   between the same people.
2. Going down each of these trees, a conversation goes on until a mail names another dossier of its author's: that
   one begins a conversation of its own, beside it.
3. What else is linked joins if the same person opened it, and the inboxes agree; else the two are related.

A conversation in which an agent acted is one piece that keeps its messages and its usager.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.model import (
    GLOBAL,
    MATTER_WINDOW,
    MOST_BEARERS,
    Conversation,
    Evidence,
    Held,
    Inbox,
    InboxKind,
    Status,
    Trace,
)

_LATEST = datetime.max.replace(tzinfo=UTC)
_NOTHING = Evidence()
CLOSENESS = {InboxKind.GLOBAL: 0, InboxKind.DEMARCHE: 1, InboxKind.DOSSIER: 2}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the directory says: may a person's conversation stand in a dossier; the démarche of an inbox."""

    admitted: Callable[[str, int], bool]
    demarche_of: Callable[[Inbox], int | None]


@dataclass(slots=True)
class Block:
    """Mails that make one conversation. `owner`: who opened it, "" where that isn't sure.

    `evidence`: where it stands, and what that rests on. `held`: conversations in it that keep what they have.
    `manned`: has a person written in it?
    """

    root: Trace
    owner: str
    evidence: Evidence
    traces: list[Trace] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    beside: list[Block] = field(default_factory=list)
    near: set[int] = field(default_factory=set)  # the ids of those beside
    manned: bool = False

    @property
    def inbox(self) -> Inbox:
        return self.evidence.inbox

    @property
    def pinned(self) -> bool:
        return bool(self.held) and any(held.fixed for held in self.held)


def counts(author: str, sure: bool, earlier_author: str, earlier_people: Iterable[str]) -> bool:
    """Is the author of the later mail one of those between whom the earlier one was exchanged (DESIGN §5)?

    Otherwise anyone who saw an id could write into the conversation.
    """
    return bool(sure and author and earlier_author) and (author == earlier_author or author in earlier_people)


def _counts(later: Trace, earlier: Trace, held: Mapping[int, Held]) -> bool:
    there = held.get(earlier.conversation)
    if (
        there is not None
        and later.conversation != earlier.conversation
        and not joins(later.author, there.conversation)
    ):
        return False
    if earlier.machine and not later.machine and earlier.author != later.author:
        return False  # what a machine sends somebody isn't what she begins to write about
    return counts(later.author, later.traits.sure, earlier.author, earlier.people)


def parted(traces: Iterable[Trace], held: Mapping[int, Held], rules: Rules) -> list[Block]:
    """Part mails into conversations. `held`: the conversations that they stand in now, by id."""
    ordered = sorted(traces, key=_order)
    bearers = _bearers(ordered)
    cited = {trace.id: near for trace in ordered if trace.cited and (near := [*_cited(trace, bearers, held)])}
    above = _parents(ordered, cited, held)
    found: dict[int, Block] = {}
    blocks: list[Block] = []
    for trace in _downwards(ordered, above):
        parent = above[trace.id]
        block = found[parent.id] if parent is not None else None
        if block is None or _parts(trace, block, rules):
            beside = block
            block = _begun(trace, held)
            blocks.append(block)
            if beside is not None:
                _relate(block, beside)
        _closer(block, trace, rules)
        block.traces.append(trace)
        block.manned = block.manned or not trace.machine
        found[trace.id] = block
    return _united(blocks, found, [(trace, other) for trace in ordered for other in cited.get(trace.id, ())], rules)


def _order(trace: Trace) -> tuple[datetime, str, int]:
    """By what the mails say of themselves: never by when they came."""
    return (trace.traits.sent_at or _LATEST, trace.fingerprint, trace.id)


# --- trees -----------------------------------------------------------------------------------------------


def _bearers(ordered: Iterable[Trace]) -> dict[str, list[Trace]]:
    """Mails by their id; one that many mails bear names none of them, as in lineage."""
    found: dict[str, list[Trace]] = defaultdict(list)
    for trace in ordered:
        if trace.message_id:
            found[trace.message_id].append(trace)
    return {identifier: bearers for identifier, bearers in found.items() if len(bearers) <= MOST_BEARERS}


def _cited(trace: Trace, bearers: Mapping[str, list[Trace]], held: Mapping[int, Held]) -> Iterator[Trace]:
    """The mails that it cites and that count, nearest first. Of several that bear an id its author's own is meant."""
    for identifier in trace.cited:
        found = [
            other for other in bearers.get(identifier, ()) if other.id != trace.id and _counts(trace, other, held)
        ]
        if len(found) > 1:
            found.sort(key=lambda other: other.author != trace.author)
        yield from found


def _parents(
    ordered: list[Trace], cited: Mapping[int, list[Trace]], held: Mapping[int, Held]
) -> dict[int, Trace | None]:
    first = openings(ordered)
    alike = _alike(ordered)
    above: dict[int, Trace | None] = {}
    for trace in ordered:
        opening = first.get(trace.conversation)
        if opening is not None and (trace.traits.anchored or held[trace.conversation].frozen):
            above[trace.id] = opening if opening.id != trace.id else None
        else:
            above[trace.id] = cited[trace.id][0] if trace.id in cited else _before(trace, alike)
    _cut_rings(ordered, above)
    return above


def openings(ordered: Iterable[Trace]) -> dict[int, Trace]:
    """The first message of each conversation: what is anchored there goes with it."""
    found: dict[int, Trace] = {}
    for trace in ordered:
        there = found.get(trace.conversation)
        if trace.conversation and (there is None or _first(trace) < _first(there)):
            found[trace.conversation] = trace
    return found


def _first(trace: Trace) -> tuple[bool, bool, bool, int]:
    """What opened it comes first, its own mail before what was put there; the mail that comes in now is the last."""
    return (trace.id == 0, not trace.traits.opens, trace.traits.anchored, trace.id)


def _alike(ordered: Iterable[Trace]) -> dict[str, list[Trace]]:
    """Mails by what a response that cites nothing may hang on, in their order."""
    found: dict[str, list[Trace]] = defaultdict(list)
    for trace in ordered:
        for key in (trace.traits.outlook, trace.traits.matter):
            if key and trace.traits.sent_at is not None:
                found[key].append(trace)
    return found


def _before(trace: Trace, alike: Mapping[str, list[Trace]]) -> Trace | None:
    """The last mail before a response that cites nothing, in Outlook's thread, else of the same subject."""
    at = trace.traits.sent_at
    if not trace.traits.orphan or at is None:
        return None
    for key, window in ((trace.traits.outlook, None), (trace.traits.matter, MATTER_WINDOW)):
        like = alike.get(key, []) if key else []
        position = bisect_left(like, _order(trace), key=_order)
        last = like[position - 1] if position else None
        if (
            last is not None
            and last.traits.sent_at is not None
            and (window is None or at - last.traits.sent_at <= window)
        ):
            return last
    return None


def _cut_rings(ordered: Iterable[Trace], above: dict[int, Trace | None]) -> None:
    """Mails that cite each other in a ring: the first of them hangs on none."""
    done: set[int] = set()
    for trace in ordered:
        way: dict[int, Trace] = {}
        here: Trace | None = trace
        while here is not None and here.id not in done and here.id not in way:
            way[here.id] = here
            here = above[here.id]
        if here is not None and here.id in way:
            seen = list(way.values())
            ring = seen[seen.index(here) :]
            above[min(ring, key=_order).id] = None
        done.update(way)


def _downwards(ordered: Iterable[Trace], above: Mapping[int, Trace | None]) -> Iterator[Trace]:
    """Each mail after the one that it hangs on; those of one depth in their order."""
    below: dict[int, list[Trace]] = defaultdict(list)
    level: list[Trace] = []
    for trace in ordered:
        parent = above[trace.id]
        (level if parent is None else below[parent.id]).append(trace)
    while level:
        yield from level
        level = [child for trace in level for child in below.pop(trace.id, ())]
        if len(level) > 1:
            level.sort(key=_order)


# --- conversations ---------------------------------------------------------------------------------------


def _begun(trace: Trace, held: Mapping[int, Held]) -> Block:
    there = held.get(trace.conversation)
    if there is None or not there.frozen:
        return Block(trace, trace.author if trace.traits.sure else "", _NOTHING)
    kept = there.conversation
    because = kept.because[-1] if kept.because else ""
    return Block(trace, kept.usager, Evidence(kept.inbox, kept.strength, because), held=[there])


def joins(author: str, conversation: Conversation) -> bool:
    """May an author's mail come to a conversation by what it cites? Nobody's is buried in another one's spam."""
    return conversation.status is not Status.SPAM or author == conversation.usager


def _parts(trace: Trace, block: Block, rules: Rules) -> bool:
    """Does a mail name a dossier of its author's that the conversation above it has nothing to do with?"""
    evidence = trace.traits.evidence or _NOTHING
    number = evidence.inbox.number
    if trace.machine or evidence.inbox.kind is not InboxKind.DOSSIER or number is None:
        return False
    if trace.traits.anchored or block.pinned or any(h.conversation.id == trace.conversation for h in block.held):
        return False
    if not rules.admitted(block.owner, number):
        return evidence.inbox != block.inbox  # nobody takes a mail out of its author's dossier
    if block.inbox.kind is InboxKind.DOSSIER:
        return bool(evidence.named) and block.inbox.number not in evidence.named
    return bool(evidence.named) and not nested(evidence.inbox, block.inbox, rules)


def nested(one: Inbox, other: Inbox, rules: Rules) -> bool:
    """Are two inboxes the same, or one inside the other?"""
    if GLOBAL in (one, other) or one == other:
        return True
    return one.kind is not other.kind and rules.demarche_of(one) == rules.demarche_of(other)


def _closer(block: Block, trace: Trace, rules: Rules) -> None:
    """A mail may bring its conversation closer: from the global inbox to a démarche, from there to its dossier.

    What a machine says only counts for a conversation that it opened, until a person writes there.
    """
    evidence = trace.traits.evidence or _NOTHING
    if not trace.machine and not block.held and not block.manned:
        block.evidence = _NOTHING
    inbox, number = evidence.inbox, evidence.inbox.number
    if inbox.kind is InboxKind.GLOBAL:
        return  # nothing is farther
    if block.pinned or (trace.machine and trace is not block.root) or not _within(inbox, block.inbox, rules):
        return
    if inbox.kind is not InboxKind.DOSSIER or (number is not None and rules.admitted(block.owner, number)):
        block.evidence = evidence


def _within(inbox: Inbox, outer: Inbox, rules: Rules) -> bool:
    return CLOSENESS[inbox.kind] > CLOSENESS[outer.kind] and nested(inbox, outer, rules)


def _united(
    blocks: list[Block], found: Mapping[int, Block], links: list[tuple[Trace, Trace]], rules: Rules
) -> list[Block]:
    """Join the blocks of one person that are linked; the others are related."""
    now: dict[int, Block] = {id(block): block for block in blocks}

    def current(block: Block) -> Block:
        while now[id(block)] is not block:
            now[id(block)] = now[id(now[id(block)])]
            block = now[id(block)]
        return block

    # What a token or an agent put apart isn't joined by other links.
    apart: dict[int, list[Block]] = defaultdict(list)
    for one, other in links:
        if one.traits.anchored or other.traits.anchored:
            apart[id(found[one.id])].append(found[other.id])
            apart[id(found[other.id])].append(found[one.id])
    for one, other in links:
        first, second = current(found[one.id]), current(found[other.id])
        if first is second:
            continue
        if _rank(second) < _rank(first):
            first, second = second, first
        kept = any(current(block) is first for block in apart[id(second)])
        if not kept and _may_join(first, second, rules):
            _join(first, second)
            now[id(second)] = first
            apart[id(first)] += apart[id(second)]
        else:
            _relate(first, second)
    for block in blocks:
        if not block.beside:
            continue
        whole = {id(b): b for b in map(current, block.beside)}
        block.beside = [b for b in whole.values() if b is not block]
    return [block for block in blocks if current(block) is block]


def _rank(block: Block) -> tuple[datetime, str, int]:
    return _order(block.root)


def _may_join(one: Block, other: Block, rules: Rules) -> bool:
    """The same person's, in inboxes that agree, neither moved by an agent nor spam, with the same guests."""
    return (
        one.owner == other.owner != ""
        and not (one.pinned or other.pinned)
        and (not (one.held or other.held) or _guests(one) == _guests(other))
        and nested(one.inbox, other.inbox, rules)
    )


def _guests(block: Block) -> set[str]:
    return {guest for held in block.held for guest in held.conversation.guests}


def _join(one: Block, other: Block) -> None:
    if CLOSENESS[other.inbox.kind] > CLOSENESS[one.inbox.kind]:
        one.evidence = other.evidence
    one.traces += other.traces
    one.held += other.held
    one.beside += other.beside
    one.near |= other.near


def _relate(one: Block, other: Block) -> None:
    if id(other) not in one.near:
        one.near.add(id(other))
        other.near.add(id(one))
        one.beside.append(other)
        other.beside.append(one)
