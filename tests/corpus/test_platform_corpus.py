"""The platform's numbers, links and notices: all that are there are found, and none in mail that has none."""

from __future__ import annotations

from functools import cache

import pytest

from gateway.mail.notices import by_platform, copies
from gateway.mail.read import read
from tests import corpora
from tests.conformance import platform
from tests.conformance.figure import Figure


@cache
def figures() -> dict[str, Figure]:
    return {figure.key: figure for figure in platform.figures()}


@pytest.mark.timeout(900)  # the first one waits for all of them
@pytest.mark.parametrize("key", ["C8-subjects", "C8-links", "C8-false"])
def test_figures(key: str) -> None:
    figure = figures()[key]
    assert figure.met, [(case.name, case.detail) for case in figure.wrong[:10]]
    assert len(figure.cases) > 1_000


def test_no_mail_of_others_is_cut_or_taken_for_the_platforms() -> None:
    for path in corpora.sample(1_500):
        mail = read(path.read_bytes())
        assert copies(mail.text.split("\n")) == (), path
        assert by_platform((), mail.author.address, mail.text) == "", path
