"""Behind a real Postfix, by LMTP: the whole way from a stranger's SMTP to the agents, over TCP and a unix socket."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import postfix as servers
from tests.servers.clients import gmail, letter
from tests.servers.gateway import (
    CONTACT,
    DOMAIN,
    INES,
    ULYSSE,
    Gateway,
    Sent,
    configuration,
    octets,
    smtp_relay,
)
from tests.servers.postfix import Postfix

pytestmark = pytest.mark.skipif(not servers.AVAILABLE, reason=servers.MISSING)
DOSSIER = f"dossier+123@{DOMAIN}"


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Gateway, Postfix]]:
    """A Postfix in front of the gateway, which is its smarthost too, and the gateway behind it."""
    gateway = Gateway(tmp_path, configuration())
    path = Path(f"/tmp/gateway-{gateway.port}.lmtp")  # where Postfix's own user gets at it
    unix = request.param == "unix"
    postfix = Postfix(f"lmtp:unix:{path}" if unix else f"lmtp:inet:127.0.0.1:{gateway.port}")
    listen = f"unix:{path}" if unix else "127.0.0.1:{smtp}"
    relay = smtp_relay(postfix.port)
    try:
        gateway.configure(configuration(listen=listen, protocol="lmtp", authserv_id="mx.example.org", relay=relay))
        gateway.start()
        if unix:
            path.chmod(0o666)  # as a socket unit would let Postfix in
        yield gateway, postfix
        gateway.stop()
    finally:
        if gateway.running:
            gateway.kill()
        postfix.close()
        path.unlink(missing_ok=True)


def hand_in(postfix: Postfix, raw: bytes, sender: str, to: list[str]) -> None:
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
        assert not client.sendmail(sender, to, raw)


def test_a_mail_and_its_answer_go_through_a_real_postfix(pair: tuple[Gateway, Postfix]) -> None:
    gateway, postfix = pair
    question = letter(ULYSSE, "Où en est ma demande ?\n.\n..fin", to=DOSSIER)
    hand_in(postfix, octets(question), ULYSSE, [DOSSIER, f"reponse+{'a' * 32}@{DOMAIN}"])
    asked = gateway.until(lambda: postfix.box_of(INES), "a notification")[0]
    body = asked.get_body(("plain",))
    assert body is not None
    assert "Où en est ma demande ?\n.\n..fin" in body.get_content().replace("\r\n", "\n")
    bounce = gateway.until(lambda: [m for m in postfix.box_of(ULYSSE) if m["Return-Path"] == "<>"], "a bounce")
    assert any("550" in mail.as_string() for mail in bounce), "a reply for each recipient: the forged one comes back"

    hand_in(postfix, octets(gmail(Sent("", INES, asked.as_bytes()), INES, "Bientôt.")), INES, [CONTACT])
    answer = gateway.until(
        lambda: [m for m in postfix.box_of(ULYSSE) if m["Subject"] == "Re: Une question"], "the answer"
    )[0]
    assert Sent("", ULYSSE, answer.as_bytes()).text.startswith("Bientôt.")
    conversation = gateway.only()
    said = [m["direction"] for m in conversation["messages"] if m["kind"] != "machine"]
    assert said == ["in", "out"], "beside what Postfix tells of the answer's arrival"
    assert conversation["status"] == "pending"


@pytest.mark.parametrize("pair", ["tcp"], indirect=True)
def test_a_smuggled_mail_comes_through_neither_door(pair: tuple[Gateway, Postfix]) -> None:
    """Two mails that a lone LF pretends to be one: Postfix is told to reject it, and we would too."""
    gateway, postfix = pair
    smuggled = (
        f"From: {ULYSSE}\r\nSubject: un\r\n\r\nBonjour\n.\nMAIL FROM:<{INES}>\r\nRCPT TO:<{CONTACT}>\r\nDATA\r\n"
        "Subject: deux\r\n\r\nRefusé\r\n.\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", postfix.port), timeout=60) as client,
        client.makefile("rb") as lines,
    ):
        lines.readline()
        for command in ("HELO client.example.net", f"MAIL FROM:<{ULYSSE}>", f"RCPT TO:<{CONTACT}>", "DATA"):
            client.sendall(f"{command}\r\n".encode())
            reply = lines.readline()
        assert reply.startswith(b"354")
        client.sendall(smuggled.encode())
        assert lines.readline().startswith(b"5")
    hand_in(postfix, octets(letter(ULYSSE, "Bonjour", subject="trois")), ULYSSE, [CONTACT])
    gateway.taken_in(1)
    assert [c["subject"] for c in gateway.conversations()] == ["trois"]
