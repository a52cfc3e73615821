"""The store and the context, for commands that decide as the daemon does."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.commands import options as typed
from gateway.context import Context, context
from gateway.store import keyring, opening
from gateway.store.database import Store


@contextmanager
def situated(options: argparse.Namespace) -> Iterator[tuple[Store, Context]]:
    """The store and the context of the configuration."""
    settings = typed.settings(options)
    with opening.opened(settings) as store:
        yield store, context(settings, keyring.keys_of(store, settings.store.token_keys_file))
