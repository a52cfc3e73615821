"""A client that does nothing but wait in IDLE (RFC 2177): how long a server takes to tell anybody of new mail."""

from __future__ import annotations

import socket


class Listener:
    """One connection to a mailbox. `heard` waits until more messages are announced."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._file = self._socket.makefile("rwb")
        self._until(b"* OK")
        self._run(b"LOGIN %b %b" % (user.encode(), password.encode()))
        self._run(b"EXAMINE INBOX")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def listen(self) -> None:
        self._send(b"a IDLE")
        self._until(b"+")

    def heard(self) -> None:
        while b"EXISTS" not in self._line():
            pass
        self._send(b"DONE")
        self._until(b"a OK")

    def _run(self, command: bytes) -> None:
        self._send(b"a " + command)
        self._until(b"a OK")

    def _send(self, line: bytes) -> None:
        self._file.write(line + b"\r\n")
        self._file.flush()

    def _until(self, start: bytes) -> None:
        while not self._line().startswith(start):
            pass

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        return line
