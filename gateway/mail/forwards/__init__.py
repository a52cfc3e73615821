"""The original inside a forwarded mail: who wrote it, when, about what. A claim of the forwarder's, never a proof.

A forward isn't a reply, though both bring another mail. What decides, in a mail's text, is the first boundary in it:

- a separator that only forwards have (« ---------- Forwarded message --------- », « Message réexpédié : ») and a
  header block below it are a forward, whatever the subject says; unless they stand in the quote of a reply;
- a header block alone, or below a separator that replies have too (« -----Message d'origine----- »), is the form that
  Outlook gives to both. The outermost prefix of the subject decides: TR, Fwd, WG, … a forward, RE, AW, … a reply.
  Where there is none, and the block gives the sender's address, it's a forward if nothing stands above, or if the
  mail answers none (no In-Reply-To, no References);
- VS is a Danish or Norwegian forward, but a Finnish reply: the language of the header block tells which;
- an attribution (« Le …, X <x@y> a écrit : ») is a forward only under a subject that says so: some Outlooks do it.

A mail that has no such text but brings another one as a part (message/rfc822, *.eml) forwards that: the first, if
there are several. Of a forward of a forward the original is the outer one; the other is found in its text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from gateway.mail import addresses, ids, names, quotes
from gateway.mail.bodies import body
from gateway.mail.contents import MAILS, opened
from gateway.mail.dates import date
from gateway.mail.forwards.blocks import Block, unquoted
from gateway.mail.forwards.blocks import depth as quote_depth
from gateway.mail.forwards.boundaries import RULES, Boundary, closing, first, is_finnish, prefix, without_prefix
from gateway.mail.forwards.dates import when
from gateway.mail.forwards.people import people, person
from gateway.mail.headers import Head, split
from gateway.mail.headers import decoded as decoded_words
from gateway.mail.parts import Part, decoded, tree, with_lines
from gateway.model import Address, Attachment, Forwarded

_MAX_SUBJECT = 998
_COLLECTIONS = ("multipart/report", "multipart/digest")


def original(
    raw: bytes, head: Head, parts: Sequence[Part], text: str, attachments: tuple[Attachment, ...]
) -> Forwarded | None:
    """The original of a forwarded mail, or None where it forwards none.

    `attachments` are the mail's own. Those of an inline forward are taken for the original's: nothing tells them from
    the forwarder's. Those of an attached original are itself, whole, and the files that it brings. The text is whole
    too: what it quotes is the caller's to cut.
    """
    subject = head.text("subject")
    answers = bool(head.value("in-reply-to") or head.value("references"))
    return inline(text, subject, answers=answers, attachments=attachments) or _attached(raw, parts, attachments)


def inline(
    text: str, subject: str, *, answers: bool = False, attachments: tuple[Attachment, ...] = ()
) -> Forwarded | None:
    """The original that a text brings. `answers`: does the mail say that it answers another one?"""
    lines = text.split("\n")
    says = prefix(subject)
    found = first(lines, attributions=says in ("forward", "either"))
    if found is None or not _is_forward(lines, found, says, answers=answers):
        return None
    fields = found.block.fields
    return Forwarded(
        author=person(fields["from"]),
        subject=names.visible(decoded_words(fields.get("subject") or without_prefix(subject)))[:_MAX_SUBJECT],
        date=when(fields.get("date", "")),
        text=_below(lines, found.block),
        received_by=people(fields.get("to", ""), fields.get("cc", "")),
        attachments=attachments,
    )


def _is_forward(lines: Sequence[str], found: Boundary, says: str, *, answers: bool) -> bool:
    """See the rules at the top of this file."""
    if says == "either":
        says = "reply" if is_finnish(lines, found) else "forward"
    if says == "forward":
        return True
    above = "\n".join(lines[: found.start])
    if found.sure:
        return not (says == "reply" and found.block.depth) and not _quotes(above)
    if says == "reply" or not person(found.block.fields["from"]).address:
        return False
    return not above.strip(RULES + "\n>") or not (answers or _quotes(above))


def _quotes(above: str) -> bool:
    """Does the text above quote a mail? Then what stands below is part of the quote."""
    return quotes.quotes(f"x\n{above}")


def _below(lines: Sequence[str], above: Block) -> str:
    """The text below the header block, without the quote marks that the block bears too."""
    until = _until(lines, above)
    below = textwrap.dedent("\n".join(_shallower(line, above.depth) for line in lines[above.end : until]))
    return f"{above.rest}\n{below}".strip("\n\ufeff \t")


def _until(lines: Sequence[str], above: Block) -> int:
    """Where the original ends: at the line that closes it, or below a quote, where the forwarder goes on.

    A closing line is that of a forward in the original, if one begins there.
    """
    below = range(above.end, len(lines))
    kinds = [(at, kind) for at in below if (kind := closing(lines[at]))]
    ends = [at for at, kind in kinds if kind == "end"]
    if len(ends) > len(kinds) - len(ends):
        return ends[-1]
    quoted = (
        [at for at in below if quote_depth(lines[at]) >= above.depth and unquoted(lines[at])] if above.depth else []
    )
    parted = quoted and quoted[-1] + 1 < len(lines) and not lines[quoted[-1] + 1].strip()
    return quoted[-1] + 1 if parted else len(lines)


def _shallower(line: str, depth: int) -> str:
    """A line with at most `depth` levels of `>` taken off."""
    taken = False
    for _ in range(depth):
        bare = line.lstrip(" \xa0")
        if not bare.startswith(">"):
            break
        line, taken = bare[1:], True
    return line.removeprefix(" ") if taken else line


def _attached(raw: bytes, parts: Sequence[Part], attachments: tuple[Attachment, ...]) -> Forwarded | None:
    """The first mail that came as a part, but for those that reports and digests bring."""
    own = {attachment.part: attachment for attachment in attachments}
    for part in parts:
        if part.number in own and _is_mail(part, own[part.number]) and parts[part.parent].type not in _COLLECTIONS:
            inner = with_lines(decoded(raw, part).lstrip(b"\r\n"))
            head = split(inner)
            if head.has("from"):
                return _read(inner, head, tuple(_brought(own[part.number], attachments)))
    return None


def _is_mail(part: Part, attachment: Attachment) -> bool:
    return part.type in MAILS or attachment.name.lower().endswith(".eml")


def _brought(mail: Attachment, attachments: tuple[Attachment, ...]) -> Iterator[Attachment]:
    """An attached mail and the files in it, which are listed after it."""
    yield mail
    within = {mail.name}
    for attachment in attachments[attachments.index(mail) + 1 :]:
        if attachment.inside not in within:
            break
        within.add(attachment.name)
        yield attachment


def _read(inner: bytes, head: Head, attachments: tuple[Attachment, ...]) -> Forwarded:
    author = addresses.author(head).author
    return Forwarded(
        author=Address(author.address, author.name),
        subject=head.text("subject"),
        date=date(head),
        text=body(inner, opened(inner, tree(inner, head)).parts).text,
        received_by=addresses.recipients(head, "to", "cc"),
        message_id=ids.message_id(head),
        attachments=attachments,
    )
