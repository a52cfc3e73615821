"""Packs in a bucket: what `sync` has acknowledged is an object there; what goes wrong is told with its remedy."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import StoreError
from gateway.store import bucket as module
from gateway.store.packs import Location
from gateway.store.recent import Recent
from tests.servers.storage import Storage, bucket, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Storage]:
    with serving() as found:
        yield found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a server in vain waits for a moment only."""
    monkeypatch.setattr(module, "_SMALL", timedelta(milliseconds=200))
    monkeypatch.setattr(module, "_RETRY", timedelta(0))


def test_all_mails_of_a_commit_are_one_object(server: Storage, tmp_path: Path) -> None:
    packs = bucket(server, tmp_path.name)
    first, second = packs.append(b"octets", {"recipients": ["a@x"]}), packs.append(b"more", {})
    assert server.objects(tmp_path.name) == {}
    packs.sync()
    packs.sync()
    third = packs.append(b"later", {})
    packs.sync()
    found = server.objects(tmp_path.name)
    assert first.pack == second.pack != third.pack
    assert set(found) == {f"{tmp_path.name}/{first.pack}", f"{tmp_path.name}/{third.pack}"}
    head = json.loads(found[f"{tmp_path.name}/{first.pack}"].split(b"\n")[0])
    assert head == {"pack": 1, "size": 6, "sha256": hashlib.sha256(b"octets").hexdigest(), "recipients": ["a@x"]}


def test_much_mail_is_put_in_parts(server: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 100)
    packs = bucket(server, tmp_path.name)
    places = [packs.append(b"x" * 90, {"n": n}) for n in range(3)]
    packs.sync()
    assert len({place.pack for place in places}) == 3
    assert [packs.read(place) for place in places] == [b"x" * 90] * 3


def test_a_part_that_wasnt_put_is_not_promised(
    server: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    """The mails of others that were in it: their jobs were done, and only the sync can tell them."""
    monkeypatch.setattr(module, "_MOST", 100)
    packs = bucket(replace(server, bucket="nowhere"), tmp_path.name)
    packs.append(b"x" * 90, {})
    with pytest.raises(StoreError):
        packs.append(b"y", {})
    with pytest.raises(StoreError):
        packs.sync()
    packs.sync()  # nothing is promised, so nothing is wrong


def test_after_a_failure_another_object_is_begun(server: Storage, tmp_path: Path) -> None:
    packs = bucket(server, tmp_path.name)
    lost = packs.append(b"lost", {})
    packs._small, well = bucket(replace(server, secret="another"), tmp_path.name)._small, packs._small
    with pytest.raises(StoreError):
        packs.sync()
    packs._small = well
    packs.sync()
    kept = packs.append(b"kept", {})
    packs.sync()
    assert kept.pack != lost.pack
    assert list(server.objects(tmp_path.name)) == [f"{tmp_path.name}/{kept.pack}"]


def test_what_can_be_wrong_with_it_is_said(server: Storage) -> None:
    def said(**differs: str) -> str:
        packs = bucket(replace(server, **differs), "mail")
        packs.append(b"x", {})
        with pytest.raises(StoreError) as found:
            packs.sync()
        with pytest.raises(StoreError):
            packs.probe()
        return str(found.value)

    failing = "raw mail can't be written to s3://raw/mail: "
    together = "key_id and secret of [store.s3] don't match: correct them"
    assert said(secret="another") == failing + together
    assert said(key_id="AKIASOMEBODYELSE") == f"{failing}it doesn't know the key_id of [store.s3]: correct it"
    assert said(bucket="other").endswith("s3://other/mail: there is no such bucket: make it, or correct store.raw")
    assert server.secret not in said(secret=server.secret + "x")


def test_who_may_not_write_is_told(server: Storage) -> None:
    reader = server.user("reader", "s3:GetObject")
    packs = bucket(reader, "mail")
    packs.append(b"x", {})
    with pytest.raises(StoreError, match="may not do this: let it read, write, list and delete there"):
        packs.sync()
    with pytest.raises(StoreError, match="can't be listed"):
        packs.sizes()


def test_nobody_there(server: Storage) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        packs = bucket(replace(server, endpoint=f"http://127.0.0.1:{free.getsockname()[1]}"), "mail")
        packs.append(b"x", {})
        with pytest.raises(StoreError, match="it can't be reached: is it up, and is endpoint of"):
            packs.sync()


def test_no_answer(server: Storage, quick: None) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        packs = bucket(replace(server, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"), "mail")
        packs.append(b"x", {})
        with pytest.raises(StoreError, match="no answer in time"):
            packs.sync()
        with pytest.raises(StoreError, match=r"1\.pack can't be read from s3://raw/mail: no answer in time"):
            packs.read(Location("1.pack", 0, 1))


def test_a_certificate_that_nobody_vouches_for(server: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY", timedelta(0))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands, args=(context, listener), daemon=True)
        thread.start()
        packs = bucket(replace(server, endpoint=f"https://127.0.0.1:{listener.getsockname()[1]}"), "mail")
        packs.append(b"x", {})
        with pytest.raises(StoreError, match=r"can't be trusted \(UnknownIssuer\): add its authority"):
            packs.sync()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _shake_hands(context: ssl.SSLContext, listener: socket.socket) -> None:
    try:
        while True:
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()
    except OSError:
        return  # it was closed


def test_what_was_put_last_isnt_asked_for(server: Storage, tmp_path: Path) -> None:
    packs = bucket(server, tmp_path.name)
    beside = packs.another()
    found = beside.append(b"octets", {})
    beside.sync()
    server.delete(f"{tmp_path.name}/{found.pack}")
    assert packs.read(found) == b"octets"


@given(st.lists(st.binary(max_size=9), max_size=12))
def test_no_more_is_held_than_fits(objects: list[bytes]) -> None:
    recent = Recent(most=8)
    for number, octets in enumerate(objects):
        recent.keep(str(number), octets)
        held = [recent.stretch(str(n), 0, 100) for n in range(number + 1)]
        assert sum(len(each) for each in held if each is not None) <= 8
        assert held[-1] == (octets if len(octets) <= 8 else None)
        assert all(each in {None, objects[n]} for n, each in enumerate(held))
        assert recent.stretch(str(number), 1, 3) in {None, octets[1:3]}


def test_octets_that_come_back_changed_are_told(server: Storage, tmp_path: Path) -> None:
    writing = bucket(server, tmp_path.name)
    found = writing.append(b"octets", {})
    writing.sync()
    packs = bucket(server, tmp_path.name)
    server.put(f"{tmp_path.name}/{found.pack}", b"short")
    with pytest.raises(StoreError, match="damaged"):
        packs.read(found)
    server.delete(f"{tmp_path.name}/{found.pack}")
    with pytest.raises(StoreError, match="it isn't there: restore it from a backup"):
        packs.read(found)
