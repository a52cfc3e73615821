"""The way in, with what reading found changed before it is decided: a gateway that believes what it shouldn't."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from gateway import inbound
from gateway.context import Context
from gateway.model import Arrival, Author, Mail
from gateway.store import arrivals
from gateway.store.database import Store
from tests.builders import incoming, keep

MX = "mx.example.org"
Change = Callable[[Mail], Mail]


def as_read(mail: Mail) -> Mail:
    """A mail as it is: nothing is taken out of the defence."""
    return mail


def known_as(mail: Mail, address: str) -> Mail:
    """The mail of a person who is surely known by this address."""
    return replace(mail, author=Author(address, mail.author.name, True, ""))


def bring(
    store: Store, context: Context, raw: bytes, to: tuple[str, ...], at: datetime, change: Change = as_read
) -> Mail:
    """Keep a mail, read it, change what was read, and file it; what was read.

    Raises:
        AssertionError: it couldn't be filed.
    """
    keep(store, incoming(raw, to, authserv_id=MX, received_at=at))
    (arrival,) = store.write_now(lambda tx: arrivals.claim(tx, "attack", at + timedelta(seconds=1), 1))
    mail = _read(store, context, arrival)
    ((_, decision),) = store.write_now(
        lambda tx: inbound.file_batch(tx, [(arrival, change(mail))], context, at + timedelta(seconds=1))
    )
    assert not isinstance(decision, str), decision
    return mail


def _read(store: Store, context: Context, arrival: Arrival) -> Mail:
    mail = inbound.read_arrival(store, arrival, context)
    assert not isinstance(mail, Exception), mail
    return mail
