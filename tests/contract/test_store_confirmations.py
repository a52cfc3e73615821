"""What agents are asked, in the store: once for each mail, answered once, found wherever the mail stands by then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from gateway.errors import StoreError
from gateway.model import Answered, Ask, Asked, Confirmation, Conversation, Draft, Filing, Purpose, Role
from gateway.store import confirmations, filing, views
from gateway.store.database import Store
from gateway.store.rows import conversation_by_id
from tests.builders import INES, NOW, ULYSSE, conversation, draft
from tests.contract.test_store_outbox import SIGNER, message

LATER = NOW + timedelta(hours=1)
QUESTION = draft(INES, role=Role.AGENT, purpose=Purpose.CONFIRMATION, silent=True, confirms=0)


def ask(store: Store, identifier: str = "m1@x", into: Conversation | None = None, letter: Draft = QUESTION) -> int:
    """File a mail with the question about it; the delivery."""
    filed = Filing(into or conversation(0), ((message(identifier), (letter,)),), asks=Ask(INES, "Inès", ULYSSE))
    _, (delivery,) = store.write_now(lambda tx: filing.file(tx, filed, SIGNER, NOW))
    return delivery


def asked(store: Store, delivery: int) -> Asked:
    (found,) = store.read_now(lambda c: confirmations.asked(c, [delivery]))
    return found


def answer(store: Store, delivery: int, state: Confirmation, told: str = "") -> None:
    store.write_now(lambda tx: confirmations.answer(tx, Answered(delivery, state, told), LATER))


def test_what_was_asked_is_found_whole(store: Store) -> None:
    found = asked(store, ask(store))
    assert (found.agent, found.name, found.usager, found.at) == (INES, "Inès", ULYSSE, NOW)
    assert (found.state, found.told, found.filed.message_id) == (Confirmation.ASKED, "", "m1@x")
    assert found.conversation.id == 1


def test_what_no_delivery_asked_is_nothing(store: Store) -> None:
    delivery = ask(store)
    assert store.read_now(lambda c: confirmations.asked(c, [delivery + 1])) == ()


def test_it_is_answered_once(store: Store) -> None:
    delivery = ask(store)
    answer(store, delivery, Confirmation.CONFIRMED)
    for state in (Confirmation.CONFIRMED, Confirmation.WITHDRAWN):
        with pytest.raises(StoreError):
            answer(store, delivery, state)
    assert asked(store, delivery).state is Confirmation.CONFIRMED


def test_what_she_is_told_leaves_it_open(store: Store) -> None:
    delivery = ask(store)
    answer(store, delivery, Confirmation.ASKED, "unclear_answer")
    found = asked(store, delivery)
    assert (found.state, found.told) == (Confirmation.ASKED, "unclear_answer")


def test_a_mail_is_asked_about_once(store: Store) -> None:
    first = ask(store)
    wanted = Ask(INES, "", "")
    second = ask(store, "m2@x", replace(conversation(0), reference="REF-2"))
    with pytest.raises(IntegrityError):
        store.write_now(lambda tx: confirmations.ask(tx, second + 1, asked(store, first).message, wanted, NOW))


def test_an_act_whose_question_was_answered_meanwhile_leaves_nothing(store: Store) -> None:
    delivery = ask(store)
    answer(store, delivery, Confirmation.WITHDRAWN)
    act = Filing(
        asked(store, delivery).conversation,
        ((message("yes@x"), (draft(),)),),
        answered=Answered(delivery, Confirmation.CONFIRMED),
    )
    with pytest.raises(StoreError):
        store.write_now(lambda tx: filing.file(tx, act, SIGNER, LATER))
    found = store.read_now(lambda c: views.shown(c, asked(store, delivery).conversation))
    assert [m["message_id"] for m in found["messages"]] == ["m1@x"]


def test_it_follows_its_mail_into_another_conversation(store: Store) -> None:
    delivery = ask(store)
    filed = Filing(replace(conversation(0), reference="REF-2"), ((message("m2@x"), ()),), merge=(1,))
    store.write_now(lambda tx: filing.file(tx, filed, SIGNER, NOW))
    assert asked(store, delivery).conversation.reference == "REF-2"


def test_it_is_shown_with_its_mail(store: Store) -> None:
    delivery = ask(store)
    answer(store, delivery, Confirmation.CONFIRMED)
    whole = store.read_now(lambda c: views.shown(c, conversation_by_id(c, 1)))
    assert [m["confirmation"] for m in whole["messages"]] == [
        {"agent": INES, "state": "confirmed", "asked_at": NOW, "done_at": LATER}
    ]
