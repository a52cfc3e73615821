"""One mail that came to us directly: SPF, DKIM, DMARC and ARC, as results (RFC 8601 §2.3). Blocks; never raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.inspection import dmarc, signatures, spf
from gateway.inspection.dmarc import Policy
from gateway.inspection.examined import Examined
from gateway.inspection.questions import Questions, Unanswered
from gateway.mail import addresses
from gateway.mail.authentication import judged
from gateway.mail.headers import split
from gateway.model import Envelope, Result, Verdict


def examine(raw: bytes, envelope: Envelope, questions: Questions, sealers: frozenset[str]) -> Examined:
    """Check who sent, signed and sealed it, and whether that speaks for its author.

    A mail with no sure author is nobody's, whoever signed it: nothing is asked about it. Nor is the DNS of anybody
    whose word wouldn't count: a stranger's slow one can't keep us from finding out what the author's domain asks for.
    """
    author = addresses.author(split(raw)).author
    if not author.sure:
        return Examined(())
    try:
        governing = dmarc.policy(author.address.rpartition("@")[2], questions.texts)
        results = tuple(_results(raw, envelope, governing, questions))
    except Unanswered:
        results = (Result("dmarc", "temperror", {"header.from": author.address.rpartition("@")[2]}),)
    sealed = signatures.arc_result(raw, sealers, questions)
    unanswered = any(result.result == "temperror" for result in results)
    undecided = unanswered and judged(results, author).verdict is not Verdict.PASS
    return Examined((*results, *([sealed] if sealed else ())), undecided)


def _results(raw: bytes, envelope: Envelope, governing: Policy, questions: Questions) -> Iterator[Result]:
    """SPF, DKIM and DMARC. Raises Unanswered where not even the domain's policy is known."""
    signed = list(signatures.dkim_results(raw, governing.related, questions))
    sent = spf.check(envelope, governing.related, questions)
    yield from (*sent, *signed)
    signers = [result.properties["header.d"] for result in signed if result.result == "pass"]
    senders = [result.properties["smtp.mailfrom"] for result in sent if result.result == "pass"]
    found = dmarc.evaluate(governing, signers, "".join(senders), questions.texts)
    if found.result == "fail" and any(result.result == "temperror" for result in (*sent, *signed)):
        found = replace(found, result="temperror")  # what wasn't answered might have passed
    yield found
