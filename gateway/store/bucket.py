"""Packs as objects of a bucket, in storage that speaks S3's protocol.

What is appended is held in memory until `sync` puts it as one object: a PUT is whole or not at all, and its octets
are in its signature. An object whose commit failed afterwards is referred to by nothing, and harmless. Where the
storage doesn't take it in time, the writer is told, and whoever brought the mail comes again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.config.settings import S3
from gateway.config.values import Bucket as Place
from gateway.errors import ConfigError, StoreError
from gateway.store.packs import SUFFIX, Location, fresh_name, record
from gateway.store.recent import Recent

if TYPE_CHECKING:
    from obstore.store import S3Store

T = TypeVar("T")
_PART = 8_000_000  # octets that are asked for at once
_MOST = 32_000_000  # octets that wait in memory: what is more is put before the sync
# The daemon is to end within ten seconds, and its writer to answer the watchdog within thirty. What is large may take
# longer: at 8 Mbit/s the largest mail must pass, or it never would.
_CONNECT, _RETRY, _SMALL, _LARGE = (timedelta(seconds=seconds) for seconds in (3, 3, 6, 25))
_LARGER_THAN = 1_000_000  # octets
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(\w+)")
_REMEDIES = {
    "InvalidAccessKeyId": "it doesn't know the key_id of [store.s3]: correct it",
    "SignatureDoesNotMatch": "key_id and secret of [store.s3] don't match: correct them",
    "RequestTimeTooSkewed": "this machine's clock is wrong: set it",
    "NoSuchBucket": "there is no such bucket: make it, or correct store.raw",
    "NoSuchKey": "it isn't there: restore it from a backup",
    "InvalidRange": "it is damaged, it ends before a mail that it held: restore it from a backup",
    "AccessDenied": "the key of [store.s3] may not do this: let it read, write, list and delete there",
    "PermanentRedirect": "region or endpoint of [store.s3] are another bucket's: correct them",
    "AuthorizationHeaderMalformed": "region of [store.s3] isn't the bucket's: correct it",
}


class Bucket:
    """The objects of a bucket (`gateway.store.packs.Packs`), and what waits to be one."""

    def __init__(self, place: Place, s3: S3, recent: Recent | None = None) -> None:
        self.place, self._s3 = place, s3
        self._recent = recent or Recent()
        self._small, self._large = (_objects(place, s3, timeout) for timeout in (_SMALL, _LARGE))
        self._lost = False
        self._name, self._end = fresh_name(), 0
        self._waiting: list[bytes] = []

    def another(self) -> Bucket:
        return Bucket(self.place, self._s3, self._recent)

    def append(self, raw: bytes, about: Mapping[str, Any]) -> Location:
        if self._end >= _MOST:
            try:
                self._put()
            except StoreError:
                self._lost = True  # what other jobs appended before is in it, too
                raise
        head, *rest = record(raw, about)
        location = Location(self._name, self._end + len(head), len(raw))
        self._waiting += (head, *rest)
        self._end = location.offset + len(raw) + 1
        return location

    def sync(self) -> None:
        lost, self._lost = self._lost, False
        if lost:
            self._begin()
            raise StoreError(f"raw mail was not put into {self.place} before it failed")
        if self._waiting:
            self._put()

    def read(self, location: Location) -> bytes:
        if not location.size:
            return b""
        end = location.offset + location.size
        raw = self._recent.stretch(location.pack, location.offset, end)
        if raw is None:
            failing = f"{location.pack} can't be read from"
            raw = self._asked(failing, lambda: self._range(location.pack, location.offset, end))
        if len(raw) != location.size:
            raise StoreError(f"{location.pack} in {self.place} is damaged: it ends before a mail that it held")
        return raw

    def octets(self, pack: str, start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, _PART):
            yield self.read(Location(pack, at, min(_PART, end - at)))

    def put(self, pack: str, file: Path) -> None:
        self._asked("raw mail can't be written to", lambda: self._large.put(pack, file))

    def sizes(self) -> dict[str, int]:
        return self._asked("raw mail can't be listed in", self._listed)

    def close(self) -> None:
        self._begin()

    def probe(self) -> None:
        """Put an object, read it, delete it: may we do all that we need here?

        Raises:
            StoreError: not now; the message says what to do.
        """
        name = fresh_name().removesuffix(SUFFIX) + ".probe"
        self._asked("nothing can be written to", lambda: self._small.put(name, name.encode(), use_multipart=False))
        try:
            if self._asked("nothing can be read from", lambda: self._range(name, 0, len(name))) != name.encode():
                raise StoreError(f"{self.place} gives back other octets than it was given")
            self.sizes()
        finally:
            self._asked("nothing can be deleted in", lambda: self._small.delete(name))

    def _begin(self) -> None:
        self._name, self._end, self._waiting = fresh_name(), 0, []

    def _put(self) -> None:
        """Put what waits, and begin anew under another name: what failed may be there all the same."""
        name, octets = self._name, b"".join(self._waiting)
        self._begin()
        objects = self._fit(len(octets))
        self._asked("raw mail can't be written to", lambda: objects.put(name, octets, use_multipart=False))
        self._recent.keep(name, octets)

    def _fit(self, octets: int) -> S3Store:
        return self._large if octets > _LARGER_THAN else self._small

    def _range(self, name: str, start: int, end: int) -> bytes:
        return bytes(self._fit(end - start).get_range(name, start=start, end=end))

    def _listed(self) -> dict[str, int]:
        entries = (entry for page in self._large.list() for entry in page)
        return {entry["path"]: entry["size"] for entry in entries if entry["path"].endswith(SUFFIX)}

    def _asked(self, failing: str, ask: Callable[[], T]) -> T:
        from obstore.exceptions import BaseError  # noqa: PLC0415 (only where a bucket is used)

        try:
            return ask()
        except (BaseError, OSError) as error:
            raise StoreError(f"{failing} {self.place}: {_reason(str(error))}") from None  # it repeats what was asked


def _objects(place: Place, s3: S3, timeout: timedelta) -> S3Store:
    os.environ.setdefault("TOKIO_WORKER_THREADS", "2")  # else as many as there are processors
    try:
        from obstore.store import S3Store  # noqa: PLC0415 (9 MB that a folder doesn't need)
    except ImportError as error:
        raise ConfigError(f"{place} needs a package that isn't installed: pip install 'gateway[s3]'") from error
    return S3Store(
        place.name,
        prefix=place.prefix or None,
        endpoint=s3.endpoint,
        region=s3.region,
        access_key_id=s3.key_id,
        secret_access_key=s3.secret.get_secret_value(),
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": s3.endpoint.startswith("http:"),
            "connect_timeout": _CONNECT,
            "timeout": timeout,
        },
        retry_config={
            "max_retries": 3,
            "retry_timeout": _RETRY,
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=1),
                "base": 2,
            },
        },
    )


def _reason(words: str) -> str:
    """What went wrong, and the remedy, from the words of the library: these hold addresses and keys."""
    if code := _CODE.search(words):
        return _REMEDIES.get(code[1], f"it answered {code[1]}")
    if untrusted := _CERTIFICATE.search(words):
        return f"its certificate can't be trusted ({untrusted[1]}): add its authority to those of this machine"
    if "kind: Timeout" in words:
        return "no answer in time: is it up, and does the network let us through?"
    if "kind: Connect" in words:
        return "it can't be reached: is it up, and is endpoint of [store.s3] right?"
    status = _STATUS.search(words)
    return f"it answered {status[1]}" if status else "the request failed"
