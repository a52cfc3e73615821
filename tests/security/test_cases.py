"""The quick attacks, with each whole run of the tests; and the document tells of every case there is."""

from __future__ import annotations

import pytest

from tests.security import SUITE
from tests.trials import report
from tests.trials.case import Case, When, run


@pytest.mark.parametrize("case", SUITE.within(When.TEST), ids=lambda case: case.key)
def test_an_attack_gets_nowhere_and_would_without_its_defence(case: Case) -> None:
    assert run(case).fault == ""


def test_the_document_has_a_row_for_every_case_and_no_other() -> None:
    assert report.told(SUITE) == [case.key for case in SUITE.every()]
