"""The values that travel, in the order in which a mail makes them.

Incoming → Arrival → Mail → (Recalled, Placement, Route, Plan: see their packages) → Draft → Attempt.
All are frozen; every decision carries `because`, the reason in words.
Addresses are lower-case throughout; times are aware datetimes in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

# --- a mail's way in: what intake hands over -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Envelope:
    """What SMTP said (RFC 5321 §3.3): `sender` is "" for the null reverse-path, None where there was no SMTP."""

    sender: str | None = None
    recipients: tuple[str, ...] = ()
    peer: str = ""
    helo: str = ""


@dataclass(frozen=True, slots=True)
class ImapCursor:
    """Where in a mailbox a mail was found (RFC 9051 §2.3.1.1). `mailbox` is the configured name and folder."""

    mailbox: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """One mail as it came in, not yet kept.

    `authserv_id` is the id whose Authentication-Results the source may be believed on, or "" for none.
    """

    raw: bytes
    source: str
    received_at: datetime
    envelope: Envelope = Envelope()
    authserv_id: str = ""
    cursor: ImapCursor | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One mail, kept: what the store gives back for filing. `attempts` counts this one."""

    id: int
    digest: str
    size: int
    source: str
    received_at: datetime
    envelope: Envelope
    authserv_id: str
    attempts: int


# --- what reading finds (gateway.mail) -------------------------------------------------------------------


class Nature(StrEnum):
    """Who or what wrote a mail."""

    PERSON = "person"
    AUTO_REPLY = "auto-reply"
    BOUNCE = "bounce"
    DELAY = "delay"
    BULK = "bulk"
    RECEIPT = "receipt"
    ACKNOWLEDGEMENT = "acknowledgement"
    ECHO = "echo"


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of an address field: `address` lower-case, `name` decoded and made harmless."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote it, as far as the mail tells.

    `sure` only where there is exactly one From field with exactly one address on which two parsers agree
    (RFC 5322 §3.6.2); otherwise `because` says what is wrong, and nobody is known by this mail.
    """

    address: str
    name: str
    sure: bool
    because: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not the text. `name` is safe to show and to send on, never used on disk.

    `part` is its position in the depth-first walk of the mail: how its bytes are found again.
    """

    name: str
    type: str
    size: int
    sha256: str
    part: int
    inline: bool = False
    content_id: str = ""


class Verdict(StrEnum):
    """What aligned authentication of the author's domain came to."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Authentication:
    """SPF, DKIM and DMARC in one word, aligned with the author's domain, and where that comes from."""

    verdict: Verdict
    because: str


@dataclass(frozen=True, slots=True)
class Reported:
    """One recipient of a delivery report (RFC 3464 §2.3)."""

    recipient: str
    action: str
    status: str
    diagnostic: str


@dataclass(frozen=True, slots=True)
class Report:
    """A bounce or a delay: which mail of ours it is about, and what became of whom."""

    original_message_id: str
    recipients: tuple[Reported, ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """Everything that reading found. Never raised over, never complete: `anomalies` says what was odd."""

    fingerprint: str
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    author: Author
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    delivered_to: tuple[str, ...]
    subject: str
    date: datetime | None
    text: str
    own: str
    quoted: str
    attachments: tuple[Attachment, ...]
    nature: Nature
    nature_because: str
    authentication: Authentication
    report: Report | None = None
    anomalies: tuple[str, ...] = ()

    @property
    def cited(self) -> tuple[str, ...]:
        """Ids this mail answers, nearest first: In-Reply-To, then References from its end."""
        return tuple(dict.fromkeys((*self.in_reply_to, *reversed(self.references))))


# --- where it belongs ------------------------------------------------------------------------------------


class InboxKind(StrEnum):
    DOSSIER = "dossier"
    DEMARCHE = "demarche"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Inbox:
    """`Dossier(number)`, `Demarche(number)` or `Global`. Written `dossier:123`, `demarche:42`, `global`."""

    kind: InboxKind
    number: int | None = None

    def __str__(self) -> str:
        return self.kind.value if self.number is None else f"{self.kind.value}:{self.number}"


GLOBAL = Inbox(InboxKind.GLOBAL)


class Status(StrEnum):
    ACTIVE = "active"
    PENDING = "pending"
    CLOSED = "closed"
    SPAM = "spam"


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class Kind(StrEnum):
    EXTERNAL = "external"
    INTERNAL = "internal"
    MACHINE = "machine"
    EVENT = "event"


class Proof(StrEnum):
    VERIFIED = "verified"
    PLAUSIBLE = "plausible"
    UNVERIFIED = "unverified"


class Role(StrEnum):
    """In what quality a person takes part in a conversation."""

    USAGER = "usager"
    GUEST = "guest"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Participation:
    """One person in one conversation: what a token names. Raising `epoch` revokes the tokens given out."""

    id: int
    conversation: int
    address: str
    role: Role
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages about one matter. `strength` ranks the evidence behind `inbox`; `pinned`: an agent moved it."""

    id: int
    reference: str
    inbox: Inbox
    strength: int
    pinned: bool
    status: Status
    assignee: str | None
    subject: str
    usager: str
    created_at: datetime
    updated_at: datetime
    because: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


# --- a mail's way out ------------------------------------------------------------------------------------


class Purpose(StrEnum):
    """Why a mail leaves."""

    NOTIFICATION = "notification"
    ANSWER = "answer"
    ACKNOWLEDGEMENT = "acknowledgement"
    NOTICE = "notice"  # to an agent: a refusal, a failed delivery, what a command did


class DeliveryState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Enclosure:
    """An attachment that goes out again: found in the raw mail `digest`, at `part`."""

    digest: str
    attachment: Attachment


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail that will leave: everything in it is fixed but its own ids and addresses of ours.

    `in_reply_to` and `references` are Message-IDs with angle brackets. `automatic` mails carry Auto-Submitted
    and a null reverse-path (RFC 3834 §3.1.7, §3.3) unless a bounce has to come home.
    """

    purpose: Purpose
    to: str
    from_name: str
    subject: str
    text: str
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    automatic: bool = False
    language: str = "fr"
    to_name: str = field(default="")
