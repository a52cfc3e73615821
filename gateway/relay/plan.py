"""Which mails a message causes, to whom, with which words. Values only: nothing is sent here."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.config.settings import Faq, Organisation
from gateway.model import (
    Attachment,
    Conversation,
    Draft,
    Enclosure,
    Message,
    Problem,
    Purpose,
    Role,
)
from gateway.relay import texts, withheld
from gateway.relay.templating import NO_SUBJECT
from gateway.relay.texts import Place

STALE = timedelta(days=3)  # a mailbox that is polled for the first time may hold years of mail
MOST_NOTICES = 20  # to one agent in a day about mail in her name that wasn't acted on, or isn't proven
MOST_LIKELY_HERS = 300  # the same where it came from her own address: she may answer all day and never be vouched for
MOST_ENTRIES = 100  # in each section of a digest
MOST_SHOWN = 200_000  # characters of messages in one mail: the latest, whole where they are no longer than
LONGEST_SHOWN = 50_000  # characters of one of them
_ENCRYPTED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"})


class Reason(StrEnum):
    """Why an agent is told of a conversation."""

    MESSAGE = "message"
    ASSIGNED = "assigned"
    MOVED = "moved"
    TRANSFERRED = "transferred"
    CHALLENGE = "challenge"  # a filter asks the sender of our mail to prove themselves
    VERIFICATION = "verification"  # an online service sent a code or a link to one of our addresses
    WOKEN = "woken"  # the date came until which it was put off
    UNSTAFFED = "unstaffed"  # nobody of its organisation is left: it came to whoever is behind them


@dataclass(frozen=True, slots=True)
class Entry:
    """A conversation in a digest. `count`: messages since the last one; `title` and `dossier`: where it stands.

    `answer_to`: the address that an answer goes to, "" for none.
    """

    reference: str
    subject: str
    title: str
    dossier: int | None
    usager: str
    since: datetime
    excerpt: str
    count: int
    answer_to: str = ""
    closes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """Is an acknowledgement due, and why. `cap`: the limit that keeps it from leaving, "" for none."""

    due: bool
    because: str
    cap: str = ""


# --- to an usager ----------------------------------------------------------------------------------------


def acknowledgement(
    to: str,
    place: Place,
    received_at: datetime,
    *,
    suggestions: tuple[Faq, ...] = (),
    choices: tuple[tuple[int, str], ...] | None = None,
) -> Draft:
    """Says when we received the mail and who is responsible; never a word of what was written.

    `choices`: dossiers (number, title) of which she is asked to name one; () asks for a number; None asks nothing.
    """
    words = texts.render(
        "acknowledgement",
        place,
        received=texts.local_time(received_at, place),
        delay=place.demarche.delay if place.demarche else "",
        suggestions=suggestions,
        asked=choices is not None,
        choices=[{"number": number, "title": title} for number, title in choices or ()],
    )
    return _from_place(Purpose.ACKNOWLEDGEMENT, to, Role.USAGER, place, words, automatic=True)


def answer(to: str, role: Role, place: Place, message: Message, *, subject: str, first_name: str = "") -> Draft:
    """An agent's answer, under the organisation's name. The text is scrubbed already.

    `first_name`: the agent's, where the démarche lets it be known.
    """
    enclosed, _ = _enclosures((message,), place)
    words = texts.render(
        "answer",
        place,
        subject=reply_subject(subject, place.language),
        text=message.text,
        first_name=first_name,
        guest=role is Role.GUEST,
    )
    return _from_place(Purpose.ANSWER, to, role, place, words, enclosed)


def transferred(
    to: str, role: Role, place: Place, message: Message, *, subject: str, former: Organisation | None
) -> Draft:
    """Tells an usager to which organisation, that of `place`, her request was handed. `message`: an agent's words."""
    enclosed, _ = _enclosures((message,), place)
    words = texts.render(
        "transferred",
        place,
        subject=reply_subject(subject, place.language),
        former=former,
        text=message.text,
        received=texts.local_time(message.received_at, place),
    )
    draft = _from_place(Purpose.ANSWER, to, role, place, words, enclosed)
    return replace(draft, from_name=former.name if former else place.instance.name)  # whose words they are


def transmission(
    to: str, place: Place, messages: tuple[Message, ...], *, subject: str, usager: str, former: Organisation | None
) -> Draft:
    """Hands a request to an organisation without agents here, at its public address, with all that was written.

    The texts are scrubbed already. What there is no room for is counted.
    """
    shown = _shown(messages)
    enclosed, held = _enclosures(shown, place)
    words = texts.render(
        "transmission",
        place,
        subject=_named(subject, place),
        usager=usager,
        former=former,
        messages=_said(shown, place, ""),
        more=len(messages) - len(shown),
        attachments=[enclosure.attachment.name for enclosure in enclosed],
        held=held,
    )
    sender = former.name if former else place.instance.name
    draft = _from_place(Purpose.ANSWER, to, Role.GUEST, place, words, enclosed)
    return replace(draft, from_name=sender)


# --- to an agent -----------------------------------------------------------------------------------------


def notification(
    to: str,
    place: Place,
    messages: tuple[Message, ...],
    conversation: Conversation,
    *,
    author_name: str = "",
    refused: int | None = None,
    reason: Reason = Reason.MESSAGE,
    by: str = "",
    notes: tuple[str, ...] = (),
    more: int = 0,
) -> Draft:
    """Puts messages of a conversation before an agent, oldest first, with all that she needs to answer.

    Its audience, whom her answer will go to, may not be the messages' authors. `author_name`: of the latest's author.
    `refused`: a dossier that was mentioned by somebody whose it isn't. `by`: the agent who brings it to her, in
    words; `notes` are hers. `more`: how many earlier messages there are besides; those that there is no room for
    are counted with them.
    """
    shown = _shown(messages)
    enclosed, held = _enclosures(shown, place)
    audience = tuple(filter(None, (conversation.usager, *conversation.guests)))
    words = texts.render(
        "notification",
        place,
        subject=_named(conversation.subject, place),
        messages=_said(shown, place, author_name),
        more=more + len(messages) - len(shown),
        answered_to=", ".join(audience),
        guests=list(conversation.guests),
        stranger=any(message.author not in audience for message in messages),
        refused=refused,
        reason=reason.value,
        by=by,
        notes=notes,
        attachments=[enclosure.attachment.name for enclosure in enclosed],
        held=held,
    )
    sender = f"{author_name} – {place.instance.name}" if author_name else place.instance.name
    return _to_agent(Purpose.NOTIFICATION, to, place, words, enclosed, from_name=sender)


def checked(to: str, place: Place, message: Message, *, subject: str) -> Draft:
    """Brings an agent the attachments that were held until the antivirus had spoken, or says why they don't come."""
    enclosed, held = _enclosures((message,), place)
    words = texts.render(
        "checked",
        place,
        subject=_named(subject, place),
        author=message.author,
        received=texts.local_time(message.received_at, place),
        attachments=[enclosure.attachment.name for enclosure in enclosed],
        held=held,
    )
    return _to_agent(Purpose.NOTIFICATION, to, place, words, enclosed)


def mention(to: str, place: Place, note: str, *, subject: str, by: str, received_at: datetime) -> Draft:
    """Tells an agent that a note names her. `by`: who wrote it, in words."""
    received = texts.local_time(received_at, place)
    words = texts.render("mention", place, subject=_named(subject, place), note=note, by=by, received=received)
    return _to_agent(Purpose.NOTIFICATION, to, place, words)


def digest(
    to: str,
    place: Place,
    *,
    fresh: tuple[Entry, ...] = (),
    waiting: tuple[Entry, ...] = (),
    closing: tuple[Entry, ...] = (),
    more: Mapping[str, int] | None = None,
) -> Draft:
    """What is new, what waits, and what will be closed, in one mail. Its place has no reference.

    At most `MOST_ENTRIES` of each; `more`: how many conversations of each section are only counted.
    """
    sections = {"fresh": fresh, "waiting": waiting, "closing": closing}
    shown = {name: [_entered(entry, place, name) for entry in found] for name, found in sections.items()}
    counted = {f"more_{name}": (more or {}).get(name, 0) for name in sections}
    total = sum(len(found) for found in sections.values()) + sum(counted.values())
    words = texts.render("digest", place, total=total, **shown, **counted)
    return _to_agent(Purpose.NOTIFICATION, to, place, words)


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
        subject=_named(subject, place),
        text=text,
        hers=hers,
        problems=[texts.problem(problem, place.language, place.texts) for problem in problems],
        received=texts.local_time(received_at, place),
    )
    return _to_agent(Purpose.NOTICE, to, place, words)


def confirmation(
    to: str,
    place: Place,
    message: Message,
    *,
    subject: str,
    author_name: str,
    why: Problem,
    commands: tuple[str, ...],
    goes_to: tuple[str, ...],
    until: datetime,
) -> Draft:
    """Asks an agent whether a mail in her name is hers. `why`: what it lacks; `goes_to`: who would be written to."""
    words = texts.render(
        "confirmation",
        place,
        subject=_named(subject, place),
        message=_said((message,), place, author_name)[0],
        why=texts.problem(why, place.language, place.texts),
        stranger=why.code == "other_author",
        commands=commands,
        goes_to=", ".join(goes_to),
        attachments=[attachment.name for attachment in message.attachments if not attachment.inside],
        until=texts.local_time(until, place),
    )
    return replace(_to_agent(Purpose.CONFIRMATION, to, place, words), confirms=0)


def unconfirmed(
    to: str, place: Place, problem: Problem, *, subject: str, received_at: datetime, confirms: int
) -> Draft:
    """Tells an agent why an answer confirmed nothing. Her next one goes where it went (`confirms`)."""
    words = texts.render(
        "unconfirmed",
        place,
        subject=_named(subject, place),
        problem=texts.problem(problem, place.language, place.texts),
        again=problem.code == "unclear_answer",
        received=texts.local_time(received_at, place),
    )
    return replace(_to_agent(Purpose.CONFIRMATION, to, place, words), confirms=confirms)


def help_notice(to: str, place: Place, *, subject: str, asked: bool = True) -> Draft:
    """The list of commands, for an agent who asked, or who seems to need it."""
    words = texts.render("help", place, subject=_named(subject, place), asked=asked)
    return _to_agent(Purpose.NOTICE, to, place, words)


def modeles_notice(to: str, place: Place, names: tuple[str, ...], *, subject: str) -> Draft:
    """The prepared answers that a conversation may use, for an agent who asked."""
    words = texts.render("modeles", place, subject=_named(subject, place), names=names)
    return _to_agent(Purpose.NOTICE, to, place, words)


def volume_alarm(to: str, place: Place, most: int) -> Draft:
    """Tells a manager that far more leaves by itself than usual. `most`: acknowledgements within an hour."""
    return _to_agent(Purpose.NOTICE, to, place, texts.render("alarm", place, most=most))


def health_alarm(to: str, place: Place, gaps: Iterable[tuple[str, int, datetime | None]]) -> Draft:
    """Tells a manager what is wrong. `gaps`: kind, how many, since when, None where nobody knows."""
    told = [
        {"kind": kind, "count": count, "since": texts.local_time(since, place) if since else ""}
        for kind, count, since in gaps
    ]
    return _to_agent(Purpose.NOTICE, to, place, texts.render("health", place, gaps=told))


def undelivered(
    to: str,
    place: Place,
    *,
    subject: str,
    recipient: str,
    reply: str,
    delivery: int,
    problem: Problem | None = None,
    answer: bool = True,
    uncertain: bool = False,
) -> Draft:
    """Tells an agent that an answer, or the notification of another agent, didn't arrive, or that nobody knows."""
    words = texts.render(
        "undelivered",
        place,
        subject=_named(subject, place),
        recipient=recipient,
        reply=reply,
        problem=texts.problem(problem, place.language, place.texts) if problem else "",
        delivery=delivery,
        answer=answer,
        uncertain=uncertain,
    )
    return _to_agent(Purpose.NOTICE, to, place, words)


def arrived(to: str, place: Place, *, subject: str, recipient: str, reply: str) -> Draft:
    """Tells an agent that a mail arrived of which she was told that nobody knew."""
    words = texts.render("arrived", place, subject=_named(subject, place), recipient=recipient, reply=reply)
    return _to_agent(Purpose.NOTICE, to, place, words)


# --- what they have in common ----------------------------------------------------------------------------


def reply_subject(subject: str, language: str = "fr") -> str:
    """« Re: » before it, once (RFC 5322 §3.6.5)."""
    if not subject:
        return f"Re: {NO_SUBJECT[language]}"
    return subject if subject.casefold().startswith(("re:", "re :")) else f"Re: {subject}"


def _named(subject: str, place: Place) -> str:
    return subject or NO_SUBJECT[place.language]


def _from_place(
    purpose: Purpose,
    to: str,
    role: Role,
    place: Place,
    words: texts.Words,
    enclosures: tuple[Enclosure, ...] = (),
    *,
    automatic: bool = False,
) -> Draft:
    """Under the organisation's name. What nobody wrote is silent too: an answer to it would be a machine's."""
    sender = place.organisation.name if place.organisation else place.instance.name
    return Draft(
        purpose,
        to,
        role,
        sender,
        words.subject,
        words.text,
        place.language,
        enclosures,
        automatic=automatic,
        silent=automatic,
    )


def _to_agent(
    purpose: Purpose,
    to: str,
    place: Place,
    words: texts.Words,
    enclosures: tuple[Enclosure, ...] = (),
    *,
    from_name: str = "",
) -> Draft:
    """Under the instance's name, or that of who wrote. A notification that fails comes back, nothing else does."""
    return Draft(
        purpose,
        to,
        Role.AGENT,
        from_name or place.instance.name,
        words.subject,
        words.text,
        place.language,
        enclosures,
        automatic=True,
        silent=purpose is not Purpose.NOTIFICATION,
    )


def _shown(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The latest of these messages, as many as one mail has room for."""
    lengths = itertools.accumulate(min(len(message.text), LONGEST_SHOWN) for message in reversed(messages))
    fitting = sum(1 for _ in itertools.takewhile(lambda length: length <= MOST_SHOWN, lengths))
    return tuple(messages[len(messages) - fitting :])


def _said(messages: Sequence[Message], place: Place, author_name: str) -> list[dict[str, object]]:
    """Messages as templates show them. `author_name` is that of the last one's author."""
    latest = messages[-1].author if messages else ""
    return [
        {
            "author": f"{author_name} <{m.author}>" if author_name and m.author == latest else m.author,
            "received": texts.local_time(m.received_at, place),
            "text": m.text if len(m.text) <= LONGEST_SHOWN else f"{m.text[:LONGEST_SHOWN].rstrip()} […]",
            "cut": len(m.text) > LONGEST_SHOWN,
            "unread": any(mark.code == "unread" for mark in m.marks),
            "encrypted": any(attachment.type in _ENCRYPTED for attachment in m.attachments),
            "proof": m.proof.value if m.proof else "unverified",
            "proof_code": m.proof_code,
            "marks": [{"code": mark.code, "what": mark.what} for mark in m.marks],
        }
        for m in messages
    ]


def _entered(entry: Entry, place: Place, section: str) -> dict[str, object]:
    return {
        "section": section,
        "reference": entry.reference,
        "subject": _named(" ".join(entry.subject.split()), place),
        "title": entry.title,
        "dossier": entry.dossier,
        "usager": entry.usager,
        "since": texts.local_time(entry.since, place),
        "excerpt": " ".join(entry.excerpt.split()),
        "count": entry.count,
        "answer_to": entry.answer_to,
        "closes": texts.local_time(entry.closes_at, place) if entry.closes_at else "",
    }


def _enclosures(messages: Sequence[Message], place: Place) -> tuple[tuple[Enclosure, ...], list[dict[str, str]]]:
    """The attachments that travel with a mail, and those that don't, with the reasons."""
    found = (Enclosure(message.digest, file) for message in messages for file in _outermost(message.attachments))
    going, staying = withheld.parted(found, place.attachments)
    return going, [withheld.said(file) for file in staying]


def _outermost(files: Sequence[Attachment]) -> Iterator[Attachment]:
    """What is inside another one travels with it; or stays with it, and is told of where it is the cause."""
    holders = {file.name for file in files}
    return (file for file in files if file.inside not in holders or file.held == withheld.TYPE)
