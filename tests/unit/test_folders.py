"""A folder that was made survives a power cut, with those above it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.folders import make_folder


def test_every_folder_in_which_one_was_made_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
    make_folder(tmp_path / "a" / "b")
    assert sorted(synced) == [str(tmp_path), str(tmp_path / "a")]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2, "what was there already costs nothing"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
