"""The context in force, and how it is replaced while the daemon runs: by SIGHUP, or by another file of token keys."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

from gateway import config, log, systemd
from gateway.config import Settings
from gateway.context import Context, context, rekeyed
from gateway.errors import GatewayError
from gateway.mail.tokens import Keys
from gateway.store import keys

_LONGEST_REPORT = 10_000  # characters of what is wrong with a configuration, in the log
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


class State:
    """What the parts share: the context in force."""

    def __init__(self, path: Path, settings: Settings, found: Keys) -> None:
        self.path = path
        self._keys_file = settings.store.token_keys_file
        self._keys_seen = keys.stamp(self._keys_file)
        with config.uncollected():
            self.context = context(settings, found)
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
        if not {key for _, key in fresh.by_id} & {key for _, key in self.context.keys.by_id}:
            log.keys_kept(problems="it holds none of the keys that are in force: another store's?")
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
    settle()
    return made


def settle() -> None:
    """Tell the collector that all there is now stays, but for what is garbage by now."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
