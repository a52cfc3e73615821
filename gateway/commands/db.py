"""`db upgrade`: the store's schema."""

from __future__ import annotations

import argparse

from gateway.commands import options as typed
from gateway.commands.output import Shown
from gateway.store import opening, schema


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_upgrade)
    made.add_argument("action", choices=["upgrade"])


OFFERED = {"db": _parser}


def _upgrade(options: argparse.Namespace) -> Shown:
    before = opening.upgrade(typed.settings(options))
    words = f"The schema is {schema.HEAD}" + (f" (it was {before})." if before not in {"", schema.HEAD} else ".")
    return Shown({"before": before or None, "schema": schema.HEAD}, (words,))
