"""Mailboxes that lie, all at once, each in its own way: nothing empty or wrong is kept, and each is read on."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.chaos import careless
from tests.servers.gateway import COMMAND, Gateway, configuration, imap_intake
from tests.servers.imap_liar import GREETINGS, LIES, Liar
from tests.trials.case import Case, Counted, When, scratch

# A lie about IDLE is believed for two minutes: the tests that set the pace have those.
_NAMES = (*sorted(LIES), *GREETINGS)
_PATIENCE = 120.0  # seconds; one command alone is waited for for 30
_MEMORY = 64  # MB above what the daemon has when it is ready
_LATER = 11  # the UID of a mail that comes when the lies are over

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def _lied_to(program: careless.Program) -> Counted:
    """Wrong is a mailbox of which not all is kept as it is, once, or something else is; and too much memory."""
    liars = {name: Liar(_mails(name), [name]) for name in _NAMES}
    with _serving(liars) as run, scratch() as folder, Gateway(folder, "", program) as gateway:
        gateway.configure(configuration(intake="".join(_intake(name, liar.port) for name, liar in liars.items())))
        gateway.start()
        before, begin = _memory(gateway.pid, "VmRSS"), time.monotonic()
        _await(lambda: all(liar.idling.is_set() and not liar.lies for liar in liars.values()))
        for name, liar in liars.items():
            run(_more(liar, b"Subject: later\r\n\r\n%b\r\n" % name.encode()))
        _await(lambda: _kept(folder) == _expected(liars))
        took, more = time.monotonic() - begin, _memory(gateway.pid, "VmHWM") - before
        found, expected = _kept(folder), _expected(liars)
        gateway.kill()
    wrong = sum(found.get(name) != mails for name, mails in expected.items()) + (more > _MEMORY)
    return Counted(len(liars), wrong, f"mailboxes (in {took:.0f} s, {more:.0f} MB more)")


def _mails(name: str) -> dict[int, bytes]:
    return {uid: b"Subject: %d\r\n\r\n%b\r\n" % (uid, name.encode() * 100 * uid) for uid in (3, 5, 8, 9)}


async def _more(liar: Liar, raw: bytes) -> None:
    liar.add(_LATER, raw)


def _intake(name: str, port: int) -> str:
    return imap_intake(port, name, "secret").replace('name = "contact"', f'name = "{name}"')


@contextmanager
def _serving(liars: Mapping[str, Liar]) -> Iterator[Run]:
    """They serve in a thread; what is called runs there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(_PATIENCE)

    try:
        for liar in liars.values():
            run(liar.__aenter__())
        yield run
        for liar in liars.values():
            run(liar.__aexit__())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _await(true: Callable[[], bool]) -> None:
    """Until it is true, or has been waited for for too long."""
    end = time.monotonic() + _PATIENCE
    while not true() and time.monotonic() < end:
        time.sleep(0.2)


def _kept(folder: Path) -> dict[str, Counter[bytes]]:
    """Of each mailbox, how often which octets are kept, by their digests."""
    found: dict[str, Counter[bytes]] = {}
    with closing(sqlite3.connect(f"file:{folder}/var/gateway.db?mode=ro", uri=True)) as base:
        for source, digest in base.execute("SELECT source, digest FROM arrivals WHERE source LIKE 'imap:%'"):
            found.setdefault(source.removeprefix("imap:"), Counter())[digest] += 1
    return found


def _expected(liars: Mapping[str, Liar]) -> dict[str, Counter[bytes]]:
    return {
        name: Counter(hashlib.sha256(raw).digest() for raw in liar.mails.values()) for name, liar in liars.items()
    }


def _memory(pid: int, which: str) -> float:
    """MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{which}:")[2].split()[0]) / 1024


CASES = (
    Case(
        key="imap-liars",
        trial=f"{len(_NAMES)} mailboxes lie at once, each in its own way: bodies that are missing, empty, cut, "
        "another's or endless, odd greetings; then each gets one more mail",
        promise=f"of each every mail is kept as it is, once, and nothing else; {_MEMORY} MB more memory at most",
        defended=lambda: _lied_to((COMMAND,)),
        control=lambda: _lied_to(careless.program("bodies")),
        removed="asking whether a body came",
        when=When.SHORT,
    ),
)
