"""What is asked of a mail. Answered by the same function in a worker, a command or a test."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.mail.read import outline, read
from gateway.model import Mail, Result


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


def answered(raw: bytes, question: Question) -> Mail:
    how = read if question.whole else outline
    return how(
        raw,
        authserv_id=question.authserv_id,
        results=question.results,
        domain=question.domain,
        envelope_sender=question.envelope_sender,
    )
