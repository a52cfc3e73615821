"""The quick cases, with each whole run of the tests; and the document tells of every case there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import SUITE
from tests.servers.gateway import Gateway
from tests.trials import report
from tests.trials.case import Case, When, run


@pytest.mark.parametrize("case", SUITE.within(When.TEST), ids=lambda case: case.key)
def test_nothing_goes_wrong_and_it_would_without_the_defence(case: Case) -> None:
    outcome = run(case)
    if outcome.left_out:
        pytest.skip(outcome.left_out)
    assert outcome.fault == ""


def test_the_document_has_a_row_for_every_case_and_no_other() -> None:
    assert report.told(SUITE) == [case.key for case in SUITE.every()]


def test_no_daemon_of_a_case_stays_behind(tmp_path: Path) -> None:
    with Gateway(tmp_path, "", ("sh", "-c", "echo gateway is ready; exec sleep 600")) as gateway:
        gateway.start()
        pid = gateway.pid
    assert not Path(f"/proc/{pid}").exists()
    assert not gateway.running
