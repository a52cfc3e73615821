"""`winmail.dat` and the rich text in it: made here, byte by byte, as [MS-OXTNEF] and [MS-OXRTFCP] write them."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.contents import rtf, tnef

SIGNATURE = b"\x78\x9f\x3e\x22\x01\x00"
MAIL = bytes.fromhex("0703020000000000c000000000000046")


def attribute(name: int, value: bytes, level: int = 1) -> bytes:
    return struct.pack("<BHHI", level, name, 6, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def prop(name: int, kind: int, value: bytes) -> bytes:
    return struct.pack("<HHII", kind, name, 1, len(value)) + value + bytes(-len(value) % 4)


def properties(*props: bytes) -> bytes:
    return struct.pack("<I", len(props)) + b"".join(props)


def wide(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def message(text: str, subject: str = "") -> bytes:
    return attribute(0x9003, properties(prop(0x0037, 0x1F, wide(subject)), prop(0x1000, 0x1F, wide(text))))


def file(name: str, data: bytes, *, content_id: str = "", mail: bool = False) -> bytes:
    """An attached file, or mail, with its long name."""
    told = [prop(0x3707, 0x1F, wide(name)), prop(0x3712, 0x1F, wide(content_id))]
    if mail:
        told += [prop(0x3001, 0x1F, wide(name)), prop(0x3701, 0x0D, MAIL + data)]
    held = b"" if mail else attribute(0x800F, data, 2)
    return attribute(0x9002, bytes(14), 2) + held + attribute(0x9005, properties(*told), 2)


def wrapped(*attributes: bytes) -> bytes:
    return SIGNATURE + attribute(0x9006, b"\0\0\1\0") + b"".join(attributes)


def test_a_message_with_files() -> None:
    found = tnef.read(
        wrapped(message("Où ?\r\n", "Demande"), file("été.pdf", b"%PDF"), file("b", b"", content_id="c"))
    )
    assert (found.subject, found.text, found.type, found.whole) == ("Demande", "Où ?\r\n", "text/plain", True)
    assert found.files == (tnef.File("été.pdf", "", "", b"%PDF"), tnef.File("b", "", "c", b""))


def test_short_names_and_texts_are_in_the_code_page() -> None:
    page = attribute(0x9007, struct.pack("<II", 1251, 0))
    short = attribute(0x9002, bytes(14), 2) + attribute(0x8010, "Письмо.txt\0".encode("cp1251"), 2)
    found = tnef.read(
        wrapped(page, attribute(0x800C, "Привет\0".encode("cp1251")), short + attribute(0x800F, b"x", 2))
    )
    assert (found.text, found.files[0].name) == ("Привет", "Письмо.txt")


def test_zeros_at_the_end_of_a_file_stay() -> None:
    assert tnef.read(wrapped(file("a", b"ab\0\0\0"))).files[0].data == b"ab\0\0\0"


def test_a_page_is_in_the_internets_code_page() -> None:
    told = properties(prop(0x1013, 0x102, "<p>Été</p>".encode()), struct.pack("<HHI", 3, 0x3FDE, 65001))
    found = tnef.read(wrapped(attribute(0x9003, told)))
    assert (found.text, found.type) == ("<p>Été</p>", "text/html")


def test_properties_with_names_and_of_every_size_are_stepped_over() -> None:
    named = struct.pack("<HH16sII", 0x1F, 0x8001, bytes(16), 1, 6) + wide("ab") + b"\0\0" + struct.pack("<II", 1, 2)
    numbered = struct.pack("<HH16sIII", 3, 0x8002, bytes(16), 0, 7, 9)
    several = struct.pack("<HHIII", 0x1003, 0x4000, 2, 1, 2)
    fixed = b"".join(struct.pack("<HH", kind, 0x4001) + bytes(size) for kind, size in tnef._FIXED.items())
    told = struct.pack("<I", 4 + len(tnef._FIXED)) + named + b"\0\0\0\0" + numbered + several + fixed
    found = tnef.read(wrapped(attribute(0x9003, told + prop(0x1000, 0x1F, wide("texte")))))
    assert found.text == "texte"


def test_an_attached_mail_is_tnef_again() -> None:
    inner = wrapped(message("dedans", "Sujet"))
    (found,) = tnef.read(wrapped(file("Sujet", inner, mail=True))).files
    assert (found.name, found.type, tnef.read(found.data).text) == ("Sujet", "application/ms-tnef", "dedans")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", SIGNATURE[:3], SIGNATURE + b"\x07" * 40, SIGNATURE + bytes(22)])
def test_other_bytes_hold_nothing(data: bytes) -> None:
    found = tnef.read(data)
    assert (found.text, found.files, found.whole) == ("", (), False)


def test_what_is_behind_the_last_attribute_does_not_count() -> None:
    assert tnef.read(wrapped(message("a")) + b"\r\n\r\n").whole


def test_a_file_that_was_cut_counts_as_far_as_it_goes() -> None:
    cut = tnef.read(
        (wrapped(message("texte")) + attribute(0x9002, bytes(14), 2) + attribute(0x800F, b"abcdef", 2))[:-5]
    )
    assert (cut.text, cut.files[0].data, cut.whole) == ("texte", b"abc", False)


WHOLE = wrapped(message("Où ?", "Demande"), file("été.pdf", b"%PDF"), file("m", wrapped(message("x")), mail=True))


@given(st.integers(0, len(WHOLE)), st.binary(max_size=12), st.integers(0, 12))
def test_nothing_raises(at: int, put: bytes, taken: int) -> None:
    found = tnef.read(WHOLE[:at] + put + WHOLE[at + taken :])
    assert sum(len(f.data) for f in found.files) <= len(WHOLE) + len(put)


@pytest.mark.parametrize(
    "data",
    [
        wrapped(*[attribute(6, b"")] * 300_000),
        wrapped(*[attribute(0x9002, b"", 2) + attribute(0x800F, b"x", 2)] * 100_000),
        wrapped(attribute(0x9003, struct.pack("<I", 700) + struct.pack("<II", 0x00011001, 20_000) * 700)),
        wrapped(
            attribute(0x9003, struct.pack("<I", 2**32 - 1) + struct.pack("<III", 0x3003001E, 2**31, 0) * 300_000)
        ),
    ],
)
def test_bombs_take_little_time(data: bytes) -> None:
    begun = time.process_time()
    assert len(tnef.read(data).files) <= tnef.MAX_FILES
    assert time.process_time() - begun < 6


# --- rich text ----------------------------------------------------------------------------------------------


def stored(text: bytes) -> bytes:
    return struct.pack("<II", len(text) + 12, len(text)) + b"MELA" + bytes(4) + text


def literal(text: bytes) -> bytes:
    """Compressed without any reference, and the end marked."""
    body = b""
    for at in range(0, len(text), 8):
        body += b"\0" + text[at : at + 8]
    if len(text) % 8:
        last = len(text) % 8
        body = body[: -last - 1] + bytes([1 << last]) + body[-last:]
    else:
        body += b"\1"
    return struct.pack("<II", len(body) + 14, len(text)) + b"LZFu" + bytes(4) + body + _reference(207 + len(text), 2)


def _reference(place: int, length: int) -> bytes:
    return struct.pack(">H", (place % 4096) << 4 | length - 2)


def test_what_is_stored_and_what_is_literal() -> None:
    assert rtf.unpacked(stored(b"{\\rtf1 a}")) == b"{\\rtf1 a}"
    assert rtf.unpacked(literal(b"{\\rtf1 bonjour}")) == b"{\\rtf1 bonjour}"
    assert rtf.unpacked(literal(b"12345678")) == b"12345678"
    assert rtf.unpacked(b"") == rtf.unpacked(b"junk" * 9) == b""


def test_references_into_the_window_and_into_themselves() -> None:
    body = b"\x07" + _reference(0, 6) + _reference(207, 6) + _reference(219, 9)
    data = struct.pack("<II", len(body) + 12, 21) + b"LZFu" + bytes(4) + body
    # `{\rtf1`, then what was just written, then the end: a reference to where it stands.
    assert rtf.unpacked(data) == b"{\\rtf1{\\rtf1"
    run = b"\x02a" + _reference(207, 17)
    assert rtf.unpacked(struct.pack("<II", 16, 18) + b"LZFu" + bytes(4) + run) == b"a" * 18
    assert rtf.unpacked(struct.pack("<II", 15, 5) + b"LZFu" + bytes(4) + b"\x01" + _reference(3_000, 5)) == b"     "


def test_the_window_goes_round() -> None:
    text = bytes(range(33, 123)) * 60
    body = b"".join(b"\0" + text[at : at + 8] for at in range(0, 5_400, 8)) + b"\1" + _reference(207 + 5_390, 9)
    data = struct.pack("<II", len(body) + 12, 5_409) + b"LZFu" + bytes(4) + body
    assert rtf.unpacked(data)[-12:] == text[-3:] + text[5_390:5_399]


def test_unpacking_is_bounded() -> None:
    body = b"".join(
        b"\xff" + b"".join(_reference(206 + 17 * (8 * n + bit), 17) for bit in range(8)) for n in range(100_000)
    )
    begun = time.process_time()
    found = rtf.unpacked(struct.pack("<II", len(body) + 12, 2**32 - 1) + b"LZFu" + bytes(4) + body)
    assert len(found) == rtf.MAX_UNPACKED
    assert time.process_time() - begun < 9


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"{\rtf1\ansi\ansicpg1252 Voil\'e0\par suite}", "Voilà\nsuite"),
        (rb"{\rtf1{\fonttbl{\f0 Arial;}}{\colortbl;\red0;}{\*\generator Riched;}\f0 texte}", "texte"),
        (rb"{\rtf1\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (rb"{\rtf1\uc1 \u233?t\u233 ? \u-10179?\u-8704?}", "été \U0001f600"),
        (rb"{\rtf1\uc0 \u233 t\u233 }", "été"),
        (rb"{\rtf1 a\{b\}\\c\~d\_e\tab f\line g}", "a{b}\\c\xa0d-e\tf\ng"),
        (rb"{\rtf1{\pict 89504e47}b{\*\htmltag64 <p>}c}", "bc"),
        (rb"{\rtf1 l\rquote\'e9t\'e9 \ldblquote a\rdblquote}", "l’été “a”"),
        (b"{\\rtf1 a\r\nb}", "ab"),
        (b"}}}a{{{", "a"),
    ],
)
def test_rich_text_to_text(source: bytes, text: str) -> None:
    assert rtf.to_text(source) == text


@given(st.text(alphabet="{}\\'*abcu0123- \npar", max_size=300))
def test_rich_text_never_raises(source: str) -> None:
    rtf.to_text(b"{\\rtf1 " + source.encode()).encode("utf-8")


@given(st.binary(max_size=300))
def test_unpacking_never_raises(body: bytes) -> None:
    assert len(rtf.unpacked(struct.pack("<II", 9, 5_000) + b"LZFu" + bytes(4) + body)) <= 5_000
