"""All that works on mail once it is taken, and all that fetches it: the parts of a daemon, by its roles.

Most of the program is behind this module. It is imported when mail is taken already (`gateway.daemon`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from functools import partial
from typing import Any

from gateway import peers, rounds, waiting
from gateway.antivirus import Antivirus
from gateway.clock import utc_now
from gateway.health import flight, watch
from gateway.house import House
from gateway.inspecting import Inspector
from gateway.outbound import Relay
from gateway.reading.readers import Readers
from gateway.relay.transport import transport_for
from gateway.store.keeper import StoreLedger

Parts = dict[str, Coroutine[Any, Any, Any]]


async def run(house: House, roles: Collection[str]) -> None:
    """Work until it is cancelled."""
    async with Readers() as readers, asyncio.TaskGroup() as group:
        for name, part in _parts(house, roles, readers).items():
            group.create_task(part, name=name)


def _parts(house: House, roles: Collection[str], readers: Readers) -> Parts:
    store, state, bells = house.store, house.state, house.bells
    parts: Parts = {"health": watch.run(store, state.current, name=house.name, planned=bells.planned, now=utc_now)}
    if "intake" in roles:
        parts |= _intake(house)
        parts["canary"] = flight.run(store, state.current, house.doors, now=utc_now)
    if "filing" in roles:
        parts |= _filing(house, readers)
    if "relay" in roles:
        transport = transport_for(house.settings.relay, house.settings.addresses.domain)
        relay = Relay(store, state.current, transport, now=utc_now, owner=house.owner if store.shared else "")
        parts["relay"] = relay.run(bells.planned)
    return parts


def _intake(house: House) -> Parts:
    parts: Parts = {"probe": house.keeper.probe()}
    if not house.settings.intake.imap:
        return parts
    from gateway.intake import imap  # noqa: PLC0415 (where there is no mailbox, its libraries aren't loaded)

    pace = imap.Pace(whole=house.settings.health.reconcile.total_seconds())
    ledger = StoreLedger(house.store, utc_now)
    for mailbox in house.settings.intake.imap:
        poll = partial(imap.poll, mailbox, keep=house.keeper.keep, ledger=ledger, now=utc_now, pace=pace)
        parts[f"imap-{mailbox.name}"] = peers.attend(house.store, house.owner, mailbox.name, poll)
    return parts


def _filing(house: House, readers: Readers) -> Parts:
    """All that becomes of a mail before one leaves: and what becomes of it with time."""
    store, current, bells = house.store, house.state.current, house.bells
    gate = Antivirus(store, current, now=utc_now)
    inspector = Inspector(store, current, owner=house.owner, arrived=bells.arrived, now=utc_now)
    return {
        "filing": _file(house, readers, gate),
        "inspecting": inspector.run(bells.kept),
        "antivirus": gate.run(bells.planned),
        "rounds": rounds.run(store, current, planned=bells.planned, now=utc_now),
    }


async def _file(house: House, readers: Readers, gate: Antivirus) -> None:
    """No mail is begun before there is a reader: what ends the process until then is no mail's doing."""
    await readers.prepare()
    await waiting.run(
        house.store,
        house.state.current,
        readers,
        gate.look,
        owner=house.owner,
        arrived=house.bells.arrived,
        planned=house.bells.planned,
        now=utc_now,
    )
