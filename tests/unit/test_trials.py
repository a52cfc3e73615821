"""A trial proves something only where its control turns red."""

from __future__ import annotations

import pytest

from tests.security import SUITE
from tests.trials import report
from tests.trials.case import Case, Counted, Outcome, run


def _case(defended: Counted, control: Counted, lacking: str = "") -> Case:
    return Case("K", "trial", "promise", lambda: defended, lambda: control, "defence", 1, lacks=lambda: lacking)


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
    assert run(_case(defended, control)).fault == fault


def test_the_table_keeps_the_rows_of_what_was_not_run() -> None:
    case = SUITE.every()[0]
    before = SUITE.path.read_text("utf-8")
    after = report.written(SUITE, before, [Outcome(case, Counted(7, 1, "new"), Counted(7, 7))])
    changed = set(after.splitlines()) ^ set(before.splitlines())
    assert {line.split("|")[1].strip() for line in changed} == {case.key}
    assert any("1 new of 7" in line for line in changed)


def test_what_a_machine_lacks_is_said_and_never_called_held() -> None:
    outcome = run(_case(Counted(9, 9), Counted(9, 9), "no ptrace here"))
    assert "LEFT OUT: no ptrace here" in report.line(outcome)
    assert "held" not in report.line(outcome)
