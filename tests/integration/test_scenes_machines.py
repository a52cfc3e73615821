"""Scene f: what machines write is recorded, and answered by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import postfix as servers
from tests.servers.clients import gmail, letter
from tests.servers.gateway import (
    ALICE,
    CONTACT,
    DOMAIN,
    INES,
    ULYSSE,
    Gateway,
    Sent,
    configuration,
    running,
    smtp_relay,
)
from tests.servers.postfix import Postfix
from tests.servers.sink import Sink

needs_postfix = pytest.mark.skipif(not servers.AVAILABLE, reason=servers.MISSING)
LIST = {"List_Id": "Actualités <actu.example.net>", "List_Unsubscribe": "<mailto:leave@example.net>"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with running(tmp_path) as started:
        yield started


def answered(gateway: Gateway) -> Sent:
    """Ulysse asks, Inès answers: the mail that he gets."""
    to = f"dossier+123@{DOMAIN}"
    gateway.send(letter(ULYSSE, "Où en est ma demande ?", to=to), to=to)
    gateway.send(gmail(gateway.awaited(INES), INES, "Elle est en cours."), to=CONTACT)
    return gateway.awaited(ULYSSE, 2)


def nobody_is_written_to(gateway: Gateway, before: int) -> None:
    """The outbox is written with the message: once that is filed, all that it causes is there."""
    assert len(gateway.outbox()) == before
    assert len(gateway.sent()) == before


def test_an_out_of_office_answer_is_recorded(gateway: Gateway) -> None:
    answer = answered(gateway)
    absent = gmail(answer, ULYSSE, "Je suis absent jusqu'au 1er décembre.")
    absent["Auto-Submitted"] = "auto-replied"
    gateway.send(absent, sender="", to=str(answer.message["From"].addresses[0].addr_spec))
    gateway.taken_in(3)
    conversation = gateway.only()
    last = conversation["messages"][-1]
    assert (last["kind"], last["nature"], last["author"]) == ("machine", "auto-reply", ULYSSE)
    assert conversation["status"] == "pending", "only a person's mail makes it active again"
    nobody_is_written_to(gateway, 3)


def test_a_mailing_list_is_recorded(gateway: Gateway) -> None:
    gateway.send(letter("actu@example.net", "Bonne lecture", **LIST))
    gateway.taken_in(1)
    conversation = gateway.only()
    assert [(m["kind"], m["nature"]) for m in conversation["messages"]] == [("machine", "bulk")]
    assert conversation["status"] == "closed", "no work for anybody"
    nobody_is_written_to(gateway, 0)


def test_our_own_mail_that_comes_back_is_recorded(gateway: Gateway) -> None:
    """Notification, acknowledgement and answer, through somebody's forwarding."""
    answered(gateway)
    for number, ours in enumerate(gateway.all_sent()):
        trace = b"Received: from mx.example.net by mx.example.org; Mon, 23 Nov 2026 10:30:00 +0100\r\n"
        gateway.send(trace + ours.raw, sender=ULYSSE, to=CONTACT)
        gateway.taken_in(3 + number)
    conversation = gateway.only()
    assert [m["nature"] for m in conversation["messages"]] == ["person"] * 2 + ["echo"] * 3
    assert conversation["status"] == "pending"
    nobody_is_written_to(gateway, 3)


def test_a_report_that_somebody_made_up_marks_nothing(gateway: Gateway) -> None:
    """It names our Message-ID's number, without the token in it."""
    answer = answered(gateway)
    invented = f"<{answer.id.strip('<>').partition('.')[0]}.{'a' * 32}@{DOMAIN}>"
    gateway.send(report(ULYSSE, invented), sender="", to=CONTACT)
    gateway.taken_in(3)
    states = {d["state"] for d in gateway.outbox()}
    assert states == {"sent"}
    nobody_is_written_to(gateway, 3)


def test_a_report_built_by_hand_marks_the_delivery(gateway: Gateway) -> None:
    """For where there is no Postfix: RFC 3464 in its smallest form, to the envelope sender."""
    answer = answered(gateway)
    gateway.send(report(ULYSSE, answer.id), sender="", to=answer.sender)
    refusal_is_told(gateway)


def report(recipient: str, message_id: str) -> bytes:
    """A delivery report (RFC 3464) as mail servers write them."""
    return "\r\n".join(
        (
            "From: Mail Delivery System <MAILER-DAEMON@mx.example.net>",
            f"To: {CONTACT}",
            "Subject: Undelivered Mail Returned to Sender",
            "Message-ID: <bounce@mx.example.net>",
            "Auto-Submitted: auto-replied",
            "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
            "",
            "--b",
            "",
            "Your mail could not be delivered.",
            "--b",
            "Content-Type: message/delivery-status",
            "",
            "Reporting-MTA: dns; mx.example.net",
            "",
            f"Final-Recipient: rfc822; {recipient}",
            "Action: failed",
            "Status: 5.1.1",
            "Diagnostic-Code: smtp; 550 5.1.1 no such user",
            "",
            "--b",
            "Content-Type: text/rfc822-headers",
            "",
            f"Message-ID: {message_id}",
            "Subject: Re: Une question",
            "",
            "--b--",
            "",
        )
    ).encode()


def refusal_is_told(gateway: Gateway) -> None:
    """The delivery is marked, the conversation shows it, the agent whose answer it was is told, and nobody else."""
    gateway.taken_in(3)
    conversation = gateway.only()
    (out,) = [m for m in conversation["messages"] if m["direction"] == "out"]
    (delivery,) = out["deliveries"]
    assert (delivery["to"], delivery["state"]) == (ULYSSE, "refused")
    assert "5.1.1" in delivery["last_reply"]
    last = conversation["messages"][-1]
    assert (last["kind"], last["nature"]) == ("machine", "bounce")
    assert [d["to"] for d in gateway.outbox()][3:] == [INES]
    assert any("5.1.1" in entry["what"] for entry in conversation["history"])


@needs_postfix
def test_a_bounce_of_a_real_postfix_marks_the_delivery_and_tells_the_agent(tmp_path: Path) -> None:
    """Postfix takes the answer, the usager's server refuses it, and Postfix reports to our envelope sender."""
    gateway, server = Gateway(tmp_path, configuration()), Sink()
    server.on_recipient = lambda _: "550 5.1.1 no such user here"
    postfix = Postfix(f"smtp:[127.0.0.1]:{gateway.port}")
    try:
        gateway.configure(configuration(relay=smtp_relay(postfix.port)))
        gateway.start()
        to = f"dossier+123@{DOMAIN}"
        gateway.send(letter(ULYSSE, "Où en est ma demande ?", to=to), to=to)
        asked = gateway.until(lambda: postfix.box_of(INES), "a notification to Inès")[0]
        gateway.until(lambda: postfix.box_of(ULYSSE), "the acknowledgement")
        postfix.route("usager.example.net", f"smtp:[127.0.0.1]:{server.port}")
        gateway.send(gmail(Sent("", INES, asked.as_bytes()), INES, "Elle est en cours."), to=CONTACT)
        refusal_is_told(gateway)
        notice = gateway.until(lambda: postfix.box_of(INES)[1:], "a notice to Inès")[0]
        assert ULYSSE in notice.get_content()
        assert "no such user here" in notice.get_content()
        assert notice["Return-Path"] == "<>"
        assert not postfix.box_of(ALICE)
        gateway.stop()
    finally:
        if gateway.running:
            gateway.kill()
        postfix.close()
        server.close()
