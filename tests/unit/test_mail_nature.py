"""Who or what wrote: the rule and its reason; and that people stay people."""

from __future__ import annotations

import pytest

from gateway.mail.read import read
from gateway.model import Nature, Reported


def mail(
    *fields: str, body: str = "Bonjour,\n\nmerci de votre aide.\n", sender: str = "Claire <claire@example.org>"
) -> bytes:
    return "\n".join((f"From: {sender}", "To: contact@support.example", *fields, "", body)).encode()


def report(
    *blocks: str,
    returned: str = "Message-ID: <d7.tok@support.example>\nSubject: Votre dossier",
    kind: str = "text/rfc822-headers",
) -> bytes:
    status = "\n\n".join(("Reporting-MTA: dns; mx.example.org", *blocks))
    return mail(
        "Subject: Undelivered Mail Returned to Sender",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
        body="--b\n\nThe mail system.\n\n"
        f"--b\nContent-Type: message/delivery-status\n\n{status}\n\n--b\nContent-Type: {kind}\n\n{returned}\n--b--\n",
        sender="MAILER-DAEMON@mx.example.org",
    )


FAILED = (
    "Final-Recipient: rfc822; Absent@example.org\nAction: failed\nStatus: 5.1.1\n"
    "Diagnostic-Code: smtp; 550 5.1.1 unknown\n user"
)
DELAYED = "Final-Recipient: rfc822; lent@example.org\nAction: delayed\nStatus: 4.4.1"
DELIVERED = "Final-Recipient: rfc822; la@example.org\nAction: delivered\nStatus: 2.0.0"


@pytest.mark.parametrize(
    ("blocks", "nature"),
    [
        ((FAILED,), Nature.BOUNCE),
        ((DELAYED,), Nature.DELAY),
        ((DELIVERED,), Nature.RECEIPT),
        ((DELAYED, FAILED), Nature.BOUNCE),
    ],
)
def test_delivery_reports(blocks: tuple[str, ...], nature: Nature) -> None:
    found = read(report(*blocks))
    assert found.nature is nature
    assert "Action" in found.nature_because


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
def test_a_bounce_tells_which_mail_and_what_became_of_whom(kind: str) -> None:
    found = read(report(FAILED, DELAYED, kind=kind)).report
    assert found is not None
    assert found.original_message_id == "d7.tok@support.example"
    assert found.recipients == (
        Reported("absent@example.org", "failed", "5.1.1", "550 5.1.1 unknown user"),
        Reported("lent@example.org", "delayed", "4.4.1", ""),
    )


def test_a_bounce_in_free_form() -> None:
    body = (
        "Hi. This is the qmail-send program at example.org.\n\n"
        "<absent@example.org>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
        "Message-ID: <20250203.qmail@example.org>\n\n"
        "--- Below this line is a copy of the message.\n\nMessage-ID: <d7.tok@support.example>\nSubject: x\n"
    )
    found = read(mail("Subject: failure notice", "Return-Path: <>", body=body, sender="MAILER-DAEMON@example.org"))
    assert found.nature is Nature.BOUNCE
    assert found.report is not None
    assert found.report.original_message_id == "d7.tok@support.example"
    (recipient,) = found.report.recipients
    assert (recipient.recipient, recipient.action, recipient.status) == ("absent@example.org", "failed", "5.1.1")


def test_failed_recipients_in_the_header() -> None:
    found = read(
        mail(
            "Subject: Delivery Status Notification (Failure)",
            "X-Failed-Recipients: absent@example.org",
            sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        )
    )
    assert found.nature is Nature.BOUNCE
    assert found.report is not None
    assert [r.recipient for r in found.report.recipients] == ["absent@example.org"]


def test_a_receipt() -> None:
    raw = mail(
        "Subject: Lu : Votre dossier",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
        body="--b\n\nLu.\n--b\nContent-Type: message/disposition-notification\n\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n--b--\n",
    )
    assert read(raw).nature is Nature.RECEIPT


@pytest.mark.parametrize(
    "fields",
    [
        ("Auto-Submitted: auto-replied", "Subject: Absente"),
        ("Auto-Submitted: Auto-Generated (alerte)", "Subject: x"),
        ("X-Autoreply: yes", "Subject: x"),
        ("X-Autorespond: Votre mail", "Subject: x"),
        ("Precedence: auto_reply", "Subject: x"),
        ("Subject: Réponse automatique : Votre dossier",),
        ("Subject: =?utf-8?q?R=C3=A9ponse_automatique=C2=A0:_Votre_dossier?=",),
        ("Subject: Absence du bureau",),
        ("Subject: Automatic reply: Your file",),
        ("Subject: Automatische Antwort: Ihr Antrag",),
        ("Subject: Respuesta automática: x",),
        ("Subject: Risposta automatica: x",),
        ("Subject: Resposta automática: x",),
        ("Subject: Automatisch antwoord: x",),
        ("Subject: AUTO: Claire Petit is out of the office (returning 06/01)",),
    ],
)
def test_automatic_answers(fields: tuple[str, ...]) -> None:
    assert read(mail(*fields, body="Bonjour,\n\nje suis absente jusqu'au 12 mai.\n")).nature is Nature.AUTO_REPLY


def test_a_null_envelope_sender_is_a_machine() -> None:
    assert read(mail("Subject: x"), envelope_sender="").nature is Nature.AUTO_REPLY
    assert read(mail("Subject: x"), envelope_sender="claire@example.org").nature is Nature.PERSON


@pytest.mark.parametrize(
    "fields",
    [
        ("List-Id: <liste.example.org>", "Subject: x"),
        ("List-Unsubscribe: <https://example.org>", "Precedence: bulk", "Subject: x"),
        ("List-Unsubscribe: <https://example.org>", "Feedback-ID: 1:2", "Subject: x"),
    ],
)
def test_lists_and_mass_mail(fields: tuple[str, ...]) -> None:
    assert read(mail(*fields)).nature is Nature.BULK


@pytest.mark.parametrize(
    "fields",
    [
        ("Auto-Submitted: auto-replied", "X-Zammad-Ticket-Id: 12", "Subject: x"),
        ("Auto-Submitted: auto-replied", "Subject: [Ticket#2025012] Votre demande"),
        ("X-OTRS-Loop: yes", "X-OTRS-Agent: a", "Subject: x"),
    ],
)
def test_other_desks(fields: tuple[str, ...]) -> None:
    assert read(mail(*fields)).nature is Nature.ACKNOWLEDGEMENT


TOKEN = "aiaqaaaaaaaqa4eczl6cwp3bpfpxviy4"


def test_an_agent_may_have_her_address_in_our_domain() -> None:
    raw = mail("Message-ID: <1f2e@support.example>", "Subject: x", sender="manon@support.example")
    assert read(raw, domain="support.example").nature is Nature.PERSON


def test_our_echo() -> None:
    raw = mail(
        f"Message-ID: <1.{TOKEN}@Support.example>",
        "Auto-Submitted: auto-replied",
        "Subject: x",
        sender="contact@support.example",
    )
    assert read(raw, domain="support.example").nature is Nature.ECHO
    assert read(raw, domain="").nature is Nature.AUTO_REPLY
    foreign = raw.replace(b"@Support.example>", b"@support.example.evil.example>")
    assert read(foreign, domain="support.example").nature is not Nature.ECHO


@pytest.mark.parametrize(
    "fields",
    [
        ("Subject: Votre dossier",),
        ("Subject: Re: Réponse automatique : Votre dossier",),
        ("Subject: Vacation",),
        ("Subject: Out of the office next week, what should I do?",),
        ("Subject: Votre réponse automatique ne me convient pas",),
        ("Subject: Undelivered parcel",),
        ("Subject: x", "X-Auto-Response-Suppress: All"),
        ("Subject: x", "Auto-Submitted: no"),
        ("Subject: x", "Precedence: bulk"),
        ("Subject: x", "List-Unsubscribe: <mailto:x@example.org>"),
        ("Subject: [Ticket#2025012] ma réponse",),
        ("Subject: x", "X-Loop: liste@example.org"),
        ("Subject: Delivery Status Notification (Failure) reçu, que faire ?", "Return-Path: <claire@example.org>"),
    ],
)
def test_people_stay_people(fields: tuple[str, ...]) -> None:
    found = read(mail(*fields))
    assert found.nature is Nature.PERSON
    assert found.report is None


def test_a_person_called_postmaster_stays_one() -> None:
    raw = mail(
        "Subject: Returned mail", body="Bonjour, j'ai reçu ceci, que faire ?", sender="postmaster@mairie.example"
    )
    assert read(raw).nature is Nature.PERSON
