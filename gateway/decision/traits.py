"""What placement knows of a mail: where it belongs by itself, and what a response that cites nothing goes by."""

from __future__ import annotations

import hashlib

from gateway.mail.subjects import base
from gateway.model import Evidence, Mail, Nature, Trace, Traits
from gateway.routing.route import Route

_MOST_PEOPLE = 100


def traits(mail: Mail, own: Route, domain: str, *, anchored: bool) -> Traits:
    """`own`: its route without any conversation; `domain`: ours; `anchored`: a token leads it to its conversation."""
    matter, outlook, orphan = alike(mail, domain)
    return Traits(
        sure=mail.author.sure,
        sent_at=mail.date,
        matter=matter,
        outlook=outlook,
        orphan=orphan,
        anchored=anchored,
        evidence=Evidence(own.inbox, int(own.strength), own.because, own.named),
    )


def trace(mail: Mail, its: Traits, conversation: int = 0) -> Trace:
    """The mail that is being placed, among those that are there. `conversation`: where a token leads it."""
    cited = tuple(dict.fromkeys(mail.cited))
    return Trace(
        id=0,
        conversation=conversation,
        message_id=mail.message_id,
        cited=cited,
        author=mail.author.address,
        people=people(mail),
        fingerprint=mail.fingerprint,
        traits=its,
        machine=mail.nature is not Nature.PERSON,
        loose=mail.loose,
    )


def people(mail: Mail) -> tuple[str, ...]:
    """Those whom it was written to, as far as they are kept."""
    return tuple(dict.fromkeys(entry.address for entry in (*mail.to, *mail.cc)))[:_MOST_PEOPLE]


def alike(mail: Mail, domain: str) -> tuple[str, str, bool]:
    """Digests of its matter and of its place in Outlook, each with its people; is it a response that cites nothing?

    Our own addresses are nobody: who writes first to a démarche and then to the global inbox is still alone.
    """
    if mail.nature is not Nature.PERSON or not mail.author.sure:
        return "", "", False
    subject = base(mail.subject)
    people = {mail.author.address, *(entry.address for entry in (*mail.to, *mail.cc))}
    others = " ".join(sorted(address for address in people if not address.endswith(f"@{domain}")))
    return (
        _digest(subject.text, others),
        _digest(mail.thread_index, others),
        subject.response and not mail.cited,
    )


def _digest(what: str, people: str) -> str:
    return hashlib.sha256(f"{what}\n{people}".encode("utf-8", "surrogatepass")).hexdigest()[:32] if what else ""
