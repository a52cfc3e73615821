"""The quick attacks, with each whole run of the tests; and the document tells of every case there is."""

from __future__ import annotations

import pytest

from tests.measured import BEGIN, END
from tests.security import registry, report
from tests.security.case import Case, Counted, Outcome, When, run


@pytest.mark.parametrize("case", registry.within(When.TEST), ids=lambda case: case.key)
def test_an_attack_gets_nowhere_and_would_without_its_defence(case: Case) -> None:
    assert run(case).fault == ""


def test_the_document_has_a_row_for_every_case_and_no_other() -> None:
    _, _, rest = report.DOCUMENT.read_text("utf-8").partition(BEGIN)
    rows = [line.split("|")[1].strip() for line in rest.partition(END)[0].splitlines() if line.startswith("|")]
    assert rows[2:] == [case.key for case in registry.every()]


def _outcome(defended: Counted, control: Counted) -> Outcome:
    case = Case("K", "attack", "promise", lambda: defended, lambda: control, "defence", allowed=1)
    return run(case)


@pytest.mark.parametrize(
    ("defended", "control", "fault"),
    [
        (Counted(9, 1), Counted(9, 2), ""),
        (Counted(9, 2, "mails"), Counted(9, 9), "2 mails of 9 got through"),
        (Counted(9, 0), Counted(9, 1), "its control stays green (1 of 9): it proves nothing"),
        (Counted(0, 0), Counted(9, 9), "nothing was tried"),
        (Counted(9, 0), Counted(0, 9), "nothing was tried"),
    ],
)
def test_a_case_holds_only_where_its_control_turns_red(defended: Counted, control: Counted, fault: str) -> None:
    assert _outcome(defended, control).fault == fault
