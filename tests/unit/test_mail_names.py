"""Names of attachments that lead elsewhere, or hide what they are."""

from __future__ import annotations

import pytest

from gateway.mail import names


@pytest.mark.parametrize(
    ("claimed", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\a.exe", "a.exe"),
        ("\u2024\u2024/\u2025/x.pdf", "x.pdf"),
        ("facture\u202efdp.exe", "facturefdp.exe"),
        ("facture.pdf" + " " * 200 + ".exe", "facture.pdf.exe"),
        ("facture.pdf\u3164\u3164.exe", "facture.pdf.exe"),
        ("\u200b.htaccess", "htaccess"),
        ("CON.tar.gz", "attachment-1.gz"),
        ("con .txt", "attachment-1.txt"),
        ("a.txt::$DATA", "a.txt__$DATA"),
        ("a. .pdf", "a.pdf"),
        ("nom très long" * 40 + ".pdf", ("nom très long" * 40)[:146] + ".pdf"),
    ],
)
def test_a_name_is_a_plain_one(claimed: str, name: str) -> None:
    assert names.attachment(claimed, "application/octet-stream", 1) == name


def test_a_name_fits_where_names_are_counted_in_octets() -> None:
    name = names.attachment("日本" * 100 + ".pdf", "application/pdf", 1)
    assert len(name.encode()) <= 255
    assert name.endswith(("日.pdf", "本.pdf"))
