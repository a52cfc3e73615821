"""Mails from one mailbox into the store: fetched, checked, kept, and only then moved or deleted.

A mail that can't be had is suspected: it holds up no other, as it's tried alone from then on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from gateway import log
from gateway.config.settings import ImapIntake
from gateway.errors import Temporary
from gateway.intake.imap_after import carry_out
from gateway.intake.imap_client import Denied, Session, View
from gateway.intake.imap_grammar import Fetched
from gateway.intake.imap_wire import harmless
from gateway.intake.keep import Keep
from gateway.intake.ledger import Ledger
from gateway.model import Envelope, ImapCursor, Incoming

GROUP = 200  # mails fetched together and kept together, so that they share a commit
GROUP_OCTETS = 4_000_000
TRIES = 3


@dataclass
class Mailbox:
    """One mailbox and what is remembered of it while the process lives, over all connections.

    `reached`: the first UID that wasn't passed yet. `missing`: what had been passed, and wasn't kept, since the whole
    mailbox was last compared. `owed`: what couldn't be had in the last round.
    """

    settings: ImapIntake
    keep: Keep
    ledger: Ledger
    now: Callable[[], datetime]
    uidvalidity: int = 0
    failures: Counter[int] = field(default_factory=Counter)
    too_large: set[int] = field(default_factory=set)
    reached: int = 1
    missing: set[int] = field(default_factory=set)
    owed: tuple[int, ...] = ()
    progress: bool = False

    @property
    def name(self) -> str:
        return self.settings.mailbox

    def cursor(self, view: View, uid: int) -> ImapCursor:
        return ImapCursor(self.name, view.uidvalidity, uid)


async def take(box: Mailbox, session: Session, view: View, uids: Sequence[int]) -> int:
    """Fetch, keep and settle these. Returns how many were kept; the first trouble is raised."""
    if not uids:
        return 0
    sizes = await session.sizes(uids)
    await _account(box, session, [uid for uid in uids if uid not in sizes])
    large = {uid: size for uid, size in sizes.items() if size > box.settings.max_size}
    for uid, size in large.items():
        log.imap_too_large(box.name, uid, size, box.settings.max_size)
    box.too_large |= large.keys()
    count, missing = 0, list[int]()
    parts = groups({uid: sizes[uid] for uid in uids if uid in sizes and uid not in large})
    async with aclosing(_fetched(box, session, parts)) as fetched:
        async for group, mails in fetched:
            kept = await _keep(box, view, mails, group)
            if box.settings.after != "keep":
                await settle(box, session, view, kept)
            count += len(kept)
            missing += [uid for uid in group if uid not in mails]
    await _account(box, session, missing)
    return count


def groups(sizes: Mapping[int, int]) -> Iterator[dict[int, int]]:
    """UIDs and sizes in the order given, at most GROUP mails and GROUP_OCTETS; larger mails go alone."""
    group: dict[int, int] = {}
    for uid, size in sizes.items():
        if group and (len(group) == GROUP or sum(group.values()) + size > GROUP_OCTETS):
            yield group
            group = {}
        group[uid] = size
    if group:
        yield group


async def _fetched(
    box: Mailbox, session: Session, parts: Iterable[dict[int, int]]
) -> AsyncGenerator[tuple[dict[int, int], Mapping[int, Fetched]], None]:
    """Groups (UIDs and sizes), each with its mails. While one is kept, the next is fetched: the server and the disk
    work at the same time. Where `after` needs the connection, one follows the other.
    """
    before: tuple[dict[int, int], Mapping[int, Fetched]] | None = None
    for sizes in parts:
        fetching = asyncio.create_task(_bodies(box, session, sizes))
        try:
            if before is not None:
                yield before
            before = sizes, await fetching
        finally:
            fetching.cancel()
        if box.settings.after != "keep":
            yield before
            before = None
    if before is not None:
        yield before


async def _bodies(box: Mailbox, session: Session, sizes: Mapping[int, int]) -> Mapping[int, Fetched]:
    try:
        return await session.bodies(sizes)
    except Temporary as error:
        _suspect(box, sizes, str(error))
        raise


async def _keep(box: Mailbox, view: View, mails: Mapping[int, Fetched], sizes: Mapping[int, int]) -> Sequence[int]:
    """Keep these side by side; one's trouble isn't the others'. The first is raised at the end."""
    uids = sorted(mails)
    for uid in uids:
        if len(mails[uid].raw or b"") != sizes[uid]:
            log.imap_size_differs(box.name, uid, sizes[uid], len(mails[uid].raw or b""))
    work = (box.keep(_incoming(box, view, mails[uid])) for uid in uids)
    outcomes = dict(zip(uids, await asyncio.gather(*work, return_exceptions=True), strict=True))
    for uid, outcome in outcomes.items():
        if isinstance(outcome, Exception) and not isinstance(outcome, Temporary):
            _suspect(box, [uid], f"unexpected {type(outcome).__name__}")
    kept = [uid for uid, outcome in outcomes.items() if outcome is None]
    for uid in kept:
        box.failures.pop(uid, None)
    box.progress = box.progress or bool(kept)
    for outcome in outcomes.values():
        if outcome is not None:
            raise outcome if isinstance(outcome, Exception) else Temporary("keeping was broken off")
    return kept


def _incoming(box: Mailbox, view: View, mail: Fetched) -> Incoming:
    """The legal date is INTERNALDATE. The configured recipient counts where the mail names none of ours."""
    settings = box.settings
    return Incoming(
        raw=mail.raw or b"",
        source=f"imap:{settings.name}",
        received_at=mail.internaldate or box.now(),
        envelope=Envelope(None, (settings.recipient,) if settings.recipient else ()),
        authserv_id=settings.authserv_id,
        cursor=box.cursor(view, mail.uid),
        settled=settings.after == "keep",
    )


async def _account(box: Mailbox, session: Session, missing: Collection[int]) -> None:
    """What the server didn't hand over: another client took it away, or else it's owed to us."""
    if not missing:
        return
    owed = await session.present(missing)
    for uid in set(missing) - owed:
        box.failures.pop(uid, None)
    if owed:
        _suspect(box, owed, "the server doesn't hand it over")
        raise Temporary(f"{len(owed)} mails weren't handed over")


def _suspect(box: Mailbox, uids: Collection[int], reason: str) -> None:
    """One of these made trouble: each is tried alone from now on."""
    for uid in uids:
        box.failures[uid] += 1
        if box.failures[uid] == TRIES:
            log.imap_mail_out_of_reach(box.name, uid, harmless(reason))


async def settle(box: Mailbox, session: Session, view: View, uids: Sequence[int]) -> bool:
    """`after` for mails that are kept. False if the server won't have it: they stay unsettled."""
    try:
        done = await carry_out(session, box.settings.after, uids) if uids else frozenset[int]()
    except Denied as denied:
        log.imap_after_refused(box.name, box.settings.after, harmless(str(denied)))
        return False
    await box.ledger.settle([box.cursor(view, uid) for uid in sorted(done)])
    return True
