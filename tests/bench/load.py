"""Clients that send mail as fast as the server takes it.

`python -m tests.bench.load PORT CLIENTS MAILS SIZE FIRST GREETING`; GREETING is EHLO, or LHLO for LMTP.

A process of its own, so that it takes no time from the server's. Each mail has other bytes than every other.
Commands go one by one, each after the answer to the last. Prints mails per second, from the first connection to the
last 250.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from functools import cache
from typing import cast

import uvloop

RECIPIENT = "contact@support.example.org"
SESSION = 500  # mails in one connection
LARGE = 1_000_000  # octets


def mail(number: int, size: int, recipient: str = RECIPIENT) -> bytes:
    """A mail of `size` octets with CRLF line ends, unlike any other number's; without the final dot.

    From LARGE on, all but a little of it is a file that is attached.
    """
    head = (
        f"From: Camille Martin <camille.{number}@usager.example.net>\r\nTo: {recipient}\r\n"
        f"Subject: Ma demande {number}\r\nMessage-ID: <{number}.bench@usager.example.net>\r\n"
        "Date: Mon, 02 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\n"
    ).encode()
    if size < LARGE:
        return head + _PLAIN + _filled(size - len(head) - len(_PLAIN), _WORDS)
    return head + _ATTACHED + _filled(size - len(head) - len(_ATTACHED) - len(_CLOSED), _BASE64) + _CLOSED


_WORDS = "Bonjour, je vous écris au sujet de ma demande de permis ; merci de me répondre. ".encode()
_BASE64 = b"JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZUR"
_PLAIN = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
_ATTACHED = (
    b"Content-Type: multipart/mixed; boundary=part\r\n\r\n--part\r\n"
    + _PLAIN
    + _WORDS
    + b"\r\n--part\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n"
)
_CLOSED = b"\r\n--part--\r\n"


@cache
def _filled(size: int, words: bytes) -> bytes:
    """So many octets, the same line again and again."""
    line = words + b"\r\n"
    return line * (size // len(line)) + b"x" * max(0, size % len(line) - 2) + b"\r\n"


class _Client(asyncio.Protocol):
    """One connection: greeting, EHLO, then mails. A command, its answer, the next command."""

    def __init__(self, numbers: Iterator[int], size: int, done: asyncio.Future[None], greeting: str) -> None:
        self._numbers, self._size, self._done = numbers, size, done
        self._commands = [f"{greeting} client.example.net\r\n".encode()]
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError(f"closed after {self._answer!r}"))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        last = self._answer[:-2].rpartition(b"\r\n")[2]
        if not data.endswith(b"\r\n") or last[3:4] == b"-":
            return
        if last[:1] not in (b"2", b"3"):
            self._done.set_exception(RuntimeError(f"refused: {last!r}"))
            self._transport.abort()
            return
        self._answer = b""
        self._next()

    def _next(self) -> None:
        """Send the next command; after the last, the next mail's; after the last mail, end."""
        if not self._commands:
            number = next(self._numbers, None)
            if number is None:
                self._done.set_result(None)
                self._transport.write(b"QUIT\r\n")
                self._transport.close()
                return
            self._commands = self._mail(number)
        self._transport.write(self._commands.pop(0))

    def _mail(self, number: int) -> list[bytes]:
        sender = f"MAIL FROM:<camille.{number}@usager.example.net>\r\n".encode()
        recipient = f"RCPT TO:<{RECIPIENT}>\r\n".encode()
        return [sender, recipient, b"DATA\r\n", mail(number, self._size) + b".\r\n"]


async def _session(port: int, numbers: Iterator[int], size: int, greeting: str) -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    await loop.create_connection(lambda: _Client(numbers, size, done, greeting), "127.0.0.1", port)
    await done


async def _client(port: int, numbers: list[int], size: int, greeting: str) -> None:
    for start in range(0, len(numbers), SESSION):
        await _session(port, iter(numbers[start : start + SESSION]), size, greeting)


async def send(port: int, clients: int, mails: int, size: int, first: int, greeting: str) -> float:
    """Seconds that it took to have all mails taken."""
    numbers = range(first, first + mails)
    started = time.perf_counter()
    await asyncio.gather(*(_client(port, list(numbers[i::clients]), size, greeting) for i in range(clients)))
    return time.perf_counter() - started


if __name__ == "__main__":
    port, clients, mails, size, first = map(int, sys.argv[1:6])
    print(mails / uvloop.run(send(port, clients, mails, size, first, sys.argv[6])))
