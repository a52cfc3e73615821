"""Message-IDs as programs really write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import ids
from gateway.mail.headers import Head, split
from gateway.mail.read import read


def head(*lines: str) -> Head:
    return split("\r\n".join((*lines, "", "")).encode())


# What stands in the field, and the ids in it.
WRITTEN = {
    "as the RFC says": ("<a1@x.example>", ["a1@x.example"]),
    "several": ("<a1@x> <b2@x>", ["a1@x", "b2@x"]),
    "nothing between": ("<a1@x><b2@x>", ["a1@x", "b2@x"]),
    "commas between": ("<a1@x>, <b2@x> ,<c3@x>", ["a1@x", "b2@x", "c3@x"]),
    "twice the same": ("<a1@x> <b2@x> <a1@x>", ["a1@x", "b2@x"]),
    "folded between": ("<a1@x>\r\n\t<b2@x>", ["a1@x", "b2@x"]),
    "folded inside": ("<CAF+long1234=\r\n 5678@mail.example>", ["CAF+long1234=5678@mail.example"]),
    "spaces inside": ("< a1 @ x.example >", ["a1@x.example"]),
    "a comment behind": ('<a1@x> (Ulysse\'s message of "Tue, 3 Feb 2026")', ["a1@x"]),
    "a comment with an address": ("<a1@x> (u2@x's message)", ["a1@x"]),
    "a phrase before": ('Your message of "Tue, 3 Feb 2026 10:00 +0100" <a1@x>', ["a1@x"]),
    "brackets doubled": ("<<a1@x>>", ["a1@x"]),
    "in quotes": ('"<a1@x>"', ["a1@x"]),
    "escaped as in HTML": ("&lt;a1@x&gt; &lt;b2@x&gt;", ["a1@x", "b2@x"]),
    "encoded": ("=?utf-8?q?=3Calpine=2EDEB=2E2=2E21=2E1=40x=2Eexample=3E?=", ["alpine.DEB.2.21.1@x.example"]),
    "encoded in two words": ("=?utf-8?q?=3Calpine=2E1?=\r\n =?utf-8?q?=40x=2Eexample=3E?=", ["alpine.1@x.example"]),
    "without brackets": ("BpVo7X6caL6ukImvh@lists.example", ["BpVo7X6caL6ukImvh@lists.example"]),
    "without brackets, in quotes": ('"a1@x.example"', ["a1@x.example"]),
    "without brackets, in other quotes": ("'a1@x.example'", ["a1@x.example"]),
    "quoted local part": ('<"a.b:1600:2026"@x>', ['"a.b:1600:2026"@x']),
    "two ats": ("<000b$5c89$@D2@x>", ["000b$5c89$@D2@x"]),
    "no at, but long": ("<20110429233445.000000.mx3>", ["20110429233445.000000.mx3"]),
    "no at, alone, without brackets": ("N77056c0a550a010202b5c", ["N77056c0a550a010202b5c"]),
    "upper and lower case": ("<AbC1@X.Example>", ["AbC1@X.Example"]),
    "8-bit": ("<é1@x>", ["é1@x"]),
    "cut before the next": ("<a1@x <b2@x>", ["a1@x", "b2@x"]),
    "cut at the end": ("<a1@x> <b2@x.exam", ["a1@x", "b2@x.exam"]),
    # What names nothing, and would join strangers.
    "empty": ("", []),
    "empty brackets": ("<>", []),
    "only an at": ("<@>", []),
    "no left side": ("<@x.example>", []),
    "no right side": ("<a1@>", []),
    "yes, typed at a prompt": ("<yes>", []),
    "y": ("<y>", []),
    "yes without brackets": ("yes", []),
    "a number": ("0002", []),
    "undefined": ("<undefined@x.example> <null@x.example>", []),
    "words in brackets": ("<message of yesterday evening>", []),
    "words in a bracket that isn't closed": ("<the mail of yesterday evening", []),
    "a date": ("Date: Wed, 29 Jul 2026 20:47:49 +0530", []),
    "a person's address": ("someone@x.example", []),
    "control characters": ("<a1\x01@x>", []),
    "too long": (f"<{'a' * 998}1@x>", []),
    "too long in octets": (f"<{'é' * 498}1@x>", []),
    "just not too long in octets": (f"<{'é' * 497}1@x>", [f"{'é' * 497}1@x"]),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_in_reply_to(case: str) -> None:
    written, expected = WRITTEN[case]
    assert list(ids.in_reply_to(head(f"In-Reply-To: {written}"))) == expected


@pytest.mark.parametrize("case", WRITTEN)
def test_references(case: str) -> None:
    written, expected = WRITTEN[case]
    assert list(ids.references(head(f"References: {written}"))) == expected


@pytest.mark.parametrize("case", WRITTEN)
def test_message_id(case: str) -> None:
    written, expected = WRITTEN[case]
    assert ids.message_id(head(f"Message-ID: {written}")) == next(iter(expected), "")


def test_no_such_field() -> None:
    nothing = head("Subject: x")
    assert (ids.message_id(nothing), ids.in_reply_to(nothing), ids.references(nothing)) == ("", (), ())


def test_fields_that_stand_there_twice() -> None:
    found = head("References: <a1@x>", "References: <b2@x>", "In-Reply-To: <b2@x>", "In-Reply-To: c3@x")
    assert ids.references(found) == ("a1@x", "b2@x")
    assert ids.in_reply_to(found) == ("b2@x", "c3@x")


def test_a_bare_id_among_references() -> None:
    """A client put what stood in its parent's In-Reply-To before the parent's own id."""
    found = head("References: CAAJR7q@mail.example <b2@x>,c3@x junk <d4@x> on-2026-02-03-10-00 <e5@x> f6@x")
    assert ids.references(found) == ("CAAJR7q@mail.example", "b2@x", "c3@x", "d4@x", "e5@x", "f6@x")


@pytest.mark.parametrize("field", ["From", "To", "Cc", "Reply-To"])
def test_the_address_of_someone_who_takes_part_is_no_id(field: str) -> None:
    person = f"{field}: Ulysse <Ulysse75@usager.example>"
    found = head(person, "In-Reply-To: Ulysse <Ulysse75@Usager.example>'s message of Tuesday <a1@x>")
    assert ids.in_reply_to(found) == ("a1@x",)
    assert ids.in_reply_to(head(person, "In-Reply-To: ulysse75@usager.example")) == ()


@pytest.mark.parametrize("name", ["X-Microsoft-Original-Message-ID", "X-Google-Original-Message-ID"])
def test_the_id_it_had_before_a_server_gave_it_another(name: str) -> None:
    found = head("Message-ID: <new1@outlook.example>", f"{name}: <old1@client.example>", "References: <a1@x>")
    assert ids.references(found) == ("old1@client.example", "a1@x")
    same = head("Message-ID: <new1@outlook.example>", f"{name}: <new1@outlook.example>")
    assert ids.references(same) == ()


def test_of_too_many_where_it_began_and_what_was_answered() -> None:
    many = [f"{n}@x" for n in range(10_000)]
    found = ids.references(head("References: " + " ".join(f"<{i}>" for i in many)))
    assert len(found) == ids.MAX_REFERENCES
    assert found == (*many[:50], *many[-50:])


@pytest.mark.parametrize("junk", ["<", ">", "(", "<(", "a@", "@", "&lt;", "<a ", '"', "a", "=?utf-8?q?=3C?="])
def test_junk_without_end(junk: str) -> None:
    """No pattern of it costs more than its length."""
    raw = ("References: " + junk * (90_000 // len(junk)) + "\r\nTo: " + "a" * 9_000 + "\r\n\r\n").encode()
    found = split(raw)
    assert len(ids.references(found)) <= ids.MAX_REFERENCES
    assert ids.in_reply_to(split(raw.replace(b"References", b"In-Reply-To"))) is not None


@given(st.binary(max_size=300))
def test_whatever_the_bytes(value: bytes) -> None:
    found = split(b"Message-ID: " + value + b"\r\nReferences: " + value + b"\r\nTo: " + value + b"\r\n\r\n")
    for identifier in (*ids.references(found), *ids.in_reply_to(found)):
        assert identifier.isprintable()
        assert not set(identifier) & set("<> \t\r\n")
        assert len(identifier.encode()) <= ids.MAX_ID


identifiers = st.from_regex(r"[a-z0-9$%+=.]{1,20}[0-9]@[a-z0-9-]{1,10}\.example", fullmatch=True)


@given(
    st.lists(identifiers, min_size=1, max_size=8, unique=True), st.sampled_from([" ", "\r\n ", ", ", "", "\r\n\t"])
)
def test_what_is_written_is_read(written: list[str], between: str) -> None:
    assert list(ids.references(head("References: " + between.join(f"<{i}>" for i in written)))) == written


def test_a_mail_has_them_all() -> None:
    mail = read(b"Message-ID: <c3@x>\r\nIn-Reply-To: b2@x\r\nReferences: <a1@x>\r\n <b2@x>\r\n\r\nBonjour\r\n")
    assert (mail.message_id, mail.in_reply_to, mail.references) == ("c3@x", ("b2@x",), ("a1@x", "b2@x"))
    assert mail.cited == ("b2@x", "a1@x")
