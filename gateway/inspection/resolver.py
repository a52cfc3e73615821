"""Questions to the DNS about one mail: each bounded in time, all of them in time and number.

Whom we ask, and how often, is up to whoever wrote the mail: names come from its header and its domain's records.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import dns.exception
import dns.name
import dns.resolver

from gateway.config.values import host_and_port
from gateway.errors import Temporary

MOST = 80  # questions for one mail: SPF alone may ask ten times, and for each MX host that it names
DEADLINE = 10.0  # seconds for all questions about one mail
_PATIENCE = 3.0  # seconds for one question, and what it leads to
_ONE_TRY = 1.2  # seconds until the next server is asked, or the same one again
_REMEMBERED = 1_000  # answers, of up to 64 kB where somebody wants to fill our memory
_LONGEST_TEXT = 4_096  # octets of a record: SPF, DMARC and keys of 4,096 bits need less than a quarter

_NO_NAME = (
    dns.name.BadEscape,
    dns.name.EmptyLabel,
    dns.name.IDNAException,
    dns.name.LabelTooLong,
    dns.name.NameTooLong,
    UnicodeError,
)


class Unanswered(Temporary):
    """The DNS didn't answer, in time or at all: nothing is known about the name."""


class Ask(Protocol):
    """Where answers come from: the records of that name and type, () where there are none."""

    def __call__(self, name: str, kind: str, seconds: float) -> tuple[Any, ...]: ...


class Questions:
    """All that may be asked for one mail, through `ask`. `clock` tells seconds."""

    def __init__(self, ask: Ask, *, deadline: float = DEADLINE, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._until = clock() + deadline
        self._left = MOST

    def records(self, name: str, kind: str) -> tuple[Any, ...]:
        """The records (dnspython's) of that name and type, () where there are none.

        Raises:
            Unanswered: nobody answered, or enough was asked.
        """
        seconds = min(self._until - self._clock(), _PATIENCE)
        if seconds <= 0 or self._left <= 0:
            raise Unanswered("it took too long" if self._left else f"more than {MOST} questions")
        self._left -= 1
        return self._ask(name, kind, seconds)

    def texts(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, each in one piece; those that are too long are left out.

        Raises:
            Unanswered: as `records`.
        """
        found = (b"".join(record.strings) for record in self.records(name, "TXT"))
        return tuple(text for text in found if len(text) <= _LONGEST_TEXT)


@lru_cache(maxsize=4)
def resolver(address: str) -> Ask:
    """Asks the server at `address` (`host:port`), or with "" those of the system. Remembers answers for their time.

    Raises:
        Unanswered: the system names no server.
    """
    try:
        made = dns.resolver.Resolver(configure=not address)
    except dns.resolver.NoResolverConfiguration as error:
        raise Unanswered("this machine names no DNS server (/etc/resolv.conf); set trust.resolver") from error
    if address:
        host, port = host_and_port(address)
        made.nameservers, made.port = [host], int(port)
    made.timeout = _ONE_TRY
    made.cache = dns.resolver.LRUCache(_REMEMBERED)

    def ask(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
        try:
            answer = made.resolve(name, kind, search=False, raise_on_no_answer=False, lifetime=seconds)
        except (dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN, *_NO_NAME):
            return ()
        except (dns.exception.DNSException, OSError) as error:
            raise Unanswered(f"{kind} of {name}: {type(error).__name__}") from error
        return tuple(answer)

    return ask
