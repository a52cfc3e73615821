"""Which mails make one conversation, by the mails alone."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from gateway.model import GLOBAL, Evidence, Held, Inbox, InboxKind, Status, Trace, Traits
from gateway.threading.partition import Block, Rules, counts, parted
from tests.builders import NOW, ULYSSE, conversation

VERA, STRANGER = "vera@usager.example.net", "stranger@elsewhere.example"
DEMARCHES = {123: 42, 124: 42, 125: 43}
ENTER = {123: {ULYSSE}, 124: {ULYSSE}, 125: {VERA, ULYSSE}}


def _demarche_of(inbox: Inbox) -> int | None:
    return DEMARCHES.get(inbox.number or 0) if inbox.kind is InboxKind.DOSSIER else inbox.number


RULES = Rules(lambda person, number: person in ENTER.get(number, ()), _demarche_of)
NOTHING = Evidence()


def dossier(number: int, *more: int) -> Evidence:
    return Evidence(Inbox(InboxKind.DOSSIER, number), 40, f"the subject names {number}", (number, *more))


def demarche(number: int) -> Evidence:
    return Evidence(Inbox(InboxKind.DEMARCHE, number), 60, f"it was sent to {number}")


def trace(number: int, *cited: int | str, author: str = ULYSSE, people: Iterable[str] = (), **values: Any) -> Trace:
    """Mail `number`, sent on that day; what it cites, nearest first, by number."""
    traits = {name: values.pop(name) for name in tuple(values) if name in Traits.__slots__}
    base = Traits(sent_at=NOW + timedelta(days=number), anchored=False, evidence=NOTHING)
    found = Trace(
        id=number,
        conversation=0,
        message_id=f"m{number}",
        cited=tuple(f"m{other}" for other in cited),
        author=author,
        people=tuple(people),
        fingerprint=f"{number:064x}",
        traits=replace(base, **traits),
    )
    return replace(found, **values)


def held(number: int, *, acted: bool = False, **values: Any) -> dict[int, Held]:
    return {number: Held(conversation(number, **values), acted)}


def numbers(blocks: Iterable[Block]) -> list[list[int]]:
    return sorted(sorted(trace.id for trace in block.traces) for block in blocks)


def parts(*traces: Trace, there: dict[int, Held] | None = None) -> list[list[int]]:
    return numbers(parted(traces, there or {}, RULES))


def one(*traces: Trace, there: dict[int, Held] | None = None) -> Block:
    (block,) = parted(traces, there or {}, RULES)
    return block


def beside(*traces: Trace, there: dict[int, Held] | None = None) -> bool:
    """Do the mails make exactly two conversations, which are related?"""
    first, second = parted(traces, there or {}, RULES)
    return first.beside == [second] and second.beside == [first]


# --- trees -----------------------------------------------------------------------------------------------


def test_mails_that_cite_nothing_are_apart() -> None:
    assert parts(trace(1), trace(2)) == [[1], [2]]


def test_a_reply_its_reply_and_a_parent_that_never_came() -> None:
    assert parts(trace(1), trace(2, 1), trace(3, 2), trace(4, 9), trace(5, 9)) == [[1, 2, 3], [4], [5]]


def test_whose_links_count() -> None:
    assert counts(ULYSSE, True, ULYSSE, ())
    assert counts(VERA, True, ULYSSE, (VERA,))
    assert not counts(VERA, True, ULYSSE, ())
    assert not counts(ULYSSE, False, ULYSSE, ())
    assert not counts("", True, "", ("",))


def test_who_was_no_part_of_it_is_apart_and_not_related() -> None:
    blocks = parted([trace(1), trace(2, 1, author=STRANGER)], {}, RULES)
    assert numbers(blocks) == [[1], [2]]
    assert [block.beside for block in blocks] == [[], []]


def test_who_was_written_to_joins() -> None:
    block = one(trace(1, people=(VERA,)), trace(2, 1, author=VERA))
    assert block.owner == ULYSSE


def test_the_nearest_that_counts_decides() -> None:
    """Mail 4 answers Véra's, and cites Ulysse's too: it hangs on the first, and they are related."""
    traces = (trace(1), trace(2, author=VERA, people=(ULYSSE,)), trace(4, 2, 1))
    assert parts(*traces) == [[1], [2, 4]]
    assert beside(*traces)


def test_of_two_that_bear_an_id_its_authors_own_is_meant() -> None:
    """Whoever was in Cc knows the id of a mail, and may date his own with it as he likes."""
    forged = trace(1, author=STRANGER, people=(ULYSSE,), message_id="m2")
    traces = (forged, trace(2, people=(STRANGER,)), trace(3, 2))
    assert parts(*traces) == [[1], [2, 3]]


def test_the_earliest_mail_begins_what_a_later_one_joins() -> None:
    """Whichever of the two it cites first."""
    for cited in ((1, 2), (2, 1)):
        (block,) = parted((trace(1), trace(2), trace(3, *cited)), {}, RULES)
        assert (block.root.id, sorted(t.id for t in block.traces)) == (1, [1, 2, 3])


def test_a_machines_mail_is_nobodys_beginning() -> None:
    robot = trace(1, author=STRANGER, people=(ULYSSE,), machine=True)
    assert parts(robot, trace(2, 1)) == [[1], [2]]
    assert parts(trace(1, people=(STRANGER,)), trace(2, 1, author=STRANGER, machine=True)) == [[1, 2]]


def test_an_empty_id_links_nothing() -> None:
    traces = [replace(trace(n), message_id="", cited=("",)) for n in (1, 2, 3)]
    assert parts(*traces) == [[1], [2], [3]]


def test_an_id_that_many_mails_bear_links_none_of_them() -> None:
    """A printer's, a broken form's: as in lineage."""
    bearers = [trace(number, message_id="same") for number in range(1, 22)]
    citer = replace(trace(50), cited=("same",))
    assert len(parts(*bearers, citer)) == 22
    assert parts(bearers[0], citer) == [[1, 50]]


def test_what_it_costs_is_bounded_by_the_mails_not_by_their_links() -> None:
    """Two thousand mails of a hundred people, half of which bear one id that the others cite."""
    people = tuple(f"{number}@x.example" for number in range(100))
    plain = [trace(number, author=people[number // 2 % 100], people=people) for number in range(2000)]
    traces = [replace(mail, message_id="same") if mail.id % 2 else replace(mail, cited=("same",)) for mail in plain]
    started = time.process_time()
    parted(traces, {}, RULES)
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize("ring", [((1, 1),), ((1, 2), (2, 1)), ((1, 2), (2, 3), (3, 1), (4, 3))])
def test_rings(ring: tuple[tuple[int, int], ...]) -> None:
    traces = [trace(number, cited) for number, cited in ring]
    for order in itertools.permutations(traces):
        (block,) = parted(order, {}, RULES)
        assert (block.root.id, len(block.traces)) == (1, len(traces))


def test_long_threads_in_either_direction_need_no_stack() -> None:
    count = 20_000
    assert len(one(*(trace(n, n - 1, sent_at=NOW) for n in range(1, count))).traces) == count - 1
    assert len(one(*(trace(n, (n + 1) % count, sent_at=NOW) for n in range(count))).traces) == count


# --- responses without ids -------------------------------------------------------------------------------


def orphan(number: int, **values: Any) -> Trace:
    return trace(number, orphan=True, **{"matter": "s", **values})


def test_a_response_hangs_on_the_last_mail_of_its_subject_before_it() -> None:
    assert parts(trace(1, matter="s"), orphan(5)) == [[1, 5]]
    assert parts(trace(1, matter="s"), trace(3, matter="s"), orphan(5)) == [[1], [3, 5]]
    assert parts(trace(7, matter="s"), orphan(5)) == [[5], [7]]
    assert parts(trace(1, matter="other"), orphan(5)) == [[1], [5]]
    assert parts(trace(1, matter="s"), trace(5, matter="s")) == [[1], [5]]


@pytest.mark.parametrize(("days", "joined"), [(30, True), (31, False)])
def test_within_a_window(days: int, joined: bool) -> None:
    assert (parts(trace(1, matter="s"), orphan(1 + days)) == [[1, 1 + days]]) is joined


def test_outlooks_thread_has_no_window_and_goes_first() -> None:
    assert parts(trace(1, outlook="o"), orphan(90, outlook="o")) == [[1, 90]]
    assert parts(trace(1, outlook="o"), trace(3, matter="s"), orphan(5, outlook="o")) == [[1, 5], [3]]


def test_what_has_no_date_is_before_and_after_nothing() -> None:
    assert parts(trace(1, matter="s", sent_at=None), orphan(5)) == [[1], [5]]
    assert parts(trace(1, matter="s"), orphan(5, sent_at=None)) == [[1], [5]]


def test_what_cites_goes_by_that_alone() -> None:
    assert parts(trace(1, matter="s"), trace(2), trace(5, 2, matter="s")) == [[1], [2, 5]]


# --- dossiers --------------------------------------------------------------------------------------------


def test_a_mail_brings_its_conversation_closer() -> None:
    traces = (trace(1), trace(2, 1, evidence=demarche(42)), trace(3, 2, evidence=dossier(123)))
    assert [one(*traces[:n]).inbox for n in (1, 2, 3)] == [GLOBAL, demarche(42).inbox, dossier(123).inbox]
    assert one(*traces).evidence == dossier(123)


def test_not_from_one_demarche_to_another() -> None:
    assert one(trace(1, evidence=demarche(42)), trace(2, 1, evidence=demarche(43))).inbox == demarche(42).inbox


def test_what_names_another_dossier_begins_beside() -> None:
    traces = (trace(1, evidence=dossier(123)), trace(2, 1, evidence=dossier(124)), trace(3, 2))
    assert parts(*traces) == [[1], [2, 3]]
    assert beside(*traces)
    assert beside(trace(1, evidence=demarche(42)), trace(2, 1, evidence=dossier(125)))


def test_what_names_both_stays() -> None:
    assert parts(trace(1, evidence=dossier(123)), trace(2, 1, evidence=dossier(124, 123))) == [[1, 2]]


def test_a_guess_parts_nothing() -> None:
    """That a person has one open dossier isn't named by her mail."""
    guess = replace(dossier(124), named=())
    assert parts(trace(1, evidence=dossier(123)), trace(2, 1, evidence=guess)) == [[1, 2]]


def test_whoever_opened_it_must_be_admitted() -> None:
    """Ulysse names his dossier in answer to Véra's mail: hers doesn't enter it."""
    traces = (trace(1, author=VERA, people=(ULYSSE,)), trace(2, 1, evidence=dossier(123)))
    assert beside(*traces)
    assert [block.inbox for block in parted(traces, {}, RULES)] == [GLOBAL, dossier(123).inbox]
    assert one(traces[0], trace(2, 1, evidence=dossier(125))).inbox == dossier(125).inbox


def test_an_uncertain_author_opens_nobodys_conversation() -> None:
    block = one(trace(1, sure=False), trace(2, 1))
    assert block.owner == ""
    assert beside(trace(1, sure=False), trace(2, 1, evidence=dossier(123)))


# --- what else is linked ---------------------------------------------------------------------------------


def test_a_late_parent_joins_what_is_one_persons() -> None:
    assert parts(trace(1), trace(2), trace(3, 1, 2)) == [[1, 2, 3]]
    joined = one(trace(1), trace(2, evidence=dossier(123)), trace(3, 1, 2))
    assert joined.inbox == dossier(123).inbox


def test_a_late_parent_of_two_dossiers_relates_them() -> None:
    first, second = trace(2, 1, evidence=dossier(123)), trace(3, 1, evidence=dossier(124))
    assert parts(trace(1), first, second) == [[1, 2], [3]]
    assert beside(trace(1), first, second)
    assert beside(trace(1, evidence=dossier(123)), trace(2, evidence=dossier(124)), trace(3, 1, 2))


def test_what_is_two_peoples_is_related() -> None:
    assert beside(trace(1), trace(2, author=VERA, people=(ULYSSE,)), trace(3, 1, 2))


def kept(number: int, *cited: int, **values: Any) -> Trace:
    return trace(number, *cited, conversation=number, **values)


@pytest.mark.parametrize(
    "there",
    [
        {"pinned": True},
        {"status": Status.SPAM},
        {"guests": (VERA,), "acted": True},
        {"acted": True, "inbox": dossier(123).inbox},
    ],
)
def test_what_agents_keep_apart(there: dict[str, Any]) -> None:
    number = 124 if "inbox" in there else 123
    apart = {**held(1, **there), **held(2, inbox=dossier(number).inbox, acted=True)}
    assert beside(kept(1), kept(2), trace(3, 1, 2), there=apart)


def test_two_that_agents_answered_may_become_one() -> None:
    assert parts(kept(1), kept(2), trace(3, 1, 2), there={**held(1, acted=True), **held(2, acted=True)}) == [
        [1, 2, 3]
    ]


def test_an_answered_conversation_keeps_its_messages_its_usager_and_its_inbox() -> None:
    here: dict[str, Any] = {"conversation": 1}
    traces = [kept(1, 9), trace(2, evidence=dossier(124), **here), trace(3, author=VERA, **here)]
    block = one(*traces, there=held(1, acted=True, inbox=dossier(123).inbox, usager=STRANGER))
    assert (block.owner, block.inbox) == (STRANGER, dossier(123).inbox)
    late = trace(9, author=VERA, people=(ULYSSE,))
    assert parts(*traces, late, there=held(1, acted=True)) == [[1, 2, 3], [9]]


def test_nothing_moves_what_an_agent_moved() -> None:
    block = one(kept(1), trace(2, 1, evidence=dossier(123)), there=held(1, pinned=True, inbox=demarche(43).inbox))
    assert (block.inbox, len(block.traces)) == (demarche(43).inbox, 2)


def test_what_a_token_led_there_goes_with_the_conversations_opening() -> None:
    answer = trace(3, 2, conversation=1, anchored=True, evidence=dossier(124))
    assert parts(kept(1, evidence=dossier(123)), kept(2), answer, there={**held(1), **held(2)}) == [[1, 3], [2]]


# --- whatever the order ----------------------------------------------------------------------------------


EVIDENCE = (NOTHING, NOTHING, demarche(42), demarche(43), dossier(123), dossier(124), dossier(125, 123), dossier(125))
DAYS = st.one_of(st.none(), st.integers(0, 40).map(lambda day: NOW + timedelta(days=day)))


@st.composite
def worlds(draw: st.DrawFn) -> list[Trace]:
    count = draw(st.integers(1, 9))
    return [draw(_one(number, count)) for number in range(1, count + 1)]


@st.composite
def _one(draw: st.DrawFn, number: int, count: int) -> Trace:
    """A mail by itself belongs only to dossiers that its author is admitted to."""
    author = draw(st.sampled_from((ULYSSE, ULYSSE, VERA, STRANGER)))
    sure = draw(st.sampled_from((True,) * 7 + (False,)))
    mine = [its for its in EVIDENCE if all(sure and author in ENTER[dossier] for dossier in its.named)]
    return trace(
        number,
        *draw(st.lists(st.integers(1, count + 1), max_size=3, unique=True)),
        author=author,
        people=draw(st.lists(st.sampled_from((ULYSSE, VERA, STRANGER)), max_size=2)),
        machine=draw(st.sampled_from((False,) * 7 + (True,))),
        message_id=f"m{draw(st.sampled_from((number,) * 4 + (1,)))}",
        evidence=draw(st.sampled_from(mine)),
        sent_at=draw(DAYS),
        matter=draw(st.sampled_from(("", "s"))),
        outlook=draw(st.sampled_from(("", "", "o"))),
        orphan=draw(st.booleans()),
        sure=sure,
    )


Outcome = set[tuple[frozenset[str], Inbox, str, frozenset[str]]]


def outcome(traces: Iterable[Trace]) -> Outcome:
    """Mails (by what never depends on their order), inbox, owner, and the roots beside it."""
    return {
        (
            frozenset(trace.fingerprint for trace in block.traces),
            block.inbox,
            block.owner,
            frozenset(other.root.fingerprint for other in block.beside),
        )
        for block in parted(traces, {}, RULES)
    }


@given(traces=worlds(), data=st.data())
@profile(max_examples=150)
def test_the_order_means_nothing(traces: list[Trace], data: st.DataObject) -> None:
    """Neither that of the list, nor the numbers that messages were given as they came."""
    numbered = [
        replace(trace, id=number) for number, trace in enumerate(data.draw(st.permutations(traces)), start=100)
    ]
    assert outcome(numbered) == outcome(traces)


@given(traces=worlds())
@profile(max_examples=150)
def test_every_mail_is_in_one_conversation_of_one_dossier_at_most(traces: list[Trace]) -> None:
    blocks = parted(traces, {}, RULES)
    assert sorted(trace.id for block in blocks for trace in block.traces) == [trace.id for trace in traces]
    for block in blocks:
        if block.inbox.kind is InboxKind.DOSSIER:
            number = block.inbox.number
            assert number is not None
            assert RULES.admitted(block.owner, number)
            assert all(number in evidence.named for evidence in _evidence(block))
        assert all(block in other.beside for other in block.beside)


def _evidence(block: Block) -> list[Evidence]:
    found = [trace.traits.evidence for trace in block.traces if not trace.machine]
    return [evidence for evidence in found if evidence and evidence.inbox.kind is InboxKind.DOSSIER]


def test_dates_say_what_comes_before_whatever_they_are() -> None:
    """A forged date is no reason for anything to fail."""
    for at in (datetime.min.replace(tzinfo=NOW.tzinfo), datetime.max.replace(tzinfo=NOW.tzinfo)):
        assert (
            sum(len(group) for group in parts(orphan(1, sent_at=at), orphan(2), trace(3, matter="s", sent_at=at)))
            == 3
        )
