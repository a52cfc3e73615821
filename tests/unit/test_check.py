"""`check --connect`: the DNS server that our own checks ask, and the object storage."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from gateway.commands.check import Finding, _bucket, _resolver, _tried
from gateway.config import Settings
from gateway.store import arrivals, schema
from gateway.store.database import Store
from gateway.store.places import packs_for
from tests.builders import DOMAIN, incoming, settings
from tests.servers.dns import BROKEN, serving
from tests.servers.storage import Storage
from tests.servers.storage import serving as storing


def tried(address: str) -> Finding:
    return asyncio.run(_tried("resolver", _resolver(address, DOMAIN)))


def test_the_resolver_is_asked() -> None:
    with serving({}) as server:
        assert tried(server.address) == Finding("ok", "resolver", f"{server.address} answers")
        assert server.asked[DOMAIN] == 1


def test_a_resolver_that_fails_is_told() -> None:
    with serving({}, {DOMAIN: BROKEN}) as server:
        found = tried(server.address)
    assert found.severity == "error"
    assert DOMAIN in found.text


def in_a_bucket(folder: Path, storage: Storage) -> Settings:
    s3 = {"endpoint": storage.endpoint, "key_id": storage.key_id, "secret": storage.secret}
    return settings(folder, store={"raw": f"s3://{storage.bucket}/mail", "s3": s3})


def looked_at(found: Settings) -> Finding:
    return asyncio.run(_tried("raw mail", asyncio.to_thread(_bucket, found)))


def test_a_bucket_is_tried_and_compared_with_the_store(tmp_path: Path) -> None:
    with storing() as storage:
        found = in_a_bucket(tmp_path, storage)
        good = "s3://raw/mail can be written to and read from, and holds all that the store refers to"
        assert looked_at(found) == Finding("ok", "raw mail", good)
        with closing(Store(found.store.url, packs_for(found.store))) as store:
            schema.upgrade(store.engine)
            store.write_now(lambda tx: arrivals.keep(tx, [incoming(b"From: a@b.org\r\n\r\nx")]))
        assert looked_at(found) == Finding("ok", "raw mail", good)
        (name,) = storage.objects()
        storage.delete(name)
        lost = looked_at(found)
        assert (lost.severity, lost.text) == (
            "error",
            f"raw mail is missing: {name.removeprefix('mail/')}; restore s3://raw/mail from a backup",
        )
        wrong = looked_at(in_a_bucket(tmp_path, replace(storage, secret="another")))
        assert wrong.text == (
            "nothing can be written to s3://raw/mail: key_id and secret of [store.s3] don't match: correct them"
        )
        assert storage.objects() == {}
