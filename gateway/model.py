"""The values that travel, in the order in which a mail makes them.

Incoming → Arrival → Mail → (Recalled, Placement, Route, Plan: see their packages) → Draft → Attempt.
All are frozen; every decision carries `because`, the reason in words. What people wrote, and signed addresses, stand
in no `repr`: an exception that shows a value mustn't tell them.
Addresses are lower-case throughout; times are aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Literal

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
class Look:
    """What a poller saw of a mailbox. `reached`: the first UID that it hasn't passed; `whole`: it compared them all.

    `missing` are UIDs that it had passed before, and that weren't in the ledger: they are fetched now. `owed` ones
    couldn't be had from the server, `too_large` ones stay there.
    """

    mailbox: str
    uidvalidity: int
    reached: int
    whole: bool
    missing: tuple[int, ...] = ()
    owed: tuple[int, ...] = ()
    too_large: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Incoming:
    """One mail as it came in, not yet kept.

    `authserv_id` is the id whose Authentication-Results the source may be believed on, or "" for none; `verify`: we
    are to check SPF, DKIM and DMARC ourselves, since nobody in front of us does. `settled`: once it is kept, nothing
    remains to be done where the cursor points to.
    """

    raw: bytes = field(repr=False)
    source: str
    received_at: datetime
    envelope: Envelope = Envelope()
    authserv_id: str = ""
    cursor: ImapCursor | None = None
    verify: bool = False
    settled: bool = False
    digest: bytes = field(init=False, repr=False, compare=False)  # SHA-256 of `raw`, made once

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", sha256(self.raw).digest())


@dataclass(frozen=True, slots=True)
class Result:
    """One method's result (RFC 8601 §2.3). `properties` by `ptype.property`, lower-case, e.g. `header.from`."""

    method: str
    result: str
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One mail, kept: what the store gives back for filing. `attempts` counts this one.

    `results`: what our own check of SPF, DKIM, DMARC and ARC came to, where `verify` asks for it; None before it.
    `owner`: whose claim on it is to hold until it is filed, "" where there is none.
    """

    id: int
    digest: str
    size: int
    source: str
    received_at: datetime
    envelope: Envelope
    authserv_id: str
    attempts: int
    verify: bool = False
    results: tuple[Result, ...] | None = None
    owner: str = ""


# --- what reading finds (gateway.mail) -------------------------------------------------------------------

Language = Literal["", "fr", "en"]  # "" where it can't be told, or is another


class Nature(StrEnum):
    """Who or what wrote a mail."""

    PERSON = "person"
    AUTO_REPLY = "auto-reply"
    BOUNCE = "bounce"
    DELAY = "delay"
    BULK = "bulk"
    RECEIPT = "receipt"
    ACKNOWLEDGEMENT = "acknowledgement"
    CHALLENGE = "challenge"  # asks the sender to prove themselves before it lets their mail through
    VERIFICATION = (
        "verification"  # a service's code or link, by which it takes whoever reads it for the address's owner
    )
    CALENDAR = "calendar"  # an invitation accepted, declined or countered
    REPORT = "report"  # of DMARC, of TLS, or a complaint: for postmasters
    PLATFORM = "platform"  # a notice of the platform itself
    ECHO = "echo"
    LOOP = "loop"  # it passed more servers than any mail that arrives


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

    `part` is its position in the depth-first walk of the mail, or a path into what was opened there: how its bytes
    are found again (`gateway.mail.contents`). `inside`: the name of the attachment that holds it, which is listed
    too (an attached mail, a signed object); "" for the mail's own. `held`: why it isn't sent on, "" where it may be
    ("infected", "unscanned", "type", "holds", "size", "token", "address", "unsearched"; `gateway.relay.withheld`).
    `looks`: the extension that belongs to its octets, where these are of a form that runs (`gateway.mail.looks`);
    else "".
    """

    name: str
    type: str
    size: int
    sha256: str
    part: int
    inline: bool = False
    content_id: str = ""
    inside: str = ""
    held: str = ""
    looks: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What whoever reads a mail must be told about it: a code that the templates put into words, and its subject.

    "unread": only its header could be read; "ambiguous": programs may differ over what it holds; "address": its
    author's name is another address; "script": hers is written with letters that look like others; "imitates": she
    bears the name of, or an address like, somebody of the conversation; "outdated": it came to a reply address of
    that conversation which has ended.
    """

    code: str
    what: str = ""


class Protection(StrEnum):
    """Whether a mail is signed or encrypted (S/MIME, OpenPGP), as its form says: nothing is verified."""

    NONE = "none"
    SIGNED = "signed"
    ENCRYPTED = "encrypted"


class Verdict(StrEnum):
    """What aligned authentication of the author's domain came to."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Authentication:
    """SPF, DKIM and DMARC in one word, aligned with the author's domain, and where that comes from.

    `unanswered`: the DNS didn't answer, so that nothing could be found out.
    """

    verdict: Verdict
    because: str
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class Reported:
    """One recipient of a delivery report (RFC 3464 §2.3).

    `recipient` is the final one, `original` the one that was written to, "" where the report doesn't tell it.
    `status` begins with 5 for good or 4 for now (RFC 3463 §3.1), as reported, else as its words have it.
    """

    recipient: str
    action: str
    status: str
    diagnostic: str
    original: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A bounce, a delay, or word of an arrival: which mail of ours it is about, and what became of whom."""

    original_message_id: str
    recipients: tuple[Reported, ...]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The original inside a forwarded mail, as far as the forward tells: a claim, never a proof.

    `received_by` are those it was written to; `date` is what its header said, None where it can't be read.
    """

    author: Address
    subject: str = field(repr=False)
    date: datetime | None
    text: str = field(repr=False)
    received_by: tuple[Address, ...] = ()
    message_id: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """Everything that reading found. Never raised over, never complete: `anomalies` says what was odd.

    `quoted_because`: what tells its own words from the quoted ones. `loose`: ids that it cites without brackets.
    `thread_index`: hex of the conversation GUID of Outlook's Thread-Index, "" for none. `unanswerable`: why nothing
    automatic may answer it, though a person may have written it (RFC 3834 §2), "" where it may. `language`: in which
    it is written. `below_marker`: our marker stands among its own words, which may have been written below it.
    """

    fingerprint: str
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    author: Author
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    delivered_to: tuple[str, ...]
    subject: str = field(repr=False)
    date: datetime | None
    text: str = field(repr=False)
    own: str = field(repr=False)
    quoted: str = field(repr=False)
    attachments: tuple[Attachment, ...]
    nature: Nature
    nature_because: str
    authentication: Authentication
    report: Report | None = None
    forwarded: Forwarded | None = None
    anomalies: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    thread_index: str = ""
    quoted_because: str = ""
    protection: Protection = Protection.NONE
    unanswerable: str = ""
    marks: tuple[Mark, ...] = ()
    language: Language = ""
    below_marker: bool = False

    @property
    def cited(self) -> tuple[str, ...]:
        """Ids this mail answers, nearest first: In-Reply-To, then References from its end."""
        return tuple(dict.fromkeys((*self.in_reply_to, *reversed(self.references))))


# --- what the antivirus says of it (gateway.inspection) --------------------------------------------------


class Finding(StrEnum):
    """What an antivirus came to. HELD: it didn't say, which is never taken for clean."""

    CLEAN = "clean"
    INFECTED = "infected"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Scan:
    """What is known of a raw mail. `name`: of what was found, or why nothing was said."""

    finding: Finding
    name: str = ""


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
    """One person in one conversation: what a token names. Raising `epoch` revokes the tokens given out.

    `usager`: to whom an agent's answers go, as she was told with her token, "" for nobody; None where that isn't
    known. `written_at`: when we last wrote to them with it. `stale`: why the token that a mail bears doesn't count
    ("token_revoked", "token_expired", "moved_on": the answers would go to another by now), "" where it does.
    """

    id: int
    conversation: int
    address: str
    role: Role
    epoch: int = 0
    usager: str | None = None
    written_at: datetime | None = None
    stale: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages about one matter. `strength` ranks the evidence behind `inbox`; `pinned`: an agent moved it.

    `organisation`: the SIRET that it was handed over to, while it stands in the global inbox; "" for none.
    `outside`: its assignee was chosen by someone who may choose anybody, and has no other part in it.
    `guests`: whom agents admitted to the audience. `followers` and `muted`: agents who want more, or no, mail of it.
    `asked`: the dossiers of which its usager was to choose one; () where she was to name it, None: not asked.
    `waiting_since`: since when it waits for an agent (active) or for the usager (pending), None where nobody waits;
    `snoozed_until`: when it is work again by itself. `reminded`: how often its agents were reminded of it;
    `closing_at`: when it will be closed, as they were told.
    """

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
    organisation: str = ""
    language: str = ""
    outside: bool = False
    guests: tuple[str, ...] = ()
    followers: tuple[str, ...] = ()
    muted: tuple[str, ...] = ()
    asked: tuple[int, ...] | None = None
    waiting_since: datetime | None = None
    snoozed_until: datetime | None = None
    reminded: int = 0
    closing_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a mail belongs by itself, whichever conversation it is placed in.

    `strength` ranks what it rests on; `named`: every dossier that it names and its author is admitted to.
    """

    inbox: Inbox = GLOBAL
    strength: int = 0
    because: str = ""
    named: tuple[int, ...] = ()


# What placement goes by, and the store looks up by.
MOST_BEARERS = 20  # of one id: one mail comes several times, by a list, directly; what more mails bear names none
MATTER_WINDOW = timedelta(days=30)  # between two mails that only their subject joins


@dataclass(frozen=True, slots=True)
class Traits:
    """What placement must know of a message once it is filed, to place others beside it.

    `sure`: its author is; `sent_at`: its own Date, None where it has none that can be read. `matter` and `outlook`
    are digests of base subject and people, and of Thread-Index and people, "" for none. `orphan`: a response that
    cites nothing. `anchored`: a token or an agent put it into its conversation. `opens`: it opened one. `evidence`
    None: not known.
    """

    sure: bool = True
    sent_at: datetime | None = None
    matter: str = ""
    outlook: str = ""
    orphan: bool = False
    anchored: bool = True
    opens: bool = False
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as it is filed. `people` are those it was exchanged between.

    `proof_code`: what its proof rests on or lacks (`gateway.routing.proof.Grade`), "" where it has none.
    """

    message_id: str
    direction: Direction
    kind: Kind
    nature: Nature
    proof: Proof | None
    author: str
    people: tuple[str, ...]
    received_at: datetime
    subject: str = field(repr=False)
    text: str = field(repr=False)
    quoted: str = field(default="", repr=False)
    attachments: tuple[Attachment, ...] = ()
    because: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    fingerprint: str = ""
    digest: str = ""
    traits: Traits = Traits()
    proof_code: str = ""
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """A message as placement sees it. `id` 0: the mail that is being placed; `conversation` 0: none yet.

    `machine`: a machine's mail, not a person's. `loose`: as in `Mail`.
    """

    id: int
    conversation: int
    message_id: str
    cited: tuple[str, ...]
    author: str
    people: tuple[str, ...]
    fingerprint: str
    traits: Traits
    machine: bool = False
    loose: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A conversation as placement sees it. `acted`: an agent did something there, or it is older than its traits."""

    conversation: Conversation
    acted: bool

    @property
    def fixed(self) -> bool:
        """Nothing is ever joined with it, nor taken out of it."""
        return self.conversation.pinned or self.conversation.status is Status.SPAM

    @property
    def frozen(self) -> bool:
        """It keeps its messages and its usager."""
        return self.fixed or self.acted


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Conversations that may touch a mail, whole: every message of theirs. None of it where they are too large."""

    traces: tuple[Trace, ...]
    held: Mapping[int, Held]


@dataclass(frozen=True, slots=True)
class Circle:
    """The agents who have to do with an inbox, by capacity.

    `instructeurs` are those of the dossier's groupe, and `followers` those of the dossier; `groupes` says, for the
    whole démarche, which instructeurs work together. `triage`: those who are named for the global inbox.
    `demarche`: its number, None for the global inbox and for what isn't known.
    """

    managers: frozenset[str] = frozenset()
    administrateurs: frozenset[str] = frozenset()
    support: frozenset[str] = frozenset()
    instructeurs: frozenset[str] = frozenset()
    followers: frozenset[str] = frozenset()
    triage: frozenset[str] = frozenset()
    groupes: tuple[frozenset[str], ...] = ()
    demarche: int | None = None

    @property
    def members(self) -> frozenset[str]:
        """Everyone who has a part in it by capacity, but the managers, who have a part in everything."""
        return self.administrateurs | self.support | self.instructeurs | self.followers | self.triage


# --- what the store remembers of it (gateway.store.recall) -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Clues:
    """All that one mail gives to look up: ids it bears and cites, and what its tokens name.

    `forwarded`: the id of the original that it forwards, "" for none.
    """

    fingerprint: str
    message_id: str
    cited: tuple[str, ...]
    participations: tuple[int, ...]
    deliveries: tuple[int, ...]
    author: str
    matter: str = ""
    outlook: str = ""
    orphan: bool = False
    sent_at: datetime | None = None
    forwarded: str = ""


@dataclass(frozen=True, slots=True)
class Linked:
    """A message that the mail cites (`replies` False), or that cites the mail and came before it (True).

    `sure`: its author is. `machine`: a machine's mail, not a person's.
    """

    message_id: str
    conversation: Conversation
    author: str
    people: tuple[str, ...]
    replies: bool
    sure: bool = True
    machine: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery that a bounce, a receipt or an echo is about."""

    id: int
    conversation: Conversation
    purpose: Purpose
    recipient: str
    author: str
    uncertain: bool = False


GATHERING = timedelta(minutes=10)  # in which notifications to one agent are counted, and the rest is gathered
PERIOD = timedelta(days=7)  # in which the same mail isn't acknowledged again (RFC 3834 §2)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A mail that we acknowledged, the inbox in which it is, and the words that we did it in."""

    at: datetime
    subject: str
    text: str
    answer: str
    inbox: Inbox


@dataclass(frozen=True, slots=True)
class Volume:
    """What we wrote to people outside by ourselves, lately.

    `to_author`: the acknowledgements that a mail's author had within `PERIOD`, the latest first. `in_a_minute`: how
    many anybody had within a minute. `braked`: there were so many within an hour that something must be wrong.
    """

    to_author: tuple[Acknowledged, ...] = ()
    in_a_minute: int = 0
    braked: bool = False


class Confirmation(StrEnum):
    """What became of a question whether a mail is an agent's."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"  # she says that it isn't hers, or that it isn't to be done


@dataclass(frozen=True, slots=True)
class Asked:
    """A mail in an agent's name that isn't proven, and that she was asked to confirm by `delivery`.

    `message` is its id, `filed` what is kept of it; `name` its author's, by which a signature is known. `usager`:
    whom its answer was to go to, as she was told. `told`: the code of the last problem that she was told about her
    answer, "" for none.
    """

    delivery: int
    agent: str
    message: int
    filed: Message
    conversation: Conversation
    name: str
    usager: str
    at: datetime
    state: Confirmation = Confirmation.ASKED
    told: str = ""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of the clues. `duplicate_of` is the message that this mail already is.

    `outdated`: the participations of tokens that don't count any more, and lead nowhere.

    `alike`: conversations with mail of the same matter between the same people, where one of the two cites nothing.
    `notices`: how many its author had within a day. `volume`: what we wrote by ourselves.
    `digest`: it answers a mail of ours to its author that stands in no conversation. `forwarded`: what bears the id
    of the original that it forwards. `scan`: what the antivirus said of the mail, None where it wasn't asked.
    `asked`: what it answers of that which agents were asked to confirm.
    """

    duplicate_of: int | None = None
    participations: tuple[tuple[Participation, Conversation], ...] = ()
    outdated: tuple[tuple[Participation, Conversation], ...] = ()
    links: tuple[Linked, ...] = ()
    alike: tuple[int, ...] = ()
    sent: tuple[Sent, ...] = ()
    volume: Volume = Volume()
    notices: int = 0
    digest: bool = False
    forwarded: tuple[Linked, ...] = ()
    scan: Scan | None = None
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True)
class Thread:
    """What is known of the conversation that a mail is placed in, or that an agent acts on.

    `latest`: its last message from outside; `unanswered`: those that came since the last answer, oldest first;
    `writers`: everyone who wrote from outside; `notified`: when each agent was last notified, since an agent last did
    something; `held`: agents who will be told of a burst that isn't over. `written`: all that came from outside, or
    the latest hundred, oldest first. `holders`: who has a reply address in it; both only where an agent acts.
    """

    latest: Message | None = None
    unanswered: tuple[Message, ...] = ()
    writers: tuple[str, ...] = ()
    notified: Mapping[str, datetime] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    written: tuple[Message, ...] = ()
    holders: frozenset[str] = frozenset()

    @property
    def pending(self) -> tuple[Message, ...]:
        """What is put before an agent who hasn't seen the conversation: all that waits, else the last there was."""
        return self.unanswered or ((self.latest,) if self.latest else ())


# --- a mail's way out ------------------------------------------------------------------------------------


class Purpose(StrEnum):
    """Why a mail leaves."""

    NOTIFICATION = "notification"
    ANSWER = "answer"
    ACKNOWLEDGEMENT = "acknowledgement"
    NOTICE = "notice"  # to an agent: a refusal, a failed delivery, what a command did
    CANARY = "canary"  # a test mail of our own
    CONFIRMATION = "confirmation"  # asks an agent whether a mail in her name is hers


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
    """A mail that will leave to one person, its words fixed.

    `automatic` mails carry Auto-Submitted (RFC 3834 §3.1.7), `silent` ones a null reverse-path too (§3.3).
    `confirms`: an answer to it says whether a mail is hers: what the delivery of this id asked, 0 for its own
    question; None: an answer to it is read in the conversation.
    """

    purpose: Purpose
    to: str
    role: Role
    from_name: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    language: str = "fr"
    enclosures: tuple[Enclosure, ...] = ()
    automatic: bool = False
    silent: bool = False
    confirms: int | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery that is due: the draft, and the ids and addresses that were fixed when it was filed.

    `conversation` is None for a digest, which is about many.
    Ids are without angle brackets; `envelope_sender` is "" for the null reverse-path; `cause` is the digest of
    the mail that caused it, "" for a command's. `tried_since`: when somebody last wanted it sent once more.
    """

    id: int
    conversation: int | None
    draft: Draft
    message_id: str = field(repr=False)
    reply_to: str = field(repr=False)
    envelope_sender: str = field(repr=False)
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    created_at: datetime
    attempts: int
    cause: str = ""
    tried_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one try: the state it leads to, and the evidence.

    `sha256`: of the mail as it was composed, 64 hexadecimal digits; "" where that wasn't possible.
    `wide`: the trouble is none of this mail's, but would meet every other one too. `problem`: what it is, where no
    server said so; agents are told it in their language.
    """

    state: DeliveryState
    reply: str
    host: str = ""
    tls: str = ""
    sha256: str = ""
    wide: bool = False
    problem: Problem | None = None


class Occasion(StrEnum):
    """What happened to a delivery, as its evidence names it."""

    ATTEMPT = "attempt"
    INTERRUPTED = "interrupted"  # the gateway stopped while it was at its last step
    GIVEN_UP = "given up"  # without another attempt: the smarthost had failed for all that time
    BOUNCE = "bounce"
    RECEIPT = "receipt"  # a mail server says that it has it, or passed it on
    RETRY = "retry"  # a person let it be sent again
    CANCEL = "cancel"  # a person withdrew it, or the gateway a test mail of its own
    RESTORE = "restore"  # the store is a backup's: it may have been sent since that was made


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a delivery, and the state that it led to.

    `by`: who did it, or the SHA-256 of the mail that says it; "" for the gateway itself.
    """

    delivery: int
    occasion: Occasion
    attempt: Attempt
    by: str = ""


# --- what is filed, in one transaction -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something an agent wanted didn't happen: a code that the templates put into words, and what it is about."""

    code: str
    what: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """An agent is to be told of a message, but not at once: with the rest of a burst, or in her next digest."""

    agent: str
    due_at: datetime
    digest: bool


GATEWAY = "gateway"  # who did what nobody did


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a conversation's history. `by`: an agent's address, or `GATEWAY`."""

    by: str
    what: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a mail of the digest `by` says of a delivery: that it came back, or that it arrived."""

    delivery: int
    state: DeliveryState
    reply: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """The first message of a filing is put before an agent by its first draft: what to remember with it."""

    agent: str
    name: str
    usager: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer does to what an agent was asked by a delivery. `told`: the code of what she is told about it."""

    delivery: int
    state: Confirmation
    told: str = ""


@dataclass(frozen=True, slots=True)
class Filing:
    """All that one mail, or one command, changes. `conversation.id` is 0 for a new one.

    `messages` come with the drafts they cause; `notices` are about the first of them. Conversations in `merge` become
    part of this one, messages in `takes` come to it. `beside`: what the same mail changes in other conversations,
    with notices about what they take and those in `concerning`. A new conversation without a reference is given one.
    `proof`: what the history's acts rest on, for the audit. `revoke`: people whose reply addresses in it end.
    `asks` and `answered`: what waits for an agent's word.
    """

    conversation: Conversation
    messages: tuple[tuple[Message, tuple[Draft, ...]], ...] = ()
    notices: tuple[Notice, ...] = ()
    merge: tuple[int, ...] = ()
    takes: tuple[int, ...] = ()
    concerning: tuple[int, ...] = ()
    related: tuple[int, ...] = ()
    beside: tuple[Filing, ...] = ()
    history: tuple[Event, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    revoke: tuple[str, ...] = ()
    proof: str = ""
    asks: Ask | None = None
    answered: Answered | None = None
