"""MAIL and RCPT: what is read, and the disguises in which mail asks to be relayed."""

from __future__ import annotations

import pytest

from gateway.intake.smtp_syntax import NOT_OURS, Refusal, is_disguise, read_mail, read_rcpt

GW, OUT = "support.example.org", "elsewhere.example"
DISGUISES = [
    *(f"victim{sign}{OUT}@{GW}" for sign in ("%", "!", "@", ",", ":", ";", "\\", " ", "\\@", "%40%", "\t")),
    *(f"{OUT}{sign}victim@{GW}" for sign in ("!", "!x!", "%", ":", "\\!")),
    *(f'"{inner}"@{GW}' for inner in (f"victim@{OUT}", f"victim%{OUT}", "contact", "", " ", f"{OUT}!victim")),
    *(f"@{route}:victim@{OUT}" for route in (GW, f"{GW},@{OUT}", "[127.0.0.1]", "")),
    *(f"@{route}:contact@{GW}" for route in (GW, OUT, f"a,@{GW}")),
    *(
        f"victim@{literal}"
        for literal in ("[127.0.0.1]", "[IPv6:::1]", "[::1]", "[", "]", "[support.example.org]", "[]")
    ),
    *(f"contact@{GW}{end}" for end in (".", "..", "@", f"@{OUT}", "%", ",", "\\", "\0", f"%{OUT}", "\t")),
    *(f"contact{at}{GW}" for at in ("@@", "@.", ".@", "@ ", " @", "@\t", "\uff20", "\ufe6b", "@\u200b", "")),
    *(f"{local}@{GW}" for local in ("", ".", "a.", ".a", "a..b", "<contact>", "(x)contact", "contact(x)")),
    *(f"{local}@{GW}" for local in ("contact\u202e", "\u200bcontact", "con\u00adtact", "ｃontact", "\u212aontact")),
    *(f"contact@{host}" for host in ("", ".", f".{GW}", "support..example.org", "support.e\u212aample.org")),
    *(f"contact@{host}" for host in ("support．example.org", "s\u017fupport.example.org", f"<{GW}>", f"{GW}>")),
    f"{'a' * 65}@{GW}",
    f"contact@{'a' * 250}.org",
    "contact",
    "victim",
    "postmaster%",
    "POSTMASTER@",
    "",
    "<>",
    ":include:/etc/passwd",
    "|/bin/sh",
    f'|"/bin/sh"@{GW}',
    f"victim@{OUT}\r\nRCPT TO:<x@y>",
]


@pytest.mark.parametrize("address", DISGUISES)
def test_a_disguise_is_seen_before_anybody_is_asked(address: str) -> None:
    assert is_disguise(address)
    for form in (f"TO:<{address}>", f"TO: <{address}>", f"to:{address}", f"TO:<{address}> X=1"):
        with pytest.raises(Refusal, match=NOT_OURS):
            read_rcpt(form)


@pytest.mark.parametrize(
    "address", ["contact@support.example.org", "Reponse+ABC234@Support.Example.ORG", "postmaster", "é@exemple.fr"]
)
def test_a_plain_address_is_read_in_lower_case(address: str) -> None:
    assert read_rcpt(f"TO:<{address}>") == read_rcpt(f"to: {address}") == address.lower()


@pytest.mark.parametrize("argument", ["", "TO", "TO:", "FROM:<a@b>", "<a@b>", "TO:<a@b", "TO:a@b>", "TO:<a@b>x"])
def test_what_isnt_a_recipient_at_all_is_nobody_of_ours(argument: str) -> None:
    with pytest.raises(Refusal, match=NOT_OURS):
        read_rcpt(argument)


@pytest.mark.parametrize(
    ("argument", "sender"),
    [
        ("FROM:<>", ""),
        ("FROM: <> SIZE=100", ""),
        ("from:<A@Example.org> body=8bitmime size=1000", "a@example.org"),
        ("FROM:<@relay.example,@b:a@example.org>", "a@example.org"),
        ('FROM:<"a b>"@example.org>', '"a b>"@example.org'),
        ("FROM:<é@exemple.fr> SMTPUTF8", "é@exemple.fr"),
        ("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("FROM:a@example.org", "a@example.org"),
        ("FROM:<SRS0=x/y=z=example.org=a@example.net>", "srs0=x/y=z=example.org=a@example.net"),
    ],
)
def test_a_sender_is_read(argument: str, sender: str) -> None:
    assert read_mail(argument, 1000) == sender


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("", "501 5.1.7"),
        ("FROM", "501 5.1.7"),
        ("TO:<a@b.org>", "501 5.1.7"),
        ("FROM:<a>", "501 5.1.7"),
        ("FROM:<a@b.org", "501 5.1.7"),
        ("FROM:<a@b@c.org>", "501 5.1.7"),
        ("FROM:<a\x01@b.org>", "501 5.1.7"),
        (f"FROM:<{'a' * 600}@b.org>", "501 5.1.7"),
        ("FROM:<é@b.org>", "553 5.6.7"),
        ("FROM:<a@b.org> SIZE=1001", "552 5.3.4"),
        ("FROM:<a@b.org> SIZE=x", "501 5.5.4"),
        ("FROM:<a@b.org> SIZE=-1", "501 5.5.4"),
        ("FROM:<a@b.org> SIZE=1 SIZE=1", "501 5.5.4"),
        ("FROM:<a@b.org> BODY=BINARYMIME", "501 5.5.4"),
        ("FROM:<a@b.org> SMTPUTF8=1", "501 5.5.4"),
        ("FROM:<a@b.org> =", "501 5.5.4"),
        ("FROM:<a@b.org> RET=HDRS", "555 5.5.4"),
        ("FROM:<a@b.org> AUTH=<>", "555 5.5.4"),
    ],
)
def test_a_faulty_sender_is_refused(argument: str, code: str) -> None:
    with pytest.raises(Refusal, match=code):
        read_mail(argument, 1000)


def test_the_disguises_are_many() -> None:
    assert len(set(DISGUISES)) * 2 >= 120
