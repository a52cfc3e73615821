"""The tree of parts, attachments and their names, whatever is nested, broken or repeated."""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import names
from gateway.mail.contents import content
from gateway.mail.headers import split
from gateway.mail.params import parse
from gateway.mail.parts import MAX_DEPTH, MAX_PARTS, tree
from gateway.mail.read import read

HEAD = b"From: claire@example.org\r\nTo: contact@example.org\r\nSubject: x\r\n"


def multipart(kind: bytes, *parts: bytes, boundary: bytes = b"b") -> bytes:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return (
        b'Content-Type: multipart/%s; boundary="%s"\r\n\r\n' % (kind, boundary) + body + b"--" + boundary + b"--\r\n"
    )


PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\nBonjour"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Bonjour <b>Claire</b></p>"
PDF = (
    b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=rib.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBERg=="
)


def types(raw: bytes) -> list[str]:
    return [part.type for part in tree(raw, split(raw)).parts]


def test_a_tree_is_walked_depth_first() -> None:
    raw = HEAD + multipart(b"mixed", multipart(b"alternative", PLAIN, HTML, boundary=b"inner"), PDF)
    assert types(raw) == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf"]
    mail = read(raw)
    assert mail.text == "Bonjour"
    (pdf,) = mail.attachments
    assert (pdf.name, pdf.type, pdf.size, pdf.part) == ("rib.pdf", "application/pdf", 4, 4)
    assert content(raw, pdf.part) == b"%PDF"
    assert pdf.sha256 == hashlib.sha256(b"%PDF").hexdigest()


def test_a_boundary_that_begins_another_is_not_mistaken() -> None:
    raw = HEAD + multipart(b"mixed", multipart(b"alternative", PLAIN, HTML, boundary=b"bb"), PDF, boundary=b"b")
    assert len(types(raw)) == 5


def test_a_type_stated_twice_is_told() -> None:
    raw = HEAD + multipart(b"mixed", b"Content-Type: text/plain\r\n" + HTML)
    assert any("ambiguous" in a for a in read(raw).anomalies)
    assert types(raw)[1] == "text/plain"


def test_a_missing_end_loses_nothing() -> None:
    raw = HEAD + multipart(b"mixed", PLAIN, PDF).rpartition(b"--b--")[0]
    assert types(raw) == ["multipart/mixed", "text/plain", "application/pdf"]
    unclosed = HEAD + multipart(
        b"mixed", multipart(b"alternative", PLAIN, boundary=b"i").rpartition(b"--i--")[0], PDF
    )
    assert types(unclosed)[-1] == "application/pdf"


def test_a_multipart_without_parts_is_shown_as_text() -> None:
    assert read(HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\nBonjour\r\n").text == "Bonjour"
    assert read(HEAD + b"Content-Type: multipart/mixed\r\n\r\nBonjour\r\n").text == "Bonjour"


def test_an_attached_mail_is_an_attachment_followed_by_its_files() -> None:
    inner = b"Content-Type: message/rfc822\r\n\r\nSubject: interne\r\n" + multipart(
        b"mixed", PLAIN, PDF, boundary=b"z"
    )
    mail = read(HEAD + multipart(b"mixed", PLAIN, inner))
    assert [(a.name, a.inside) for a in mail.attachments] == [("interne.eml", ""), ("rib.pdf", "interne.eml")]
    assert mail.text == "Bonjour"


def test_files_of_an_attached_mail_are_listed_though_they_stand_inline_but_not_its_pictures() -> None:
    picture = b"Content-Type: image/png\r\nContent-Disposition: inline; filename=logo.png\r\n\r\nx"
    forwarded = multipart(b"mixed", PLAIN, PDF.replace(b"attachment", b"inline"), picture, boundary=b"z")
    inner = b"Content-Type: message/rfc822\r\n\r\nSubject: interne\r\n" + forwarded
    assert [a.name for a in read(HEAD + multipart(b"mixed", PLAIN, inner)).attachments] == ["interne.eml", "rib.pdf"]


def test_inline_images_keep_their_content_id() -> None:
    head = b"Content-Type: image/png; name=logo.png\r\nContent-ID: <logo@x>\r\n"
    image = head + b"Content-Transfer-Encoding: base64\r\n\r\niVBO"
    (found,) = read(HEAD + multipart(b"related", HTML, image)).attachments
    assert (found.inline, found.content_id, found.name) == (True, "logo@x", "logo.png")


@pytest.mark.parametrize(
    ("field", "data"),
    [
        (b"base64", b"Qm9u\r\nam91\r\ncg"),
        (b"BASE64 (comment)", b"Qm9u*am91cg=="),
        (b"quoted-printable", b"Bon=\r\njo=75r"),
        (b"x-uuencode", b"begin 644 a\r\n'0F]N:F]U<@``\r\nend"),
        (b"7bit", b"Bonjour"),
        (b"nonsense", b"Bonjour"),
        (b"base64", b"Qm9u\r\nam91cg==\r\n\r\n-- \r\nCette liste !\r\n"),  # a footer behind it
        (b"base64", b"Qm9u\r\nam8=\r\ndXI=\r\n"),  # padded line by line
        (b"quoted-printable", b"Bon= \t\r\njour"),  # spaces behind a soft line break
        (b"quoted-printable", b"Bonj=6fur"),
    ],
)
def test_transfer_encodings(field: bytes, data: bytes) -> None:
    raw = HEAD + multipart(b"mixed", b"Content-Type: a/b\r\nContent-Transfer-Encoding: " + field + b"\r\n\r\n" + data)
    assert content(raw, 1) == b"Bonjour"


def test_prose_that_claims_to_be_base64_stays() -> None:
    prose = "Bonjour, je vous écris de la mairie".encode()
    raw = HEAD + multipart(b"mixed", b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + prose)
    assert content(raw, 1) == prose


def test_content_of_a_part_that_is_not_there() -> None:
    assert content(HEAD + multipart(b"mixed", PLAIN), 1 << 10) == b""
    assert content(HEAD + multipart(b"mixed", PLAIN), 1 | 5 << 10) == b""
    assert content(HEAD + multipart(b"mixed", PLAIN), 1 << 70) == b""
    assert content(HEAD + multipart(b"mixed", PLAIN), 7) == b""
    assert content(HEAD, -1) == b""


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="pièce jointe.pdf"', "pièce jointe.pdf"),
        ("attachment; filename*=UTF-8''pi%C3%A8ce.pdf", "pièce.pdf"),
        ("attachment; filename*0*=iso-8859-1''pi%E8; filename*1=ce.pdf", "pièce.pdf"),
        ('attachment; filename*1="b.pdf"; filename*0="a"', "ab.pdf"),
        ("attachment; filename==?utf-8?q?pi=C3=A8ce.pdf?=", "pièce.pdf"),
        ("attachment; filename=avec espaces.pdf; size=3", "avec espaces.pdf"),
        ('attachment; filename="a\\"b;c.pdf"', 'a"b;c.pdf'),
        ("attachment; filename*=utf-7''+ADw-.pdf", "+ADw-.pdf"),
        ("attachment; filename=pi%C3%A8ce.pdf", "pièce.pdf"),
        ("attachment; filename=100%25.pdf", "100%25.pdf"),
        ("attachment; filename=%E9.pdf", "%E9.pdf"),
        ('attachment; filename="=?iso-8859-1?Q?pi=E8ce?= =?iso-8859-1?Q?.pdf?="', "pièce.pdf"),
        ('attachment; filename*0="=?utf-8?Q?pi=C3=A8"; filename*1="ce?=.pdf"', "pièce.pdf"),
        ("attachment; filename*1*=utf-8''%C3%A8ce.pdf; filename*0*=utf-8''pi", "pièce.pdf"),
        ("attachment; filename*0*=koi8-r''%D4%C5; filename*1*=utf-8''%D3%D4.pdf", "тест.pdf"),
        ("attachment; filename*1=suite.pdf", "suite.pdf"),
        ("attachment; filename=\"?.pdf\"; filename*=UTF-8''%C3%A9.pdf", "é.pdf"),
        ("attachment; filename*=pi%C3%A8ce.pdf", "pièce.pdf"),
        ("attachment; filename*=\"UTF-8''pi%C3%A8ce.pdf\"", "pièce.pdf"),
        ("attachment; filename*=iso-8859-1'fr'l'%E9t%E9.pdf", "l'été.pdf"),
    ],
)
def test_file_names_as_they_are_written(value: str, name: str) -> None:
    assert parse(value)[1]["filename"] == name


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [
        ("rib.pdf", "rib.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\claire\\rib.pdf", "rib.pdf"),
        (".\u2024/\u2025/etc/passwd", "passwd"),
        ("\u200b.htaccess", "htaccess"),
        ("facture\u202efdp.exe", "facturefdp.exe"),
        ("CON.txt", "attachment-1.txt"),
        ("nul", "attachment-1.pdf"),
        ("...", "attachment-1.pdf"),
        ("", "attachment-1.pdf"),
        ("a\x00b.pdf", "ab.pdf"),
        ("rib.pdf. . ", "rib.pdf"),
        ("a/\uff0e\uff0e", "attachment-1.pdf"),
        ("e\u0301te\u0301.pdf", "été.pdf"),
    ],
)
def test_attachment_names_are_harmless(claimed: str, shown: str) -> None:
    assert names.attachment(claimed, "application/pdf", 1) == shown


@given(st.text(max_size=300))
def test_no_name_is_a_path_or_hidden(claimed: str) -> None:
    name = names.attachment(claimed, "application/pdf", 1)
    assert 0 < len(name) <= names.MAX_ATTACHMENT
    assert not set(name) & set('/\\:<>"|?*\x00\r\n\u202e\u200b')
    assert name[0] not in ". "


def test_long_names_keep_their_extension() -> None:
    assert names.attachment("a" * 300 + ".pdf", "x/y", 1) == "a" * 146 + ".pdf"


def nested(depth: int) -> bytes:
    levels = (b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    return HEAD.replace(b"\r", b"") + b"".join(levels) + b"\nau fond\n"


def test_deep_nesting_is_left_unopened() -> None:
    raw = nested(5_000)
    mail = read(raw)
    assert any("too complex" in a for a in mail.anomalies)
    assert max(p.depth for p in tree(raw, split(raw)).parts) <= MAX_DEPTH
    assert read(nested(MAX_DEPTH - 1)).text == "au fond"
    assert not read(nested(MAX_DEPTH - 1)).anomalies


def test_lines_that_look_like_delimiters_are_bounded() -> None:
    mail = read(BOMBS["hyphens"])
    assert any("too many lines" in a for a in mail.anomalies)


def test_parts_are_bounded() -> None:
    mail = read(HEAD + multipart(b"mixed", *[PDF] * 3_000))
    assert len(mail.attachments) == MAX_PARTS - 1
    assert any("1,000 parts" in a for a in mail.anomalies)


H = HEAD.replace(b"\r", b"")
BOMBS = {
    "depth": nested(5_000),
    "parts": H + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000,
    "parts without end": H
    + b"Content-Type: multipart/mixed; boundary=b\n\n"
    + (b"--b\nA: " + b"a" * 20 + b"\n") * 100_000,
    "fields": b"X-A: b\n" * 100_000 + H + b"\nx",
    "a long field": b"Subject: " + b"a" * 5_000_000 + b"\n" + H + b"\nx",
    "folds": b"Subject: " + b"a\n " * 1_000_000 + b"\n" + H + b"\nx",
    "references": b"References: " + b"<a@b>\n " * 100_000 + H + b"\nx",
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 10_000 + b"\n" + H + b"\nx",
    "encoded author": b"From: " + b"=?utf-8?q?a?= " * 6_000 + b"<a@b.fr>\n\nx",
    "comments": b"To: " + b"(" * 50_000 + b"<a@b.fr>\n\nx",
    "groups": b"To: " + b"a:" * 40_000 + b"\n\nx",
    "angles": b"To: " + b'"a" <' * 12_000 + b"\n\nx",
    "parameters": H + b"Content-Type: a/b; " + b"".join(b"name*%d*=a; " % n for n in range(5_000)) + b"\n\nx",
    "soft breaks": H + b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=\n" * 1_000_000,
    "hyphens": H + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--\n" * 2_000_000,
    "attributions": H + b"\n" + b"On Mon, Jan 1, 2024 at 1:00 PM, Alice " * 3_000,
    "attribution lines": H + b"\n" + b"On 12 a@b\n" * 100_000,
    "blank lines": H + b"\n" + b"\n" * 1_000_000,
    "labels": H + b"\n" + b"De :\n" * 100_000,
    "spaces": H + b"\nOn " + b" " * 900_000 + b" wrote:",
    "open scripts": H + b"Content-Type: text/html\n\n" + b"<script>" * 100_000,
    "open tags": H + b"Content-Type: text/html\n\n" + b"<" * 500_000,
    "open links": H + b"Content-Type: text/html\n\n" + b"<a><br>" * 100_000,
    "open comments": H + b"Content-Type: text/html\n\n" + b"<!--" * 200_000,
    "blockquotes": H + b"Content-Type: text/html\n\n" + b"<blockquote>" * 80_000 + b"x",
    "stubs": H
    + b"Content-Type: multipart/alternative; boundary=b\n\n"
    + b"--b\n\nSent from my phone\n" * 900
    + b"--b\nContent-Type: text/html\n\n"
    + b"<p>x" * 20_000,
    "texts that are alike": H
    + b"Content-Type: multipart/alternative; boundary=b\n\n"
    + (b"--b\n\n" + b"mot " * 500 + b"\n") * 900,
    "cells": H + b"Content-Type: text/html\n\n" + b"<td>x" * 150_000,
    "results": b"Authentication-Results: mx; " + b"dkim=pass " * 9_000 + b"\n" + H + b"\nx",
    "reports": H
    + b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
    + b"Action: failed\n\n" * 100_000,
}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bombs_are_read_in_little_time(name: str) -> None:
    begun = time.process_time()
    read(BOMBS[name], authserv_id="mx", domain="example.org")
    assert time.process_time() - begun < 6
