"""`check --connect`: is there an answer from the DNS server that our own checks ask?"""

from __future__ import annotations

import asyncio

from gateway.commands.check import Finding, _resolver, _tried
from tests.builders import DOMAIN
from tests.servers.dns import BROKEN, serving


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
