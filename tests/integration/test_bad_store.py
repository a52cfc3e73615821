"""A store that can't be used: newer, damaged, full, not ours to write. Refused or paused, with what to do."""

from __future__ import annotations

import os
import resource
import shutil
import smtplib
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store import arrivals, salvage
from gateway.store.database import Store
from gateway.store.folder import Folder
from gateway.store.salvage import Found
from tests.builders import incoming, opened
from tests.servers.clients import letter
from tests.servers.gateway import DOMAIN, ULYSSE, Gateway, configuration, octets, running

DOSSIER = f"dossier+123@{DOMAIN}"
PAGE = 4096


def started(gateway: Gateway) -> tuple[int, str]:
    """Start a daemon that ends by itself: its status, and what it says."""
    done = gateway.run("run")
    return done.returncode, done.stderr.decode()


def findings(gateway: Gateway) -> str:
    """What `check` says of the store."""
    done = gateway.run("check")
    assert done.returncode == 1
    return done.stdout.decode()


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a gateway that had some mail, and is stopped."""
    folder = tmp_path_factory.mktemp("worn")
    with running(folder, configuration()) as gateway:
        gateway.post(letter(ULYSSE, "Un.", to=DOSSIER), to=DOSSIER)
    return folder


@pytest.fixture
def used(worn: Path, tmp_path: Path) -> Gateway:
    shutil.copytree(worn / "var", tmp_path / "var")
    return Gateway(tmp_path, configuration())


def test_a_store_of_a_newer_version_is_left_as_it_is(used: Gateway) -> None:
    database = used.folder / "var" / "gateway.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = database.read_bytes()
    status, said = started(used)
    assert status == 1
    assert "was written by a newer gateway (schema 9999" in said
    assert "install that version again, or restore a backup made before it" in said
    assert "was written by a newer gateway (schema 9999): install that one" in findings(used)
    assert database.read_bytes() == before


def header(octets_: bytearray) -> None:
    octets_[:100] = b"x" * 100


def emptied_pages(octets_: bytearray) -> None:
    for page in range(1, len(octets_) // PAGE):
        octets_[page * PAGE : page * PAGE + 100] = b"\xff" * 100


def truncated(octets_: bytearray) -> None:
    del octets_[len(octets_) // 2 :]


@pytest.mark.parametrize("damage", [header, emptied_pages, truncated], ids=lambda each: each.__name__)
def test_a_damaged_file_is_refused_and_left_as_it_is(used: Gateway, damage: Callable[[bytearray], None]) -> None:
    database = used.folder / "var" / "gateway.db"
    octets_ = bytearray(database.read_bytes())
    damage(octets_)
    database.write_bytes(octets_)
    status, said = started(used)
    assert status == 1
    assert "damaged" in said
    assert "restore it from a backup" in said
    assert "damaged" in findings(used)
    assert database.read_bytes() == octets_


def answered(gateway: Gateway, raw: bytes) -> int:
    """The code that a mail is answered with."""
    try:
        gateway.send(raw, to=DOSSIER)
    except smtplib.SMTPResponseException as error:
        return int(error.smtp_code)
    return 250


@pytest.mark.parametrize("table", ["arrivals", "messages"])
def test_a_damaged_page_loses_nothing_that_was_acknowledged(used: Gateway, table: str) -> None:
    """The daemon refuses, or answers later, or keeps the mail and waits: mail isn't set aside for it."""
    database = used.folder / "var" / "gateway.db"
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = connection.execute(query, (table,)).fetchone()
    octets_ = bytearray(database.read_bytes())
    octets_[(page - 1) * PAGE : page * PAGE] = b"\xff" * PAGE
    database.write_bytes(octets_)
    taken: list[bytes] = []
    process = subprocess.Popen(
        [*used.program, "run", "--config", used.file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=used.folder
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        if process.stdout.readline():
            for number in range(3):
                raw = octets(letter(f"p{number}@usager.example.net", f"Question {number}.", to=DOSSIER))
                code = answered(used, raw)
                assert code in {250, 451}
                taken += [raw] if code == 250 else []
            for line in process.stderr:
                if b"malformed" in line or b"damaged" in line:
                    assert b"restore" in line
                    break
        else:
            said = process.stderr.read().decode()
            assert "malformed" in said
            assert "`gateway check`" in said
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    packs = Folder(used.folder / "var" / "raw")
    found = {each.mail.raw for each in salvage.unknown(packs, {}) if isinstance(each, Found)}
    assert set(taken) <= found
    assert "damaged" in findings(used)


def test_what_a_damaged_log_of_the_database_loses_is_had_again_from_the_packs(tmp_path: Path) -> None:
    """SQLite ends its write-ahead log, silently, at the first page that isn't as it was written."""
    with running(tmp_path, configuration()) as gateway:
        gateway.post(letter(ULYSSE, "Un.", to=DOSSIER), to=DOSSIER)
        people = [f"p{number}@usager.example.net" for number in range(5)]
        for person in people:
            gateway.send(letter(person, "Une question."))
        gateway.taken_in(6)
        gateway.kill()
        log = tmp_path / "var" / "gateway.db-wal"
        octets_ = bytearray(log.read_bytes())
        octets_[len(octets_) // 4] ^= 1
        log.write_bytes(octets_)
        lost = gateway.command("recover")["mails"]
        assert lost > 0
        assert gateway.command("recover", "--apply")["mails"] == lost
        gateway.start()
        gateway.until(lambda: len(gateway.filed()) >= 6, "all that was acknowledged")
        assert {each["usager"] for each in gateway.conversations()} == {ULYSSE, *people}


@pytest.mark.parametrize("most", [20_000, 1_500_000], ids=["database", "packs"])
def test_a_backup_that_has_no_room_says_so_and_isnt_there(used: Gateway, most: int) -> None:
    with closing(Store(f"sqlite:///{used.folder / 'var' / 'gateway.db'}", used.folder / "var" / "raw")) as store:
        store.write_now(lambda tx: arrivals.keep(tx, [incoming(b"x" * 2_000_000)]))

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    folder = used.folder / "backups"
    done = subprocess.run(
        [*used.program, "backup", folder, "--config", used.file],
        capture_output=True,
        check=False,
        preexec_fn=little_room,
    )
    assert done.returncode == 75
    assert b"this backup isn't kept" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "packs"]
    assert "holds no whole backup" in used.command("restore", str(folder), status=1)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that others can be let into: nobody else looks into those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Root may write everywhere: be somebody else for a while, to whom `folder` can be read."""
    if os.geteuid() != 0:
        yield
        return
    for each in (folder, folder.parent, *folder.rglob("*")):
        each.chmod(each.stat().st_mode | (0o055 if each.is_dir() else 0o044))
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_isnt_ours_to_write_is_told(place: Path) -> None:
    with opened(place / "store") as store:
        store.write_now(lambda tx: arrivals.keep(tx, [incoming(b"x")]))
    raw = place / "store" / "raw"
    raw.chmod(0o555)
    with as_nobody(place / "store"):
        packs = Folder(raw)
        with pytest.raises(StoreError, match=f"raw mail can't be written to {raw}: Permission denied"):
            packs.append(b"x", {})
        with pytest.raises(StoreError, match=f"raw mail can't be written to {raw}: Permission denied"):
            packs.probe()


def test_a_database_that_isnt_ours_to_write_is_told(place: Path) -> None:
    with opened(place / "store") as store:
        store.write_now(lambda tx: arrivals.keep(tx, [incoming(b"x")]))
    (place / "store" / "gateway.db").chmod(0o444)
    url = f"sqlite:///{place / 'store' / 'gateway.db'}"
    told = pytest.raises(StoreError, match="the gateway's account must be able to write the file")
    with as_nobody(place / "store"), closing(Store(url, place / "store" / "raw")) as store, told:
        store.write_now(lambda tx: arrivals.keep(tx, [incoming(b"y")]))
