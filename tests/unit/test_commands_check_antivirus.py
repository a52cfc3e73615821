"""`check --connect` asks the antivirus whether it is there, and whether it finds anything at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commands.check import checked
from tests.builders import ROOT, settings
from tests.servers.clamd import pretended


@pytest.mark.parametrize(("manner", "severity"), [("honest", "ok"), ("lies", "error"), ("error", "error")])
def test_the_antivirus_is_asked(tmp_path: Path, manner: str, severity: str) -> None:
    with pretended(tmp_path, manner) as server:
        asked = settings(tmp_path, antivirus={"socket": server.socket})
        found = checked(ROOT / "gateway.toml", asked, connect=True).document
    assert [f["severity"] for f in found if f["what"] == "antivirus"] == [severity]
