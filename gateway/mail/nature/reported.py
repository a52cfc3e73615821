"""Reports of machines to machines: bounces, delays, receipts, and what postmasters are sent (DMARC, TLS, complaints).

A part that says what became of whom decides, whatever is around it. Reports in free form have to show several kinds
of evidence, fewer where their sender can only be a machine: to take a person for one is the worse error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.mail import reports
from gateway.mail.nature import words_reports as words
from gateway.mail.nature.evidence import Evidence, Judgement, greets, said
from gateway.mail.nature.words_absence import PERSONAL
from gateway.mail.parts import Part
from gateway.mail.reports import free_form, sns
from gateway.model import Nature

_DAEMON = re.compile(
    r"(?:mailer-?_?daemon|mail-?daemon|mail-?delivery-?(?:sub)?system|microsoftexchange[0-9a-f]{8,40})(?:[+=.-][^@]*)?@.*"
)
_DAEMON_NAMES = ("mailer-daemon", "mailer_daemon", "mail delivery system", "mail delivery subsystem")
_OFFICES = re.compile(r"postmaster(?:[+=.-][^@]*)?@.*")


# --- with a part that says it -----------------------------------------------------------------------------------


def feedback(e: Evidence) -> Judgement | None:
    """Complaints (ARF, RFC 5965) and reports on DMARC (RFC 7489 §7.2) and TLS (RFC 8460): for a postmaster."""
    aggregate = words.DMARC_SUBJECT.match(e.title)
    if aggregate and not e.answered:
        return Judgement(
            Nature.REPORT, f"the subject is an aggregate report's: {said(aggregate)} (RFC 7489 §7.2.1.1)"
        )
    because = _told_postmasters(e)
    return Judgement(Nature.REPORT, because) if because and not _brings(e) else None


def _told_postmasters(e: Evidence) -> str:
    """What makes it a report to a postmaster, "" for nothing."""
    declared = _report_type(e)
    if declared == "feedback-report" or any(p.type == "message/feedback-report" for p in e.parts):
        return "it is a feedback report (RFC 5965)"
    if declared == "tlsrpt" or any(p.type.startswith("application/tlsrpt") for p in e.parts):
        return "it is a report on TLS (RFC 8460)"
    if e.answered:
        return ""
    named = next((name for name in map(_named, e.parts) if _AGGREGATE.fullmatch(name)), "")
    if named:
        return f"{named} is an aggregate report's name (RFC 7489 §7.2.1.1)"
    complaint = words.COMPLAINT_SUBJECT.match(e.title)
    if complaint and reports.returned(e.parts):
        return f"it brings back a mail, with the subject {said(complaint)}"
    return ""


# "receiver!policy-domain!begin!end[!unique-id].xml.gz"
_AGGREGATE = re.compile(r"[^!\s]{1,255}![^!\s]{1,255}!\d{9,11}!\d{9,11}(?:![^!\s]{1,100})?\.(?:xml|xml\.gz|zip|gz)")


def _named(part: Part) -> str:
    """The file's name, as the part gives it."""
    return (part.disposition()[1].get("filename") or part.parameters.get("name", "")).strip()[:1_000].lower()


def status_report(e: Evidence) -> Judgement | None:
    """RFC 3464: the part that says what became of whom decides.

    But a person who forwards a report may bring the same part: hers is no report unless a machine sent it.
    """
    if not e.statuses or _brings(e):
        return None
    actions = {r.action for r in e.statuses}
    for action, nature in (("failed", Nature.BOUNCE), ("delayed", Nature.DELAY)):
        if action in actions:
            return Judgement(nature, f"its delivery-status part says Action: {action} (RFC 3464)")
    return Judgement(Nature.RECEIPT, f"its delivery-status part says Action: {sorted(actions)[0]} (RFC 3464)")


def receipt(e: Evidence) -> Judgement | None:
    """RFC 8098: somebody's program says that a mail was shown or deleted; or that it was refused (RFC 5429 §2.2)."""
    kinds = ("message/disposition-notification", "message/global-disposition-notification")
    if _report_type(e) != "disposition-notification" and not any(p.type in kinds for p in e.parts):
        return None
    if _brings(e):
        return None
    refused = words.REJECTED.search(f"{e.head.value('auto-submitted').lower()} {e.title} {e.opening[:500]}")
    if refused and e.automatic():
        return Judgement(Nature.BOUNCE, f"it is a refusal, {said(refused)}, as a disposition notification (RFC 5429)")
    return Judgement(Nature.RECEIPT, "it is a disposition notification (RFC 8098)")


def _brings(e: Evidence) -> bool:
    """Does a person bring somebody's report: no multipart/report, no machine's sender, and words of their own?"""
    if _report_type(e) is not None or ((sender := _sender(e)) and sender.sure):
        return False
    return e.answered or greets(e) or PERSONAL.search(e.opening) is not None


def _report_type(e: Evidence) -> str | None:
    """The report-type of a multipart/report (RFC 6522 §3), "" where it doesn't say; None for anything else."""
    top = e.parts[0]
    declared = top.parameters.get("report-type", "").lower()
    return declared if declared or top.type == "multipart/report" else None


def notified(e: Evidence) -> Judgement | None:
    """Amazon's notices, which come as mail from its notification service."""
    if not e.head.has("x-amz-sns-message-id"):
        return None
    kind = sns.kind(e.text)
    natures = {"Bounce": Nature.BOUNCE, "Complaint": Nature.REPORT, "Delivery": Nature.RECEIPT}
    return Judgement(natures[kind], f"x-amz-sns-message-id, and notificationType {kind}") if kind else None


# --- in free form -------------------------------------------------------------------------------------------------


def in_words(e: Evidence) -> Judgement | None:
    """A bounce or a delay that says so in words: who sends it, its subject, its text, and what it brings back."""
    if e.head.has("x-failed-recipients") and not e.answered:
        return _late_or_failed(e, "X-Failed-Recipients")
    sender = _sender(e)
    if not sender:
        return None
    title = words.UNDELIVERED.search(e.title) or words.DELAYED.search(e.title)
    text = words.NOT_DELIVERED.search(e.opening) or words.LATER.search(e.opening)
    evidence = (2 if title else 0) + (2 if text else 0) + _brought(e)
    if not (title or text) and not (sender.wanted == 1 and reports.returned(e.parts)):
        return None
    if evidence < sender.wanted or (not sender.sure and ((e.answered and not text) or not _proven(e))):
        return None
    return _late_or_failed(e, f"{sender.name} and {said(text or title) or 'the mail that it brings back'}")


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who reports; how much evidence is wanted of them; is it surely a machine?"""

    name: str
    wanted: int
    sure: bool


def _sender(e: Evidence) -> _Sender | None:
    """The machine that this may come from; None where it's nobody's that reports."""
    address, shown = e.author.address, e.head.value("from")[:1_000].lower()
    if _DAEMON.fullmatch(address) or any(name in shown for name in _DAEMON_NAMES):
        return _Sender(f"its sender {address or shown}", 1, sure=True)
    if "mailer-daemon" in e.head.value("return-path")[:1_000].lower() and e.envelope_sender is None:
        return _Sender("its Return-Path MAILER-DAEMON", 2, sure=True)
    if e.no_sender():
        return _Sender("the null reverse-path", 3, sure=True)
    if e.automatic():
        return _Sender(f"Auto-Submitted: {e.automatic()}", 3, sure=True)
    if _report_type(e) == "delivery-status":
        return _Sender("report-type=delivery-status", 1, sure=True)
    named = (address.partition("@")[0], e.author.name.lower(), shown.strip(' <>"').partition('"')[0])
    if _OFFICES.fullmatch(address) or any(words.OFFICE.fullmatch(name) for name in named):
        return _Sender(f"its sender {address or shown}", 3, sure=False)
    if words.FIRST_WORDS.match(e.opening):
        return _Sender("how it begins", 3, sure=False)
    return None if address else _Sender("the missing sender", 4, sure=False)


def _brought(e: Evidence) -> int:
    """What it has besides words: the mail it is about; a reply code, or a known reason; the fields of a report."""
    reason = free_form.has_code(e.text) or words.REASON.search(e.opening) is not None
    back = reports.returned(e.parts) or bool(free_form.parted(e.text)[1])
    return back + (reason or free_form.names_someone(e.text)) + 2 * reports.inline(e.text)


def _proven(e: Evidence) -> bool:
    """Of those whose names people use too: more than words and an address, and nothing personal."""
    if greets(e) or PERSONAL.search(e.opening):
        return False
    back = reports.returned(e.parts) or bool(free_form.parted(e.text)[1])
    known = words.FIRST_WORDS.match(e.opening) is not None
    return known or back or free_form.has_code(e.text) or reports.inline(e.text)


def _late_or_failed(e: Evidence, because: str) -> Judgement:
    if _is_late(e):
        return Judgement(Nature.DELAY, f"{because} tell of a delivery that is late")
    return Judgement(Nature.BOUNCE, f"{because} tell of a delivery that failed")


def _is_late(e: Evidence) -> bool:
    """Late, not failed: the subject says so, or the text while the subject doesn't speak of a failure."""
    if words.DELAYED.search(e.title):
        return words.FAILED.search(e.title) is None
    return not words.UNDELIVERED.search(e.title) and words.LATER.search(e.opening) is not None
