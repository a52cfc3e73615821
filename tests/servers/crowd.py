"""Clients that behave as mail servers do: what wasn't acknowledged is handed in again, and nothing else is.

with Crowd(port, mails) as crowd: …; crowd.join()
"""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tests.patience import PATIENCE
from tests.servers.gateway import CONTACT

_PAUSE = 0.02


class Crowd:
    """`acknowledged`: by which words each mail was (the last of the reply); `replies`: all that mails were told."""

    def __init__(self, port: int, mails: Iterable[bytes], clients: int = 4) -> None:
        self._port = port
        self._mails, self._turn = iter(mails), threading.Lock()
        self.acknowledged: list[str] = []
        self.replies: list[str] = []
        self.refused: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def done(self) -> bool:
        """Whether all are acknowledged, or refused for good."""
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while not self._over.is_set():
            with self._turn:
                mail = next(self._mails, None)
            if mail is None:
                return
            self._hand_in(mail)

    def _hand_in(self, mail: bytes) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not self._over.is_set():
            reply = offer(self._port, mail)
            self.replies.append(reply)
            if reply.startswith("2"):
                return self.acknowledged.append(reply.split()[-1])
            if reply.startswith("5"):
                return self.refused.append(reply)
            time.sleep(_PAUSE)  # the daemon is down, or wants us to come later
        return None


def offer(port: int, mail: bytes, to: str = CONTACT, patience: float = PATIENCE) -> str:
    """Hand a mail in once; the reply that decided, "" where the connection did."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=patience) as client:
            client.ehlo("client.example")
            for step, address in ((client.mail, "sender@usager.example.net"), (client.rcpt, to)):
                code, words = step(address)
                if code >= 400:
                    return f"{code} {words.decode()}"
            code, words = client.data(mail)
            return f"{code} {words.decode()}"
    except smtplib.SMTPResponseException as error:
        return f"{error.smtp_code} {error.smtp_error!r}"
    except (OSError, smtplib.SMTPException):
        return ""
