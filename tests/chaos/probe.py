"""How soon a server answers, from a process of its own: `python -m tests.chaos.probe PORT`.

Asks for nothing (NOOP) a hundred times a second, and writes a line for each answer: the seconds it took.
"""

from __future__ import annotations

import smtplib
import sys
import time

_PAUSE = 0.01


def main(port: int) -> None:
    while True:
        with smtplib.SMTP("127.0.0.1", port, "probe.example", 60) as client:
            client.ehlo()
            while _asked(client):
                time.sleep(_PAUSE)


def _asked(client: smtplib.SMTP) -> bool:
    """Whether the connection goes on."""
    begin = time.monotonic()
    try:
        answered = client.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        answered = False
    print(time.monotonic() - begin, flush=True)
    return answered


if __name__ == "__main__":
    main(int(sys.argv[1]))
