"""What packs promise, wherever they are: in a folder, in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import StoreError
from gateway.store.folder import Folder
from gateway.store.packs import Location, Packs, missing
from tests.servers.storage import Storage, serving
from tests.servers.storage import bucket as bucket_on

Make = Callable[[], Packs]


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    with serving() as server:
        yield server


@pytest.fixture(params=["folder", "bucket"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Opens the packs of one place, each time as another process would."""
    if request.param == "folder":
        return lambda: Folder(tmp_path / "raw")
    storage = request.getfixturevalue("storage")
    return lambda: bucket_on(storage, tmp_path.name)


@pytest.mark.parametrize("raw", [b"", b"x", b"a\r\nb\0\xff\n", b"m" * 300_000])
def test_exact_octets_come_back(make: Make, raw: bytes) -> None:
    with closing(make()) as packs:
        first, second = packs.append(raw, {"source": "é\udce9"}), packs.append(b"other", {})
        packs.sync()
        assert (packs.read(first), packs.read(second)) == (raw, b"other")
    with closing(make()) as later:
        assert (later.read(second), later.read(first)) == (b"other", raw)


def test_two_processes_never_write_to_one_pack(make: Make) -> None:
    with closing(make()) as packs, closing(make()) as other:
        here, there = packs.append(b"x", {}), other.append(b"y", {})
        packs.sync()
        other.sync()
        assert here.pack != there.pack
        assert (other.read(here), packs.read(there)) == (b"x", b"y")


def test_a_damaged_pack_is_told(make: Make) -> None:
    with closing(make()) as packs:
        location = packs.append(b"octets", {})
        packs.sync()
        packs.close()  # which leaves no room behind the last mail
        with pytest.raises(StoreError, match="damaged"):
            packs.read(Location(location.pack, location.offset + 3, 600))
        with pytest.raises(StoreError, match="can't be read"):
            packs.read(Location("missing.pack", 0, 1))


def test_what_is_missing_is_named(make: Make) -> None:
    with closing(make()) as packs:
        assert missing(packs, {"gone.pack": 1}) == ["gone.pack"]
        found = packs.append(b"two", {})
        packs.sync()
        packs.close()  # which leaves no room behind the last mail
        end = found.offset + found.size
        assert missing(packs, {found.pack: end}) == []
        assert missing(packs, {found.pack: end + 100, "gone.pack": 0}) == [*sorted((found.pack, "gone.pack"))]
        assert packs.sizes()[found.pack] == end + 1


def test_nothing_to_sync_is_nothing_wrong(make: Make) -> None:
    with closing(make()) as packs:
        packs.probe()
        packs.sync()
        assert packs.sizes() == {}


@settings(max_examples=15)
@given(st.lists(st.lists(st.binary(max_size=2000), max_size=5), max_size=4))
def test_whatever_is_synced_is_there_for_others(make: Make, commits: list[list[bytes]]) -> None:
    with closing(make()) as packs, closing(make()) as reader:
        for mails in commits:
            places = [packs.append(raw, {}) for raw in mails]
            packs.sync()
            assert [reader.read(place) for place in places] == mails
