"""What becomes of a mail on the server once it is kept: nothing, moved, or deleted."""

from __future__ import annotations

from collections.abc import Collection

from gateway.intake.imap_client import Session


async def carry_out(session: Session, after: str, uids: Collection[int]) -> frozenset[int]:
    """`after` is `keep`, `delete` or `move:FOLDER`, the folder's name with the server's own separator.
    Returns those with which all is done, also those that somebody else has taken away. Raises
    imap_client.Denied when the server won't have it.
    """
    action, _, folder = after.partition(":")
    if action == "keep":
        return frozenset(uids)
    there = await session.present(uids)
    gone = frozenset(uids) - there
    if not there:
        return gone
    if action == "delete":
        await session.delete(there)
        return gone | there
    return gone | await _move(session, there, folder)


async def _move(session: Session, uids: Collection[int], folder: str) -> frozenset[int]:
    """MOVE, or COPY and delete. OK alone proves nothing: believed is COPYUID, or that the mail is gone."""
    if session.offers("MOVE"):
        moved = await session.move(uids, folder)
        rest = frozenset(uids) - moved
        return moved | (rest - await session.present(rest) if rest else rest)
    copied = await session.copy(uids, folder)
    if copied:
        await session.delete(copied)
    return copied
