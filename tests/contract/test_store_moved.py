"""A database whose file somebody moves away: nothing is acknowledged that nobody would find."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store.tables import raws
from tests.builders import incoming, keep, opened, raw_mail


@pytest.mark.parametrize("ending", ["", "-wal"])
def test_what_is_written_to_a_file_that_was_moved_is_not_promised(tmp_path: Path, ending: str) -> None:
    there, away = tmp_path / f"gateway.db{ending}", tmp_path / "away"
    with opened(tmp_path) as store:
        keep(store, incoming(raw_mail(text="before")))
        there.rename(away)
        for _ in range(2):
            with pytest.raises(StoreError, match="removed or replaced"):
                keep(store, incoming(raw_mail(text="meanwhile")))
        away.rename(there)
        keep(store, incoming(raw_mail(text="after")))
    with opened(tmp_path) as store:
        assert store.read_now(lambda c: len(c.execute(raws.select()).all())) == 2


def test_a_file_in_its_place_is_not_taken_for_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        keep(store, incoming(raw_mail(text="before")))
        there = tmp_path / "gateway.db"
        there.rename(tmp_path / "away")
        there.write_bytes((tmp_path / "away").read_bytes())
        with pytest.raises(StoreError, match="removed or replaced"):
            keep(store, incoming(raw_mail(text="meanwhile")))
