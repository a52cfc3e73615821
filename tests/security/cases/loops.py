"""Machines that write to each other through gateways, over simulated days: at most one automatic mail a pair."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.model import Mail, Nature
from tests.builders import DOMAIN, NOW, raw_mail
from tests.security import robots
from tests.security.pipeline import Read, words, world
from tests.security.robots import Gateway, Posted, Robot, World
from tests.trials.case import Case, Counted

_OTHER = "aide.example.net"
_CONTACT, _CONTACT_THERE = f"contact@{DOMAIN}", f"contact@{_OTHER}"
_DELAYS = (timedelta(seconds=1), timedelta(hours=1), timedelta(hours=25))
_DAYS = timedelta(days=10)
_AFRESH = "afresh@usager.example"
_ALL_MARKS = ("auto-submitted", "x-auto-response-suppress", "precedence", "reply-to", "x-gateway-loop", "references")
_NO_LIMITS = {
    "acknowledgements_per_address": 1_000_000,
    "acknowledgements_per_minute": 1_000_000,
    "alarm_above": 1_000_000,
}
_MACHINES: dict[str, Robot] = {
    "absent@usager.example": robots.absent,
    "vacation@usager.example": robots.vacation,
    _AFRESH: robots.afresh(_CONTACT),
    "tickets@desk.example": robots.desk,
    "liste@lists.example": robots.expander(_CONTACT, _CONTACT_THERE),
    "nue@lists.example": robots.expander(_CONTACT, strips=_ALL_MARKS),
    "suivi@forward.example": robots.forwarder(_CONTACT),
    "dead@dead.example": robots.dead,
}


def _as_it_is(mail: Mail) -> Mail:
    return mail


def _as_a_persons() -> Read:
    """How a desk reads that knows no machine, and neither recognises nor compares what comes back."""
    number = itertools.count()

    def read(mail: Mail) -> Mail:
        own = words(next(number))
        return replace(
            mail,
            nature=Nature.PERSON,
            unanswerable="",
            text=own,
            own=own,
            in_reply_to=(),
            references=(),
            to=(),
            message_id=f"{own[:8]}@x.example",
            author=replace(mail.author, sure=True),
        )

    return read


@contextmanager
def _gateways(read: Read, plain: bool, **tables: Any) -> Iterator[dict[str, Gateway]]:
    """Ours, and another one that serves other people elsewhere."""
    there = {"domain": _OTHER, "global": _CONTACT_THERE}
    elsewhere = {"addresses": there, "demarches": [], "dossiers": [], **tables}
    with world(**tables) as (store, context), world(**elsewhere) as (other, its_context):
        yield {DOMAIN: Gateway(store, context, read, plain), _OTHER: Gateway(other, its_context, read, plain)}


def _facing(read: Read, plain: bool, delay: timedelta, **tables: Any) -> World:
    """Somebody writes to the gateway in each machine's name, and what follows is let go on for days."""
    with _gateways(read, plain, **tables) as gateways:
        faced = World(gateways, _MACHINES, delay)
        for nth, machine in enumerate((*_MACHINES, _CONTACT_THERE)):
            faced.post(_first(machine, nth), NOW + nth * timedelta(minutes=2))
        faced.run(NOW + _DAYS)
        return faced


def _first(machine: str, nth: int) -> Posted:
    """A person's words; of the robot that writes as if by itself, its own."""
    if machine == _AFRESH:
        return next(iter(_MACHINES[machine](Posted("", machine, b""), nth)))
    return Posted(machine, _CONTACT, raw_mail(machine, _CONTACT, text=words(nth), identifier=f"f{nth}@x.example"))


def _between(read: Callable[[], Read], plain: bool, *delays: timedelta, **tables: Any) -> Counted:
    """The most automatic mails that any gateway sent to anybody; of all mails that were exchanged."""
    worlds = [_facing(read(), plain, delay, **tables) for delay in delays]
    most = max(count for faced in worlds for count in faced.automatic.values())
    return Counted(sum(faced.exchanged for faced in worlds), most, "to one address")


CASES: tuple[Case, ...] = (
    Case(
        "S10-loop",
        "robots that heed no header, lists that strip them, a desk, a forwarder, bounces of bounces, a gateway, "
        "for ten days, each writing back after a second, an hour, or 25 hours",
        "one automatic mail at most to each",
        lambda: _between(lambda: _as_it_is, False, *_DELAYS),
        lambda: _between(_as_a_persons, True, _DELAYS[0], limits=_NO_LIMITS),
        "knowing machines and what comes back, signed addresses, the limits",
        allowed=1,
    ),
)
