"""The gateway's intake and store without filing and relay: `python -m tests.bench.keeping CONFIG`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from gateway import config, log
from gateway.clock import utc_now
from gateway.context import context
from gateway.daemon import TURN
from gateway.intake import smtp
from gateway.store import keys
from gateway.store.database import Store
from gateway.store.keeper import Keeper
from gateway.store.opening import opened


async def _serve(settings: config.Settings, store: Store) -> None:
    known = context(settings, keys.load_or_make(settings.store.token_keys_file))
    keeper = Keeper(store, asyncio.Event())
    await smtp.serve(
        settings.intake.smtp[0],
        hostname=settings.addresses.domain,
        keep=keeper.keep,
        accepts=lambda address: known.recognise(address).ours,
        now=utc_now,
        handed=None,
    )
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    log.set_up(json=True)
    sys.setswitchinterval(TURN)
    settings = config.load(Path(sys.argv[1]))
    with opened(settings) as store:
        uvloop.run(_serve(settings, store))
