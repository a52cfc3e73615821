"""All targets there are: the `TARGETS` of every module in this folder."""

from __future__ import annotations

import importlib
import pkgutil

from tests.fuzz.target import Target


def every() -> dict[str, Target]:
    """By their names."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    found = [target for module in modules for target in getattr(module, "TARGETS", ())]
    by_name = {target.name: target for target in found}
    assert len(by_name) == len(found), "two targets have one name"
    return dict(sorted(by_name.items()))
