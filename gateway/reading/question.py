"""What is asked of a mail, and of its files."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model import Result


@dataclass(frozen=True, slots=True)
class Question:
    """What reading a mail depends on besides its octets, as in `mail.read.read`.

    `seconds`: how long it may take. `whole` False: by its header alone.
    """

    authserv_id: str = ""
    results: tuple[Result, ...] | None = None
    domain: str = ""
    envelope_sender: str | None = None
    seconds: float = 5.0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Search:
    """What files of a mail are searched for: what looks like a signed address of ours, or an agent's own.

    `parts`: the files' numbers. `domain`, `leads`, `key_ids`: where signed addresses stand, how they begin, and by
    which keys they may be signed. `domains`: of agents' addresses; empty where these may be told. `seconds`: of the
    processor, for all files.
    """

    parts: tuple[int, ...]
    domain: str
    leads: tuple[str, ...]
    key_ids: tuple[int, ...]
    domains: frozenset[str] = frozenset()
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Suspects:
    """What looks so in one file: as signed addresses or tokens alone, and as agents' addresses, in lower case.

    `whole` False: there is more than this, or it couldn't be searched to its end.
    """

    signed: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    whole: bool = True
