"""The header block, encoded-words, charsets and ids, as they really come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import charsets, ids
from gateway.mail.headers import MAX_FIELDS, decoded, split


def test_folded_lines_go_with_their_field() -> None:
    head = split(b"Subject: un\r\n deux\r\n\ttrois\r\nTo: a@example.org\r\n\r\nBonjour")
    assert [(f.name, f.value) for f in head.fields] == [("subject", b"un deux\ttrois"), ("to", b"a@example.org")]
    assert head.text("subject") == "un deux trois"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_body_begins_after_the_blank_line(end: bytes) -> None:
    raw = end.join([b"A: b", b"", b"corps", b"", b"suite"])
    assert raw[split(raw).body :] == end.join([b"corps", b"", b"suite"])


def test_a_mailbox_line_is_stepped_over() -> None:
    head = split(b"From claire@example.org Mon Jan  6 10:00:00 2025\nSubject: x\n\n")
    assert [f.name for f in head.fields] == ["subject"]
    assert head.anomalies == ()


def test_a_line_that_is_no_field_ends_the_header() -> None:
    raw = b"Subject: x\nBonjour,\nFrom: mallory@example.net\n\n"
    head = split(raw)
    assert [f.name for f in head.fields] == ["subject"]
    assert raw[head.body :].startswith(b"Bonjour,")
    assert head.anomalies


def test_a_header_goes_on_after_a_fold_that_lost_its_space() -> None:
    raw = b"X-Score: 1\nBAYES: no\nrequired=5\nFrom: a@example.org\nSubject: x\nDate: y\nTo: z\n\nBonjour"
    head = split(raw)
    assert [f.name for f in head.fields] == ["x-score", "bayes", "from", "subject", "date", "to"]
    assert raw[head.body :] == b"Bonjour"
    assert head.broken


def test_a_name_broken_from_its_colon_is_read_and_marked() -> None:
    (field,) = split(b"From\r\n : <first@attack.example>\r\n\r\n").fields
    assert (field.name, field.odd) == ("from", True)


def test_bounds_are_said() -> None:
    many = split(b"X-A: b\n" * (MAX_FIELDS + 5) + b"\n")
    assert len(many.fields) == MAX_FIELDS
    assert many.anomalies
    large = split(b"X-A: b\nSubject: " + b"a" * 200_000 + b"\n\nbody")
    assert large.anomalies
    assert large.body == 200_000 + len(b"X-A: b\nSubject: \n\n")


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("=?utf-8?Q?R=C3=A9ponse_=C3=A0_votre_demande?=", "Réponse à votre demande"),
        ("=?iso-8859-1?q?R=E9ponse?= =?iso-8859-1?q?_=E0?= vous", "Réponse à vous"),
        ("=?UTF-8?B?w4k=?= =?UTF-8?B?dMOp?=", "Été"),
        ("=?utf-8?q?=C3?=\t=?utf-8?q?=A9t=C3=A9?=", "été"),  # cut inside a character
        ("=?utf-8?Q?broken words inside?=", "broken words inside"),
        ("=?utf-8?B?w4l0w6k?=", "Été"),  # padding left out
        ("=?x-unknown?q?=E9t=E9?=", "été"),
        ("=?utf-7?q?+ADw-script+AD4-?=", "+ADw-script+AD4-"),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("a =?utf-8?q?b?= c", "a b c"),
        ("=?utf-8?Q?Vous_viendrez_?_Oui?=", "Vous viendrez ? Oui"),  # a question mark that should be =3F
        ("=?utf-8?B?R=C3=A9ponse_rapide?=", "Réponse rapide"),  # B said of what is Q
        ("=?utf-8?Q?UsOpcG9uc2U=?=", "Réponse"),  # Q said of what is B
        ("=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
        ('"=?utf-8?q?R=C3=A9ponse?="', '"Réponse"'),
        ("=?UTF-8*fr?q?=C3=A9t=C3=A9?=", "été"),
        ("=?utf-8?q?r=c3=a9ponse?=", "réponse"),
        ("=?utf-8?b?w4l0w6kh====?=", "Été!"),
        ("=?iso-8859-1?q?=C3=A9t=C3=A9?=", "été"),  # a label that lies
        ("=?utf-8?q?=E9t=E9?=", "été"),
        ("=?utf-16be?b?AOkAdADp?=", "été"),
    ],
)
def test_encoded_words(value: str, meant: str) -> None:
    assert decoded(value) == meant


def test_raw_bytes_in_a_subject_are_guessed() -> None:
    assert split("Subject: déjà\n\n".encode()).text("subject") == "déjà"
    assert split("Subject: déjà\n\n".encode("cp1252")).text("subject") == "déjà"


def test_raw_bytes_are_in_the_charset_that_the_header_names() -> None:
    value = "Subject: Žádost o překlad\n".encode("cp1250")
    assert (
        split(value + b'Content-Type: text/plain; charset="windows-1250"\n\n').text("subject") == "Žádost o překlad"
    )
    assert split(value + b"From: =?windows-1250?q?Novotn=FD?= <a@example.org>\n\n").text("subject")[:6] == "Žádost"
    western = "Subject: déjà\n".encode("cp1252") + b"Content-Type: text/plain; charset=utf-8\n\n"
    assert split(western).text("subject") == "déjà"


def test_a_subject_is_one_line_without_control_characters() -> None:
    head = split(b"Subject: =?utf-8?q?a=0D=0ABcc:_b=00=1B?=\n\n")
    assert head.text("subject") == "a Bcc: b"
    assert len(split(b"Subject: " + b"a" * 5_000 + b"\n\n").text("subject")) == 998


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        ("déjà".encode(), "iso-8859-1", "déjà"),  # a label that lies
        ("l\u2019été".encode("cp1252"), "iso-8859-1", "l\u2019été"),
        ("naïve".encode("iso-8859-15"), "ISO-8859-15", "naïve"),
        ("50 €".encode("iso-8859-15"), "iso-8859-15", "50 €"),
        ("日本".encode("iso2022_jp"), "iso-2022-jp", "日本"),
        (b"caf\xe9", "utf-8", "café"),
        ("café".encode()[:-1] + "é".encode() + b"\xc3", "utf-8", "caf\ufffdé\ufffd"),
        (b"+ADw-", "utf-7", "+ADw-"),
        (b"\\x3c", "unicode_escape", "\\x3c"),
        (b"abc", "cp037", "abc"),
        ("été".encode("utf-16"), "utf-16", "été"),
        ("été".encode("utf-16-le"), "utf-16", "été"),
        ("été".encode("utf-16-be"), "utf-16", "été"),
        ("été".encode(), "utf-16", "été"),
        ("Привет".encode("koi8_r"), "KOI8-R", "Привет"),
        ("Привет".encode(), "koi8-r", "Привет"),
        ("Une pièce déjà reçue".encode(), "iso-8859-15", "Une pièce déjà reçue"),
        ("您好，请问这个文件".encode("gbk"), "iso-8859-1", "ÄúºÃ£¬ÇëÎÊÕâ¸öÎÄ¼þ"),  # a possible text: believed
        ("您好，请问这个文件".encode("gbk"), "utf-8", "您好，请问这个文件"),
        ("您好，请问这个文件".encode(), "gb2312", "您好，请问这个文件"),
        ("お問い合わせの件について".encode("cp932"), "iso-2022-jp", "お問い合わせの件について"),
        ("お問い合わせの件について".encode("cp932"), "x-unknown", "お問い合わせの件について"),
        ("您好，請問這個文件".encode("big5"), "", "您好，請問這個文件"),
        ("안녕하세요 문의드립니다".encode("cp949"), "us-unknown", "안녕하세요 문의드립니다"),
        ("Здравствуйте, прошу вас".encode("cp1251"), "", "Здравствуйте, прошу вас"),
        ("Créée à l’été : « où ? »".encode("cp1252"), "", "Créée à l’été : « où ? »"),
        (b"\x1b$B-!\x1b(B est \x1b$B4]\x1b(B", "iso-2022-jp", "① est 丸"),
        ("cité \xe9 là".encode("cp1252"), "utf-8", "cité é là"),
        ("тест тест".encode("koi8_r"), "", "тест тест"),
        ("Сергей Углицких".encode("cp1251"), "", "Сергей Углицких"),
        ("Привет, это письмо: ".encode() + b"\xaa ", "utf-8", "Привет, это письмо: \ufffd "),
        ("文件文件".encode(), "gbk", "文件文件"),
        ("déjà vu là-bas, cité : ".encode() + b"d\xe9j\xe0 vu", "utf-8", "déjà vu là-bas, cité : déj\xe0 vu"),
        (b"+AOk-t+AOk- +ADw-b+AD4- 1 +- 1", "utf-7", "été +ADw-b+AD4- 1 +- 1"),
        (b"+AOkAIQ-", "unicode-1-1-utf-7", "é!"),
        ("été".encode(), '"utf-8; format=flowed"', "été"),
        ("été".encode("cp1252"), "charset=iso-8859-1", "été"),
        ("été".encode("cp1252"), "ISO_8859-1:1987", "été"),
    ],
)
def test_charsets(data: bytes, label: str, text: str) -> None:
    assert charsets.decode(data, label) == text


@pytest.mark.parametrize(
    "label",
    ["utf-7", "unicode_escape", "raw_unicode_escape", "punycode", "idna", "cp037", "cp500", "hz", "rot13", "base64"],
)
def test_charsets_that_make_markup_of_bytes_are_not_used(label: str) -> None:
    assert charsets.known(label) is None


@given(st.binary(max_size=200), st.text(max_size=20) | st.sampled_from(sorted(charsets._MEANT)))
def test_decoding_never_raises_and_can_be_stored(data: bytes, label: str) -> None:
    charsets.decode(data, label).encode("utf-8")


def test_ids_lose_brackets_and_spaces_and_keep_case() -> None:
    head = split(b"Message-ID: <Abc\r\n .1@Example.org>\nIn-Reply-To: <a1@x.org>\n (comment) <A1@x.org>\n\n")
    assert ids.message_id(head) == "Abc.1@Example.org"
    assert ids.in_reply_to(head) == ("a1@x.org", "A1@x.org")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"id.1@host.org", ("id.1@host.org",)),
        (b"<a1@x.org>,<b2@x.org>", ("a1@x.org", "b2@x.org")),
        (b"<a1@x.org><a1@x.org>", ("a1@x.org",)),
        (b"=?utf-8?q?=3Ca1=40x=2Eorg=3E?=", ("a1@x.org",)),
        (b'Message from Claire of "Mon, 6 Jan 2025" <a1@x.org>', ("a1@x.org",)),
        (b"<yes>", ()),
        (b"<y>", ()),
        (b"y", ()),
        (b"<123456789012345>", ()),
        (b"<>", ()),
        (b"<@>", ()),
        (b"<@x.org>", ()),
        (b"<" + b"a" * 999 + b"@x.org>", ()),
        (b"<00000000000000000042>", ("00000000000000000042",)),
    ],
)
def test_in_reply_to_as_it_comes(value: bytes, found: tuple[str, ...]) -> None:
    assert ids.in_reply_to(split(b"In-Reply-To: " + value + b"\n\n")) == found


def test_of_many_references_the_first_and_last_fifty_are_kept() -> None:
    value = b"\n ".join(b"<%04d@x.org>" % n for n in range(400))
    found = ids.references(split(b"References: " + value + b"\n\n"))
    assert found == tuple(f"{n:04}@x.org" for n in (*range(50), *range(350, 400)))
