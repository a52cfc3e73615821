"""Backups: whole or not there, damage is told, and what may have been sent since isn't sent again."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Permanent, Refused, StoreError, Temporary
from gateway.store import arrivals, backup, copying, manifests, restoring, salvage, statements
from gateway.store.database import Store
from gateway.store.folder import Folder
from gateway.store.packs import Packs
from gateway.store.salvage import Damage, Found
from gateway.store.tables import deliveries, participations
from tests.builders import NOW, incoming, opened
from tests.servers.storage import bucket, serving

LATER = NOW + timedelta(hours=1)


def mail(number: int, size: int = 10) -> bytes:
    return b"Message-ID: <%d@x>\r\n\r\n%s" % (number, b"x" * size)


def kept(store: Store, *numbers: int) -> None:
    store.write_now(lambda tx: arrivals.keep(tx, [incoming(mail(n), received_at=NOW) for n in numbers]))


def backed_up(store: Store, folder: Path, second: int = 0, **files: Path) -> tuple[Path, manifests.Manifest]:
    database = Path(str(store.engine.url.database))
    dump = partial(copying.sqlite, database, store.packs)
    return backup.make(folder, dump, store.packs, files, version="1", now=NOW + timedelta(seconds=second))


def nothing(_: Any) -> None:
    """Nothing to finish."""


def restored(found: Path, folder: Path, finish: Callable[[Any], None] = nothing) -> Store:
    packs = Folder(folder / "raw")
    restoring.put_packs(packs, found.parent / "packs", manifests.read(found).packs)
    restoring.put_database(found / copying.DATABASE, folder / "gateway.db", packs, finish, NOW)
    return Store(f"sqlite:///{folder / 'gateway.db'}", packs)


def raws(store: Store) -> set[bytes]:
    rows = store.read_now(lambda c: c.exec_driver_sql("SELECT hex(digest) FROM raws").scalars().all())
    digests = [row.lower() for row in rows]
    return {store.packs.read(store.read_now(lambda c, d=d: arrivals.locate(c, d))) for d in digests}  # type: ignore[misc]


# --- whole --------------------------------------------------------------------------------------------------


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as store:
        kept(store, 1, 2, 3)
        found, manifest = backed_up(store, tmp_path / "backups")
    shutil.rmtree(tmp_path / "one")
    assert (manifest.arrivals, manifest.last_arrival) == (3, NOW.isoformat())
    assert manifests.problems(found) == manifests.pack_problems(found) == []
    with closing(restored(found, tmp_path / "two")) as again:
        assert raws(again) == {mail(1), mail(2), mail(3)}
    files = [path for path in (tmp_path / "two").rglob("*") if path.suffix != ".lock"]
    assert {path.name for path in files} >= {"gateway.db", "raw"}
    assert not [path for path in files if "restoring" in path.name or "partial" in path.name]


def test_a_store_without_mail_is_backed_up_too(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as store:
        found, manifest = backed_up(store, tmp_path / "backups")
    assert (manifest.arrivals, manifest.last_arrival, dict(manifest.packs)) == (0, "", {})
    with closing(restored(found, tmp_path / "two")) as again:
        assert again.read_now(arrivals.last) == (0, None)


def test_it_is_nobody_elses(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        with opened(tmp_path / "one") as store:
            kept(store, 1)
            (tmp_path / "keys").write_text("0 secret")
            backed_up(store, tmp_path / "backups", keys=tmp_path / "keys")
    finally:
        os.umask(old)
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "backups").rglob("*") if path.name != ".lock"}
    assert modes == {0}


def test_packs_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    real = Folder.octets
    monkeypatch.setattr(Folder, "octets", lambda self, pack, *of: copied.append(pack) or real(self, pack, *of))
    with opened(tmp_path / "one") as store:
        kept(store, 1)
        _, first = backed_up(store, tmp_path / "backups")
        backed_up(store, tmp_path / "backups", 1)
        assert copied == list(first.packs)
        kept(store, 2)  # the pack grows
        found, second = backed_up(store, tmp_path / "backups", 2)
    assert copied == [*first.packs, *second.packs]
    assert all(not manifests.problems(each) for each in backup.backups(tmp_path / "backups"))
    assert all(not manifests.pack_problems(each) for each in backup.backups(tmp_path / "backups"))
    with closing(restored(found, tmp_path / "two")) as again:
        assert raws(again) == {mail(1), mail(2)}


def test_a_pack_that_was_damaged_since_is_copied_anew(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as store:
        kept(store, 1)
        _, manifest = backed_up(store, tmp_path / "backups")
        (name,) = manifest.packs
        (tmp_path / "backups" / "packs" / name).write_bytes(b"cut")
        found, _ = backed_up(store, tmp_path / "backups", 1)
    assert manifests.pack_problems(found) == []


def test_a_damaged_pack_takes_no_sound_copys_place(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as store:
        kept(store, 1)
        found, manifest = backed_up(store, tmp_path / "backups")
        (name,) = manifest.packs
        changed(tmp_path / "one" / "raw" / name, manifest.packs[name].size)
        kept(store, 2)
        with pytest.raises(StoreError, match="isn't what it was at the last backup"):
            backed_up(store, tmp_path / "backups", 1)
    assert backup.backups(tmp_path / "backups") == [found]
    assert manifests.pack_problems(found) == []


def test_a_backup_of_a_store_that_went_back_leaves_later_ones_whole(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as store:
        kept(store, 1)
        first, _ = backed_up(store, tmp_path / "backups")
        kept(store, 2)
        second, _ = backed_up(store, tmp_path / "backups", 1)
    with closing(restored(first, tmp_path / "two")) as again:
        third, _ = backed_up(again, tmp_path / "backups", 2)
    assert [manifests.pack_problems(each) for each in (first, second, third)] == [[], [], []]


def test_it_ends_while_others_write_all_the_time(tmp_path: Path) -> None:
    """And what was acknowledged before it began is in it; what it refers to is there, whatever came meanwhile."""
    stop, numbers = threading.Event(), iter(range(1000, 10**6))
    with opened(tmp_path / "one") as store:
        kept(store, *range(200))

        def write() -> None:
            while not stop.is_set():
                kept(store, next(numbers))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            found, manifest = backed_up(store, tmp_path / "backups")
            backed_up(store, tmp_path / "backups", 1)
        finally:
            stop.set()
            writer.join()
    assert manifest.arrivals >= 200
    assert manifests.pack_problems(found) == []
    with closing(restored(found, tmp_path / "two")) as again:
        assert raws(again) >= {mail(n) for n in range(200)}
        assert len(raws(again)) == manifest.arrivals


def test_a_bucket_is_backed_up_and_restored_as_a_folder_is(tmp_path: Path) -> None:
    with serving() as storage:
        with closing(Store(f"sqlite:///{tmp_path / 'one.db'}", bucket(storage, "one"))) as store:
            copying_schema(store)
            kept(store, 1)
            kept(store, 2)
            found, manifest = backed_up(store, tmp_path / "backups")
        assert len(manifest.packs) == 2
        other = bucket(storage, "two")
        assert restoring.put_packs(other, found.parent / "packs", manifest.packs) == 2
        assert restoring.put_packs(other, found.parent / "packs", manifest.packs) == 0, "what outlived stays"
        restoring.put_database(found / copying.DATABASE, tmp_path / "two.db", other, nothing, NOW)
        with closing(Store(f"sqlite:///{tmp_path / 'two.db'}", other)) as again:
            assert raws(again) == {mail(1), mail(2)}


def copying_schema(store: Store) -> None:
    from gateway.store import schema

    schema.upgrade(store.engine)


# --- not whole ----------------------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    (tmp_path / "keys").write_text("0 secret")
    with opened(tmp_path / "one") as store:
        kept(store, 1, 2)
        files: dict[str, Any] = {"token.keys": tmp_path / "keys"}
        found, _ = backed_up(store, tmp_path / "backups", **files)
    return found


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def changed(path: Path, end: int | None = None) -> None:
    """In the middle of what lies before `end`."""
    octets = bytearray(path.read_bytes())
    octets[len(octets[:end]) // 2] ^= 1
    path.write_bytes(octets)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, changed, emptied, Path.unlink], ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", ["gateway.db", "token.keys", "manifest.json", "manifest.json.sha256", "pack"])
def test_damage_is_told(whole: Path, name: str, damage: Callable[[Path], None]) -> None:
    file = next((whole.parent / "packs").iterdir()) if name == "pack" else whole / name
    damage(file)
    faults = manifests.problems(whole) or manifests.pack_problems(whole)
    assert len(faults) == 1
    assert file.name in faults[0]


def test_a_pack_outside_of_its_folder_is_refused(whole: Path) -> None:
    manifest = manifests.read(whole)
    (copy,) = manifest.packs.values()
    manifests.write(whole, replace(manifest, packs={"../../elsewhere": copy}))
    assert "another version" in manifests.problems(whole)[0]


class Full:
    """A disk that has room for so many octets more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        real = backup._written

        def written(file: Any, octets: Any) -> Any:
            for part in real(file, octets):
                self.room -= len(part)
                if self.room < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                yield part

        monkeypatch.setattr(backup, "_written", written)


@pytest.mark.parametrize("room", [0, 3])
def test_a_full_disk_leaves_no_half_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    (tmp_path / "keys").write_text("key")
    with opened(tmp_path / "one") as store:
        kept(store, 1)
        before, _ = backed_up(store, tmp_path / "backups")
        kept(store, 2)
        with monkeypatch.context() as patched:
            Full(patched, room)
            with pytest.raises(StoreError, match="No space left on device; this backup isn't kept, those before"):
                backed_up(store, tmp_path / "backups", 1, keys=tmp_path / "keys")
        assert backup.backups(tmp_path / "backups") == [before]
        assert sorted(path.name for path in (tmp_path / "backups").iterdir()) == [".lock", before.name, "packs"]
        backed_up(store, tmp_path / "backups", 2)  # and it goes on once there is room
        assert len(list((tmp_path / "backups" / "packs").iterdir())) == 1


def test_a_disk_that_keeps_something_else_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(file: Any, octets: Any) -> Any:
        for part in octets:
            file.write(part[:-1] + b"!")
            yield part

    monkeypatch.setattr(backup, "_written", written)
    with opened(tmp_path / "one") as store:
        kept(store, 1)
        with pytest.raises(StoreError, match="doesn't hold what was written to it"):
            backed_up(store, tmp_path / "backups")
    assert backup.backups(tmp_path / "backups") == []


def test_one_that_was_killed_is_no_backup(whole: Path) -> None:
    half = whole.with_name("20300101T000000Z.partial")
    shutil.copytree(whole, half)
    assert backup.backups(whole.parent) == [whole]
    with opened(whole.parent.parent / "one") as store:
        backed_up(store, whole.parent, 5)
    assert not half.exists()


def test_two_at_a_time_are_one_too_many(tmp_path: Path) -> None:
    said = pytest.raises(Temporary, match="another backup is being written")
    with opened(tmp_path / "one") as store, backup._alone(tmp_path), said:
        backed_up(store, tmp_path)


def test_a_damaged_database_is_no_backup(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as store:
        kept(store, *range(300))
        store.write_now(lambda tx: tx.connection.exec_driver_sql("SELECT 1"))
    file = tmp_path / "one" / "gateway.db"
    octets = bytearray(file.read_bytes())
    for page in range(8, 20):
        octets[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    file.write_bytes(octets)
    packs = Folder(tmp_path)
    dump = partial(copying.sqlite, file, packs)
    with pytest.raises(Permanent, match="is damaged"):
        backup.make(tmp_path / "backups", dump, packs, {}, version="1", now=NOW)
    file.write_bytes(b"no database at all, but something that is long enough to look like one" * 100)
    with pytest.raises(Permanent, match="is damaged"):
        backup.make(tmp_path / "backups", dump, packs, {}, version="1", now=NOW)
    assert backup.backups(tmp_path / "backups") == []


def test_a_pack_that_is_gone_is_no_backup(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as store:
        kept(store, 1)
        shutil.rmtree(tmp_path / "one" / "raw")
        with pytest.raises(StoreError, match="can't be read"):
            backed_up(store, tmp_path / "backups")
    assert backup.backups(tmp_path / "backups") == []


def test_old_ones_are_removed_with_what_they_alone_need(tmp_path: Path) -> None:
    for number in range(3):
        with opened(tmp_path / "one") as store:  # each time another process, and so another pack
            kept(store, number)
            backed_up(store, tmp_path / "backups", number)
    stale = tmp_path / "backups" / "packs" / "ffff.pack"
    stale.write_bytes(b"x")
    gone = backup.thin_out(tmp_path / "backups", 2)
    assert len(gone) == 1
    left = backup.backups(tmp_path / "backups")
    assert [manifests.pack_problems(each) for each in left] == [[], []]
    assert not stale.exists()
    assert backup.thin_out(tmp_path / "backups", 2) == []


def test_what_cant_be_removed_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that the new one isn't kept."""
    with opened(tmp_path / "one") as store:
        for number in (1, 2):
            kept(store, number)
            backed_up(store, tmp_path / "backups", number)
    monkeypatch.setattr(Path, "rename", _full)
    with pytest.raises(StoreError, match="full; backups that are no longer needed are still there"):
        backup.thin_out(tmp_path / "backups", 1)


# --- what may have been sent since --------------------------------------------------------------------------


def test_a_pack_that_outlived_and_isnt_the_same_is_told(whole: Path, tmp_path: Path) -> None:
    packs = Folder(tmp_path / "two")
    needed = manifests.read(whole).packs
    assert restoring.put_packs(packs, whole.parent / "packs", needed) == 1
    assert restoring.put_packs(packs, whole.parent / "packs", needed) == 0
    (name,) = needed
    changed(tmp_path / "two" / name)
    with pytest.raises(Refused, match="isn't what it was when the backup was made"):
        restoring.put_packs(packs, whole.parent / "packs", needed)


def test_what_is_replaced_stays_under_another_name(whole: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "two") as store:
        kept(store, 7)
    with closing(restored(whole, tmp_path / "two")) as again:
        assert raws(again) == {mail(1), mail(2)}
    (aside,) = (tmp_path / "two").glob("gateway.db.before-*")
    with closing(Store(f"sqlite:///{aside}", tmp_path / "two" / "raw")) as before:
        assert raws(before) == {mail(7)}


def test_each_of_two_in_one_second_stays(whole: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "two") as store:
        kept(store, 7)
    restored(whole, tmp_path / "two").close()
    with closing(restored(whole, tmp_path / "two")) as again:
        assert raws(again) == {mail(1), mail(2)}
    found = [Store(f"sqlite:///{aside}", tmp_path / "two" / "raw") for aside in (tmp_path / "two").glob("*.before-*")]
    assert sorted(map(raws, found), key=len) == [{mail(7)}, {mail(1), mail(2)}]
    for store in found:
        store.close()


def test_what_isnt_in_the_file_yet_stays_too_until_all_of_it_has_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `-wal` holds the last commits: where the disk is full, the old file must still have its own."""
    target, fresh = tmp_path / "gateway.db", tmp_path / "fresh"
    for file, text in ((target, "old"), (tmp_path / "gateway.db-wal", "last"), (fresh, "new")):
        file.write_text(text)
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", _full)
        with pytest.raises(OSError, match="full"):
            restoring.put_file(fresh, target, NOW)
    assert (target.read_text(), (tmp_path / "gateway.db-wal").read_text()) == ("old", "last")
    restoring.put_file(fresh, target, NOW)
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["last", "new", "old"]
    assert [path.name for path in tmp_path.glob("*-wal")] == [f"gateway.db.before-{NOW:%Y%m%dT%H%M%SZ}-wal"]


def test_a_death_before_the_last_step_leaves_the_last_commits_in_place(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed daemon left its last mail in the `-wal` alone, which can't go in one step with its file."""
    there = tmp_path / "two" / "gateway.db"
    there.parent.mkdir()
    with opened(tmp_path / "three") as store:
        kept(store, 7)
        _copied_alive(tmp_path / "three", tmp_path / "two")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", _full)
        with pytest.raises(StoreError, match="full"):
            restoring.put_database(whole / copying.DATABASE, there, Folder(tmp_path / "raw"), nothing, NOW)
    with closing(Store(f"sqlite:///{there}", tmp_path / "three" / "raw")) as before:
        assert raws(before) == {mail(7)}


def test_a_database_that_is_read_elsewhere_isnt_replaced(whole: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "two") as store:
        kept(store, 7)
        with store.engine.connect() as reader:
            reader.exec_driver_sql("SELECT count(*) FROM raws")
            kept(store, 8)
            with pytest.raises(StoreError, match="used by somebody else"):
                restored(whole, tmp_path / "two")
        assert raws(store) == {mail(7), mail(8)}


def _copied_alive(folder: Path, target: Path) -> None:
    """The database as it is after SIGKILL."""
    for name in ("gateway.db", "gateway.db-wal"):
        shutil.copyfile(folder / name, target / name)


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_a_restore_that_fails_leaves_what_is_there(whole: Path, tmp_path: Path) -> None:
    def fails(_: Any) -> None:
        raise RuntimeError

    with opened(tmp_path / "two") as store:
        kept(store, 7)
    with pytest.raises(RuntimeError):
        restored(whole, tmp_path / "two", fails)
    with opened(tmp_path / "two") as store:
        assert raws(store) == {mail(7)}
    assert sorted(path.name for path in (tmp_path / "two").iterdir() if path.is_file()) == ["gateway.db"]


def test_no_id_is_given_out_twice(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for table in (deliveries, participations):
            before = store.read_now(lambda c, t=table: statements.fresh_key(c, t))  # type: ignore[misc]
            store.write_now(partial(restoring.begin_anew, up_to={}))
            after = store.read_now(lambda c, t=table: statements.fresh_key(c, t))  # type: ignore[misc]
            assert after == before + restoring._GAP


# --- mail that the database doesn't know --------------------------------------------------------------------


def found_in(packs: Packs, extents: dict[str, int]) -> tuple[list[bytes], list[Damage]]:
    every = list(salvage.unknown(packs, extents))
    return [each.mail.raw for each in every if isinstance(each, Found)], [e for e in every if isinstance(e, Damage)]


@settings(max_examples=30)
@given(before=st.lists(st.binary(max_size=300), max_size=4), after=st.lists(st.binary(max_size=300), max_size=4))
def test_what_came_later_is_found_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, before: list[bytes], after: list[bytes]
) -> None:
    packs = Folder(tmp_path_factory.mktemp("raw"))
    places = [packs.append(raw, arrivals.about(incoming(raw))) for raw in before]
    extents = {place.pack: place.offset + place.size for place in places}
    for raw in after:
        packs.append(raw, arrivals.about(incoming(raw)))
    packs.sync()
    assert found_in(packs, extents) == (after, [])
    packs.close()


def test_the_envelope_comes_back(tmp_path: Path) -> None:
    whole_ = incoming(mail(1), authserv_id="mx", verify=True, received_at=LATER)
    packs = Folder(tmp_path)
    packs.append(whole_.raw, arrivals.about(whole_))
    packs.sync()
    (found,) = salvage.unknown(packs, {})
    assert isinstance(found, Found)
    assert found.mail == whole_
    assert packs.read(found.at) == whole_.raw


def test_a_mail_to_many_is_found_too(tmp_path: Path) -> None:
    many = incoming(mail(1), recipients=tuple(f"{'x' * 200}{n}@x.org" for n in range(100)))
    packs = Folder(tmp_path)
    packs.append(many.raw, arrivals.about(many))
    packs.sync()
    (found,) = salvage.unknown(packs, {})
    assert isinstance(found, Found)
    assert found.mail.envelope == many.envelope


@pytest.mark.parametrize("damage", [cut, changed], ids=lambda each: each.__name__)
def test_a_damaged_record_ends_its_pack(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    packs = Folder(tmp_path)
    packs.append(mail(1), arrivals.about(incoming(mail(1))))
    second = packs.append(mail(2, 5000), arrivals.about(incoming(mail(2, 5000))))
    packs.sync()
    packs.close()
    damage(tmp_path / second.pack)
    raw, (damaged,) = found_in(packs, {})
    assert raw == [mail(1)]
    assert damaged.pack == second.pack
    assert damaged.offset < second.offset


def test_what_is_adopted_is_filed_later_and_kept_once(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.packs.append(mail(1), arrivals.about(incoming(mail(1))))
        store.packs.append(mail(1), arrivals.about(incoming(mail(1))))
        store.packs.sync()
        found = [each for each in salvage.unknown(store.packs, {}) if isinstance(each, Found)]
        every = [arrivals.Entry.of(each.mail, each.at) for each in found]
        assert len(every) == 2
        assert len(store.write_now(lambda tx: arrivals.adopt(tx, every))) == 1
        assert store.write_now(lambda tx: arrivals.adopt(tx, every)) == []
        (arrival,) = store.write_now(lambda tx: arrivals.claim(tx, "x", NOW, 10))
        assert store.packs.read(store.read_now(lambda c: arrivals.locate(c, arrival.digest))) == mail(1)
