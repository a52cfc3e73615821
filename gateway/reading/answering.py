"""A mail, read: the same function answers in a worker, a command or a test. The daemon never imports it."""

from __future__ import annotations

from gateway.mail.read import outline, read
from gateway.model import Mail
from gateway.reading.question import Question


def answered(raw: bytes, question: Question) -> Mail:
    how = read if question.whole else outline
    return how(
        raw,
        authserv_id=question.authserv_id,
        results=question.results,
        domain=question.domain,
        envelope_sender=question.envelope_sender,
    )
