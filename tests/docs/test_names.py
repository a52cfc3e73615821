"""What the documents name is there: links, paths, functions."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
CODE_NAMES = [ROOT / "HACKING.md", ROOT / "docs/flow.md"]
FOLDERS = ("gateway", "tests", "docs", "systemd")
# `gateway.toml`, `main.cf`: dotted, and no names of the code
FILE_ENDS = {"toml", "cf", "md", "mo", "py", "db", "lock", "service", "socket", "keys", "lmtp", "txt"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def quoted(text: str) -> list[str]:
    """What stands between backticks, outside code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {anchor(heading) for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        file, _, fragment = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{link}: there is no {target}"
        assert not fragment or fragment in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_paths_exist(path: Path) -> None:
    named = [word for word in quoted(path.read_text("utf-8")) if re.fullmatch(r"[\w./-]+", word)]
    missing = [w for w in named if w.partition("/")[0] in FOLDERS and "/" in w and not (ROOT / w).exists()]
    assert missing == []


# --- names of the code -----------------------------------------------------------------------------------


@cache
def known() -> set[str]:
    """Every `module.name`, `module.Class.name` and `Class.name`, by the last part of the module's name."""
    found: set[str] = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        module = path.parent.name if path.stem == "__init__" else path.stem
        for inside in _names(ast.parse(path.read_text("utf-8"))):
            found.add(f"{module}.{inside}")
            if "." in inside:
                found.add(inside)
    return found


def _names(tree: ast.Module | ast.ClassDef) -> set[str]:
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inside}" for inside in _names(node)}
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def settings_keys() -> set[str]:
    text = (ROOT / "gateway.toml").read_text("utf-8")
    tables: set[str] = set()
    table = ""
    for line in text.splitlines():
        if header := re.match(r"(?:# )?\[\[?([a-z_.]+)\]\]?", line):
            table = header[1]
        elif key := re.match(r"(?:# )?([a-z_0-9]+) = ", line):
            tables.add(f"{table}.{key[1]}")
    return tables


@pytest.mark.parametrize("path", CODE_NAMES, ids=name)
def test_functions_exist(path: Path) -> None:
    """Dotted words name what is in the code, or a key of the configuration."""
    words = [word.partition(" ")[0] for word in quoted(path.read_text("utf-8"))]
    dotted = [word for word in words if re.fullmatch(r"[A-Za-z_]+(\.[A-Za-z_]+)+", word)]
    missing = [w for w in dotted if w.rpartition(".")[2] not in FILE_ENDS and w not in known() | settings_keys()]
    assert missing == []
    assert len(dotted) >= 3


def test_the_flow_names_its_steps_in_the_order_of_the_code() -> None:
    """Functions of inbound.py and outbound.py stand in the page as they stand there, but for the loops themselves."""
    text = (ROOT / "docs/flow.md").read_text("utf-8")
    steps = ["waiting.file_waiting", "inbound.fetched", "hints.hints", "decision.decide", "inbound.file_mail"]
    steps += ["sending.due", "compose.compose", "sending.committing", "sending.settle"]
    places = [text.index(f"`{step}`") for step in steps]
    assert places == sorted(places)
