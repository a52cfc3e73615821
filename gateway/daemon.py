"""The daemon: takes mail, then loads what works on it; minds signals, readiness and the watchdog.

It decides nothing about mail. SIGTERM and SIGINT end it within ten seconds; SIGHUP reads the configuration again,
and keeps the old one if the new one is faulty.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Collection, Coroutine, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from gateway import config, log, peers, systemd
from gateway.allocator import hold_little
from gateway.bells import Bells
from gateway.clock import utc_now
from gateway.config import Settings
from gateway.errors import ConfigError, Temporary
from gateway.house import House
from gateway.intake import smtp
from gateway.mail.tokens import Keys
from gateway.reloading import State, settle
from gateway.store import holders, journal, keyring, opening, pulses
from gateway.store.database import Store, Tx
from gateway.store.keeper import Keeper

ROLES = ("intake", "filing", "relay")  # what daemons that share a store may do apart
# How long a thread that computes may keep the event loop waiting. By default 5 ms, which would come on top of each
# word that a client says while mail is being filed.
TURN = 0.0002  # seconds


def run(path: Path, announce: Callable[[str], None], roles: Collection[str] = ROLES) -> None:
    """Run until a signal asks for the end. `announce` is given one line when mail is taken.

    `roles`: what this daemon does; others on the same store may do the rest.

    Raises:
        ConfigError, StoreError, Temporary: it can't start; the message says why.
    """
    settings = config.load(path)
    sys.setswitchinterval(TURN)
    hold_little()
    with opening.upgraded(settings) as store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if taken_up := journal.take_up(store):
            log.mail_taken_up(mails=taken_up)
        runner.run(_serve(path, settings, store, roles, announce))


async def _serve(
    path: Path, settings: Settings, store: Store, roles: Collection[str], announce: Callable[[str], None]
) -> None:
    name = f"{socket.gethostname()}:{os.getpid()}"
    owner = f"{name}:{secrets.token_hex(4)}"  # on another machine of this name, another one
    state, bells = State(path, settings, _keys(settings, store)), Bells(store, owner)
    await store.write(lambda tx: _known(tx, store, name, owner))
    keeper = Keeper(store, bells.kept, bells.arrived)
    listeners = await _listeners(settings, keeper, state) if "intake" in roles else []
    doors: list[tuple[str, str]] = [
        (intake.protocol, each.address) for intake, each in zip(settings.intake.smtp, listeners, strict=False)
    ]
    house = House(name, owner, settings, store, state, bells, keeper, doors)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part, name=name) for name, part in _parts(house, roles).items()]
        _mind_signals(state)
        _ready(settings, doors, roles, announce)
        await _ended(state, tasks)
        await asyncio.gather(*(listener.close() for listener in listeners))
    await keeper.close()
    store.submit(lambda tx: holders.leave(tx, owner))
    log.daemon_stopped()


def _parts(house: House, roles: Collection[str]) -> dict[str, Coroutine[Any, Any, None]]:
    parts = {"watchdog": _watchdog(house.store), "work": _work(house, roles)}
    if house.store.shared:
        parts["peers"] = peers.run(house.store, house.owner, freed=house.bells.ring_all)
        parts["bells"] = house.bells.listen()
    return parts


async def _work(house: House, roles: Collection[str]) -> None:
    """What becomes of mail takes half a second to load: in a thread, while it is taken and kept already."""
    working = await asyncio.to_thread(import_module, "gateway.working")
    settle()
    await working.run(house, roles)


def _keys(settings: Settings, store: Store) -> Keys:
    found = keyring.keys_of(store, settings.store.token_keys_file)
    if lacking := store.read_now(lambda connection: keyring.missing(connection, found)):
        log.keys_missing(keys=lacking)
    return found


def _known(tx: Tx, store: Store, name: str, owner: str) -> None:
    """Make this daemon known to the store. Where no other can run, what others held is free at once."""
    if not store.shared:
        holders.leave_all(tx)
    holders.beat(tx, owner)
    pulses.started(tx, name, utc_now())


async def _ended(state: State, tasks: list[asyncio.Task[Any]]) -> None:
    """Wait for the signal; then ask every part to end."""
    name = await state.stop
    log.daemon_stopping(signal=name)
    systemd.notify("STOPPING=1")
    for task in tasks:
        task.cancel()


async def _listeners(settings: Settings, keeper: Keeper, state: State) -> list[smtp.Listener]:
    handed = iter(_handed(settings))
    listeners: list[smtp.Listener] = []
    for intake in settings.intake.smtp:
        listener = await smtp.serve(
            intake,
            hostname=settings.addresses.domain,
            keep=keeper.keep,
            accepts=state.accepts,
            now=utc_now,
            handed=_next_socket(handed) if intake.listen == "systemd" else None,
        )
        listeners.append(listener)
    return listeners


def _handed(settings: Settings) -> list[socket.socket]:
    """What systemd handed over. One too many would stay open, and whoever connected there would wait for ever."""
    handed = systemd.handed_sockets()
    wanted = sum(intake.listen == "systemd" for intake in settings.intake.smtp)
    if len(handed) > wanted:
        fault = f'systemd handed over {len(handed)} socket(s), but {wanted} [[intake.smtp]] have listen = "systemd"'
        raise ConfigError(f"{fault}: make gateway.socket and gateway.toml agree")
    return handed


def _next_socket(handed: Iterator[socket.socket]) -> socket.socket:
    found = next(handed, None)
    if found is None:
        raise ConfigError('listen = "systemd", but systemd handed over no (more) sockets: enable gateway.socket')
    return found


def _mind_signals(state: State) -> None:
    loop = asyncio.get_running_loop()

    def stop(name: str) -> None:
        if not state.stop.done():
            state.stop.set_result(name)

    loop.add_signal_handler(signal.SIGTERM, stop, "SIGTERM")
    loop.add_signal_handler(signal.SIGINT, stop, "SIGINT")
    loop.add_signal_handler(signal.SIGHUP, state.reload)


def _ready(
    settings: Settings, doors: list[tuple[str, str]], roles: Collection[str], announce: Callable[[str], None]
) -> None:
    if "intake" not in roles:
        announce(f"gateway is ready, for {' and '.join(roles)} alone: other daemons take mail")
        systemd.notify("READY=1", f"STATUS={', '.join(roles)} alone")
        log.daemon_ready(sources=[], version=version("gateway"))
        return
    sources = [f"{protocol} on {address}" for protocol, address in doors]
    sources += [f"imap {mailbox.name}" for mailbox in settings.intake.imap]
    relay = settings.relay
    lands = f"{relay.folder}/new" if relay.transport == "maildir" else f"the smarthost {relay.host}:{relay.port}"
    ways = ", ".join(sources)
    announce(f"gateway is ready: write to {settings.addresses.global_} by {ways}; answers go to {lands}")
    systemd.notify("READY=1", f"STATUS=taking mail by {ways}")
    log.daemon_ready(sources=sources, version=version("gateway"))  # last: with the first line, the log is set up


async def _watchdog(store: Store) -> None:
    """Tell systemd that we live: the event loop turns, and the store's writer answers, be it with an error."""
    interval = systemd.watchdog_interval()
    while interval is not None:
        try:
            async with asyncio.timeout(interval):
                await store.write(lambda _: None, urgent=True)
        except Temporary:
            pass
        except TimeoutError:
            continue
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval)
