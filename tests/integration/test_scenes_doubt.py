"""A real Postfix takes an answer, and the connection breaks before it can say so: the doubt ends by itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.servers import postfix as postfixes
from tests.servers.clients import gmail, letter
from tests.servers.gateway import CONTACT, DOMAIN, INES, ULYSSE, Gateway, Sent, configuration, smtp_relay
from tests.servers.postfix import Postfix

pytestmark = pytest.mark.skipif(not postfixes.AVAILABLE, reason=postfixes.MISSING)


class Wire:
    """Between the gateway and its smarthost. While it is `cut`, the answer to a whole mail doesn't get through."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.cut = False
        self.cuts = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                ended = threading.Event()
                threading.Thread(target=self._forth, args=(near, far, ended), daemon=True).start()
                threading.Thread(target=self._back, args=(near, far, ended), daemon=True).start()

    def _forth(self, near: socket.socket, far: socket.socket, ended: threading.Event) -> None:
        """Octets of the gateway; `ended` once the final dot was among them."""
        with suppress(OSError), far:
            last = b""
            while octets := near.recv(65536):
                last = (last + octets)[-5:]
                if last == b"\r\n.\r\n":
                    ended.set()
                far.sendall(octets)

    def _back(self, near: socket.socket, far: socket.socket, ended: threading.Event) -> None:
        with suppress(OSError), near:
            while octets := far.recv(65536):
                if ended.is_set() and self.cut:
                    self.cuts += 1
                    near.shutdown(socket.SHUT_RDWR)
                    return
                ended.clear()
                near.sendall(octets)


@contextmanager
def doubting(folder: Path, more: str = "") -> Iterator[tuple[Gateway, Postfix, Wire]]:
    """An answer of Inès's whose way was cut after the final dot; Postfix has it."""
    gateway = Gateway(folder, configuration())
    postfix = Postfix(f"smtp:[127.0.0.1]:{gateway.port}")
    wire = Wire(postfix.port)
    try:
        gateway.configure(configuration(relay=smtp_relay(wire.port) + more))
        gateway.start()
        to = f"dossier+123@{DOMAIN}"
        gateway.send(letter(ULYSSE, "Où en est ma demande ?", to=to), to=to)
        asked = gateway.until(lambda: postfix.box_of(INES), "a notification to Inès")[0]
        gateway.until(lambda: postfix.box_of(ULYSSE), "the acknowledgement")
        wire.cut = True
        gateway.send(gmail(Sent("", INES, asked.as_bytes()), INES, "Elle est en cours."), to=CONTACT)
        gateway.until(lambda: wire.cuts, "the breakdown")
        wire.cut = False
        yield gateway, postfix, wire
        gateway.stop()
    finally:
        if gateway.running:
            gateway.kill()
        wire.close()
        postfix.close()


def test_the_report_of_the_smarthost_ends_it_and_nothing_leaves_twice(tmp_path: Path) -> None:
    with doubting(tmp_path) as (gateway, postfix, _):
        gateway.until(lambda: postfix.box_of(ULYSSE)[1:], "the answer, which Postfix has")

        def known() -> list[str]:
            (out,) = [m for m in gateway.only()["messages"] if m["direction"] == "out"]
            return [d["state"] for d in out["deliveries"] if d["state"] == "sent"]

        gateway.until(known, "word of its arrival")
        assert len(postfix.box_of(ULYSSE)) == 2, "nothing twice"
        natures = [m["nature"] for m in gateway.only()["messages"]]
        assert natures.count("receipt") == 1
        gateway.command("evidence", "--verify")
        rows = gateway.command("evidence", gateway.only()["reference"])["rows"]
        answers = [r for r in rows if r["said"]["to"] == ULYSSE][1:]
        assert {r["event"] for r in answers} <= {"attempt", "receipt"}
        assert answers[-1]["said"]["outcome"] in {"sent", "unknown"}
