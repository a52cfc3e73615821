"""The files of a folder of templates, links followed: a démarche may have the folder of another."""

from __future__ import annotations

import os
from pathlib import Path


def files(folder: Path) -> tuple[list[str], dict[str, OSError | None]]:
    """Paths of what may be a template: editors' copies, hidden files and a README aren't.

    And what can't be looked into: the error, None for a link that leads in a circle.
    """
    paths: list[str] = []
    closed: dict[str, OSError | None] = {}

    def note(error: OSError) -> None:
        closed[_below(folder, error.filename)] = error

    for here, folders, names in os.walk(folder, followlinks=True, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in tuple(folders):
            path = os.path.join(here, name)
            if os.path.realpath(path) in _chain(folder, here):
                folders.remove(name)
                closed[_below(folder, path)] = None
        taken = (name for name in names if not name.startswith((".", "README")) and not name.endswith("~"))
        paths += [_below(folder, os.path.join(here, name)) for name in taken]
    return sorted(paths), closed


def _below(folder: Path, path: str) -> str:
    return Path(path).relative_to(folder).as_posix()


def _chain(folder: Path, here: str) -> set[str]:
    """A folder and those that it was reached through, without links."""
    inside = Path(here).relative_to(folder).parts
    return {os.path.realpath(folder.joinpath(*inside[:depth])) for depth in range(len(inside) + 1)}
