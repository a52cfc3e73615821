"""`version`."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from gateway.commands.output import Shown


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_version)


OFFERED = {"version": _parser}


def _version(_: argparse.Namespace) -> Shown:
    return Shown({"version": version("gateway")}, (f"gateway {version('gateway')}",))
