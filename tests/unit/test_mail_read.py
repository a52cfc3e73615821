"""A whole mail read; one fingerprint however it came; and nothing that makes reading raise."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail import fingerprint
from gateway.mail.contents import content
from gateway.mail.read import read
from gateway.model import Address, Author, Mail, Nature, Verdict

RAW = """\
Return-Path: <claire@example.org>
Delivered-To: contact@support.example
Received: from mail.example.org by mx.example.net; Mon, 3 Feb 2025 10:12:01 +0100
Authentication-Results: mx.example.net; dmarc=pass header.from=example.org
Message-ID: <abc.1@example.org>
In-Reply-To: <d7.tok@support.example>
References: <d1.tok@support.example>
 <d7.tok@support.example>
From: Claire Petit <Claire@example.org>
To: "Aide, dossiers" <reponse+tok@support.example>
Cc: marc@example.org
Subject: =?utf-8?q?RE=C2=A0:_Votre_dossier?=
Date: Mon, 3 Feb 2025 10:12:00 +0100
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Bonjour,

voici la pi=C3=A8ce.

Le lun. 3 f=C3=A9vr. 2025 =C3=A0 09:00, Aide <reponse+tok@support.example> a
=C3=A9crit=C2=A0:

> Il manque une pi=C3=A8ce.
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''pi%C3%A8ce.pdf
Content-Transfer-Encoding: base64

JVBERg==
--b--
""".replace("\n", "\r\n").encode()


def test_a_mail_from_end_to_end() -> None:
    mail = read(RAW, authserv_id="mx.example.net", domain="support.example")
    assert mail.message_id == "abc.1@example.org"
    assert mail.cited == ("d7.tok@support.example", "d1.tok@support.example")
    assert mail.author == Author(
        "claire@example.org", "Claire Petit", sure=True, because="one From field with one address"
    )
    assert mail.to == (Address("reponse+tok@support.example", "Aide, dossiers"),)
    assert mail.cc == (Address("marc@example.org"),)
    assert mail.delivered_to == ("contact@support.example",)
    assert mail.subject == "RE : Votre dossier".replace(" :", "\xa0:")
    assert mail.date == datetime(2025, 2, 3, 9, 12, tzinfo=UTC)
    assert mail.own == "Bonjour,\n\nvoici la pièce."
    assert mail.quoted.endswith("> Il manque une pièce.")
    assert [(a.name, content(RAW, a.part)) for a in mail.attachments] == [("pièce.pdf", b"%PDF")]
    assert mail.nature is Nature.PERSON
    assert mail.authentication.verdict is Verdict.PASS
    assert mail.report is None
    assert mail.anomalies == ()


def test_its_language_is_that_of_its_own_words() -> None:
    own = b"Hello, could you please tell me when you will have read this?"
    quoted = b"> Il manque une pi=C3=A8ce, et nous ne pouvons pas vous dire ce que vous devez faire avant."
    raw = RAW.replace(b"Bonjour,\r\n\r\nvoici la pi=C3=A8ce.", own).replace(b"> Il manque une pi=C3=A8ce.", quoted)
    assert read(raw).language == "en"
    assert read(b"\r\nBonjour, je vous prie de me dire si vous avez re\xc3\xa7u ma lettre.\r\n").language == "fr"
    assert read(b"\r\n42\r\n").language == ""


def test_an_empty_mail() -> None:
    mail = read(b"")
    assert (mail.message_id, mail.text, mail.subject, mail.author.sure, mail.date) == ("", "", "", False, None)
    assert len(mail.fingerprint) == 64


def test_repeated_fields_are_told() -> None:
    mail = read(b"Subject: a\nSubject: b\nFrom: a@example.org\n\n")
    assert mail.subject == "a"
    assert any("subject" in a for a in mail.anomalies)


def test_a_loop_is_told() -> None:
    assert any("loop" in a for a in read(b"Received: by x\n" * 51 + b"\n").anomalies)
    assert not read(b"Received: by x\n" * 50 + b"\n").anomalies


# --- one mail, one fingerprint ---------------------------------------------------------------------------

ADDED = (
    "Received: by imap.example.net\r\n with LMTP id 1", "X-Received: by x", "Return-Path: <>",
    "Delivered-To: x@example.org", "X-Original-To: x@example.org", "Envelope-To: x@example.org",
    "X-Envelope-From: x", "X-Delivered-To: x", "Authentication-Results: x; none", "ARC-Seal: i=1;\r\n\ta=rsa",
    "Received-SPF: none", "X-Spam-Score: 1", "X-Virus-Scanned: x", "X-UID: 4", "X-Keywords: a", "Status: RO",
    "X-Status: A", "Lines: 3", "Content-Length: 12", "X-Mozilla-Status: 1", "X-Google-Smtp-Source: x",
    "X-Gm-Message-State: x", "DELIVERED-TO: x@example.org", "X-Rspamd-Score: 3", "DKIM-Filter: x",
    "X-MS-Exchange-Organization-SCL: 1"
)  # fmt: skip


@pytest.mark.parametrize("field", ADDED)
def test_what_transport_adds_does_not_count(field: str) -> None:
    assert read(field.encode() + b"\r\n" + RAW).fingerprint == read(RAW).fingerprint


def test_line_ends_and_blank_lines_at_the_end_do_not_count() -> None:
    assert read(RAW.replace(b"\r\n", b"\n")).fingerprint == read(RAW).fingerprint
    assert read(RAW + b"\r\n\r\n").fingerprint == read(RAW).fingerprint
    assert read(b"From claire@example.org Mon Feb  3 10:12:00 2025\r\n" + RAW).fingerprint == read(RAW).fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"abc.1@", b"abc.2@"),
        (b"Bonjour", b"Bonsoir"),
        (b"Cc: marc@example.org\r\n", b""),
        (b"JVBERg", b"JVBERh"),
        (b"Subject: ", b"X-Subject: "),
        (b"MIME-Version: 1.0\r\n", b"MIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\n"),
    ],
)
def test_what_the_author_sent_counts(old: bytes, new: bytes) -> None:
    assert read(RAW.replace(old, new)).fingerprint != read(RAW).fingerprint


def test_a_header_line_in_the_body_counts() -> None:
    assert read(b"A: b\n\nReceived: x\n").fingerprint != read(b"A: b\n\n").fingerprint


# --- nothing makes it raise -----------------------------------------------------------------------------------


def sound(raw: bytes) -> Mail:
    """What holds for every mail, whatever the bytes."""
    mail = read(raw, authserv_id="mx.example.net", domain="support.example")
    lines = [line for line in f"{mail.own}\n{mail.quoted}".split("\n") if line.strip()]
    assert Counter(lines) == Counter(line for line in mail.text.split("\n") if line.strip())
    shown = (mail.subject, mail.text, mail.author.name, *(a.name for a in mail.attachments))
    assert not any(c in text for text in shown for c in "\x00\r\x1b")
    "".join(shown).encode("utf-8")
    for attachment in mail.attachments:
        assert len(content(raw, attachment.part)) == attachment.size
    return mail


@given(st.binary(max_size=600))
def test_any_bytes(raw: bytes) -> None:
    sound(raw)


PIECES = st.sampled_from(
    [
     b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b":", b";", b"--b", b"--b--", b"=", b'"', b"<", b">", b"(",
     b"@", b"\\", b"\x00", b"\xff", b"=?utf-8?q?", b"Content-Type: multipart/mixed; boundary=b\r\n",
     b"Content-Type: message/rfc822\r\n", b"Content-Type: text/html\r\n",
     b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n",
     b"From: ", b"charset=utf-16", b"Content-Type: message/delivery-status\r\n\r\n", b"format=flowed",
     b"filename*0*=", b"Date: "
    ]
)  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=40).map(b"".join))
def test_pieces_of_mails(raw: bytes) -> None:
    sound(raw)


@given(st.integers(0, 2**32), st.lists(PIECES, min_size=1, max_size=8))
@settings(max_examples=200)
def test_mails_with_pieces_cut_repeated_and_put_in(seed: int, pieces: list[bytes]) -> None:
    chance = random.Random(seed)
    raw = RAW
    for piece in pieces:
        start = chance.randrange(len(raw) + 1)
        end = min(len(raw), start + chance.randrange(60))
        raw = chance.choice(
            [
                raw[:start] + piece + raw[start:],
                raw[:start] + raw[end:],
                raw[:end] + raw[start:],
                raw[:start] + piece + raw[end:],
            ]
        )
    sound(raw)


# --- the digest of what its author sent ------------------------------------------------------------------


@given(st.text(alphabet="a\r\n", max_size=20), st.integers(1, 5))
def test_a_fingerprint_does_not_hang_on_how_much_is_copied_at_a_time(text: str, block: int) -> None:
    body = text.encode()
    words = body.replace(b"\r\n", b"\n").rstrip(b"\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprint, "_BLOCK", block)
        found = fingerprint.fingerprint(b"From: a@b.example\n\n" + body, 19)
    assert found == hashlib.sha256(b"From: a@b.example\n\n" + words).hexdigest()
