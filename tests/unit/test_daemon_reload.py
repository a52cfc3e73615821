"""SIGHUP: whatever goes wrong in reading the configuration again, the old one goes on, and systemd is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway import config, daemon, log, systemd
from gateway.errors import ConfigError
from tests.builders import settings


@pytest.mark.parametrize(
    "error", [ConfigError("faulty"), RecursionError("too deep"), ValueError("odd"), MemoryError()]
)
def test_a_reload_that_fails_keeps_the_old_configuration_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    said: list[str] = []
    kept: list[str] = []

    def fails(*_: Any) -> Any:
        raise error

    async def reload() -> bool:
        state = daemon._State(tmp_path / "gateway.toml", settings(tmp_path))
        before = state.context
        state.reload()
        assert state._reloading is not None
        await state._reloading
        return state.context is before

    monkeypatch.setattr(config, "load", fails)
    monkeypatch.setattr(systemd, "notify", lambda *lines: said.extend(lines))
    monkeypatch.setattr(log, "configuration_kept", lambda *, problems: kept.append(problems))
    assert asyncio.run(reload())
    assert (said[0], said[-1]) == ("RELOADING=1", "READY=1")
    assert len(kept) == 1
    assert type(error).__name__ in kept[0] or kept[0] == "faulty"
