"""What the poller needs of IMAP, call by call (RFC 3501, RFC 9051): each with a deadline, its answer checked.
All trouble is errors.Temporary, and the connection isn't used again after it. A server's plain NO to a
command that changes the mailbox is `Denied`: the connection is still good.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aioimaplib.aioimaplib import AUTH, SELECTED, quoted

from gateway.errors import Temporary
from gateway.intake import utf7
from gateway.intake.imap_grammar import Fetched, code, fetched, found, named, number, sequence
from gateway.intake.imap_wire import SMALL, Answer, Wire, harmless

SLOWEST = 100_000  # octets per second: what a large mail is given beyond the deadline of a command


Login = tuple[str, tuple[str, ...], list[bytes]]
"""A command, its arguments, and what is sent each time the server asks for more."""


class Denied(Temporary):
    """The server answered NO: over quota, no such mailbox, not allowed."""


@dataclass(frozen=True, slots=True)
class View:
    """A mailbox as SELECT or EXAMINE shows it. `uidnext` is None where the server doesn't tell."""

    uidvalidity: int
    uidnext: int | None
    exists: int


class Session:
    """One authenticated connection."""

    def __init__(self, wire: Wire, deadline: float) -> None:
        self._wire = wire
        self._deadline = deadline
        self._capabilities: frozenset[str] = frozenset()

    def offers(self, capability: str) -> bool:
        return capability in self._capabilities

    @property
    def news(self) -> bool:
        """Messages were announced since the mailbox was last opened."""
        return self._wire.news.is_set()

    @property
    def octets(self) -> int:
        """How many came from the server so far."""
        return self._wire.octets

    async def _run(self, name: str, *args: str, prefix: str = "") -> Answer:
        answer = await self._wire.run(name, *args, prefix=prefix, deadline=self._deadline)
        return granted(name, answer)

    # --- the way in --------------------------------------------------------------------------------------

    async def capability(self) -> None:
        answer = await self._run("CAPABILITY")
        words = (word for reply in answer.replies for word in reply[0].decode("ascii", "replace").upper().split())
        self._capabilities = frozenset(words)

    async def login(self, user: str, password: str) -> None:
        """AUTHENTICATE PLAIN (RFC 4616) where offered, as it takes any password; else LOGIN with literals."""
        plain = self.offers("AUTH=PLAIN")
        if self.offers("LOGINDISABLED") and not plain:
            raise Temporary("the server offers no way to log in that we know (AUTH=PLAIN or LOGIN)")
        name, args, answers = (_plain if plain else _login)(user, password)
        answer = await self._wire.run(name, *args, deadline=self._deadline, answers=answers)
        granted(name, answer)
        self._wire.state = AUTH
        await self.capability()

    async def open(self, folder: str, *, writable: bool) -> View:
        """SELECT if `writable`, else EXAMINE, which changes nothing."""
        self._wire.state = AUTH
        answer = await self._run("SELECT" if writable else "EXAMINE", quoted(utf7.encode(folder)))
        self._wire.state = SELECTED
        texts = [reply[0] for reply in answer.replies]
        uidvalidity = next((n for text in texts if (n := number(code(text, b"UIDVALIDITY")))), None)
        if not uidvalidity:
            raise Temporary("the server gives no UIDVALIDITY: its UIDs can't be relied on")
        uidnext = next((n for text in texts if (n := number(code(text, b"UIDNEXT")))), None)
        return View(uidvalidity, uidnext, self._wire.exists)

    # --- looking -----------------------------------------------------------------------------------------

    async def search(self, low: int, high: int | None) -> tuple[int, ...]:
        """The UIDs there are in low..high (to the end for None), ascending.

        `n:*` names the last message even where n is above its UID (RFC 3501 §6.4.8).
        """
        uids = await self._search(f"{low}:{high or '*'}")
        return tuple(uid for uid in sorted(uids) if low <= uid <= (high or uid))

    async def present(self, uids: Collection[int]) -> frozenset[int]:
        """Those of `uids` that are still there."""
        await self._run("NOOP")
        return await self._search(sequence(uids)) & frozenset(uids)

    async def _search(self, uid_set: str) -> frozenset[int]:
        def wanted(line: bytes) -> bool:
            return line[:8].upper() == b"* SEARCH"

        wire, deadline = self._wire, self._deadline
        answer = await wire.run("SEARCH", "UID", uid_set, prefix="UID", deadline=deadline, wanted=wanted)
        return found(granted("SEARCH", answer).replies)

    async def sizes(self, uids: Collection[int]) -> Mapping[int, int]:
        """RFC822.SIZE of those of `uids` that are there."""
        asked = await self._fetch(uids, "RFC822.SIZE", b"RFC822.SIZE", 0)
        return {uid: one.size for uid, one in asked.items() if one.size is not None}

    async def bodies(self, sizes: Mapping[int, int]) -> Mapping[int, Fetched]:
        """Those of the UIDs that came whole: a literal that isn't empty. \\Seen isn't touched (BODY.PEEK)."""
        asked = await self._fetch(sizes, "(INTERNALDATE BODY.PEEK[])", b"BODY[]", sum(sizes.values()))
        return {uid: one for uid, one in asked.items() if one.raw}

    async def _fetch(self, uids: Collection[int], items: str, sign: bytes, octets: int) -> dict[int, Fetched]:
        """NO is an answer here: some were expunged meanwhile, the others came (RFC 5530 EXPUNGEISSUED)."""

        def wanted(line: bytes) -> bool:
            return sign in line.upper()

        answer = await self._wire.run(
            "FETCH",
            sequence(uids),
            items,
            prefix="UID",
            deadline=self._deadline + octets / SLOWEST,
            wanted=wanted,
            allowance=2 * octets + SMALL,
        )
        if answer.status == "BAD":
            granted("FETCH", answer)
        answers = (one for reply in answer.replies if (one := fetched(reply)) and one.uid in uids)
        return {one.uid: one for one in answers}

    # --- changing ----------------------------------------------------------------------------------------

    async def move(self, uids: Collection[int], folder: str) -> frozenset[int]:
        """UID MOVE (RFC 6851); those of `uids` that the server says it moved (COPYUID)."""
        answer = await self._into("MOVE", uids, folder)
        return _copied(answer, uids)

    async def copy(self, uids: Collection[int], folder: str) -> frozenset[int]:
        """UID COPY; those of `uids` that are known to be copied.

        Without UIDPLUS nobody says which: then those that were there before, as COPY is all or nothing
        (RFC 3501 §6.4.7).
        """
        there = uids if self.offers("UIDPLUS") else await self.present(uids)
        answer = await self._into("COPY", uids, folder)
        return _copied(answer, uids) if self.offers("UIDPLUS") else frozenset(there)

    async def _into(self, name: str, uids: Collection[int], folder: str) -> Answer:
        """The folder is made if it is missing."""
        target = quoted(utf7.encode(folder))
        try:
            return await self._run(name, sequence(uids), target, prefix="UID")
        except Denied as denied:
            if "TRYCREATE" not in str(denied).upper():
                raise
        await self._run("CREATE", target)
        return await self._run(name, sequence(uids), target, prefix="UID")

    async def delete(self, uids: Collection[int]) -> None:
        """Flag \\Deleted, and expunge these alone (RFC 4315 §2.1).

        Without UIDPLUS they stay flagged: a plain EXPUNGE would take other clients' mails too.
        """
        await self._run("STORE", sequence(uids), "+FLAGS.SILENT", r"(\Deleted)", prefix="UID")
        if self.offers("UIDPLUS"):
            await self._run("EXPUNGE", sequence(uids), prefix="UID")

    # --- waiting -----------------------------------------------------------------------------------------

    async def idle(self, seconds: float) -> bool:
        """Wait for news, at most for `seconds`. False if the server won't tell."""
        return await self._wire.idle(seconds, self._deadline)


def granted(name: str, answer: Answer) -> Answer:
    if answer.status == "OK":
        return answer
    kind = Denied if answer.status == "NO" else Temporary
    raise kind(f"the server answers {answer.status} to {name}: {harmless(answer.text)}")


def _copied(answer: Answer, uids: Collection[int]) -> frozenset[int]:
    """COPYUID's second word: the UIDs it is about (RFC 4315 §3). MOVE has it in an untagged OK as well."""
    texts = [answer.text, *(reply[0] for reply in answer.replies)]
    codes = [words for text in texts if (words := (code(text, b"COPYUID") or b"").split())]
    return frozenset().union(*(named(words[1], uids) for words in codes if len(words) == 3))


def _plain(user: str, password: str) -> Login:
    return "AUTHENTICATE", ("PLAIN",), [base64.b64encode(f"\0{user}\0{password}".encode()) + b"\r\n"]


def _login(user: str, password: str) -> Login:
    """LOGIN: quoted strings where they can hold it (RFC 3501 §9), else literals."""
    if f"{user}{password}".isascii():
        return "LOGIN", (quoted(user), quoted(password)), []
    name, secret = user.encode(), password.encode()
    return "LOGIN", (f"{{{len(name)}}}",), [b"%b {%d}\r\n" % (name, len(secret)), secret + b"\r\n"]
