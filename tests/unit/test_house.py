"""The house's own rules that no linter knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = sorted(path.parent for path in (ROOT / "gateway").rglob("__init__.py"))


def test_nothing_at_the_root_replaces_the_standard_library() -> None:
    """`python -m gateway` puts the current folder first on the path: a checkout must not hide `threading`."""
    names = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert "gateway" in names
    assert names & set(sys.stdlib_module_names) == set()


def test_run_as_a_module_it_finds_the_standard_library() -> None:
    program = (
        "import runpy, sys, threading, asyncio, email, logging, select; sys.argv = ['gateway', 'version'];"
        "assert not any('gateway' in (sys.modules[n].__file__ or '') for n in ('threading', 'email', 'logging'));"
        "runpy.run_module('gateway', run_name='__main__')"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("gateway ")


def test_no_package_is_put_on_the_path_itself() -> None:
    """`gateway/` on the path would hide `threading`: nothing runs a file of it by its path, or puts it there."""
    by_path = re.compile(
        r"python[\d.]*\s+(?:-\S+\s+)*\S*gateway/\S+\.py|(?:sys\.path|PYTHONPATH)\S*.*\bgateway\b(?!\.)"
    )
    looked_at = [ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    looked_at += [
        *ROOT.glob("systemd/*"),
        *(ROOT / "gateway").rglob("*.py"),
        *ROOT.glob("tests/**/*.sh"),
        *ROOT.glob(".ci/*"),
    ]
    for path in looked_at:
        if path.is_file():
            told = [line for line in path.read_text("utf-8").splitlines() if "never" not in line.lower()]
            assert not by_path.search("\n".join(told)), f"{path}: run `gateway` or `python -m gateway`"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_module_may_be_named_like_the_standard_library_only_inside_a_package(package: Path) -> None:
    """Every folder of the package is one: without `__init__.py` its modules would be found by their bare names."""
    folders = {path.parent for path in package.glob("*/*.py")} - {package / "versions"}
    for folder in folders:
        assert (folder / "__init__.py").is_file() or folder.name == "migrations", folder
