"""Object storage for tests: moto's S3 server, in a process of its own on loopback, that checks who asks for what."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import boto3
from pydantic import SecretStr

from gateway.config.settings import S3
from gateway.config.values import Bucket as Place
from gateway.store.bucket import Bucket
from tests.servers.ports import free_port

_ADDRESS = re.compile(rb"Running on (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True)
class Storage:
    """A server, a bucket on it, and a key that may do everything there."""

    endpoint: str
    bucket: str
    key_id: str
    secret: str

    def client(self, service: str = "s3") -> Any:
        """Somebody else's client, to look from outside."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
        )

    @cached_property
    def _client(self) -> Any:
        return self.client()

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """What is in the bucket."""
        found = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        names = [entry["Key"] for entry in found]
        return {name: self._client.get_object(Bucket=self.bucket, Key=name)["Body"].read() for name in names}

    def put(self, name: str, octets: bytes) -> None:
        self._client.put_object(Bucket=self.bucket, Key=name, Body=octets)

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket=self.bucket, Key=name)

    def user(self, name: str, *actions: str) -> Storage:
        """The same for somebody who may do this alone."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return replace(self, key_id=key["AccessKeyId"], secret=key["SecretAccessKey"])

    def tables(self, prefix: str = "mail") -> str:
        """[store] of a gateway.toml that keeps raw mail here."""
        return (
            f'[store]\nraw = "s3://{self.bucket}/{prefix}"\n'
            f'[store.s3]\nendpoint = "{self.endpoint}"\nkey_id = "{self.key_id}"\nsecret = "{self.secret}"\n'
        )


@contextmanager
def serving(bucket: str = "raw") -> Iterator[Storage]:
    """A server with a bucket. What it holds is in its memory."""
    with _process() as (_, endpoint):
        yield _furnished(Storage(endpoint, bucket, "anybody", "anything"))


@contextmanager
def _process() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"INITIAL_NO_AUTH_ACTION_COUNT": "4", "PATH": ""},  # as many as `_furnished` needs
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := _ADDRESS.search(line):
                yield process, found[1].decode()
                return
        raise AssertionError("moto's server ended")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _furnished(server: Storage) -> Storage:
    server.client().create_bucket(Bucket=server.bucket)
    return server.user("gateway", "s3:*", "iam:*")


def bucket(server: Storage, prefix: str) -> Bucket:
    """Packs there, as a process of ours opens them."""
    s3 = S3(endpoint=server.endpoint, key_id=server.key_id, secret=SecretStr(server.secret))
    return Bucket(Place(server.bucket, prefix), s3)


class Way:
    """The way to a server, through a port of its own, that can be cut and mended: nobody is there meanwhile."""

    def __init__(self, endpoint: str) -> None:
        self._target = ("127.0.0.1", int(endpoint.rpartition(":")[2]))
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self._port = free_port()
        self.mend()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        assert self._listener is not None
        _end(self._listener)
        for end in self._ends:
            _end(end)
        self._ends.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pour, args=(one, other), daemon=True).start()


def _pour(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while octets := one.recv(65536):
            other.sendall(octets)
    _end(one)
    _end(other)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
