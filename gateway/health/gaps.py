"""What can be wrong: its kinds, and for people what each means and what to do. `checks` finds it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.config.settings import Settings
from gateway.store.vitals import Vitals


class Kind(StrEnum):
    """What is wrong. The first can only be told from outside of a daemon, the second in its log alone."""

    DAEMON = "daemon"
    STORE = "store"
    FILING = "filing"
    ASIDE = "aside"
    LOST = "lost"
    RAW = "raw"
    UNREACHED = "mailbox_unreached"
    MISSING = "mailbox_missing"
    OWED = "mailbox_owed"
    TOO_LARGE = "mailbox_too_large"
    OUTBOX = "outbox"
    RELAY = "relay"
    SENDING = "sending"
    UNKNOWN = "unknown"
    UNPROVEN = "unproven"
    ROUNDS = "rounds"
    ANTIVIRUS = "antivirus"
    CANARY = "canary"


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is wrong: how many of it, since when (None where nobody knows), and some of them by name."""

    kind: Kind
    count: int = 1
    since: datetime | None = None
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """What is judged: what the store shows; and what a daemon alone sees, of which a command knows nothing.

    `sending`: since when each delivery was seen at its last step. `packs`: which of them are broken, and since
    when.
    """

    vitals: Vitals
    settings: Settings
    now: datetime
    sending: Mapping[int, datetime] = field(default_factory=dict)
    packs: tuple[str, ...] = ()
    broken_since: datetime | None = None


# What each means, and what to do. `docs/operations.md` has more of it.
WORDS: dict[Kind, tuple[str, str]] = {
    Kind.DAEMON: (
        "no daemon works on this store",
        "start it: systemctl start gateway; journalctl -u gateway says why",
    ),
    Kind.STORE: (
        "the store can't be read, or doesn't answer",
        "is the disk full or failing? `gateway check` looks at it",
    ),
    Kind.FILING: (
        "mail waits to be filed",
        "look for filing_paused and mail_unreadable in the log; restart the daemon if nothing is under way",
    ),
    Kind.ASIDE: ("mail is set aside", "`gateway aside list` says why; `gateway aside retry ID` once it is mended"),
    Kind.LOST: ("mail was filed, and its message isn't there", "restore a backup beside, and compare; report it"),
    Kind.RAW: (
        "raw mail is missing, or out of reach",
        "put the packs back from the backup: `gateway check` names them; then restart the daemon",
    ),
    Kind.UNREACHED: (
        "a mailbox isn't looked at",
        "`gateway check --connect` tries it; look for imap_trouble in the log",
    ),
    Kind.MISSING: (
        "a mailbox held mail that had been passed over; it is fetched now",
        "nothing, if it is over at the next comparison; report it if it comes again",
    ),
    Kind.OWED: ("a mailbox holds mail that can't be had", "look at it with another client, and move it on"),
    Kind.TOO_LARGE: (
        "a mailbox holds mail over max_size",
        "read it there and move it away, or raise max_size and restart",
    ),
    Kind.OUTBOX: (
        "mail that is due isn't sent",
        "`gateway outbox list` says why it was put off; else look for relay_paused in the log, restart the daemon",
    ),
    Kind.RELAY: ("the relay takes no mail", "`gateway check --connect` tries it; nothing is lost, it is tried again"),
    Kind.SENDING: (
        "a delivery is at its last step for too long",
        "does the smarthost hang? Restart the daemon: what is uncertain is settled then",
    ),
    Kind.UNKNOWN: (
        "nobody knows whether deliveries arrived",
        "ask the smarthost's log; then `gateway outbox retry ID` or `cancel ID`",
    ),
    Kind.UNPROVEN: ("deliveries are sent, and no evidence says so", "who changed the store? report it"),
    Kind.ROUNDS: ("agents aren't told of what fell due", "look for rounds_paused in the log; restart the daemon"),
    Kind.ANTIVIRUS: (
        "attachments wait for the antivirus",
        "does clamd run? `gateway scans list` says what is held, `gateway scans release` lets one go",
    ),
    Kind.CANARY: (
        "no test mail came through",
        "what came after its last step (sent, filed, left or back) stands still; canary_refused in the log says more",
    ),
}
