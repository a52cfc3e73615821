"""Who is asked: a DNS server, by dnspython."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import dns.exception
import dns.name
import dns.resolver

from gateway.config.values import host_and_port
from gateway.inspection.questions import Ask, Unanswered

_ONE_TRY = 1.2  # seconds until the next server is asked, or the same one again
_REMEMBERED = 1_000  # answers, of up to 64 kB where somebody wants to fill our memory

_NO_NAME = (
    dns.name.BadEscape,
    dns.name.EmptyLabel,
    dns.name.IDNAException,
    dns.name.LabelTooLong,
    dns.name.NameTooLong,
    UnicodeError,
)


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
