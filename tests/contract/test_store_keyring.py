"""Token keys belong to a store: a machine that has others is refused, and told what to do."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.store import keyring, keys, restoring
from gateway.store.database import Store


def lacking(store: Store, path: Path) -> list[int]:
    return store.read_now(lambda connection: keyring.missing(connection, keys.load(path)))


def copied(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    target.chmod(0o600)
    return target


def test_the_first_keys_are_the_stores_and_no_others(store: Store, tmp_path: Path) -> None:
    first = keyring.keys_of(store, tmp_path / "a.keys")
    assert keyring.keys_of(store, tmp_path / "a.keys") == first
    with pytest.raises(ConfigError, match=r"b\.keys: the token keys of this store aren't there; take the file from"):
        keyring.keys_of(store, tmp_path / "b.keys")
    assert not (tmp_path / "b.keys").exists()
    keys.load_or_make(tmp_path / "b.keys")
    with pytest.raises(ConfigError, match=r"b\.keys: these aren't the token keys of this store; take the file from"):
        keyring.keys_of(store, tmp_path / "b.keys")
    assert store.read_now(keyring.known) == keyring.marks(first)


def test_of_two_that_come_at_once_the_second_is_the_stranger(store: Store, tmp_path: Path) -> None:
    first, second = (keys.load_or_make(tmp_path / name) for name in ("a.keys", "b.keys"))
    store.write_now(lambda tx: keyring._adopt(tx, first, tmp_path / "a.keys"))
    with pytest.raises(ConfigError, match=r"b\.keys"):
        store.write_now(lambda tx: keyring._adopt(tx, second, tmp_path / "b.keys"))


def test_what_was_rotated_elsewhere_is_missed_until_the_file_is_copied(store: Store, tmp_path: Path) -> None:
    here, there = tmp_path / "a.keys", tmp_path / "b.keys"
    keyring.keys_of(store, here)
    copied(here, there)
    keys.rotate(here)
    store.write_now(lambda tx: keyring.adopt(tx, keys.load(here)))
    assert keyring.keys_of(store, there) == keys.load(there)
    assert (lacking(store, here), lacking(store, there)) == ([], [2])
    copied(here, there)
    assert lacking(store, there) == []


def test_a_key_that_the_file_alone_holds_is_the_stores_from_then_on(store: Store, tmp_path: Path) -> None:
    """A rotation that was cut off between the file and the store is none the worse for it."""
    path = tmp_path / "a.keys"
    keyring.keys_of(store, path)
    keys.rotate(path)
    assert keyring.keys_of(store, path) == keys.load(path)
    assert sorted(store.read_now(keyring.known).values()) == [1, 2]


def test_what_was_retired_elsewhere_does_not_come_back_with_an_old_file(store: Store, tmp_path: Path) -> None:
    here, there = tmp_path / "a.keys", tmp_path / "b.keys"
    keyring.keys_of(store, here)
    keys.rotate(here)
    keyring.keys_of(store, here)
    copied(here, there)
    keys.replace(here, keys.without(here, 1))
    assert store.write_now(lambda tx: keyring.forget(tx, 1))
    keys.rotate(there)
    keyring.keys_of(store, there)
    assert sorted(store.read_now(keyring.known).values()) == [2, 3]
    for path, over in ((here, []), (there, [1])):
        assert store.read_now(lambda connection, p=path: keyring.retired(connection, keys.load(p))) == over  # type: ignore[misc]
    assert lacking(store, here) == [3]


def test_after_a_restore_the_file_that_is_there_counts(store: Store, tmp_path: Path) -> None:
    keyring.keys_of(store, tmp_path / "a.keys")
    store.write_now(lambda tx: restoring.begin_anew(tx, {}))
    other = keyring.keys_of(store, tmp_path / "b.keys")
    assert store.read_now(keyring.known) == keyring.marks(other)


def test_a_mark_tells_no_key(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    path = tmp_path / "a.keys"
    path.write_text(f"1 {base64.b64encode(key).decode()}\n")
    path.chmod(0o600)
    (mark,) = keyring.marks(keys.load(path))
    assert len(mark) == 16
    assert mark not in key
    assert key[:4] not in mark
