"""Which mails a message causes, to whom, with which words. Values only: nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.config.settings import Trust
from gateway.model import (
    Attachment,
    Draft,
    Enclosure,
    Mail,
    Message,
    Nature,
    Problem,
    Purpose,
    Recalled,
    Role,
    Verdict,
)
from gateway.relay import texts
from gateway.relay.texts import Place

MOST_ENCLOSED = 15_000_000  # octets in all: with base64, what most mail servers take
STALE = timedelta(days=3)  # a mailbox that is polled for the first time may hold years of mail
MOST_NOTICES = 20  # to one agent in a day about mail that wasn't acted on
MOST_ACKNOWLEDGEMENTS = 10  # to one address in a day: a spoofed sender isn't bombed through us


@dataclass(frozen=True, slots=True)
class Due:
    """Is an acknowledgement due, and why."""

    due: bool
    because: str


def acknowledgement_due(
    mail: Mail,
    recalled: Recalled,
    trust: Trust,
    *,
    new: bool,
    addressed_refused: bool,
    ours: bool,
    age: timedelta,
    envelope_sender: str | None,
) -> Due:
    """Once per conversation, to a person, never where it would tell a stranger something (RFC 3834 §2).

    `addressed_refused`: it was written to a dossier that doesn't admit its author; `ours`: the author's address
    is one of the gateway's own; `age`: for how long we have had it.
    """
    reasons = (
        (mail.nature is not Nature.PERSON, f"{mail.nature.value}: machines are told nothing"),
        (not new, "the conversation has begun before"),
        (envelope_sender == "", "the envelope has no sender to answer"),
        (not mail.author.sure, "its author is uncertain"),
        (age > STALE, "it came long ago: to acknowledge it now would only puzzle"),
        (ours, "its author's address is one of ours"),
        (addressed_refused, "it was sent to a dossier that doesn't admit its author: nothing is told"),
        (trust.acknowledge == "never", "the configuration wants none"),
        (
            trust.acknowledge == "authenticated" and mail.authentication.verdict is not Verdict.PASS,
            "its author isn't authenticated",
        ),
        (recalled.acknowledgements >= MOST_ACKNOWLEDGEMENTS, "this address had its number for today"),
    )
    for applies, because in reasons:
        if applies:
            return Due(False, because)
    return Due(True, "a person opened a conversation")


def acknowledgement(to: str, place: Place, received_at: datetime) -> Draft:
    """Says when we received the mail and who is responsible; never a word of what was written."""
    words = texts.render("acknowledgement", place, received=texts.local_time(received_at, place.instance))
    sender = place.organisation.name if place.organisation else place.instance.name
    return Draft(
        Purpose.ACKNOWLEDGEMENT,
        to,
        Role.USAGER,
        sender,
        words.subject,
        words.text,
        place.instance.locale,
        automatic=True,
        silent=True,
    )


def notification(
    to: str,
    place: Place,
    message: Message,
    author_name: str,
    *,
    subject: str,
    usager: str,
    refused: int | None = None,
    assigned_by: str = "",
    notes: tuple[str, ...] = (),
) -> Draft:
    """Puts an usager's message before an agent, with all that she needs to answer.

    `usager`: whom her answer will go to, who may not be the message's author. `notes` come with an assignment.
    """
    enclosed, held = _enclosures(message)
    words = texts.render(
        "notification",
        place,
        subject=subject or "—",
        author=f"{author_name} <{message.author}>" if author_name else message.author,
        answered_to=usager,
        stranger=message.author != usager,
        notes=notes,
        received=texts.local_time(message.received_at, place.instance),
        text=message.text,
        proof=message.proof.value if message.proof else "unverified",
        refused=refused,
        attachments=[enclosure.attachment.name for enclosure in enclosed],
        held=[attachment.name for attachment in held],
        assigned_by=assigned_by,
    )
    sender = f"{author_name} – {place.instance.name}" if author_name else place.instance.name
    return _to_agent(Purpose.NOTIFICATION, to, sender, words, place, enclosed)


def answer(to: str, role: Role, place: Place, message: Message, *, subject: str) -> Draft:
    """An agent's answer, under the organisation's name. The text is scrubbed already."""
    enclosed, held = _enclosures(message)
    words = texts.render(
        "answer",
        place,
        subject=reply_subject(subject),
        text=message.text,
        held=[attachment.name for attachment in held],
    )
    sender = place.organisation.name if place.organisation else place.instance.name
    language = place.instance.locale
    return Draft(Purpose.ANSWER, to, role, sender, words.subject, words.text, language, enclosed)


def refusal(
    to: str,
    place: Place,
    problems: Iterable[Problem],
    *,
    subject: str,
    text: str,
    hers: bool,
    received_at: datetime,
) -> Draft:
    """Gives an agent her text back, with the reasons why nothing happened. `hers` False: it wasn't hers."""
    words = texts.render(
        "refused",
        place,
        subject=subject or "—",
        text=text,
        hers=hers,
        problems=[texts.problem(problem, place.instance.locale) for problem in problems],
        received=texts.local_time(received_at, place.instance),
    )
    return _to_agent(Purpose.NOTICE, to, place.instance.name, words, place, silent=True)


def help_notice(to: str, place: Place, *, subject: str) -> Draft:
    """The list of commands, for an agent who asked."""
    words = texts.render("help", place, subject=subject or "—")
    return _to_agent(Purpose.NOTICE, to, place.instance.name, words, place, silent=True)


def undelivered(
    to: str, place: Place, *, subject: str, recipient: str, reply: str, answer: bool = True, uncertain: bool = False
) -> Draft:
    """Tells an agent that an answer, or the notification of another agent, didn't arrive, or that nobody knows."""
    words = texts.render(
        "undelivered",
        place,
        subject=subject or "—",
        recipient=recipient,
        reply=reply,
        answer=answer,
        uncertain=uncertain,
    )
    return _to_agent(Purpose.NOTICE, to, place.instance.name, words, place, silent=True)


def reply_subject(subject: str) -> str:
    """« Re: » before it, once (RFC 5322 §3.6.5)."""
    if not subject:
        return "Re: —"
    return subject if subject.casefold().startswith(("re:", "re :")) else f"Re: {subject}"


def _to_agent(
    purpose: Purpose,
    to: str,
    from_name: str,
    words: texts.Words,
    place: Place,
    enclosures: tuple[Enclosure, ...] = (),
    *,
    silent: bool = False,
) -> Draft:
    return Draft(
        purpose,
        to,
        Role.AGENT,
        from_name,
        words.subject,
        words.text,
        place.instance.locale,
        enclosures,
        automatic=True,
        silent=silent,
    )


def _enclosures(message: Message) -> tuple[tuple[Enclosure, ...], list[Attachment]]:
    """The attachments that travel with a mail, and those too large to."""
    enclosed: list[Enclosure] = []
    held: list[Attachment] = []
    room = MOST_ENCLOSED
    for attachment in message.attachments:
        if attachment.size <= room:
            room -= attachment.size
            enclosed.append(Enclosure(message.digest, attachment))
        else:
            held.append(attachment)
    return tuple(enclosed), held
