"""What stands in a mail and is its holder's alone: reply addresses, which anybody could use who sees them.

The raw mail stays whole. What is made of it for people holds none: the texts are freed of them (`Context.tokenless`),
and an attachment that holds one is marked, so that it isn't sent on; it is never altered. Its octets are searched
where they were read (`gateway.reading`), for what looks like one; which are is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.context import Context
from gateway.model import Attachment, Forwarded, Mail, Report
from gateway.reading.question import Search, Suspects
from gateway.relay.withheld import ADDRESS, TOKEN, UNSEARCHED

_TEXTS = (
    ".txt",
    ".html",
    ".htm",
    ".xhtml",
    ".ics",
    ".ical",
    ".vcs",
    ".vcf",
    ".vcard",
    ".csv",
    ".json",
    ".xml",
    ".md",
)
_MAIL_NAMES = (".eml", ".msg", ".mht", ".mhtml", ".mbox", ".emlx")
_WORDS = frozenset(
    {"application/xml", "application/xhtml+xml", "application/json", "application/ics", "application/x-msg"}
)


def search(mail: Mail, context: Context, seconds: float) -> Search | None:
    """What its attachments are to be searched for, in so much time; None where none can tell anything."""
    parts = tuple(attachment.part for attachment in mail.attachments if _readable(attachment))
    if not parts:
        return None
    return Search(
        parts,
        context.settings.addresses.domain,
        context.leads,
        context.keys.ids,
        context.agents_domains if context.directory.is_agent(mail.author.address) else frozenset(),
        seconds,
    )


def unsearched(search: Search) -> tuple[Suspects, ...]:
    """What is to be said of files that couldn't be searched."""
    return tuple(Suspects(whole=False) for _ in search.parts)


def cleaned(mail: Mail, found: Sequence[Suspects], context: Context) -> Mail:
    """The mail without signed addresses in what is shown of it, and its attachments marked.

    `found`: what was suspect in those of its files that `search` names.
    """
    if context.tokenless(mail.text) != mail.text:  # the other texts are parts of it
        text, own, quoted = (context.tokenless(part) for part in (mail.text, mail.own, mail.quoted))
        mail = replace(mail, text=text, own=own, quoted=quoted)
    files = _marked(mail, found, context)
    return replace(
        mail,
        subject=context.tokenless(mail.subject),
        author=replace(mail.author, name=context.tokenless(mail.author.name)),
        attachments=files,
        report=_report(mail.report, context) if mail.report else None,
        forwarded=_forwarded(mail.forwarded, files, context) if mail.forwarded else None,
    )


def _report(report: Report, context: Context) -> Report:
    recipients = (replace(one, diagnostic=context.tokenless(one.diagnostic)) for one in report.recipients)
    return replace(report, recipients=tuple(recipients))


def _forwarded(forwarded: Forwarded, files: tuple[Attachment, ...], context: Context) -> Forwarded:
    marked = {file.part: file for file in files}  # those of the original are the mail's, too
    return replace(
        forwarded,
        author=replace(forwarded.author, name=context.tokenless(forwarded.author.name)),
        subject=context.tokenless(forwarded.subject),
        text=context.tokenless(forwarded.text),
        attachments=tuple(marked.get(file.part, file) for file in forwarded.attachments),
    )


# --- attachments -----------------------------------------------------------------------------------------


def _marked(mail: Mail, found: Sequence[Suspects], context: Context) -> tuple[Attachment, ...]:
    """The attachments, each with why it stays, if it tells what it mustn't; their names are freed of it."""
    searched = (attachment.part for attachment in mail.attachments if _readable(attachment))
    telling = {part: _why(suspects, context) for part, suspects in zip(searched, found, strict=True)}
    return tuple(
        replace(
            attachment,
            name=context.tokenless(attachment.name),
            inside=context.tokenless(attachment.inside),
            held=telling.get(attachment.part, ""),
        )
        for attachment in mail.attachments
    )


def _readable(attachment: Attachment) -> bool:
    """Is it text or a mail, by its type or its name? What is printed or packed can't be searched."""
    kind, name = attachment.type.lower(), attachment.name.lower().rstrip(". ")
    return kind.startswith(("text/", "message/")) or kind in _WORDS or name.endswith((*_TEXTS, *_MAIL_NAMES))


def _why(suspects: Suspects, context: Context) -> str:
    """Why an attachment stays, "" for nothing. What couldn't be searched whole stays, too."""
    if any(map(context.is_signed, suspects.signed)):
        return TOKEN
    if not suspects.whole:  # whatever else there is: an address may be let pass, what nobody looked for may not
        return UNSEARCHED
    return ADDRESS if any(map(context.is_private, suspects.addresses)) else ""
