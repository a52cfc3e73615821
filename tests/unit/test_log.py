"""The mail log: closed fields, redacted text."""

from __future__ import annotations

import errno
import inspect
import io
import json
import os
import sys
from typing import Any

import pytest

from gateway import log


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def events() -> list[str]:
    helpers = {"set_up", "reticent", "mail_id"}
    found = inspect.getmembers(log, lambda f: inspect.isfunction(f) and f.__module__ == log.__name__)
    return [name for name, _ in found if not name.startswith("_") and name not in helpers]


@pytest.mark.parametrize("name", events())
def test_every_event_has_its_fields_and_says_no_secret(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(json=True, verbose=True)
    function = getattr(log, name)
    hints = inspect.signature(function).parameters
    secret = "for ulysse.martin@usager.example.net (postgresql://gw:s3cret@db)"
    kinds = {"int": 7, "float": 0.5, "bool": True, "list[str]": [secret]}
    function(**{field: kinds.get(str(parameter.annotation), secret) for field, parameter in hints.items()})
    (line,) = written(capsys)
    assert line.keys() - {"event", "level", "timestamp"} == set(hints)
    assert line["event"] == name
    assert "ulysse.martin" not in json.dumps(line)
    assert "s3cret" not in json.dumps(line)


def test_what_no_event_declares_is_left_out_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(json=True)
    log._info("mail_duplicate", mail="0123", arrival=1, subject="Mon dossier", text="Bonjour")
    log._error("somebody_elses", password="hunter22")
    first, second = written(capsys)
    assert first["left_out"] == 2
    assert "subject" not in first
    assert first["arrival"] == 1
    assert "hunter22" not in json.dumps(second)
    assert second["left_out"] == 1


def test_of_a_value_that_is_no_text_its_type_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(json=True)
    log.keep_failed("0123", "smtp", ValueError("Bonjour"))  # type: ignore[arg-type]
    (line,) = written(capsys)
    assert line["error"] == "<ValueError>"


class _FullDisk(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("as_json", [True, False])
def test_a_log_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    monkeypatch.setattr(sys, "stderr", stream := _FullDisk())
    log.set_up(json=as_json)
    log.daemon_stopped()
    assert "daemon_stopped" in stream.getvalue()


def test_a_line_goes_out_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others write to the same descriptor: what is in two pieces may stand in two lines."""

    class Pieces(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    pieces: list[str] = []
    monkeypatch.setattr(sys, "stderr", Pieces())
    log.set_up(json=True)
    log.daemon_stopped()
    log.set_up(json=False)
    log.daemon_stopped()
    assert [piece.count("\n") for piece in pieces] == [1, 1]
    assert pieces[0].startswith("{")
    assert not pieces[1].startswith("{")
