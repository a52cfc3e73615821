"""The same mail more than once: handed in again, by two ways, or out of a mailbox whose numbers all changed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from gateway.store.arrivals import TEST_MAIL
from tests.chaos import careless
from tests.chaos.aftermath import done
from tests.chaos.cases.kills import imap_lacking, mails
from tests.servers.crowd import offer
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import COMMAND, Gateway, configuration, imap_intake
from tests.trials.case import Case, Counted, When, scratch

_AGAIN = 20  # mails that also come by SMTP, three times


def _states(folder: Path) -> Counter[str]:
    """What became of how many arrivals, without the test mails that a daemon sends itself every few minutes."""
    query = "SELECT state, count(*) FROM arrivals WHERE reason != ? GROUP BY state"
    with closing(sqlite3.connect(f"file:{folder}/var/gateway.db?mode=ro", uri=True)) as base:
        return Counter(dict(base.execute(query, (TEST_MAIL,)).fetchall()))


def _repeated(program: careless.Program, count: int) -> Counted:
    """All come by IMAP, some by SMTP too; then the mailbox has another UIDVALIDITY. Wrong is one filed again."""
    server = Dovecot()
    try:
        with scratch() as folder, Gateway(folder, "", program) as gateway:
            every = list(mails(count))
            server.add_user("contact", "secret")
            server.fill("contact", every)
            intake = imap_intake(server.imap_port, "contact", "secret") + "idle = false\n"
            gateway.configure(configuration(intake=intake))
            gateway.start()
            _until_done(gateway, count)
            for mail in every[:_AGAIN] * 3:
                assert offer(gateway.port, mail).startswith("2")
            _until_done(gateway, count + 3 * _AGAIN)
            server.doveadm("mailbox", "update", "-u", "contact", "--uid-validity", "4242", "INBOX")
            _until_done(gateway, 2 * count + 3 * _AGAIN)
            extra = _states(folder)["filed"] - count
            gateway.kill()
            return Counted(count + 3 * _AGAIN, extra, "mails")
    finally:
        server.close()


def _until_done(gateway: Gateway, arrivals: int) -> None:
    def all_done() -> bool:
        if not done(gateway.folder):  # costs less than to count
            return False
        states = _states(gateway.folder)
        return states.total() >= arrivals and not states["waiting"]

    gateway.until(all_done, f"{arrivals} arrivals done", patience=1800)


def _case(key: str, count: int, when: When) -> Case:
    return Case(
        key=key,
        trial=f"{count:,} mails by IMAP, {_AGAIN} of them three times by SMTP; then another UIDVALIDITY",
        promise="each is filed once",
        defended=lambda: _repeated((COMMAND,), count),
        control=lambda: _repeated(careless.program("known"), min(count, 100)),
        removed="knowing a mail again",
        when=when,
        lacks=imap_lacking,
    )


CASES = (_case("duplicates", 100, When.SHORT), _case("duplicates-10000", 10_000, When.FULL))
