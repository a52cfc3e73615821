"""Placement alone, which is pure: mails that are parted into conversations per second, and how that grows."""

from __future__ import annotations

import contextlib
import imaplib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from gateway.model import Evidence, Trace, Traits
from gateway.threading.partition import Rules, parted
from tests.bench.figures import Figure, Goal, Peer, interleaved
from tests.bench.peers import notmuch
from tests.servers.dovecot import Dovecot

THREADS, LONG, CITING = "placed, threads of five", "placed, one thread", "one mail that cites all others"
DOVECOT, NOTMUCH = "Dovecot THREAD=REFS", "notmuch new"
_RULES = Rules(lambda _person, _number: False, lambda _inbox: None)
_FIRST = datetime(2026, 11, 2, tzinfo=UTC)
_AUTHOR, _SECRET = "camille@usager.example.net", "secret"


def placed(rounds: int, mails: int) -> list[Figure]:
    """`mails`: of a list of threads; a single thread has ten times as many."""
    traces = [_trace(number, *([number - 1] if number % 5 else [])) for number in range(mails)]
    chain = [_trace(number, *([number - 1] if number else [])) for number in range(10 * mails)]
    wide = [*(_trace(number) for number in range(mails)), _trace(mails, *range(mails))]
    found = interleaved(
        rounds,
        {THREADS: partial(_parting, traces), LONG: partial(_parting, chain), CITING: partial(_parting, wide)},
        {DOVECOT: partial(_dovecot, traces), NOTMUCH: partial(_notmuch, traces)},
    )
    few = tuple(found.values[THREADS])
    fast, linear = Goal(100_000, least=True), Goal(0.8, THREADS, least=True)
    return [
        Figure(THREADS, "mails/s", few, found.peers(float, THREADS, LONG, CITING), (fast,), tuple(found.without)),
        *(
            Figure(f"{name}, {len(given):,} mails", "mails/s", values, (Peer(THREADS, few),), (fast, linear))
            for name, given, values in (
                (LONG, chain, tuple(found.values[LONG])),
                (CITING, wide, tuple(found.values[CITING])),
            )
        ),
    ]


def _trace(number: int, *cited: int) -> Trace:
    at = _FIRST + timedelta(minutes=number)
    traits = Traits(sent_at=at, anchored=False, evidence=Evidence())
    return Trace(number + 1, 0, _id(number), tuple(map(_id, cited)), _AUTHOR, (), f"{number:064x}", traits)


def _id(number: int) -> str:
    return f"{number}.bench@usager.example.net"


@contextlib.contextmanager
def _parting(traces: Sequence[Trace]) -> Iterator[Callable[[int], float]]:
    def measured(_: int) -> float:
        begin = time.perf_counter()
        parted(traces, {}, _RULES)
        return len(traces) / (time.perf_counter() - begin)

    yield measured


def _mail(trace: Trace) -> bytes:
    """The same for those who thread mails."""
    assert trace.traits.sent_at
    cited = f"References: {' '.join(f'<{each}>' for each in trace.cited)}\r\n" if trace.cited else ""
    date = trace.traits.sent_at.strftime("%a, %d %b %Y %H:%M:%S +0000")
    fields = (
        f"From: {trace.author}\r\nSubject: Question\r\nDate: {date}\r\nMessage-ID: <{trace.message_id}>\r\n{cited}"
    )
    return f"{fields}\r\nBonjour\r\n".encode()


@contextlib.contextmanager
def _dovecot(traces: Sequence[Trace]) -> Iterator[Callable[[int], float]]:
    """It has read the mails before: what is measured is threading from its index."""
    with contextlib.closing(Dovecot()) as dovecot:
        dovecot.add_user("bench", _SECRET)
        dovecot.fill("bench", map(_mail, traces))

        def measured(_: int) -> float:
            with imaplib.IMAP4("127.0.0.1", dovecot.imap_port) as client:
                client.login("bench", _SECRET)
                client.select(readonly=True)
                begin = time.perf_counter()
                client.thread("REFS", "UTF-8", "ALL")
                return len(traces) / (time.perf_counter() - begin)

        measured(0)
        yield measured


@contextlib.contextmanager
def _notmuch(traces: Sequence[Trace]) -> Iterator[Callable[[int], float]]:
    """It reads, threads and indexes."""
    raws = [_mail(trace) for trace in traces]
    yield lambda _: notmuch.indexed(raws)
