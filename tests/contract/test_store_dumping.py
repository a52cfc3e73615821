"""A store in PostgreSQL is backed up and restored as one in a file is, by PostgreSQL's own programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import peers
from gateway.commands import backup as command
from gateway.commands import restore
from gateway.commands.operator import SOMEBODY
from gateway.config import Settings
from gateway.errors import Refused, Temporary
from gateway.store import arrivals, holders, schema
from gateway.store.database import Store
from tests.builders import NOW, incoming, settings
from tests.servers import postgresql

pytestmark = pytest.mark.skipif(postgresql.BIN is None, reason=postgresql.MISSING)


@pytest.fixture
def bases(server: postgresql.PostgreSQL) -> Iterator[tuple[str, str]]:
    """Two empty bases."""
    names = server.database(), server.database()
    yield server.url(names[0]), server.url(names[1])
    for name in names:
        server.drop(name)


def of(folder: Path, url: str) -> Settings:
    store = {"url": url, "raw": str(folder / "raw"), "token_keys_file": str(folder / "token.keys")}
    return settings(folder, store=store)


def restored(found: Settings, backups: Path, **options: Any) -> Any:
    values = {"replace": False, "send": False, "lost_at": NOW, **options}
    return restore.restored(found, backups, SOMEBODY, NOW, **values).document


def test_there_and_back(bases: tuple[str, str], tmp_path: Path) -> None:
    one, two = of(tmp_path / "one", bases[0]), of(tmp_path / "two", bases[1])
    (tmp_path / "gateway.toml").write_text("")
    with closing(Store(one.store.database, tmp_path / "one" / "raw")) as store:
        schema.upgrade(store.engine)
        store.write_now(lambda tx: arrivals.keep(tx, [incoming(b"octets")]))
    made = command.made(one, tmp_path / "gateway.toml", tmp_path / "backups", NOW, None).document
    assert (made["arrivals"], made["packs"]) == (1, 1)
    assert command.checked(tmp_path / "backups").status == 0
    said = restored(two, tmp_path / "backups")
    assert (said["arrivals"], said["packs_put"], said["held"]) == (1, 1, 0)
    with closing(Store(two.store.database, tmp_path / "two" / "raw")) as store:
        (arrival,) = store.write_now(lambda tx: arrivals.claim(tx, "x", NOW + timedelta(days=1), 10))
        assert store.packs.read(store.read_now(lambda c: arrivals.locate(c, arrival.digest))) == b"octets"
    with pytest.raises(Refused, match="holds a store already: make an empty one"):
        restored(two, tmp_path / "backups", replace=True)
    with pytest.raises(Refused, match="is of a store in PostgreSQL"):
        restored(settings(tmp_path / "three"), tmp_path / "backups")


def test_no_store_is_restored_under_a_daemon_that_works_on_it(
    bases: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = of(tmp_path / "one", bases[0]), of(tmp_path / "two", bases[1])
    (tmp_path / "gateway.toml").write_text("")
    with closing(Store(one.store.database, tmp_path / "one" / "raw")) as store:
        schema.upgrade(store.engine)
    command.made(one, tmp_path / "gateway.toml", tmp_path / "backups", NOW, None)
    with closing(Store(two.store.database, tmp_path / "two" / "raw")) as store:
        schema.upgrade(store.engine)
        store.write_now(lambda tx: holders.beat(tx, "there"))
        waiting = peers.assert_none

        def beats(_: float) -> None:
            store.write_now(lambda tx: holders.beat(tx, "there"))

        def watched(found: Store) -> None:
            waiting(found, beats)

        monkeypatch.setattr(peers, "assert_none", watched)
        with pytest.raises(Temporary, match=r"a daemon works on this store \(there\)"):
            restored(two, tmp_path / "backups")
        monkeypatch.setattr(peers, "assert_none", lambda found: waiting(found, lambda _: None))
        restored(two, tmp_path / "backups")  # one that is gone keeps nobody off
