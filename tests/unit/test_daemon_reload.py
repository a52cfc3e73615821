"""SIGHUP: whatever goes wrong in reading the configuration again, the old one goes on, and systemd is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway import config, log, reloading, systemd
from gateway.context import Context, context
from gateway.errors import ConfigError
from gateway.mail import tokens
from gateway.mail.tokens import Keys, Token, TokenKind
from gateway.reloading import State
from gateway.store import keys
from tests.builders import DOMAIN, settings


def made(tmp_path: Path) -> State:
    known = settings(tmp_path)
    return State(tmp_path / "gateway.toml", known, keys.load_or_make(known.store.token_keys_file))


async def state_of(tmp_path: Path) -> State:
    return made(tmp_path)


def address(keys_file: Path) -> str:
    """A reply address as another process, a command, signs it with what stands in the file."""
    token = tokens.sign(Token(TokenKind.REPLY, 1, 0), keys.load(keys_file))
    return f"reponse+{token}@{DOMAIN}"


def test_what_a_new_key_signed_is_taken_before_anybody_asks_for_a_reload(tmp_path: Path) -> None:
    """A command signs with it, and the answer comes, while the daemon goes on."""

    async def scene() -> None:
        state, file = await state_of(tmp_path), tmp_path / "token.keys"
        old = address(file)
        keys.rotate(file)
        new = address(file)
        assert state.accepts(new)
        assert state.accepts(old)
        assert state.current().signer.keys == state.current().keys == keys.load(file)
        keys.replace(file, keys.without(file, 1))
        assert not state.accepts(old)
        assert state.accepts(new)

    asyncio.run(scene())


def test_a_key_file_that_cannot_be_used_keeps_the_old_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(log, "keys_kept", lambda *, problems: said.append(problems))

    async def scene() -> None:
        state, file = await state_of(tmp_path), tmp_path / "token.keys"
        good, known = file.read_text(), address(file)
        file.write_text("1 short\n")
        assert state.accepts(known)
        assert state.accepts(known)
        assert len(said) == 1  # it is told once, not with each mail
        file.unlink()
        assert state.accepts(known)
        file.write_text(good)
        file.chmod(0o600)
        assert state.accepts(known)

    asyncio.run(scene())
    assert len(said) == 2


def test_a_reload_takes_keys_too_and_keeps_those_that_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "notify", lambda *_: None)

    async def scene() -> None:
        state, file = await state_of(tmp_path), tmp_path / "token.keys"

        def slow(fresh: Any, known: Keys) -> Context:
            """While a large directory is read, a command puts a key in front, and its answer is there at once."""
            made = context(fresh, known)
            keys.rotate(file)
            assert state.accepts(address(file))
            return made

        monkeypatch.setattr(config, "load", lambda _: settings(tmp_path, instance={"name": "Another"}))
        monkeypatch.setattr(reloading, "_context", slow)
        state.reload()
        assert state._reloading is not None
        await state._reloading
        assert state.context.settings.instance.name == "Another"
        assert state.context.keys == keys.load(file)
        assert state.accepts(address(file))

    asyncio.run(scene())


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
        state = made(tmp_path)
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
