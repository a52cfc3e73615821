"""Mails filed one by one through a real store, in a process of its own: what became of each, its time, its memory.

    python -m tests.fuzz.filing bombs [all]
    python -m tests.fuzz.filing 0 1000        (the mutations of these numbers)

Prints a line of JSON for each mail at fault, and one of totals at the end; status 1 where there is one. Nothing is
caught here: what reading or filing raises is found in the reason with which a mail is set aside, and what is raised
later ends the process.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gateway.context import Context
from gateway.decision import Decision
from gateway.mail.contents import content
from gateway.model import Attempt, DeliveryState, Fact, Occasion, Outgoing
from gateway.relay.compose import compose
from gateway.store import arrivals, sending, tables, views
from gateway.store.database import Store
from tests import corpora
from tests.builders import NOW, make_context, opened, raw_mail, take
from tests.fuzz.bombs import bombs
from tests.fuzz.mutations import mutations

SECONDS = 5.0
MEGABYTES = 256.0
GOOD_SECONDS = 2.0
GOOD_EVERY = 20
_LATER = NOW + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One mail: its state in the store, why it was set aside, are its octets all there, what it took.

    `seconds` are the processor's, which a busy machine doesn't lengthen; `megabytes` those held at the most.
    """

    name: str
    size: int
    state: str
    because: str
    whole: bool
    seconds: float
    megabytes: float

    @property
    def fault(self) -> str:
        if self.because:
            return "it was set aside"
        if not self.whole:
            return "its octets aren't those that came"
        if self.seconds > SECONDS:
            return f"it took more than {SECONDS:g} s"
        return f"it took more than {MEGABYTES:g} MB" if self.megabytes > MEGABYTES else ""


def outcome(store: Store, situation: Context, name: str, raw: bytes) -> Outcome:
    """Keep a mail, file it, let its mails out, and look at what is stored."""
    _forget_peak()
    before, begun = _peak(), time.process_time()
    (decision,) = take(store, situation, raw)
    seconds = time.process_time() - begun
    _let_out(store)
    _show(store, decision)
    state, whole = _stored(store, raw)
    because = decision if isinstance(decision, str) else ""
    return Outcome(name, len(raw), state, because, whole, round(seconds, 2), round(_peak() - before, 1))


def _stored(store: Store, raw: bytes) -> tuple[str, bool]:
    """(state of its latest arrival, are its octets those that came?)"""
    digest = hashlib.sha256(raw).digest()
    query = select(tables.arrivals.c.state).where(tables.arrivals.c.digest == digest)
    newest = query.order_by(tables.arrivals.c.id.desc()).limit(1)
    state = store.read_now(lambda connection: connection.scalar(newest))
    location = store.read_now(lambda connection: arrivals.locate(connection, digest.hex()))
    return str(state), store.packs.read(location) == raw


def _let_out(store: Store) -> None:
    """Compose what is to leave because of it, and count it as sent."""
    for outgoing in store.read_now(lambda connection: sending.due(connection, _LATER, 1_000)):
        assert compose(outgoing, _enclosed(store, outgoing))
        fact = Fact(outgoing.id, Occasion.ATTEMPT, Attempt(DeliveryState.SENT, "250 OK"))
        store.write_now(lambda tx, f=fact: sending.settle(tx, [sending.Settled(f, NOW)], NOW))  # type: ignore[misc]


def _enclosed(store: Store, outgoing: Outgoing) -> list[bytes]:
    found = []
    for enclosure in outgoing.draft.enclosures:
        location = store.read_now(lambda connection, e=enclosure: arrivals.locate(connection, e.digest))  # type: ignore[misc]
        found.append(content(store.packs.read(location), enclosure.attachment.part))
    return found


def _show(store: Store, decision: Decision | str) -> None:
    """What `gateway show` prints can be printed."""
    if isinstance(decision, Decision) and decision.filing is not None:
        reference = decision.filing.conversation.reference
        found = store.read_now(lambda connection: views.shown(connection, views.find(connection, reference)))
        assert json.dumps(found, default=str, ensure_ascii=False).encode()


# --- memory --------------------------------------------------------------------------------------------------


def _peak() -> float:
    """The most memory that this process held since it was last forgotten, or ever, in MB.

    What getrusage tells is never forgotten on Linux, and begins with what the parent process held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _forget_peak() -> None:
    """Linux forgets it on demand (proc(5), clear_refs); elsewhere what is measured is how far the maximum grew."""
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")


# --- all of them ---------------------------------------------------------------------------------------------


def file_each(mails: Iterable[tuple[str, bytes]], folder: Path) -> dict[str, Any]:
    """File them, a good mail after every twentieth; print those at fault; return totals."""
    states: Counter[str] = Counter()
    worst = {"seconds": 0.0, "megabytes": 0.0, "good_seconds": 0.0}
    faults = 0
    situation = make_context(folder, desk={"bundle": "0s"})
    with opened(folder) as store:
        for number, (name, raw) in enumerate(mails, 1):
            found = outcome(store, situation, name, raw)
            states[found.state] += 1
            worst["seconds"] = max(worst["seconds"], found.seconds)
            worst["megabytes"] = max(worst["megabytes"], found.megabytes)
            if found.fault:
                faults += 1
                print(json.dumps({"fault": found.fault, **asdict(found)}), flush=True)
            if number % GOOD_EVERY == 0:
                worst["good_seconds"] = max(worst["good_seconds"], _good(store, situation, number))
    return {"mails": sum(states.values()), "faults": faults, "states": dict(states), **worst}


def _good(store: Store, situation: Context, number: int) -> float:
    """How long an ordinary mail takes to be filed after all that came before it."""
    raw = raw_mail(f"u{number}@usager.example.net", identifier=f"good{number}@usager.example.net")
    found = outcome(store, situation, "good", raw)
    assert (found.state, found.whole) == ("filed", True), found
    assert found.seconds < GOOD_SECONDS, found
    return found.seconds


def main(arguments: list[str]) -> int:
    if arguments[0] == "bombs":
        mails = bombs(every=arguments[1:] == ["all"])
    else:
        mails = mutations(range(*map(int, arguments)), corpora.mails())
    with tempfile.TemporaryDirectory() as folder:
        totals = file_each(mails, Path(folder))
    print(json.dumps(totals))
    return 1 if totals["faults"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
