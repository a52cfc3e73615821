"""A program is asked what became of a mail of which nobody knows; that of docs/operations.md, with a real Postfix."""

from __future__ import annotations

import asyncio
import os
import re
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model import DeliveryState
from gateway.relay import lookup
from tests.servers import postfix as postfixes
from tests.servers.gateway import eventually
from tests.servers.postfix import Postfix

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
SENT, DEFERRED, UNKNOWN = DeliveryState.SENT, DeliveryState.DEFERRED, DeliveryState.UNKNOWN


def program(folder: Path, lines: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{lines}\n", "utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("echo queued as 4F2A; echo more", (SENT, "looked up: it was taken (queued as 4F2A)")),
        ("exit 0", (SENT, "looked up: it was taken")),
        ("exit 1", (DEFERRED, "looked up: it never came")),
        ("echo no log; exit 2", (UNKNOWN, "looked up: it can't be told (no log)")),
        ("kill -9 $$", (UNKNOWN, "looked up: it can't be told")),
        ('[ "$2" = "5.ab@x.example" ] && [ "$1" = --all ]', (SENT, "looked up: it was taken")),
        ('[ -z "$SECRET$HOME" ]', (SENT, "looked up: it was taken")),
        ("read line && exit 2; exit 0", (SENT, "looked up: it was taken")),
        (r"printf 'a\033[2J\377'", (SENT, "looked up: it was taken (a\x1b[2J\ufffd)")),
    ],
)
async def test_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, expected: tuple[DeliveryState, str]
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    assert await lookup.ask((program(tmp_path, lines), "--all"), "5.ab@x.example") == expected


async def test_one_that_cannot_be_run(tmp_path: Path) -> None:
    assert await lookup.ask((str(tmp_path / "none"),), "a@x") == (
        UNKNOWN,
        "the look-up can't be run: No such file or directory",
    )


async def test_one_that_does_not_end_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "_PATIENCE", 0.5)
    lingering = program(tmp_path, f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    state, words = await asyncio.wait_for(lookup.ask((lingering,), "a@x"), 60)
    assert (state, words) == (UNKNOWN, "the look-up didn't end within 0.5 s")
    child = int((tmp_path / "pid").read_text())
    eventually(lambda: not _runs(child), "the end of what it started")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- the script of the documentation --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    server = Postfix()
    try:
        yield server
    finally:
        server.close()


@pytest.mark.skipif(not postfixes.AVAILABLE, reason=postfixes.MISSING)
def test_the_documented_script_tells_what_postfix_has(postfix: Postfix, tmp_path: Path) -> None:
    found = re.search(r"```sh\n#!/bin/sh\n(# Does Postfix.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    script = program(tmp_path, found[1])
    log = postfix.folder / "log"

    def asked(message_id: str, logs: str = f"{log}.1 {log}") -> tuple[int, str]:
        environment = {**os.environ, "MAIL_LOGS": logs}
        done = subprocess.run([script, message_id], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def body(message_id: str) -> str:
        return f"From: a@x.example\r\nTo: b@y.example\r\nMessage-ID: <{message_id}>\r\n\r\nBonjour\r\n"

    with smtplib.SMTP("127.0.0.1", postfix.port) as client:
        client.sendmail("a@x.example", ["b@y.example"], body("1.taken@x.example"))
    eventually(lambda: asked("1.taken@x.example")[0] == 0, "the mail that was taken, in the log")
    assert asked("1.taken@x.example")[1].startswith("queued as ")
    with smtplib.SMTP("127.0.0.1", postfix.port) as client:
        client.mail("a@x.example")
        client.rcpt("b@y.example")
        client.docmd("DATA")
        client.send(body("2.broken@x.example") + "x\r\n" * 20_000)
        assert client.sock is not None
        client.sock.shutdown(socket.SHUT_RDWR)
    eventually(lambda: "lost connection after" in log.read_text("utf-8"), "the breakdown, in the log")
    assert asked("2.broken@x.example") == (1, "")
    assert asked("3.never@x.example") == (1, "")
    assert asked("1xtaken@x.example") == (1, ""), "a Message-ID is no pattern"
    assert asked("1.taken@x.example", str(tmp_path / "none"))[0] == 2
