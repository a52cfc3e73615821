"""What stands in a mail and is its holder's alone: reply addresses, which anybody could use who sees them.

The raw mail stays whole. What is made of it for people holds none: the texts are freed of them (`Context.tokenless`),
and an attachment that holds one is marked, so that it isn't sent on; it is never altered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from gateway.context import Context
from gateway.mail import charsets
from gateway.mail.contents import MAILS, contents
from gateway.mail.headers import split
from gateway.mail.parts import decoded, tree, with_lines
from gateway.model import Attachment, Forwarded, Mail, Report
from gateway.relay.scrub import tells
from gateway.relay.views import without_tags
from gateway.relay.withheld import ADDRESS, TOKEN

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
_MAX_LEVELS = 4  # mails in mails
_PATIENCE = 10.0  # seconds of the processor for all files of a mail
_BLOCK = 100_000  # characters that are searched at a time: memory stays small, and others have their turn between
_OVERLAP = 4_000  # of them that are searched with both: what would be found is shorter, blanks and tags included


def cleaned(
    mail: Mail,
    raw: bytes,
    context: Context,
    *,
    stopped: Callable[[], bool] = lambda: False,
    patience: float = _PATIENCE,
) -> Mail:
    """The mail without signed addresses in what is shown of it, and its attachments marked. `raw`: its octets.

    Files are searched for `patience` seconds of the processor, and no longer once it is `stopped`.
    """
    until = time.thread_time() + patience
    if context.tokenless(mail.text) != mail.text:  # the other texts are parts of it
        text, own, quoted = (context.tokenless(part) for part in (mail.text, mail.own, mail.quoted))
        mail = replace(mail, text=text, own=own, quoted=quoted)
    files = _marked(mail, raw, context, lambda: stopped() or time.thread_time() > until)
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


def _marked(mail: Mail, raw: bytes, context: Context, over: Callable[[], bool]) -> tuple[Attachment, ...]:
    """The attachments, each with why it stays, if it tells what it mustn't; their names are freed of it."""
    read = [attachment.part for attachment in mail.attachments if _readable(attachment)]
    agents = context.directory.is_agent(mail.author.address)
    telling = _telling(read, raw, context, agents, over) if read else {}
    return tuple(
        replace(
            attachment,
            name=context.tokenless(attachment.name),
            inside=context.tokenless(attachment.inside),
            held=telling.get(attachment.part, ""),
        )
        for attachment in mail.attachments
    )


def _telling(
    parts: list[int], raw: bytes, context: Context, agents: bool, over: Callable[[], bool]
) -> dict[int, str]:
    """Why each of these parts stays. What can't be searched stays, too, and what there is no time left to search."""
    try:
        found = contents(raw, parts)
        return {part: _why(data, context, agents, over) for part, data in zip(parts, found, strict=True)}
    except Exception:  # noqa: BLE001 (reading raises nothing; should it, the mail goes on without its files)
        return dict.fromkeys(parts, TOKEN)


def _readable(attachment: Attachment) -> bool:
    """Is it text or a mail, by its type or its name? What is printed or packed can't be searched."""
    kind, name = attachment.type.lower(), attachment.name.lower().rstrip(". ")
    return kind.startswith(("text/", "message/")) or kind in _WORDS or name.endswith((*_TEXTS, *_MAIL_NAMES))


def _why(data: bytes, context: Context, agents: bool, over: Callable[[], bool]) -> str:
    """Why an attachment stays, "" for nothing. `agents`: it is an agent's, and would tell who she is.

    A file may be large: what would stand in the place of each address isn't asked.
    """
    for text in _blocks(data):
        if over() or tells(text, context.tokens):
            return TOKEN
        if agents and context.anonymous(text) != text:
            return ADDRESS
    return ""


def _blocks(data: bytes) -> Iterator[str]:
    """All that a file says, some of it at a time, with HTML's tags and without."""
    for text in _texts(data):
        for start in range(0, len(text), _BLOCK):
            block = text[start : start + _BLOCK + _OVERLAP]
            yield block
            if "<" in block:
                yield without_tags(block)


def _texts(data: bytes, level: int = 0) -> Iterator[str]:
    """All that a file says to whoever opens it: its octets, as letters, and the parts of a mail."""
    if not data or level > _MAX_LEVELS:
        return
    wide = (charsets.decode(data, "utf-16"),) if b"\0" in data else ()
    yield from (charsets.decode(data.replace(b"\0", b""), "utf-8"), *wide)
    mail = with_lines(data)
    parts = tree(mail, split(mail)).parts
    if len(parts) > 1 or parts[0].head.has("content-transfer-encoding") or parts[0].type in MAILS:
        for part in parts:
            if not part.multipart:
                yield from _texts(decoded(mail, part), level + 1)
