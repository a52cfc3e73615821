"""The states of a conversation, and what moves it from one to another."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.states import put, written
from gateway.model import Conversation, Status
from tests.builders import NOW, conversation

A, P, C, S = Status.ACTIVE, Status.PENDING, Status.CLOSED, Status.SPAM
LATER = NOW + timedelta(days=3)


def in_state(status: Status, since: datetime | None = NOW, **values: Any) -> Conversation:
    return conversation(1, status=status, waiting_since=since if status in {A, P} else None, **values)


@pytest.mark.parametrize(("before", "after"), [(A, A), (P, A), (C, A), (S, S)])
def test_a_persons_mail_makes_it_work_again_unless_it_is_spam(before: Status, after: Status) -> None:
    assert written(in_state(before), LATER).status is after


def test_it_waits_since_the_first_mail_that_nobody_answered() -> None:
    assert written(in_state(P), LATER).waiting_since == LATER
    assert written(in_state(C), LATER).waiting_since == LATER
    assert written(in_state(A), LATER).waiting_since == NOW
    assert written(in_state(A, None), LATER).waiting_since == LATER


def test_a_persons_mail_ends_what_was_set_for_later() -> None:
    asleep = in_state(P, snoozed_until=LATER, closing_at=LATER, reminded=2)
    awake = written(asleep, NOW + timedelta(days=1))
    assert (awake.snoozed_until, awake.closing_at, awake.reminded) == (None, None, 0)


def test_spam_stays_as_it_is() -> None:
    spam = in_state(S)
    assert written(spam, LATER) is spam


def test_reminders_go_on_while_she_writes_again() -> None:
    """Who writes each day isn't answered the sooner for it, nor are her agents left in peace."""
    reminded = in_state(A, reminded=2)
    assert written(reminded, LATER) == reminded


@given(
    st.sampled_from(Status),
    st.sampled_from(Status),
    st.none() | st.just(LATER),
    st.booleans(),
    st.integers(0, 3),
)
def test_a_state_begins_afresh(
    before: Status, after: Status, until: datetime | None, announced: bool, reminded: int
) -> None:
    old = in_state(before, snoozed_until=LATER, closing_at=LATER if announced else None, reminded=reminded)
    new = put(old, after, NOW + timedelta(hours=1), until)
    assert new.status is after
    assert new.waiting_since == (NOW + timedelta(hours=1) if after in {A, P} else None)
    assert (new.snoozed_until, new.reminded, new.closing_at) == (until, 0, None)
    assert (new.inbox, new.assignee, new.usager, new.id) == (old.inbox, old.assignee, old.usager, old.id)
