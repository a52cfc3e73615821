"""When an acknowledgement is due (RFC 3834 §2): to whom, how often, and never to what our own mail caused."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from gateway.config.settings import Limits, Trust
from gateway.model import (
    GLOBAL,
    Acknowledged,
    Authentication,
    Inbox,
    Mail,
    Nature,
    Participation,
    Purpose,
    Recalled,
    Role,
    Sent,
    Verdict,
    Volume,
)
from gateway.relay import plan, samples
from gateway.relay.automatic import acknowledgement_due
from tests.builders import DEMARCHE, DOSSIER, NOW, ULYSSE, conversation, mail, passing

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANSWER = plan.acknowledgement(ULYSSE, samples.PLACE, NOW).text


def due(letter: Mail | None = None, recalled: Recalled | None = None, **values: Any) -> plan.Due:
    trust = Trust(acknowledge=values.pop("acknowledge", "person"))
    limits = Limits(**values.pop("limits", {}))
    conditions: dict[str, Any] = {
        "new": True,
        "inbox": GLOBAL,
        "ours": False,
        "addressed_refused": False,
        "envelope_sender": "u@x",
    }
    conditions |= {"age": timedelta(hours=1), "now": NOW, **values}
    return acknowledgement_due(letter or mail(), recalled or Recalled(), trust, limits, **conditions)


def lately(*earlier: Acknowledged, **values: Any) -> Recalled:
    return Recalled(volume=Volume(earlier, **values))


def earlier(
    text: str, at: datetime = NOW - HOUR, subject: str = "Une question", inbox: Inbox = GLOBAL
) -> Acknowledged:
    return Acknowledged(at, subject, text, ANSWER, inbox)


# --- to whom -----------------------------------------------------------------------------------------------


def test_an_acknowledgement_is_due_once_to_a_person() -> None:
    assert due().due
    assert due(envelope_sender=None).due
    assert not due(new=False).due
    assert not due(ours=True).due
    assert not due(age=timedelta(days=4)).due
    assert not due(envelope_sender="").due
    assert not due(addressed_refused=True).due
    assert not due(mail(sure=False)).due
    assert not due(mail(unanswerable="list-id: it came through a list")).due
    assert not due(acknowledge="never").due
    assert not due(acknowledge="authenticated").due
    assert due(mail(authentication=passing()), acknowledge="authenticated").due


@pytest.mark.parametrize("nature", [nature for nature in Nature if nature is not Nature.PERSON])
def test_machines_are_told_nothing(nature: Nature) -> None:
    assert not due(mail(nature=nature)).due


def test_whom_their_own_domain_disowns_is_told_nothing() -> None:
    disowned = mail(authentication=Authentication(Verdict.FAIL, "dmarc=fail"))
    assert due(disowned) == plan.Due(False, "its author's domain disowns it")


# --- what our own mail caused ----------------------------------------------------------------------------


def test_two_requests_are_two_matters() -> None:
    first = earlier("Bonjour, où en est ma demande de permis de végétaliser ?")
    other = mail(own="Bonjour, quelle pièce faut-il pour inscrire ma fille à la cantine ?")
    assert due(other, lately(first)).due
    assert due(mail(subject="Autre démarche", own=first.text), lately(first)).due
    assert due(mail(text="…", own="…"), lately(earlier("…"))).due  # in which there is nothing to compare


@pytest.mark.parametrize(
    "again",
    [
        "Bonjour, votre demande 4711 du 3 mars est enregistrée par nos services.",
        "bonjour, votre demande 4712 du 4 mars est enregistrée par nos services",
    ],
)
def test_the_same_words_are_acknowledged_once(again: str) -> None:
    first = earlier("Bonjour, votre demande 4711 du 3 mars est enregistrée par nos services.", NOW - 6 * DAY)
    found = due(mail(own=again, text=again), lately(first))
    assert (found.due, found.because) == (False, "the same words were acknowledged before")


def test_the_same_words_about_another_dossier_are_another_request() -> None:
    text = "Bonjour, où en est mon dossier ? Merci de votre réponse."
    letter = mail(own=text, text=text)
    assert due(letter, lately(earlier(text, inbox=DOSSIER)), inbox=DEMARCHE).due
    assert not due(letter, lately(earlier(text, inbox=DOSSIER)), inbox=DOSSIER).due


def test_our_own_words_are_not_acknowledged() -> None:
    """A list that takes every mark off our acknowledgement, and sends it on as its own."""
    text = f"Bonjour,\n\nvous avez un nouveau message :\n\n{ANSWER}\n-- \nla liste"
    assert not due(mail("liste@x", own=text, text=text), lately(earlier("Première question."))).due
    assert due(mail("liste@x", own=text, text=text)).due


def test_what_answers_our_mail_is_not_acknowledged_soon_after_an_acknowledgement() -> None:
    here = conversation()
    sent = (Sent(7, here, Purpose.ACKNOWLEDGEMENT, ULYSSE, ""),)
    known = ((Participation(1, 1, ULYSSE, Role.USAGER), here),)
    answered = lately(earlier("Première question."))
    assert due(recalled=Recalled(sent=sent)).due
    assert not due(recalled=replace(answered, sent=sent)).due
    assert not due(recalled=replace(answered, participations=known)).due


# --- how many ----------------------------------------------------------------------------------------------


def words(seed: int) -> str:
    """A text that is like no other: figures don't count as words."""
    return " ".join(f"{a}{b}{c}" for a, b, c in itertools.islice(itertools.product("bdfgk", "aeiou", "lmnrs"), 125))[
        seed * 16 : seed * 16 + 15
    ]


@pytest.mark.parametrize(
    ("recalled", "cap"),
    [
        (lately(*(earlier(words(n)) for n in range(2))), ""),
        (lately(*(earlier(words(n)) for n in range(3))), "acknowledgements_per_address"),
        (lately(*(earlier(words(n), NOW - DAY) for n in range(3))), ""),
        (lately(in_a_minute=59), ""),
        (lately(in_a_minute=60), "acknowledgements_per_minute"),
        (lately(braked=True), "alarm_above"),
    ],
)
def test_caps(recalled: Recalled, cap: str) -> None:
    found = due(recalled=recalled)
    assert (found.cap, found.due) == (cap, not cap)


@given(
    st.lists(st.integers(0, 47), max_size=30),
    st.integers(0, 100),
    st.booleans(),
    st.integers(1, 5),
    st.integers(1, 60),
)
@profile(max_examples=60)
def test_nobody_gets_more_than_the_limits_allow(
    hours: list[int], minute: int, braked: bool, address: int, most: int
) -> None:
    """Whatever was acknowledged before: what is due is within each of the caps."""
    before = [earlier(words(n), NOW - hour * HOUR) for n, hour in enumerate(hours)]
    limits = {"acknowledgements_per_address": address, "acknowledgements_per_minute": most}
    found = due(mail(own="xyz"), lately(*before, in_a_minute=minute, braked=braked), limits=limits)
    allowed = sum(hour < 24 for hour in hours) < address and minute < most and not braked
    assert found.due == allowed
