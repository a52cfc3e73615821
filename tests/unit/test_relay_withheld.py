"""What isn't sent on, by name, type and octets, by the antivirus, by size and number; and how it is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import Attachments
from gateway.mail.looks import looks
from gateway.model import Attachment, Enclosure, Finding, Forwarded, Scan
from gateway.relay import withheld
from gateway.relay.withheld import HOLDS, INFECTED, SIZE, TYPE, UNSCANNED
from tests.builders import mail, settings
from tests.security.forms import archive

LIMITS = Attachments()
CLEAN, FOUND, SILENT = Scan(Finding.CLEAN), Scan(Finding.INFECTED, "Eicar"), Scan(Finding.HELD, "no answer")


def file(name: str = "plan.pdf", part: int = 1, **values: Any) -> Attachment:
    return Attachment(**{"name": name, "type": "application/pdf", "size": 10, "sha256": "", "part": part, **values})


def held(*files: Attachment, barred: str = "") -> list[str]:
    return [found.held for found in withheld.marks(files, LIMITS, barred)]


@pytest.mark.parametrize(
    ("name", "kind", "looks"),
    [
        ("setup.exe", "application/octet-stream", ""),
        ("SETUP.EXE", "application/octet-stream", ""),
        ("setup.exe. .", "application/octet-stream", ""),
        ("setup.ex\u00e9", "application/octet-stream", ""),  # programs that know no accents get setup.exe
        ("facture.pdf", "text/html", ""),
        ("facture.pdf", "TEXT/HTML", ""),
        ("facture.pdf", "application/pdf", ".exe"),
        ("exe", "application/pdf", ".lnk"),
    ],
)
def test_each_of_three_tells_a_type(name: str, kind: str, looks: str) -> None:
    assert held(file(name, type=kind, looks=looks)) == [TYPE]


@pytest.mark.parametrize("name", ["plan.pdf", "photos.zip", "exe", "a.exe.pdf", "orange.com.pdf", "tableau.xlsx", ""])
def test_what_a_dossier_is_made_of_is_sent_on(name: str) -> None:
    assert held(file(name)) == [""]


def test_what_is_taken_off_the_list_is_sent_on() -> None:
    limits = Attachments(withheld=tuple(each for each in LIMITS.withheld if each != ".xlsm"))
    kind = "application/vnd.ms-excel.sheet.macroenabled.12"
    book = file("budget.xlsm", type=kind, looks=looks(archive("[Content_Types].xml", "xl/vbaProject.bin")))
    assert [found.held for found in withheld.marks((book,), limits, "")] == [""]
    assert held(book) == [TYPE]


def test_what_holds_a_withheld_file_stays_with_it() -> None:
    outer, inner = file("a.eml", inside=""), file("b.eml", inside="a.eml")
    assert held(file(), outer, inner, file("c.exe", inside="b.eml"), file("d.pdf", inside="a.eml")) == [
        *("", HOLDS, HOLDS, TYPE, "")
    ]


@pytest.mark.parametrize(
    ("scan", "asked", "barred"),
    [
        (None, False, ""),
        (None, True, UNSCANNED),
        (CLEAN, True, ""),
        (SILENT, True, UNSCANNED),
        (FOUND, True, INFECTED),
        (FOUND, False, INFECTED),
        (SILENT, False, UNSCANNED),
    ],
)
def test_only_clean_is_clean(scan: Scan | None, asked: bool, barred: str) -> None:
    assert withheld.barred_by(scan, asked=asked) == barred


def test_an_infected_mail_keeps_all_it_has_and_an_unchecked_one_all_it_could_send() -> None:
    assert held(file(), file("a.exe"), barred=INFECTED) == [INFECTED, INFECTED]
    assert held(file(), file("a.exe"), barred=UNSCANNED) == [UNSCANNED, TYPE]


def test_what_a_forward_brings_is_held_as_the_mail_that_brings_it() -> None:
    files = (file("a.exe", 1), file("b.pdf", 2))
    brought = Forwarded(mail().to[0], "s", None, "t", attachments=files)
    for scan, reasons in ((None, [TYPE, ""]), (FOUND, [INFECTED, INFECTED])):
        marked = withheld.marked(mail(attachments=files, forwarded=brought), scan, settings())
        assert [f.held for f in marked.attachments] == reasons
        assert marked.forwarded is not None
        assert [f.held for f in marked.forwarded.attachments] == reasons


def test_size_and_number_are_those_of_the_configuration() -> None:
    limits = Attachments(max_relayed="1 kB", max_count=2)  # type: ignore[arg-type]
    files = [file(f"{n}.pdf", size=size) for n, size in enumerate((500, 600, 100, 100))]
    going, staying = withheld.parted((Enclosure("d", f) for f in files), limits)
    assert [e.attachment.name for e in going] == ["0.pdf", "2.pdf"]
    assert [(f.name, f.held) for f in staying] == [("1.pdf", SIZE), ("3.pdf", SIZE)]


@given(st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=8))
def test_nothing_leaves_that_is_withheld_or_holds_what_is(drawn: list[tuple[int, bool]]) -> None:
    """Files in files: each in one that came before it, or in none; some of them programs."""
    parents = [parent if parent < n else None for n, (parent, _) in enumerate(drawn)]
    names = [f"{n}.{'exe' if runs else 'eml'}" for n, (_, runs) in enumerate(drawn)]
    files = [file(name, inside="" if p is None else names[p]) for name, p in zip(names, parents, strict=True)]
    marked = withheld.marks(files, LIMITS, "")
    going, staying = withheld.parted((Enclosure("d", f) for f in marked), LIMITS)
    barred = {n for n, (_, runs) in enumerate(drawn) if runs}
    for n in reversed(range(len(drawn))):
        if n in barred and (parent := parents[n]) is not None:
            barred.add(parent)
    assert {f.name for f in staying} == {names[n] for n in barred}
    assert {e.attachment.name for e in going} == set(names) - {names[n] for n in barred}


def test_an_answer_leaves_whole_or_not_at_all() -> None:
    limits = Attachments(max_relayed="1 kB")  # type: ignore[arg-type]
    files = (file("a.pdf", held=INFECTED), file("b.exe", held=TYPE), file("c.pdf", size=2_000), file("d.pdf"))
    assert {(p.code, p.what) for p in withheld.problems(files, limits)} == {
        *(("attachment_infected", "a.pdf"), ("attachment_type", "b.exe"), ("attachment_size", "c.pdf"))
    }
    assert withheld.problems((file(held=UNSCANNED), file("d.pdf")), limits) == ()  # it waits in the outbox


def test_what_stays_is_shown_as_what_it_is() -> None:
    assert withheld.said(file("facture.pdf", looks=".exe", held=TYPE)) == {
        "name": "facture.pdf",
        "why": "type",
        "form": "program",
    }
    assert withheld.said(file("facture.pdf", looks=".exe", held=INFECTED))["form"] == ""
