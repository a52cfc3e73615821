"""Who or what wrote a mail: a person, or a machine of which kind, and the rule that tells.

The rules stand in the order in which they are asked; the first that answers counts. To take a person for a machine is
the worse error: what people's mail carries too (X-Auto-Response-Suppress, a subject that speaks of holidays) proves
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.mail import phrases, reports
from gateway.mail.headers import Head
from gateway.mail.parts import Part
from gateway.model import Author, Nature, Reported


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules look at. `envelope_sender` is "" for the null reverse-path, None where it isn't known."""

    head: Head
    parts: tuple[Part, ...]
    author: Author
    message_id: str
    subject: str
    text: str
    statuses: tuple[Reported, ...]
    domain: str
    envelope_sender: str | None

    def null_sender(self) -> bool:
        return self.envelope_sender == "" or self.head.value("return-path").replace(" ", "") == "<>"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The nature, and the rule and header it comes from."""

    nature: Nature
    because: str


def judge(evidence: Evidence) -> Judgement:
    """The first rule that answers; a person, where none does."""
    for rule in _RULES:
        judgement = rule(evidence)
        if judgement is not None:
            return judgement
    return Judgement(Nature.PERSON, "nothing in it says that a machine wrote it")


_OUR_ID = re.compile(r"[0-9]{1,12}\.[a-z2-7]{32}")  # gateway.mail.tokens.message_id


def _echo(e: Evidence) -> Judgement | None:
    """Our own mail come back: its author is in our domain, and its Message-ID is one as we write them.

    The domain alone isn't enough: an agent may have her address there.
    """
    local, _, domain = e.message_id.lower().rpartition("@")
    if not e.domain or domain != e.domain.lower() or not _OUR_ID.fullmatch(local):
        return None
    if not e.author.address.endswith("@" + domain):
        return None
    return Judgement(Nature.ECHO, f"From and Message-ID are ours, of {domain}")


# --- reports ------------------------------------------------------------------------------------------

_MACHINES = re.compile(
    r"(?:mailer-?daemon|mail-?daemon|postmaster|mail-?delivery-?(?:sub)?system|microsoftexchange[0-9a-f]{8,40})"
    r"(?:[+=.-][^@]*)?@.*"
)


def _status_report(e: Evidence) -> Judgement | None:
    """RFC 3464: the part that says what became of whom decides, whatever is around it."""
    if not e.statuses:
        return None
    actions = {r.action for r in e.statuses}
    for action, nature in (("failed", Nature.BOUNCE), ("delayed", Nature.DELAY)):
        if action in actions:
            return Judgement(nature, f"its delivery-status part says Action: {action} (RFC 3464)")
    return Judgement(Nature.RECEIPT, f"its delivery-status part says Action: {sorted(actions)[0]} (RFC 3464)")


def _receipt(e: Evidence) -> Judgement | None:
    """RFC 8098: somebody's program says that a mail was shown, deleted or processed."""
    mdn = any(p.type == "message/disposition-notification" for p in e.parts)
    declared = e.parts[0].parameters.get("report-type", "").lower() == "disposition-notification"
    if not (mdn or declared):
        return None
    return Judgement(Nature.RECEIPT, "it is a disposition notification (RFC 8098)")


def _from_machine(e: Evidence) -> bool:
    return _MACHINES.fullmatch(e.author.address) is not None


def _from_daemon(e: Evidence) -> bool:
    return "mailer-daemon" in e.head.value("from")[:1_000].lower()


def _shaped_bounce(e: Evidence) -> Judgement | None:
    """Reports in free form: a machine's sender or the null reverse-path, a subject that says it, and evidence."""
    failed = e.head.has("x-failed-recipients")
    subject = e.subject.lower()
    if not failed and not (_reporting(e, subject) and _brings_evidence(e)):
        return None
    where = "X-Failed-Recipients" if failed else f"its sender {e.author.address or '<>'} and its subject"
    if _is_delay(e, subject):
        return Judgement(Nature.DELAY, f"{where} tell of a delivery that is late")
    return Judgement(Nature.BOUNCE, f"{where} tell of a delivery that failed")


def _reporting(e: Evidence, subject: str) -> bool:
    """Does it come as reports come?"""
    top = e.parts[0]
    if top.type == "multipart/report" and top.parameters.get("report-type", "").lower() in ("delivery-status", ""):
        return True
    said = phrases.UNDELIVERED.search(subject) is not None or phrases.DELAYED.search(subject) is not None
    return said and (_from_machine(e) or _from_daemon(e) or e.null_sender())


def _brings_evidence(e: Evidence) -> bool:
    """No person is called MAILER-DAEMON; others must bring a returned mail, a reply code or a known reason."""
    if _from_daemon(e) or reports.returned(e.parts) or reports.has_code(e.text):
        return True
    return phrases.REASON.search(e.text[:5_000].lower()) is not None


def _is_delay(e: Evidence, subject: str) -> bool:
    """Late, not failed: the subject says so, or the text while the subject doesn't speak of a failure."""
    if phrases.DELAYED.search(subject):
        return phrases.FAILED.search(subject) is None
    return not phrases.UNDELIVERED.search(subject) and phrases.LATER.search(e.text[:3_000].lower()) is not None


# --- machines that say so ---------------------------------------------------------------------------------

_DESKS = (
    "x-zammad-",
    "x-otrs-",
    "x-rt-",
    "rt-ticket",
    "x-freshdesk-",
    "x-zendesk-",
    "x-osticket",
    "x-glpi-",
    "x-helpscout-",
)
_DESK_FIELDS = ("x-zammad-article-id", "x-znuny-loop")
_LOOPS = ("x-otrs-loop", "x-zammad-loop", "x-rt-loop-prevention")


def _acknowledgement(e: Evidence) -> Judgement | None:
    """Another desk confirms receipt: a desk's own header or words, on mail that says it is automatic."""
    automatic = _auto_submitted(e) or any(e.head.has(name) for name in _LOOPS)
    if not automatic or e.head.has("list-id"):
        return None
    for field in e.head.fields:
        if field.name.startswith(_DESKS) or field.name in _DESK_FIELDS:
            return Judgement(Nature.ACKNOWLEDGEMENT, f"{field.name} with an automatic mark: another help desk")
    if phrases.TICKET.search(e.subject.lower()):
        return Judgement(Nature.ACKNOWLEDGEMENT, "Auto-Submitted, and the subject names a ticket: another help desk")
    return None


def _auto_submitted(e: Evidence) -> str:
    """The value of Auto-Submitted (RFC 3834 §5.1) where it says that a machine wrote this, else ""."""
    for value in e.head.values("auto-submitted"):
        word = re.split(r"[\s;(]", value.strip().lower()[:200], maxsplit=1)[0].strip("\"'")
        if word and word != "no":
            return word
    return ""


_AUTO_FIELDS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-reply",
    "x-autoreply-from",
    "x-mail-autoreply",
    "x-vacation",
)
_AUTO_PRECEDENCE = ("auto_reply", "auto-reply", "autoreply")


def _declared_auto(e: Evidence) -> Judgement | None:
    """It says itself that it is automatic."""
    submitted = _auto_submitted(e)
    if submitted:
        return Judgement(Nature.AUTO_REPLY, f"Auto-Submitted: {submitted} (RFC 3834)")
    for name in _AUTO_FIELDS:
        if e.head.has(name) and e.head.value(name).lower() not in ("no", "false", "0"):
            return Judgement(Nature.AUTO_REPLY, f"it carries {name}")
    for name in ("precedence", "x-precedence", "preference"):
        if e.head.value(name).lower() in _AUTO_PRECEDENCE:
            return Judgement(Nature.AUTO_REPLY, f"{name}: {e.head.value(name).lower()}")
    return None


# --- lists and mass mail ---------------------------------------------------------------------------------


def _bulk(e: Evidence) -> Judgement | None:
    """Mailing lists and mass mail (RFC 2919, RFC 2369). `Precedence` alone isn't enough: people's has it too."""
    for name in ("list-id", "list-post"):
        if e.head.has(name):
            return Judgement(Nature.BULK, f"{name}: it came through a mailing list")
    precedence = e.head.value("precedence").lower()
    marks = [
        n for n in ("list-unsubscribe", "list-unsubscribe-post", "feedback-id", "x-campaign-id") if e.head.has(n)
    ]
    if precedence in ("bulk", "list", "junk"):
        marks.append(f"precedence: {precedence}")
    if len(marks) >= 2:
        return Judgement(Nature.BULK, f"{' and '.join(marks[:2])}: mass mail")
    return None


# --- no mark at all ---------------------------------------------------------------------------------------


def _absence(e: Evidence) -> Judgement | None:
    """Out-of-office answers without any header: by the words with which programs begin their subject."""
    subject = e.subject.lower().replace("\xa0", " ")
    if phrases.ABSENCE.match(subject) or phrases.LOTUS_ABSENCE.match(subject):
        return Judgement(Nature.AUTO_REPLY, "the subject is an absence message's")
    return None


def _null_sender(e: Evidence) -> Judgement | None:
    """Only machines write with the null reverse-path (RFC 5321 §4.5.5)."""
    if e.envelope_sender == "":
        return Judgement(Nature.AUTO_REPLY, "the envelope sender is null (RFC 5321 §4.5.5)")
    return None


_RULES: tuple[Callable[[Evidence], Judgement | None], ...] = (
    _echo,
    _status_report,
    _receipt,
    _shaped_bounce,
    _acknowledgement,
    _declared_auto,
    _bulk,
    _absence,
    _null_sender,
)
