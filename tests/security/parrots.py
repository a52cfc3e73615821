"""Servers that refuse everything, and repeat in their refusal what they were told: passwords and all."""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{8,}={0,2}")


class _Imap(StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"* OK ready\r\n")
        for line in self.rfile:
            tag, _, command = line.strip().partition(b" ")
            if command.upper().startswith(b"CAPABILITY"):
                self.wfile.write(b"* CAPABILITY IMAP4rev1\r\n%b OK done\r\n" % tag)
            else:
                self.wfile.write(b"%b NO you said: %b\r\n" % (tag, command))


class _Smtp(StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 parrot ESMTP\r\n")
        for line in self.rfile:
            said = line.strip()
            if said.upper().startswith((b"EHLO", b"HELO")):
                self.wfile.write(b"250-parrot\r\n250 AUTH PLAIN LOGIN\r\n")
            elif said.upper().startswith(b"QUIT"):
                return
            else:
                self.wfile.write(b"535 you said: %b %b\r\n" % (said, b" ".join(_decoded(said))))


def _decoded(said: bytes) -> Iterator[bytes]:
    for found in _BASE64.findall(said):
        try:
            yield base64.b64decode(found).replace(b"\0", b" ")
        except binascii.Error:
            continue


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever was refused hangs up."""


@contextmanager
def parrots() -> Iterator[tuple[int, int]]:
    """The ports of an IMAP and of an SMTP server."""
    servers = [_Server(("127.0.0.1", 0), kind) for kind in (_Imap, _Smtp)]
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield servers[0].server_address[1], servers[1].server_address[1]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
