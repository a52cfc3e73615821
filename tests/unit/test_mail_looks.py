"""A file that runs, or carries what runs, is known by its octets; documents and pictures are none."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.looks import looks
from tests.security.forms import CARRIERS, archive

HARMLESS = {
    "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(100),
    "docx": archive("[Content_Types].xml", "word/document.xml"),
    "zip": archive("photos/1.jpg", "photos/2.jpg"),
    "doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000),
    "text": b"Bonjour,\n\nvoici <mon> texte",
    "MZ in a text": b"MZ sont mes initiales. " * 10,
    "invoice": b'<?xml version="1.0"?><rsm:CrossIndustryInvoice xmlns:rsm="urn:x"/>',
    "slides": b"<?xml version='1.0'?><p:presentation xmlns:p='urn:x'/>",
    "calendar": b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_documents_and_pictures_look_like_nothing_that_runs(name: str) -> None:
    assert looks(HARMLESS[name]) == ""


@pytest.mark.parametrize("extension", CARRIERS)
def test_what_runs_is_known_by_its_octets(extension: str) -> None:
    for data in CARRIERS[extension]:
        assert looks(data) == extension


def test_macros_are_told_apart_by_the_program_that_runs_them() -> None:
    """Whoever takes `.xlsm` off the list gets their workbooks, and no other document with macros."""
    assert looks(archive("[Content_Types].xml", "xl/vbaProject.bin")) == ".xlsm"
    assert looks(archive("[Content_Types].xml", "ppt/vbaProject.bin")) == ".pptm"
    assert looks(HARMLESS["doc"] + "_VBA_PROJECT_CUR".encode("utf-16-le")) == ".xlsm"


def test_a_page_is_known_whatever_stands_before_its_first_element() -> None:
    for before in ("", "\ufeff", " \r\n\t", "<!-- a --><!-- b -->", "<?xml version='1.0'?>\n<!DOCTYPE svg>"):
        assert looks(f"{before}<svg onload=alert(1)>".encode()) == ".svg"
        assert looks(f"{before}<SCRIPT>alert(1)</SCRIPT>".encode()) == ".html"
    assert looks("<html><body>".encode("utf-16")) == ".html"


def test_a_document_that_is_packed_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that would be gigabytes costs what its few octets cost."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("word/document.xml", bytes(50_000))

    def unpacked(*_: Any, **__: Any) -> Any:
        pytest.fail("it was unpacked")

    for unpacker in ("decompress", "decompressobj"):
        monkeypatch.setattr(zlib, unpacker, unpacked)
    with pytest.raises(pytest.fail.Exception), zipfile.ZipFile(packed) as file:
        file.read("word/document.xml")
    assert looks(packed.getvalue()) == ""


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from([b"<!--", b"-->", b"<?", b"?>", b"<!doctype", b" ", b"<", b">", b"<svg", b"<!-- -->"]))
)
def test_looking_never_raises_and_takes_no_time(pieces: list[bytes]) -> None:
    assert looks(b"".join(pieces) * 500) in {"", ".svg"}
