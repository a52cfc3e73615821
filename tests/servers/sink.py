"""A smarthost that does as it is told: takes mail and remembers it, refuses, or breaks off after the final dot."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.servers.gateway import Sent

TAKEN = "250 2.0.0 taken"
BREAK = ""  # no answer: the connection is closed


@dataclass(frozen=True, slots=True)
class Taken:
    """A transaction whose final dot came: what was said of it, and the mail."""

    reply: str
    mail: Sent


class Sink:
    """`on_recipient` and `on_mail` give the replies; `taken` holds every mail whose final dot came, in order."""

    def __init__(self, port: int = 0) -> None:
        self.on_recipient: Callable[[str], str] = lambda _: "250 2.1.5 ok"
        self.on_mail: Callable[[Sent], str] = lambda _: TAKEN
        self.taken: list[Taken] = []
        self._lock = threading.Lock()
        sink = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(ConnectionError):
                    sink._talk(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 50

        self._server = Server(("127.0.0.1", port), Session)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def accepted(self, to: str | None = None) -> list[Sent]:
        """The mails that were taken for good."""
        with self._lock:
            return [t.mail for t in self.taken if t.reply.startswith("2") and to in {None, t.mail.to}]

    def offered(self, to: str) -> list[Sent]:
        """The mails to one person whose final dot came, whatever was answered."""
        with self._lock:
            return [t.mail for t in self.taken if t.mail.to == to]

    def _talk(self, session: socketserver.StreamRequestHandler) -> None:
        """One client: a mail has one recipient, as the gateway sends them."""
        sender = recipient = ""

        def say(reply: str) -> None:
            session.wfile.write(f"{reply}\r\n".encode())

        say("220 sink.example.org ESMTP")
        while line := session.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
                say("250 2.1.0 ok")
            elif verb == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
                say(self.on_recipient(recipient))
            elif verb == "DATA":
                say("354 go on")
                mail = Sent(sender, recipient, _content(session))
                reply = self.on_mail(mail)
                with self._lock:
                    self.taken.append(Taken(reply, mail))
                if reply == BREAK:
                    return
                say(reply)
            elif verb == "QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say("250 sink.example.org")


def _content(session: socketserver.StreamRequestHandler) -> bytes:
    """The mail, dots removed (RFC 5321 §4.5.2)."""
    lines: list[bytes] = []
    while (line := session.rfile.readline()) != b".\r\n":
        if not line:
            raise ConnectionError("the client is gone before the final dot")
        lines.append(line.removeprefix(b"."))
    return b"".join(lines)
