"""What is believed of a server that was told to move or delete."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from gateway.intake.imap_after import carry_out
from gateway.intake.imap_client import _copied
from gateway.intake.imap_wire import Answer


class Scripted:
    """A session: `there` is in the mailbox; of what it's told to move or copy it owns up to `believed`."""

    def __init__(self, there: set[int], *, move: bool, believed: set[int], takes: set[int]) -> None:
        self.there, self.believed, self.takes, self._move = there, believed, takes, move
        self.deleted: set[int] = set()

    def offers(self, capability: str) -> bool:
        return self._move

    async def present(self, uids: Collection[int]) -> frozenset[int]:
        return frozenset(uids) & self.there

    async def move(self, uids: Collection[int], folder: str) -> frozenset[int]:
        self.there -= self.takes
        return frozenset(uids) & self.believed

    async def copy(self, uids: Collection[int], folder: str) -> frozenset[int]:
        return frozenset(uids) & self.believed

    async def delete(self, uids: Collection[int]) -> None:
        self.deleted |= set(uids)


async def test_ok_alone_moves_nothing() -> None:
    """1 is named by COPYUID, 2 is gone without a word, 3 stayed, 4 was gone before."""
    session = Scripted({1, 2, 3}, move=True, believed={1}, takes={1, 2})
    assert await carry_out(session, "move:Done", [1, 2, 3, 4]) == {1, 2, 4}  # type: ignore[arg-type]


async def test_only_what_was_copied_is_deleted() -> None:
    session = Scripted({1, 2, 3}, move=False, believed={1, 3}, takes=set())
    assert await carry_out(session, "move:Done", [1, 2, 3, 4]) == {1, 3, 4}  # type: ignore[arg-type]
    assert session.deleted == {1, 3}


async def test_nothing_is_deleted_where_nothing_was_copied() -> None:
    session = Scripted({1}, move=False, believed=set(), takes=set())
    assert await carry_out(session, "move:Done", [1]) == frozenset()  # type: ignore[arg-type]
    assert not session.deleted


async def test_keep_asks_the_server_nothing() -> None:
    assert await carry_out(None, "keep", [1, 2]) == {1, 2}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "replies", "copied"),
    [
        (b"[COPYUID 38505 304,319:320 3956:3958] Done", (), {304, 319, 320}),
        (b"Done", ((b"* OK [COPYUID 432432 304:305 1:2] Moved",),), {304, 305}),
        (b"Done", ((b"* 22 EXPUNGE",),), set()),
        (b"[COPYUID 38505] Done", (), set()),
        (b"[COPYUID 38505 999 1] Done", (), set()),
    ],
)
def test_copyuid_names_what_was_copied(text: bytes, replies: tuple[tuple[bytes], ...], copied: set[int]) -> None:
    assert _copied(Answer("OK", text, replies), [304, 305, 319, 320]) == copied
