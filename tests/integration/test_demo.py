"""`make demo` plays to its end, and shows what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def acts() -> list[str]:
    """What it prints, cut at the headings: the introduction, and six acts."""
    command = [sys.executable, "-m", "tests.demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return re.split(r"^\d\. ", done.stdout, flags=re.MULTILINE)


def test_it_has_all_its_acts(acts: list[str]) -> None:
    assert len(acts) == 7


def test_the_usager_is_acknowledged_and_the_agent_told(acts: list[str]) -> None:
    assert "Nous avons bien reçu votre message" in acts[2]
    assert "Répondez au-dessus de cette ligne" in acts[2]


def test_the_usager_gets_the_answer_alone(acts: list[str]) -> None:
    assert "Quelle est l’adresse de l’arbre ?" in acts[4]
    assert "Mairie d'Exemple" in acts[4]
    for secret in ("alice.admin@", "@note", "trottoir", "@affecter"):
        assert secret in acts[3]
        assert secret not in acts[4]


def test_the_conversation_holds_it_all(acts: list[str]) -> None:
    assert "assigned to ines.instruit@mairie.example.org" in acts[6]
    for words in ("glycine", "trottoir", "Quelle est l’adresse", "rue des Lilas"):
        assert words in acts[6]
