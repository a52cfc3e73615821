"""Signed and encrypted mail: S/MIME objects made here in DER and BER, and the forms of OpenPGP."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.contents.sealed import Seal, seal
from gateway.mail.read import read
from gateway.model import Protection

HEAD = b"From: claire@example.org\nSubject: x\n"
SIGNED, ENVELOPED, DATA = (bytes.fromhex(f"06092a864886f70d01070{n}") for n in (2, 3, 1))
END = b"\0\0"


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(octets)]) + octets + content


def signed(content: bytes) -> bytes:
    """SignedData with its content inside, and signer infos behind it."""
    inside = der(0x30, DATA + der(0xA0, der(0x04, content)))
    return der(0x30, SIGNED + der(0xA0, der(0x30, der(2, b"\1") + der(0x31, b"") + inside + der(0x31, b"\x30\0"))))


def signed_in_pieces(*pieces: bytes) -> bytes:
    """The same with indefinite lengths, as streaming programs write it."""
    octets = b"\x24\x80" + b"".join(der(0x04, piece) for piece in pieces) + END
    inside = b"\x30\x80" + DATA + b"\xa0\x80" + octets + END + END
    return (
        b"\x30\x80"
        + SIGNED
        + b"\xa0\x80\x30\x80"
        + der(2, b"\1")
        + b"\x31\x80\x30\x80\x05\0"
        + END
        + END
        + inside
        + END * 3
    )


def enveloped() -> bytes:
    return der(0x30, ENVELOPED + der(0xA0, der(0x30, der(2, b"\0") + der(0x31, bytes(200)))))


@pytest.mark.parametrize("size", [0, 5, 127, 128, 300, 70_000])
def test_what_was_signed(size: int) -> None:
    assert seal(signed(b"a" * size)) == Seal(Protection.SIGNED, b"a" * size)


def test_what_was_signed_in_pieces() -> None:
    assert seal(signed_in_pieces(b"Bon", b"", b"jour")) == Seal(Protection.SIGNED, b"Bonjour")


def test_a_detached_signature_holds_no_content() -> None:
    detached = der(0x30, SIGNED + der(0xA0, der(0x30, der(2, b"\1") + der(0x31, b"") + der(0x30, DATA))))
    assert seal(detached) == Seal(Protection.SIGNED)


def test_encrypted_and_other_objects() -> None:
    assert seal(enveloped()) == Seal(Protection.ENCRYPTED)
    assert seal(der(0x30, DATA + der(0xA0, b""))) == Seal(Protection.NONE)
    assert seal(b"") == seal(b"\x30") == seal(b"%PDF") == seal(b"\x30\x80\x30\x80") == Seal(Protection.NONE)


@given(st.integers(0, 200), st.binary(max_size=6), st.integers(0, 6), st.booleans())
def test_nothing_raises(at: int, put: bytes, taken: int, pieces: bool) -> None:
    data = signed_in_pieces(b"Bon", b"jour") if pieces else signed(b"Bonjour")
    changed = data[:at] + put + data[at + taken :]
    assert len(seal(changed).content) <= len(changed)


@pytest.mark.parametrize(
    "data",
    [b"\x30\x80" * 2_000_000, signed_in_pieces(*[b"a"] * 500_000), b"\x30\x80" + SIGNED + b"\xa0\x80" * 2_000_000],
)
def test_bombs_take_little_time(data: bytes) -> None:
    begun = time.process_time()
    seal(data)
    assert time.process_time() - begun < 6


PGP = "-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n"


@pytest.mark.parametrize(
    ("raw", "protection"),
    [
        ("Content-Type: multipart/signed; boundary=b\n\n--b\n\nBonjour\n--b--\n", Protection.SIGNED),
        ("Content-Type: multipart/encrypted; boundary=b\n\n--b\n\nVersion: 1\n--b--\n", Protection.ENCRYPTED),
        (f"\nBonjour\n{PGP}", Protection.ENCRYPTED),
        ("\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nBonjour\n", Protection.SIGNED),
        ("\nIl écrit « -----BEGIN PGP MESSAGE----- ».\n", Protection.NONE),
        (f"\n> {PGP}", Protection.NONE),
        ("\nBonjour\n", Protection.NONE),
    ],
)
def test_what_protects_a_mail(raw: str, protection: Protection) -> None:
    mail = read(HEAD + raw.encode())
    assert mail.protection is protection
    assert any("encrypted" in a for a in mail.anomalies) is (protection is Protection.ENCRYPTED)


def test_a_mail_signed_beside_its_text_is_read() -> None:
    raw = (
        b"Content-Type: multipart/signed; protocol=application/pgp-signature; boundary=b\n\n"
        b"--b\nContent-Type: text/plain; charset=utf-8\n\nVoil\xc3\xa0\n"
        b"--b\nContent-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\n--b--\n"
    )
    mail = read(HEAD + raw)
    assert (mail.text, [a.name for a in mail.attachments]) == ("Voilà", ["attachment-1.asc"])
