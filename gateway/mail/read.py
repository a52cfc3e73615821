"""One mail's bytes to everything that is known from them. Pure; never raises, whatever the bytes.

Its steps stand in the order of `Mail`'s fields. mail-parser reads addresses and dates (`addresses`, `dates`), where
it is better than the standard library; the tree of parts is found by `parts`, whose cost is bounded.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from gateway.mail import addresses, attachments, deceit, forwards, ids, quotes, reports, subjects, thread_index
from gateway.mail.authentication import authentication
from gateway.mail.bodies import Body, body, pages
from gateway.mail.contents import opened, sealed
from gateway.mail.dates import date
from gateway.mail.fingerprint import fingerprint
from gateway.mail.headers import MAX_HEAD, Head, split
from gateway.mail.language import language
from gateway.mail.nature import MOST_HOPS, Evidence, Judgement, hops, judge, unanswerable
from gateway.mail.parts import Tree, tree, with_lines
from gateway.mail.quotes import structure
from gateway.model import Attachment, Forwarded, Mail, Mark, Nature, Report, Result

# Fields that RFC 5322 §3.6 allows once.
_ONCE = ("from", "sender", "reply-to", "to", "cc", "subject", "message-id", "date")


def read(
    raw: bytes,
    *,
    authserv_id: str = "",
    domain: str = "",
    envelope_sender: str | None = None,
    results: tuple[Result, ...] | None = None,
) -> Mail:
    """Read a mail.

    `authserv_id`: whose Authentication-Results count, "" for nobody's; `domain`: our own inbound domain, in lower
    case; `envelope_sender`: "" for the null reverse-path, None where it isn't known; `results`: of our own checks,
    which count instead of any Authentication-Results, None where there were none.
    """
    raw = with_lines(raw)
    head = split(raw)
    found = opened(raw, tree(raw, head))
    who = addresses.author(head)
    shown = body(raw, found.parts)
    evidence = Evidence(
        head=head,
        parts=found.parts,
        author=who.author,
        message_id=ids.message_id(head),
        subject=head.text("subject"),
        text=shown.text,
        statuses=reports.statuses(raw, found.parts),
        domain=domain,
        envelope_sender=envelope_sender,
    )
    judgement = judge(evidence)
    answered, ancestors = ids.in_reply_to(head), ids.references(head)
    marked = subjects.base(evidence.subject)
    answers = bool(answered or ancestors or marked.response or marked.forward)
    parted = quotes.cut(shown.text, structure.kinds(shown.text, pages(raw, found.parts)), answers=answers)
    files = attachments.attachments(raw, found.parts)
    protection = sealed.protection(found, shown.text)
    anomalies = (*_anomalies(head, found, who, shown), *sealed.told(protection))
    return Mail(
        fingerprint=fingerprint(raw, head.body),
        message_id=evidence.message_id,
        in_reply_to=answered,
        references=ancestors,
        author=who.author,
        to=addresses.recipients(head, "to"),
        cc=addresses.recipients(head, "cc", "bcc"),
        delivered_to=addresses.delivered_to(head),
        subject=evidence.subject,
        date=date(head),
        text=shown.text,
        own=parted.own,
        quoted=parted.quoted,
        quoted_because=parted.because,
        attachments=files,
        nature=judgement.nature,
        nature_because=judgement.because,
        authentication=authentication(head, authserv_id, who.author, results),
        report=_report(raw, head, found, shown, judgement),
        forwarded=_forwarded(raw, head, found, shown, files, judgement),
        anomalies=anomalies,
        protection=protection,
        loose=ids.loose((*answered, *ancestors), head),
        thread_index=thread_index.conversation(head.value("thread-index")),
        unanswerable=unanswerable(evidence),
        marks=deceit.marks(who.author, anomalies),
        language=language(parted.own or shown.text),
        below_marker=quotes.has_marker(parted.own),
    )


def outline(
    raw: bytes,
    *,
    authserv_id: str = "",
    domain: str = "",
    envelope_sender: str | None = None,
    results: tuple[Result, ...] | None = None,
) -> Mail:
    """Read a mail that can't be read whole by its header alone, as `read` does: who wrote, to whom, about what."""
    top = with_lines(raw[:MAX_HEAD])
    top = top[: split(top).body]
    found = read(top, authserv_id=authserv_id, domain=domain, envelope_sender=envelope_sender, results=results)
    own = hashlib.sha256(raw).hexdigest()  # two mails with one header are two
    return replace(
        found,
        fingerprint=own,
        anomalies=("too complex to be read: only its header was", *found.anomalies),
        marks=(Mark("unread"), *found.marks),
    )


def _report(raw: bytes, head: Head, found: Tree, shown: Body, judgement: Judgement) -> Report | None:
    if judgement.nature not in (Nature.BOUNCE, Nature.DELAY):
        arrived = judgement.nature is Nature.RECEIPT and reports.statuses(raw, found.parts)
        return reports.report(raw, head, found.parts, shown.text) if arrived else None
    return reports.report(raw, head, found.parts, shown.text, late=judgement.nature is Nature.DELAY)


def _forwarded(
    raw: bytes, head: Head, found: Tree, shown: Body, files: tuple[Attachment, ...], judgement: Judgement
) -> Forwarded | None:
    """Machines bring other mails too, but they forward none; what passed a mailing list may still be a person's."""
    if judgement.nature not in (Nature.PERSON, Nature.BULK):
        return None
    return forwards.original(raw, head, found.parts, shown.text, files)


def _anomalies(head: Head, found: Tree, who: addresses.Reading, shown: Body) -> tuple[str, ...]:
    """All that was odd, each once."""
    counts = dict.fromkeys(_ONCE, 0)
    for field in head.fields:
        if field.name in counts:
            counts[field.name] += 1
    repeated = tuple(f"the field {name} stands there {n} times" for name, n in counts.items() if n > 1)
    passed = hops(head)
    looped = (f"it passed {passed} servers: a loop",) if passed > MOST_HOPS else ()
    odd = tuple(f"the name of the field {f.name} is malformed" for f in head.fields[:100] if f.odd)
    return tuple(
        dict.fromkeys((*head.anomalies, *repeated, *odd, *looped, *found.anomalies, *who.anomalies, *shown.anomalies))
    )
