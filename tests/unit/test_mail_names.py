"""Names of attachments that lead elsewhere, or hide what they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.mail import names
from tests.builders import ROOT


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


def test_the_languages_registry_stays_as_others_expect_it() -> None:
    """And the machine's files aren't read for ours."""
    script = "import mimetypes as m, gateway.mail.names as n; print(m.inited, bool(m.knownfiles), n.kind('a.pdf'))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "application/pdf"]
