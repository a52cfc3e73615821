"""Mail that goes round: our own come back, what passed too many servers, what other gateways wrote by themselves."""

from __future__ import annotations

import re

from gateway.mail import mark
from gateway.mail.headers import Head
from gateway.mail.nature.evidence import Evidence, Judgement
from gateway.model import Nature

MOST_HOPS = 50  # as Postfix has it by default; RFC 5321 §6.3 asks for no fewer than what mail may need
_OUR_ID = re.compile(r"[0-9]{1,12}\.[a-z2-7]{32}")  # gateway.mail.tokens.message_id


def hops(head: Head) -> int:
    """How many servers noted that the mail passed them (RFC 5321 §4.4)."""
    return sum(field.name == "received" for field in head.fields)


def circling(e: Evidence) -> Judgement | None:
    """It passed more servers than any mail needs (RFC 5321 §6.3): whatever it would cause only feeds the circle."""
    passed = hops(e.head)
    return Judgement(Nature.LOOP, f"it passed {passed} servers (RFC 5321 §6.3)") if passed > MOST_HOPS else None


def echo(e: Evidence) -> Judgement | None:
    """Our own mail come back: it bears our field; or its author and its Message-ID are ours, as we write them.

    The domain alone isn't enough: an agent may have her address there.
    """
    if not e.domain:
        return None
    if _origin(e)[0] == e.domain.lower():
        return Judgement(Nature.ECHO, f"{mark.FIELD}: it left from here")
    local, _, domain = e.message_id.lower().rpartition("@")
    if domain != e.domain.lower() or not _OUR_ID.fullmatch(local) or not e.author.address.endswith("@" + domain):
        return None
    return Judgement(Nature.ECHO, f"From and Message-ID are ours, of {domain}")


def other_gateway(e: Evidence) -> Judgement | None:
    """What another gateway wrote by itself, though its Auto-Submitted was lost on the way."""
    domain, kind = _origin(e)
    return Judgement(Nature.AUTO_REPLY, f"{mark.FIELD}: {domain[:80]}; {kind}") if kind == mark.AUTOMATIC else None


def _origin(e: Evidence) -> tuple[str, str]:
    return mark.origin(e.head.value(mark.FIELD.lower()))
