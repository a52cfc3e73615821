"""Once the antivirus has spoken, or a manager in its place: what was held goes to those whom it was kept from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from gateway.context import Context
from gateway.model import GATEWAY, Attachment, Conversation, Direction, Draft, Event, Finding, Kind, Message, Scan
from gateway.relay import plan, withheld
from gateway.store import filing, outbox, scans
from gateway.store.database import AnyRow, Tx
from gateway.store.rows import as_message, conversation_by_id
from gateway.telling import may_be_told


def settle(
    tx: Tx,
    context: Context,
    digest: str,
    scan: Scan,
    now: datetime,
    *,
    attempts: int = 1,
    by: str = GATEWAY,
    proof: str = "",
) -> int:
    """Write what is known of a mail now; return how many mails that causes. Of what is known already, none.

    `by`, `proof`: the manager who said it, and what that rests on, for the audit.
    """
    scans.keep(tx, digest, scan, now, attempts)
    if scan.finding is Finding.HELD:
        return 0
    bearing = scans.bearing(tx.connection, digest).items()
    return sum(_spoken(tx, context, identifier, row, scan, now, by, proof) for identifier, row in bearing)


def _spoken(
    tx: Tx, context: Context, identifier: int, row: AnyRow, scan: Scan, now: datetime, by: str, proof: str
) -> int:
    """One message of the mail: its attachments are marked anew, and those who were told without them get them."""
    scans.hurry(tx, identifier, now)
    message = as_message(row)
    barred = withheld.barred_by(scan, asked=True)
    files = withheld.marks(message.attachments, context.settings.attachments, barred)
    changed = tuple(file for file, before in zip(files, message.attachments, strict=True) if file != before)
    if not changed and by == GATEWAY:
        return 0
    scans.mark(tx, identifier, files)
    conversation = conversation_by_id(tx.connection, row.conversation)
    what = f"virus in the attachments of message {identifier}: {scan.name}"
    if scan.finding is Finding.CLEAN:
        what = f"released the attachments of message {identifier}"
    drafts = tuple(_drafts(tx, context, conversation, identifier, message, changed)) if changed else ()
    if drafts or by != GATEWAY or scan.finding is Finding.INFECTED:  # else nobody missed them
        filing.record(tx, conversation.id, Event(by, what), now, proof)
    for draft in drafts:
        outbox.enqueue(tx, conversation.id, identifier, draft, context.signer, now)
    return len(drafts)


def _drafts(
    tx: Tx,
    context: Context,
    conversation: Conversation,
    identifier: int,
    message: Message,
    changed: tuple[Attachment, ...],
) -> Iterator[Draft]:
    """A mail to each agent who was notified of it, and may still be told."""
    if message.direction is Direction.OUT or message.kind not in {Kind.EXTERNAL, Kind.MACHINE}:
        return
    place, brought = context.place_of(conversation), replace(message, attachments=changed)
    for agent in scans.told(tx.connection, conversation.id, identifier):
        if may_be_told(context, agent, conversation):
            yield plan.checked(agent, place, brought, subject=conversation.subject)
