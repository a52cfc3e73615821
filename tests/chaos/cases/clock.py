"""The clock jumps, forth and back: nothing waits for ever, nothing leaves twice (libfaketime sets it)."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tests.chaos import careless
from tests.chaos.aftermath import done, tried
from tests.chaos.cases.kills import mails
from tests.servers.crowd import offer
from tests.servers.gateway import COMMAND, CONTACT, Gateway, configuration, smtp_relay
from tests.servers.sink import Sink
from tests.trials.case import Case, Counted, When, scratch

_HOUR, _YEARS = 3600, 10 * 365 * 24 * 3600
_SUMMER = datetime(2028, 3, 26, 0, 59, 55, tzinfo=UTC)  # five seconds before Paris sets its clocks forward,
_WINTER = datetime(2028, 10, 29, 0, 59, 55, tzinfo=UTC)  # and back
_PATIENCE = 60.0  # seconds in which all has left once the clock is right


@cache
def _library() -> Path | None:
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def _lacking() -> str:
    return "" if _library() else "libfaketime isn't installed (Debian: faketime)"


def _jumps() -> tuple[int, ...]:
    """Seconds by which the clock is wrong, one after the other."""
    now = time.time()
    return (0, _HOUR, -_HOUR, int(_SUMMER.timestamp() - now), int(_WINTER.timestamp() - now), _YEARS, 0)


def _refusing_once(sink: Sink) -> None:
    """What goes to usagers is refused for now at its first try, so that the gateway has to wait for a time."""
    offered = Counter[str]()

    def reply(recipient: str) -> str:
        offered[recipient] += 1
        first = offered[recipient] == 1 and recipient.endswith("usager.example.net")
        return "451 4.7.1 later" if first else "250 2.1.5 ok"

    sink.on_recipient = reply


def _jumped(program: careless.Program) -> Counted:
    """A mail after each jump. Wrong is one that isn't taken, and what doesn't leave, or twice."""
    sink = Sink()
    _refusing_once(sink)
    try:
        with scratch() as folder, Gateway(folder, configuration(relay=smtp_relay(sink.port))) as gateway:
            offset = folder / "offset"
            offset.write_text("+0")
            faked = ["env", f"LD_PRELOAD={_library()}", f"FAKETIME_TIMESTAMP_FILE={offset}", "FAKETIME_NO_CACHE=1"]
            faked += ["FAKETIME_DONT_FAKE_MONOTONIC=1", "TZ=Europe/Paris"]
            gateway.program = (*faked, *program)
            gateway.start()
            jumps = _jumps()
            stream, wrong = mails(len(jumps)), 0
            for jump in jumps:
                offset.write_text(f"{jump:+d}")
                wrong += not offer(gateway.port, next(stream), CONTACT).startswith("2")
                gateway.until(lambda: done(folder) and tried(folder), "the mail filed, and tried")
            gateway.program = (COMMAND,)
            _leave(gateway)
            wrong += len(gateway.waiting())
            gateway.kill()
            left = Counter((mail.to, mail.subject) for mail in sink.accepted() if "Question" in mail.subject)
            return Counted(len(jumps), wrong + sum(count - 1 for count in left.values()), "mails")
    finally:
        sink.close()


def _leave(gateway: Gateway) -> None:
    """Until nothing waits any more, or has waited for too long."""
    end = time.monotonic() + _PATIENCE
    while gateway.waiting() and time.monotonic() < end:
        time.sleep(0.5)


CASES = (
    Case(
        key="clock",
        trial="the clock jumps by ±1 hour, to the nights in which Paris sets its clocks, by ten years, and back; "
        "after each jump a mail comes whose acknowledgement is refused for now",
        promise="all is filed and leaves within a minute of the clock's being right, once",
        defended=lambda: _jumped((COMMAND,)),
        control=lambda: _jumped(careless.program("clock")),
        removed="looking after a clock that was set back",
        when=When.FULL,
        lacks=_lacking,
    ),
)
