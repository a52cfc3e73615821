"""The keys that sign tokens: made once, never replaced, refused where they aren't safe."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from gateway.errors import ConfigError, NotFound, Refused, StoreError
from gateway.store import keys

GOOD = base64.b64encode(b"k" * 32).decode()


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_made_once(tmp_path: Path) -> None:
    path = tmp_path / "var" / "token.keys"
    made = keys.load_or_make(path)
    assert keys.load_or_make(path) == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert [len(key) for _, key in made.by_id] == [32]
    assert [entry.name for entry in path.parent.iterdir()] == ["token.keys"]


def test_whoever_makes_them_second_has_the_first_ones(tmp_path: Path) -> None:
    path = tmp_path / "token.keys"
    keys._make(path)
    before = keys.load(path)
    keys._make(path)
    assert keys.load(path) == before


def test_a_new_key_is_synced_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (synced.append(os.readlink(f"/proc/self/fd/{file}")), real(file))[1]
    )
    keys.load_or_make(tmp_path / "token.keys")
    assert str(tmp_path) in synced


def test_the_first_signs(tmp_path: Path) -> None:
    other = base64.b64encode(b"o" * 40).decode()
    found = keys.load(write(tmp_path / "k", f"7 {other}\n\n1 {GOOD}\n"))
    assert found.by_id == ((7, b"o" * 40), (1, b"k" * 32))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "1\n",
        f"256 {GOOD}\n",
        f"-1 {GOOD}\n",
        f"x {GOOD}\n",
        "1 short\n",
        f"1 {GOOD} x\n",
        f"1 {GOOD}\n1 {GOOD}\n",
        "1 c2hvcnQ=\n",
    ],
)
def test_damaged(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="restore"):
        keys.load(write(tmp_path / "k", text))


# --- rotation --------------------------------------------------------------------------------------------


def test_a_new_key_goes_in_front_and_the_others_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "k", f"7 {GOOD}\n1 {base64.b64encode(b'o' * 40).decode()}\n")
    before = keys.load(path).by_id
    assert keys.rotate(path) == 8
    after = keys.load(path).by_id
    assert (after[0][0], after[1:]) == (8, before)
    assert len(after[0][1]) == 32
    assert after[0][1] not in {key for _, key in before}


def test_ids_go_round_and_end(tmp_path: Path) -> None:
    lines = [f"{number} {GOOD}\n" for number in (254, *range(254))]
    path = write(tmp_path / "k", "".join(lines))
    assert keys.rotate(path) == 255
    with pytest.raises(Refused, match="retire"):
        keys.rotate(path)
    keys.replace(path, keys.without(path, 7))
    assert keys.rotate(path) == 7


def test_a_key_is_taken_out(tmp_path: Path) -> None:
    path = write(tmp_path / "k", f"2 {GOOD}\n1 {GOOD}\n")
    assert [key_id for key_id, _ in keys.without(path, 1).by_id] == [2]
    with pytest.raises(Refused, match="signs"):
        keys.without(path, 2)
    with pytest.raises(NotFound):
        keys.without(path, 3)


def test_the_only_key_stays(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="signs"):
        keys.without(write(tmp_path / "k", f"2 {GOOD}\n"), 2)


def test_the_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a link too; its mode stays, it is durable, and nothing is left beside it."""
    (tmp_path / "real").mkdir()
    path = write(tmp_path / "real" / "k", f"1 {GOOD}\n")
    (tmp_path / "link").symlink_to(path)
    before, synced = keys.stamp(path), []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (synced.append(os.readlink(f"/proc/self/fd/{file}")), real(file))[1]
    )
    keys.rotate(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["k"]
    assert len(synced) == 2
    assert synced[1] == str(path.parent)
    assert keys.stamp(path) != before


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "k", f"1 {GOOD}\n")
    before = path.read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space"):
        keys.rotate(path)
    assert path.read_text() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]  # no key lies about


def test_no_link_is_followed_that_somebody_laid(tmp_path: Path) -> None:
    """Root may rotate in the daemon's folder."""
    path, victim = write(tmp_path / "token.keys", f"1 {GOOD}\n"), tmp_path / "victim"
    victim.write_text("whole")
    (tmp_path / f".token.keys.{os.getpid()}").symlink_to(victim)
    keys.rotate(path)
    assert victim.read_text() == "whole"


def test_a_file_that_is_not_there_has_no_stamp(tmp_path: Path) -> None:
    assert keys.stamp(tmp_path / "missing") == ()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_others_may_not_read_them(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 600"):
        keys.load(write(tmp_path / "k", f"1 {GOOD}\n", mode))


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        keys.load(tmp_path / "missing")
    (tmp_path / "k").write_bytes(b"1 \xff\n")
    with pytest.raises(StoreError):
        keys.load(tmp_path / "k")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError):
        keys.load_or_make(tmp_path / "file" / "token.keys")
