"""The recipe of docs/operations.md, on a real Postfix in front of a real gateway: whom it lets in, and whom not."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import postfix as servers
from tests.servers.gateway import CONTACT, DOMAIN, ULYSSE, Gateway, configuration
from tests.servers.postfix import Postfix

pytestmark = pytest.mark.skipif(not servers.AVAILABLE, reason=servers.MISSING)
PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")
SOCKET = "/run/gateway/lmtp"
# What a test on loopback must have otherwise: its client counts as a stranger, other domains as elsewhere, and an
# answer comes sooner.
STRANGERS = """
mynetworks = 127.0.0.2/32
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
address_verify_poll_delay = 1s
smtpd_error_sleep_time = 0
virtual_mailbox_domains =
"""


def recipe(file: str) -> str:
    found = re.search(rf"^```cf\n# /etc/postfix/{file}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found[1].replace("support.example.org", DOMAIN)


def without(text: str, more: str) -> str:
    """The lines whose parameters `more` doesn't set: Postfix warns of what is set twice."""
    again = {line.partition(" =")[0] for line in more.splitlines() if " =" in line}
    return "".join(line for line in text.splitlines(keepends=True) if line.partition(" =")[0] not in again)


class Documented(Postfix):
    """With the documented lines beside those that a Postfix without a system needs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__()

    def _write(self, gateway: str) -> None:
        super()._write(gateway)
        main, master = self.folder / "config/main.cf", self.folder / "config/master.cf"
        more = recipe("main.cf").replace(SOCKET, str(self.path)) + STRANGERS
        main.write_text(without(main.read_text(), more) + more)
        master.write_text(master.read_text() + recipe("master.cf"))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Gateway, Postfix]]:
    gateway = Gateway(tmp_path, configuration())
    path = Path(f"/tmp/gateway-recipe-{gateway.port}.lmtp")  # where Postfix's own user gets at it
    gateway.configure(configuration(listen=f"unix:{path}", protocol="lmtp"))
    postfix = Documented(path)
    try:
        gateway.start()
        path.chmod(0o666)  # as the socket unit lets Postfix in
        yield gateway, postfix
        gateway.stop()
    finally:
        if gateway.running:
            gateway.kill()
        postfix.close()
        path.unlink(missing_ok=True)


def test_unknown_recipients_are_refused_while_the_sender_is_there(pair: tuple[Gateway, Postfix]) -> None:
    gateway, postfix = pair
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
        client.helo("usager.example.net")
        client.mail(ULYSSE)
        for forged in (f"reponse+{'a' * 32}@{DOMAIN}", f"personne@{DOMAIN}"):
            assert client.rcpt(forged)[0] == 550, forged
        assert client.rcpt("autre@ailleurs.example.net")[0] in {454, 554}
        assert client.rcpt(CONTACT)[0] == 250
        assert client.data(f"From: {ULYSSE}\r\nTo: {CONTACT}\r\nSubject: Bonjour\r\n\r\nBonjour\r\n")[0] == 250
    conversation = gateway.until(gateway.conversations, "a conversation")[0]
    assert conversation["usager"] == ULYSSE
