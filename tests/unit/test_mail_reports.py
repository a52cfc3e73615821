"""What delivery reports say, however broken they come: who didn't get it, why, and which mail it is about."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import reports
from gateway.mail.headers import split
from gateway.mail.parts import tree
from gateway.mail.read import read
from gateway.mail.reports import free_form, sns
from gateway.model import Mail, Nature, Reported


def dsn(status: str, *, top: str = "multipart/report; report-type=delivery-status", returned: str = "") -> bytes:
    """A report with this delivery-status part, in a mail of this type."""
    return (
        "From: MAILER-DAEMON@mx.example.org\nTo: reponse@support.example\nSubject: Undelivered\nMIME-Version: 1.0\n"
        f'Content-Type: {top}; boundary="b"\n\n--b\n\nIt failed.\n--b\nContent-Type: message/delivery-status\n\n'
        f"{status}\n--b\nContent-Type: message/rfc822\n\n{returned}\n\nBonjour.\n--b--\n"
    ).encode()


def free(text: str, subject: str = "Undelivered Mail Returned to Sender", **fields: str) -> Mail:
    """A report in free form."""
    header = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items())
    sender = "" if "From" in fields else "From: MAILER-DAEMON@mx.example.org\n"
    return read(
        f"{sender}To: reponse@support.example\nSubject: {subject}\n{header}"
        f"Content-Type: text/plain; charset=utf-8\n\n{text}\n".encode()
    )


def told(mail: Mail) -> list[tuple[str, str, str]]:
    assert mail.report is not None
    return [(r.recipient, r.action, r.status) for r in mail.report.recipients]


# --- RFC 3464, as it comes --------------------------------------------------------------------------------------

ONE = "Final-Recipient: rfc822; a@example.org\nAction: failed\nStatus: 5.1.1"
TWO = "Final-Recipient: rfc822; b@example.org\nAction: failed\nStatus: 5.2.2"


@pytest.mark.parametrize(
    "top",
    [
        "multipart/report; report-type=delivery-status",
        "multipart/report",
        "multipart/mixed",
        "multipart/mixed; report-type=delivery-status",
    ],
)
def test_the_part_counts_whatever_is_around_it(top: str) -> None:
    mail = read(dsn(f"Reporting-MTA: dns; mx.example.org\n\n{ONE}", top=top))
    assert mail.nature is Nature.BOUNCE
    assert told(mail) == [("a@example.org", "failed", "5.1.1")]


@pytest.mark.parametrize("between", ["\n\n", "\n", "\n\n\n\n", "\n \n"])
@pytest.mark.parametrize("before", ["Reporting-MTA: dns; mx.example.org\n\n", "Reporting-MTA: dns; mx\n", "\n\n", ""])
def test_groups_are_told_apart_with_and_without_blank_lines(before: str, between: str) -> None:
    assert told(read(dsn(before + ONE + between + TWO))) == [
        ("a@example.org", "failed", "5.1.1"),
        ("b@example.org", "failed", "5.2.2"),
    ]


def test_a_blank_line_within_a_group_does_not_part_it() -> None:
    assert told(read(dsn(ONE.replace("\nAction", "\n\nAction")))) == [("a@example.org", "failed", "5.1.1")]


def test_a_field_that_only_the_second_group_has_is_the_second_groups() -> None:
    mail = read(dsn(f"{ONE}\n\nOriginal-Recipient: rfc822; alias@example.org\n{TWO}"))
    assert mail.report is not None
    assert [(r.recipient, r.original) for r in mail.report.recipients] == [
        ("a@example.org", ""),
        ("b@example.org", "alias@example.org"),
    ]


def test_the_final_recipient_counts_and_the_original_is_kept() -> None:
    mail = read(dsn("Original-Recipient: rfc822; alias@example.org\n" + ONE))
    assert mail.report is not None
    assert mail.report.recipients == (Reported("a@example.org", "failed", "5.1.1", "", "alias@example.org"),)


@pytest.mark.parametrize(
    ("fields", "recipient"),
    [
        (
            "Original-Recipient: rfc822;a@example.org\nFinal-Recipient: rfc822;@mx.example.org:a@storage",
            "a@example.org",
        ),
        ("Final-Recipient: rfc822;|/usr/bin/filter a@example.org /etc/x", "a@example.org"),
        ("Final-Recipient: LOCAL;<a@example.org>", "a@example.org"),
        ("Final-Recipient: a@example.org", "a@example.org"),
        ("X-Actual-Recipient: rfc822; a@example.org\nFinal-Recipient: rfc822;", "a@example.org"),
    ],
)
def test_recipients_in_odd_forms(fields: str, recipient: str) -> None:
    assert told(read(dsn(f"{fields}\nAction: failed\nStatus: 5.0.0"))) == [(recipient, "failed", "5.0.0")]


@pytest.mark.parametrize(
    ("fields", "action", "status"),
    [
        ("Status: 4.4.7", "delayed", "4.4.7"),
        ("Status: 5.1.1 (no such user)", "failed", "5.1.1"),
        ("Action: failed", "failed", "5.0.0"),
        ("Action: Failed (bad address)\nStatus: 4.2.2", "failed", "4.2.2"),
        ("Action: delayed", "delayed", "4.0.0"),
        ("Action: expired\nStatus: 4.4.7", "delayed", "4.4.7"),
    ],
)
def test_what_is_missing_is_inferred(fields: str, action: str, status: str) -> None:
    assert told(read(dsn(f"Final-Recipient: rfc822; a@example.org\n{fields}"))) == [("a@example.org", action, status)]


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_success_is_no_failure(action: str) -> None:
    mail = read(dsn(f"Final-Recipient: rfc822; a@example.org\nAction: {action}\nStatus: 2.0.0"))
    assert mail.nature is Nature.RECEIPT
    assert told(mail) == [("a@example.org", action, "2.0.0")]


def test_a_report_that_is_wrapped_in_another_mail() -> None:
    inner = dsn(ONE, returned="Message-ID: <d7.tok@support.example>").decode()
    mail = read(
        f"From: MAILER-DAEMON@mx.example.org\nSubject: Undelivered\n"
        f"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n"
        f"{inner}\n--o\nContent-Type: text/plain\n\nConfidential.\n--o--\n".encode()
    )
    assert told(mail) == [("a@example.org", "failed", "5.1.1")]
    assert mail.report is not None
    assert mail.report.original_message_id == "d7.tok@support.example"


def test_fields_in_the_text_where_the_parts_were_lost() -> None:
    mail = free(
        f"The mail could not be delivered.\n\nReporting-MTA: dns; mx\n\n{ONE}\nDiagnostic-Code: smtp; 550 no\n"
    )
    assert mail.report is not None
    assert mail.report.recipients == (Reported("a@example.org", "failed", "5.1.1", "550 no"),)


def test_a_refusal_as_a_disposition_notification() -> None:
    mail = read(
        b"From: postmaster@mx.example.org\nSubject: Automatically rejected mail\n"
        b"Auto-Submitted: auto-replied (rejected)\n"
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\n"
        b"Your message was automatically rejected: Quota exceeded\n--b\n"
        b"Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; a@example.org\n"
        b"Original-Message-ID: <d7@support.example>\n"
        b"Disposition: automatic-action/MDN-sent-automatically; deleted\n--b--\n"
    )
    assert mail.nature is Nature.BOUNCE
    assert told(mail) == [("a@example.org", "failed", "5.0.0")]


# --- which mail it is about -------------------------------------------------------------------------------------

ID = "Message-ID: <d7.tok@support.example>"


def test_the_id_of_the_returned_mail() -> None:
    mail = read(dsn(ONE, returned=f"{ID}\nSubject: x"))
    assert mail.report is not None
    assert mail.report.original_message_id == "d7.tok@support.example"


@pytest.mark.parametrize(
    "text",
    [
        f"Failed.\n\n--- Original message follows.\n\nReceived: from x\n{ID}\n\nMessage-ID: <other@x>",
        f"Failed.\n\n> Received: from x\n> {ID}\n",
        f"Failed.\n\n----- Message d'origine -----\nSubject: x\n{ID}\n",
        "Failed.\n\nMessage ID : <d7.tok@support.example>\n",
        "Échec.\n\nID de message : <d7.tok@support.example>\n",
    ],
)
def test_the_id_in_the_text(text: str) -> None:
    mail = free(text)
    assert mail.report is not None
    assert mail.report.original_message_id == "d7.tok@support.example"


def test_the_id_that_it_answers_as_a_last_resort() -> None:
    mail = free("<a@example.org>: 550 no", In_Reply_To="<d7.tok@support.example>")
    assert mail.report is not None
    assert mail.report.original_message_id == "d7.tok@support.example"


# --- in free form -----------------------------------------------------------------------------------------------


# name → what the report says, and what is to be made of it
FORMS = {
    "qmail": (
        """Hi. This is the qmail-send program at example.org.
I'm afraid I wasn't able to deliver your message.

<a@example.org>:
Sorry, no mailbox here by that name. (#5.1.1)
""",
        [("a@example.org", "failed", "5.1.1")],
    ),
    "exim": (
        """This message was created automatically by mail delivery software.

The following address(es) failed:

  a@example.org
    host mx.example.org [192.0.2.1]: 452 4.2.2 Mailbox full
  b@example.org
    Unrouteable address
""",
        [("a@example.org", "failed", "4.2.2"), ("b@example.org", "failed", "5.0.0")],
    ),
    "postfix": (
        """This is the mail system at host mx.example.org.

For further assistance, please send mail to postmaster.

<a@example.org>: host mx[192.0.2.1] said: 550 User unknown (in reply to RCPT TO command)
""",
        [("a@example.org", "failed", "5.0.0")],
    ),
    "sendmail": (
        """   ----- The following addresses had permanent fatal errors -----
<a@example.org>
    (reason: 550 5.1.1 no)
   ----- Transcript of session follows -----
>>> MAIL From:<x@support.example>
<<< 550 5.1.1 no
""",
        [("a@example.org", "failed", "5.1.1")],
    ),
    "exchange-fr": (
        """Échec de la remise pour ces destinataires ou groupes :

a@example.org
L'adresse de messagerie entrée est introuvable.
""",
        [("a@example.org", "failed", "5.0.0")],
    ),
    "orange": (
        """Votre message n'a pas pu être remis à : <a@example.org>
Raison : la boîte est pleine, erreur 552
""",
        [("a@example.org", "failed", "5.0.0")],
    ),
    "exchange-de": (
        """Fehler bei der Nachrichtenzustellung an folgende Empfänger:

a@example.org
Empfänger unbekannt
""",
        [("a@example.org", "failed", "5.0.0")],
    ),
    "exchange-2003": (
        """Your message

  To:      liste@example.com
  Subject: x

did not reach the following recipient(s):

a@example.org on Thu, 29 Apr 2010 00:00:00 -0000
    The recipient name is not recognized
""",
        [("a@example.org", "failed", "5.0.0")],
    ),
    "exim-generated": (
        """An undisclosed address
    (generated from a@example.org)
failed: it could not be delivered.
""",
        [("a@example.org", "failed", "5.0.0")],
    ),
    "rcpt-to": (
        """Unable to deliver message. Please contact <help@example.com>.

RCPT TO:<a@example.org>
<<< 451 later
""",
        [("a@example.org", "failed", "4.0.0")],
    ),
    "old-sendmail": (
        """554 <a@example.org>... Remote protocol error
421 other.example (smtp)... Deferred
550 x (smtp)... unknown
554 <b@example.org>... 550 Host unknown
It could not be delivered.
""",
        [("a@example.org", "failed", "5.0.0"), ("b@example.org", "failed", "5.0.0")],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_forms_of_providers(name: str) -> None:
    text, expected = FORMS[name]
    mail = free(
        f"{text}\n--- Below this line is a copy of the message.\n\nReceived: from x\nTo: <wrong@example.net>\n"
    )
    assert mail.nature is Nature.BOUNCE
    assert told(mail) == expected


def test_the_subject_then_the_returned_mail_tell_whom_it_was_for() -> None:
    assert told(free("It could not be delivered.", "Undeliverable: a@example.org"))[0][0] == "a@example.org"
    text = "It could not be delivered.\n\n--- Unsent message follows ---\nReceived: x\nTo: A <a@example.org>\n"
    assert told(free(text))[0][0] == "a@example.org"


def test_who_is_told_is_not_who_failed_but_where_nobody_else_is_named() -> None:
    sender = "The mail of\n\nreponse@support.example\n\ncould not be delivered to:\n\n"
    assert [r[0] for r in told(free(sender + "a@example.org\n"))] == ["a@example.org"]
    assert [r[0] for r in told(free(sender))] == ["reponse@support.example"]


def test_a_delay_is_a_delay() -> None:
    mail = free(
        "Delivery to the following recipient has been delayed:\n\n  a@example.org\n\nMessage will be retried.",
        "Delivery Status Notification (Delay)",
    )
    assert mail.nature is Nature.DELAY
    assert told(mail) == [("a@example.org", "delayed", "4.0.0")]


def test_what_the_header_names_is_described_by_the_text() -> None:
    mail = free(
        "  a@example.org\n    452 4.2.2 full\n\n------ This is a copy of the message. ------\n",
        X_Failed_Recipients="a@example.org, a@example.org",
    )
    assert mail.report is not None
    assert mail.report.recipients == (Reported("a@example.org", "failed", "4.2.2", "452 4.2.2 full"),)


NOTICE = (
    '{"Type":"Notification","Message":"{\\"notificationType\\":\\"%s\\",\\"bounce\\":{\\"bouncedRecipients\\":['
    '{\\"emailAddress\\":\\"a@example.org\\",\\"action\\":\\"failed\\",\\"status\\":\\"5.1.1\\",'
    '\\"diagnosticCode\\":\\"smtp; 550 no\\"}]},\\"mail\\":{\\"source\\":\\"x@support.example\\"}}"}'
)


@pytest.mark.parametrize(
    ("kind", "nature"), [("Bounce", Nature.BOUNCE), ("Complaint", Nature.REPORT), ("Delivery", Nature.RECEIPT)]
)
def test_amazons_notices(kind: str, nature: Nature) -> None:
    text = NOTICE % kind
    mail = free(text, "AWS Notification Message", From="no-reply@sns.example.com", x_amz_sns_message_id="1")
    assert mail.nature is nature
    assert kind != "Bounce" or told(mail) == [("a@example.org", "failed", "5.1.1")]
    assert sns.recipients(text) == (Reported("a@example.org", "failed", "5.1.1", "550 no"),)
    assert free(text, From="claire@example.org").nature is Nature.PERSON


# --- whatever comes -----------------------------------------------------------------------------------------------

PIECES = [
    "a",
    "b.c",
    "@",
    ".",
    "<",
    ">",
    ":",
    "\n",
    " ",
    "550",
    "4.2.2",
    "-",
    '"',
    "Final-Recipient:",
    "Action:",
    "é",
]
NOISE = st.lists(st.sampled_from(PIECES), max_size=100).map("".join)


@given(NOISE, NOISE)
def test_any_text_gives_usable_recipients(text: str, subject: str) -> None:
    for r in free_form.Found(text, subject, frozenset(), ()).reported():
        assert r.recipient.count("@") >= 1
        assert r.recipient == r.recipient.lower()
        assert r.status[0] in "45"


@given(NOISE)
def test_any_delivery_status_is_read(text: str) -> None:
    raw = dsn(text)
    for r in reports.statuses(raw, tree(raw, split(raw)).parts):
        assert r.action in ("failed", "delayed", "delivered", "relayed", "expanded")
        assert r.status


@pytest.mark.parametrize("unit", ["x@", "a@b.c\n", "from ", '"', "Message-ID: <", "> ", "\n\n", "550 "])
def test_long_texts_are_read_in_linear_time(unit: str) -> None:
    begun = time.process_time()
    free(unit * 200_000)
    assert time.process_time() - begun < 12
