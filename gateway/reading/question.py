"""What is asked of a mail."""

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
