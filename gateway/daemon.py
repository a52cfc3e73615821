"""The daemon: builds the parts, wires them in one task group, minds signals, readiness and the watchdog.

It decides nothing about mail. SIGTERM and SIGINT end it within ten seconds; SIGHUP reads the configuration again,
and keeps the old one if the new one is faulty.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Collection, Coroutine, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from gateway import config, log, peers, rounds, systemd, waiting
from gateway.antivirus import Antivirus
from gateway.bells import Bells
from gateway.config import Settings
from gateway.context import Context, context, rekeyed
from gateway.errors import ConfigError, GatewayError, Temporary
from gateway.health import flight, watch
from gateway.inspecting import Inspector
from gateway.intake import imap, smtp
from gateway.mail.tokens import Keys
from gateway.outbound import Relay
from gateway.reading.readers import Readers
from gateway.relay.transport import transport_for
from gateway.store import holders, keys, opening, pulses
from gateway.store.database import Store, Tx
from gateway.store.keeper import Keeper, StoreLedger

ROLES = ("intake", "filing", "relay")  # what daemons that share a store may do apart
Parts = dict[str, Coroutine[Any, Any, Any]]
_LONGEST_REPORT = 10_000  # characters of what is wrong with a configuration, in the log
# How long a thread that computes may keep the event loop waiting. By default 5 ms, which would come on top of each
# word that a client says while mail is being filed.
TURN = 0.0002  # seconds
# Tables whose changes a reload takes over; the others are bound to what is open, and wait for a restart.
RELOADED = frozenset({"include", "instance", "addresses", "trust", "limits", "desk", "organisations"}) | {
    "attachments",
    "antivirus",
    "demarches",
    "dossiers",
    "agents",
    "support_groups",
    "faq",
}


def run(path: Path, announce: Callable[[str], None], roles: Collection[str] = ROLES) -> None:
    """Run until a signal asks for the end. `announce` is given one line when mail is taken.

    `roles`: what this daemon does; others on the same store may do the rest.

    Raises:
        ConfigError, StoreError, Temporary: it can't start; the message says why.
    """
    settings = config.load(path)
    sys.setswitchinterval(TURN)
    with opening.upgraded(settings) as store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(path, settings, store, roles, announce))


class _State:
    """What the parts share: the context in force."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._keys_file = settings.store.token_keys_file
        self._keys_seen = keys.stamp(self._keys_file)
        self.context = _context(settings, keys.load_or_make(self._keys_file))
        self._reloading: asyncio.Task[None] | None = None
        self._changed = False
        self.stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def current(self) -> Context:
        """The context in force. A new key file is taken up first: what its key signed comes back here."""
        seen = keys.stamp(self._keys_file)
        if seen != self._keys_seen:
            self._keys_seen = seen
            self._take_keys()
        return self.context

    def _take_keys(self) -> None:
        try:
            fresh = keys.load(self._keys_file)
        except GatewayError as error:
            log.keys_kept(problems=str(error))
            return
        if fresh != self.context.keys:
            self.context = rekeyed(self.context, fresh)
            log.keys_taken(keys=[key_id for key_id, _ in fresh.by_id])

    def accepts(self, address: str) -> bool:
        return self.current().recognise(address).ours

    def reload(self) -> None:
        """Asked for by SIGHUP. A large directory takes seconds to read; mail goes on meanwhile."""
        self._changed = True
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._reload(), name="reload")

    async def _reload(self) -> None:
        """Read it until nobody asked again meanwhile: what was asked for during a reload may not have been read."""
        systemd.notify(*systemd.reloading())
        try:
            while self._changed:
                self._changed = False
                self._take_keys()
                fresh = await asyncio.to_thread(self._load)
                if fresh is not None:
                    self._take_over(*fresh)
        finally:
            systemd.notify("READY=1")

    def _load(self) -> tuple[Context, list[str]] | None:
        """What the configuration says now, and what of it waits for a restart; None where it can't be used."""
        try:
            return self._reloaded(config.load(self.path))
        except GatewayError as error:
            log.configuration_kept(problems=str(error)[:_LONGEST_REPORT])
        except Exception as error:  # noqa: BLE001 (a defect in reading it mustn't take the old one away)
            log.configuration_kept(problems=f"a defect: {type(error).__name__}: {error}"[:_LONGEST_REPORT])
        return None

    def _reloaded(self, fresh: Settings) -> tuple[Context, list[str]]:
        before = self.context.settings
        tables = type(before).model_fields
        changed = [name for name in tables if getattr(before, name) != getattr(fresh, name)]
        kept = {name: getattr(before, name) for name in changed if name not in RELOADED}
        return _context(fresh.model_copy(update=kept), self.context.keys), sorted(kept)

    def _take_over(self, fresh: Context, restart_needed: list[str]) -> None:
        self.context = rekeyed(fresh, self.context.keys)  # others may have been taken up meanwhile
        log.configuration_reloaded(restart_needed=restart_needed)


def _context(settings: Settings, keys: Keys) -> Context:
    """Build it, and tell the collector that all of it stays: walking a large directory would stop the loop."""
    with config.uncollected():
        made = context(settings, keys)
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    return made


async def _serve(
    path: Path, settings: Settings, store: Store, roles: Collection[str], announce: Callable[[str], None]
) -> None:
    name = f"{socket.gethostname()}:{os.getpid()}"
    owner = f"{name}:{secrets.token_hex(4)}"  # on another machine of this name, another one
    state, bells = _State(path, settings), Bells(store, owner)
    await store.write(lambda tx: _known(tx, store, name, owner))
    keeper = Keeper(store, bells.kept, bells.arrived)
    listeners = await _listeners(settings, keeper, state) if "intake" in roles else []
    async with Readers() as readers, asyncio.TaskGroup() as group:
        parts = {
            "health": watch.run(store, state.current, name=name, planned=bells.planned, now=utc_now),
            "watchdog": _watchdog(store),
        }
        if store.shared:
            parts |= {"peers": peers.run(store, owner, freed=bells.ring_all), "bells": bells.listen()}
        if "intake" in roles:
            parts |= _intake(settings, store, owner, keeper)
            parts["canary"] = flight.run(store, state.current, _doors(settings, listeners), now=utc_now)
        if "filing" in roles:
            parts |= _filing(store, state, bells, owner, readers)
        if "relay" in roles:
            transport = transport_for(settings.relay, settings.addresses.domain)
            relay = Relay(store, state.current, transport, now=utc_now, owner=owner if store.shared else "")
            parts["relay"] = relay.run(bells.planned)
        tasks = [group.create_task(part, name=name) for name, part in parts.items()]
        _mind_signals(state)
        _ready(settings, listeners, roles, announce)
        await _ended(state, tasks)
        await asyncio.gather(*(listener.close() for listener in listeners))
    store.submit(lambda tx: holders.leave(tx, owner))
    log.daemon_stopped()


def _known(tx: Tx, store: Store, name: str, owner: str) -> None:
    """Make this daemon known to the store. Where no other can run, what others held is free at once."""
    if not store.shared:
        holders.leave_all(tx)
    holders.beat(tx, owner)
    pulses.started(tx, name, utc_now())


def _doors(settings: Settings, listeners: list[smtp.Listener]) -> list[tuple[str, str]]:
    """Protocol and address of every listener."""
    return [(intake.protocol, each.address) for intake, each in zip(settings.intake.smtp, listeners, strict=True)]


def _intake(settings: Settings, store: Store, owner: str, keeper: Keeper) -> Parts:
    parts: Parts = {"probe": keeper.probe()}
    pace, ledger = imap.Pace(whole=settings.health.reconcile.total_seconds()), StoreLedger(store, utc_now)
    for mailbox in settings.intake.imap:
        poll = partial(imap.poll, mailbox, keep=keeper.keep, ledger=ledger, now=utc_now, pace=pace)
        parts[f"imap-{mailbox.name}"] = peers.attend(store, owner, mailbox.name, poll)
    return parts


def _filing(store: Store, state: _State, bells: Bells, owner: str, readers: Readers) -> Parts:
    """All that becomes of a mail before one leaves: and what becomes of it with time."""
    gate = Antivirus(store, state.current, now=utc_now)
    inspector = Inspector(store, state.current, owner=owner, arrived=bells.arrived, now=utc_now)
    return {
        "filing": _file(store, state, bells, owner, readers, gate),
        "inspecting": inspector.run(bells.kept),
        "antivirus": gate.run(bells.planned),
        "rounds": rounds.run(store, state.current, planned=bells.planned, now=utc_now),
    }


async def _file(store: Store, state: _State, bells: Bells, owner: str, readers: Readers, gate: Antivirus) -> None:
    """No mail is begun before there is a reader: what ends the process until then is no mail's doing."""
    await readers.prepare()
    await waiting.run(
        store,
        state.current,
        readers,
        gate.look,
        owner=owner,
        arrived=bells.arrived,
        planned=bells.planned,
        now=utc_now,
    )


async def _ended(state: _State, tasks: list[asyncio.Task[Any]]) -> None:
    """Wait for the signal; then ask every part to end."""
    name = await state.stop
    log.daemon_stopping(signal=name)
    systemd.notify("STOPPING=1")
    for task in tasks:
        task.cancel()


async def _listeners(settings: Settings, keeper: Keeper, state: _State) -> list[smtp.Listener]:
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


def _mind_signals(state: _State) -> None:
    loop = asyncio.get_running_loop()

    def stop(name: str) -> None:
        if not state.stop.done():
            state.stop.set_result(name)

    loop.add_signal_handler(signal.SIGTERM, stop, "SIGTERM")
    loop.add_signal_handler(signal.SIGINT, stop, "SIGINT")
    loop.add_signal_handler(signal.SIGHUP, state.reload)


def _ready(
    settings: Settings, listeners: list[smtp.Listener], roles: Collection[str], announce: Callable[[str], None]
) -> None:
    if "intake" not in roles:
        log.daemon_ready(sources=[], version=version("gateway"))
        announce(f"gateway is ready, for {' and '.join(roles)} alone: other daemons take mail")
        systemd.notify("READY=1", f"STATUS={', '.join(roles)} alone")
        return
    sources = [f"{protocol} on {address}" for protocol, address in _doors(settings, listeners)]
    sources += [f"imap {mailbox.name}" for mailbox in settings.intake.imap]
    relay = settings.relay
    lands = f"{relay.folder}/new" if relay.transport == "maildir" else f"the smarthost {relay.host}:{relay.port}"
    log.daemon_ready(sources=sources, version=version("gateway"))
    ways = ", ".join(sources)
    announce(f"gateway is ready: write to {settings.addresses.global_} by {ways}; answers go to {lands}")
    systemd.notify("READY=1", f"STATUS=taking mail by {ways}")


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


def utc_now() -> datetime:
    return datetime.now(UTC)
