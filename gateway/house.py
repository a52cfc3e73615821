"""What the parts of a daemon share."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.bells import Bells
from gateway.config import Settings
from gateway.reloading import State
from gateway.store.database import Store
from gateway.store.keeper import Keeper


@dataclass(frozen=True, slots=True)
class House:
    """`name`: machine and process; `owner`: the same, never again; `doors`: protocol and address of each listener."""

    name: str
    owner: str
    settings: Settings
    store: Store
    state: State
    bells: Bells
    keeper: Keeper
    doors: list[tuple[str, str]]
