"""Mails filed in one transaction: what all of them would ask the store is asked at once, and written at once.

A mail of which nothing is known opens a conversation; mails that come in heaps mostly do. It is decided on by that
alone, and written with those beside it. Every other one is filed alone, once those before it are written. What comes
out is what filing one after the other gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from gateway.context import Context
from gateway.decision import Decision, notified, spared
from gateway.explaining import Seen, crowded, foretold, seen
from gateway.health import canary
from gateway.health.canary import Leg
from gateway.model import Arrival, Filing, Mail, Nature, Volume
from gateway.store import arrivals, fresh, references, scans, volume
from gateway.store.database import Tx
from gateway.store.foresight import foresee
from gateway.store.volume import Counted

Filed = Decision | Leg | str  # what became of a mail: filed; a test mail; or set aside, and why
Waiting = tuple[Arrival, Mail | Exception]  # a mail as it was read, or why it wasn't
Told = tuple[Arrival, Mail | Exception, Seen | None]  # None: it doesn't say anything, or a defect came out
Alone = Callable[[Told], Filed | None]  # files a mail by itself; None: it isn't ours any more


class Undone(Exception):
    """Not all of them are ours to file any more: nothing of it may stand, each is to be filed by itself."""


def file(
    tx: Tx, mails: Sequence[Told], context: Context, now: datetime, alone: Alone, counted: Counted
) -> list[tuple[Arrival, Filed]]:
    """File mails in their order; those that aren't ours any more aren't among the outcomes.

    `counted`: as `explained`.

    Raises:
        Undone, and whatever writing them together does.
        Entangled: as `explained`.
    """
    batch = _Batch(tx, [this for _, _, this in mails if this is not None], context, now, counted)
    done: list[tuple[Arrival, Filed | None]] = []
    for each in mails:
        arrival, _, this = each
        outcome: Filed | None = None if this is None else batch.decided(this)
        if outcome is None:
            batch.write()
            outcome = alone(each)
            batch.wrote(outcome)
        done.append((arrival, outcome))
    batch.write()
    return [(arrival, outcome) for arrival, outcome in done if outcome is not None]


def told(mails: Iterable[Waiting], context: Context) -> list[Told]:
    """Mails with what they say by themselves."""
    return [(arrival, mail, _seen(arrival, mail, context)) for arrival, mail in mails]


def _seen(arrival: Arrival, mail: Mail | Exception, context: Context) -> Seen | None:
    try:
        return None if isinstance(mail, Exception) else seen(arrival, mail, context)
    except Exception:  # noqa: BLE001 (raised again when it is filed alone)
        return None


class _Batch:
    """What is known beforehand of some mails, and those of them that are decided on and not yet written."""

    def __init__(self, tx: Tx, every: Sequence[Seen], context: Context, now: datetime, counted: Counted) -> None:
        self._tx, self._context, self._now = tx, context, now
        self._known = foresee(tx.connection, [this.clues for this in every], now)
        self._tally = volume.Tally(tx.connection, context.settings.limits, now, len(every), counted)
        self._references = iter(references.unused_ones(tx.connection, len(every)))
        self._scans = scans.of_mails(tx.connection, _with_files(every)) if _with_files(every) else {}
        self._waiting: list[tuple[Seen, Filing]] = []

    def decided(self, this: Seen) -> Decision | None:
        """What becomes of a mail that opens a conversation, and nothing more; it waits to be written. Else None."""
        wrote = None if self._known.knows(this.clues) else self._volume(this)
        if wrote is None or canary.leg_of(this.arrival, this.mail, self._context) is not None:
            return None
        scan = self._scans.get(this.arrival.digest) if this.mail.attachments else None
        decision = foretold(this, wrote, scan, next(self._references), self._context, self._now)
        if decision is None:
            return None
        had = self._tally.notifications(notified(decision))
        decision = spared(decision, crowded(had, self._context.settings.limits.notifications_per_agent), self._now)
        if decision.filing is None or not fresh.is_fresh(decision.filing):
            return None
        self._waiting.append((this, decision.filing))
        self._note(decision.filing)
        return decision

    def _volume(self, this: Seen) -> Volume | None:
        """What bears on an acknowledgement of a mail; None: it must be looked up."""
        if this.mail.nature is not Nature.PERSON:
            return Volume()
        return None if this.mail.author.address in self._known.acknowledged else self._tally.volume()

    def wrote(self, outcome: Filed | None) -> None:
        """A mail was filed alone, all before it being written."""
        if isinstance(outcome, Decision) and outcome.filing is not None:
            self._note(outcome.filing)

    def _note(self, filing: Filing) -> None:
        """Those after it come after that."""
        self._known.learn(filing)
        self._tally.count(filing)

    def write(self) -> None:
        """Write what was decided on.

        Raises:
            Undone
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        written = fresh.write(self._tx, [filing for _, filing in waiting], self._context.signer, self._now)
        if self._context.settings.antivirus.socket:
            scans.ask(self._tx, _with_files(this for this, _ in waiting), self._now)
        filed = [(this.arrival, message) for (this, _), (message, _) in zip(waiting, written, strict=True)]
        if not arrivals.all_filed(self._tx, filed):
            raise Undone


def _with_files(every: Iterable[Seen]) -> list[str]:
    """Digests of those that bring files."""
    return [this.arrival.digest for this in every if this.mail.attachments]
