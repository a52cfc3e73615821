"""Mail that goes round in circles, and mail that nothing automatic may answer."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.mail.read import read
from gateway.model import Nature
from gateway.relay.compose import compose
from tests.builders import DOMAIN, draft, outgoing, raw_mail

OURS = compose(outgoing(letter=draft(automatic=True, silent=True)), ())


def received(times: int) -> bytes:
    return b"Received: from a.example by b.example; Sat, 01 Mar 2025 10:00:00 +0100\r\n" * times


def without(raw: bytes, *fields: str) -> bytes:
    """As a list or a forwarder sends it on: fields are its own, and some are gone."""
    header, _, body = raw.partition(b"\r\n\r\n")
    lines = header.replace(b"\r\n ", b" ").split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].decode().lower() not in fields]
    return b"\r\n".join((*kept, b"", body))


def sent_on(raw: bytes) -> bytes:
    mine = b"From: Liste <liste@assos.example.net>\r\nMessage-ID: <1@assos.example.net>\r\n"
    return mine + without(raw, "from", "reply-to", "message-id", "auto-submitted", "x-auto-response-suppress")


@pytest.mark.parametrize(("hops", "nature"), [(50, Nature.PERSON), (51, Nature.LOOP), (5_000, Nature.LOOP)])
def test_what_passed_too_many_servers_is_a_loop(hops: int, nature: Nature) -> None:
    assert read(received(hops) + raw_mail(), domain=DOMAIN).nature is nature


def test_a_loop_of_anything_is_a_loop() -> None:
    assert read(received(51) + OURS, domain=DOMAIN).nature is Nature.LOOP


def test_our_own_mail_come_back_is_known_whatever_a_list_did_to_it() -> None:
    for raw in (OURS, sent_on(OURS), sent_on(compose(outgoing(), ()))):
        assert read(raw, domain=DOMAIN).nature is Nature.ECHO


def test_another_gateways_automatic_mail_is_a_machines_and_its_agents_answers_are_not() -> None:
    assert read(sent_on(OURS), domain="autre.example.org").nature is Nature.AUTO_REPLY
    answer = sent_on(without(compose(outgoing(), ()), "content-type"))
    assert read(answer, domain="autre.example.org").nature is Nature.PERSON


def test_the_field_of_others_proves_nothing() -> None:
    for value in ("", ";", "automatic", f"x{DOMAIN}", "autre.example.org; manual", "\x00" * 500):
        assert read(raw_mail(X_Gateway_Loop=value), domain=DOMAIN).nature is Nature.PERSON
    assert read(raw_mail(X_Gateway_Loop=DOMAIN)).nature is Nature.PERSON  # whose domain isn't known


# --- what nothing automatic may answer ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"Precedence": "bulk"},
        {"Precedence": "List"},
        {"Precedence": "junk"},
        {"List_Unsubscribe": "<https://x.example>"},
        {"List_Help": "<https://x.example>"},
        {"X_Auto_Response_Suppress": "All"},
        {"X_Auto_Response_Suppress": "DR, OOF, AutoReply"},
        {"X_Loop": "x"},
        {"sender": "owner-liste@x.example"},
        {"sender": "liste-request@x.example"},
        {"sender": "bounces+123@x.example"},
        {"sender": "majordomo@x.example"},
        {"sender": "no-reply@x.example"},
        {"sender": "ne-pas-repondre@x.example"},
    ],
)
def test_a_persons_mail_that_no_machine_may_answer(fields: dict[str, Any]) -> None:
    found = read(raw_mail(**fields), domain=DOMAIN)
    assert found.nature is Nature.PERSON
    assert found.unanswerable


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Precedence": "first-class"},
        {"X_Auto_Response_Suppress": "OOF"},
        {"X_Auto_Response_Suppress": "DR, NDR, RN, NRN"},
        {"sender": "owner@x.example"},
        {"sender": "robert@x.example"},
        {"sender": "jean-request-martin@x.example"},
        {"List_Id": f"<contact.{DOMAIN}>", "Precedence": "list", "List_Unsubscribe": "<https://x.example>"},
    ],
)
def test_what_may_be_answered(fields: dict[str, Any]) -> None:
    assert read(raw_mail(**fields), domain=DOMAIN).unanswerable == ""


@pytest.mark.parametrize(
    ("sender", "may"),
    [
        ("liste-bounces@listes.example.net", False),
        ("owner-liste@listes.example.net", False),
        ("liste-bounces+ulysse=usager.example.net@listes.example.net", False),
        ("MAILER-DAEMON@x.example", False),
        (f"contact-bounces@{DOMAIN}", True),
        (f"contact-bounces@evil{DOMAIN}", False),
        ("ulysse@usager.example.net", True),
        ("SRS0=ab=cd=usager.example.net=ulysse@forward.example", True),
        (None, True),
    ],
)
def test_the_envelope_tells_of_lists(sender: str | None, may: bool) -> None:
    assert (read(raw_mail(), domain=DOMAIN, envelope_sender=sender).unanswerable == "") is may
