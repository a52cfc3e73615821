"""Routing: which inbox a conversation belongs in, by the strongest evidence, with the reason.

The order is that of `Strength`. A mail enters a dossier only if its author is admitted to it; everyone else's goes
to the inbox of its démarche, marked. A conversation that already stands somewhere is only moved closer: from the
global inbox to a démarche, from a démarche to one of its dossiers, and never once an agent moved it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import islice

from gateway.config.settings import Settings
from gateway.model import GLOBAL, Conversation, Inbox, InboxKind, Mail, Verdict
from gateway.routing import numbers
from gateway.routing.choice import chosen
from gateway.routing.directory import OPEN_STATES, Directory
from gateway.routing.recipients import Recipient
from gateway.routing.titles import entitled

_MOST_EVIDENCE, _MOST_MARKS = 50, 5
_MOST_SUBJECT = 1_000  # characters


class Strength(IntEnum):
    """How much a piece of evidence weighs."""

    NONE = 0
    ONLY_DOSSIER = 20
    TITLE = 25
    TEXT = 30
    SUBJECT = 40
    LINK = 50
    OWN = 53
    CHOICE = 55
    ADDRESS = 60


@dataclass(frozen=True, slots=True)
class Route:
    """The inbox and why. `refused` is the dossier that the mail names and its author isn't admitted to.

    `addressed`: that dossier was written to directly, as `dossier+N@`. `named`: all dossiers it names and enters.
    """

    inbox: Inbox
    strength: Strength
    because: str
    refused: int | None = None
    addressed: bool = False
    named: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Evidence:
    inbox: Inbox
    strength: Strength
    words: str
    weak: bool = False


def route(
    mail: Mail,
    recipients: Iterable[Recipient],
    conversation: Conversation | None,
    directory: Directory,
    settings: Settings,
) -> Route:
    """Decide the inbox of the conversation that a mail is placed in (None: a new one)."""
    pieces = tuple(islice(_evidence(mail, recipients, conversation, directory, settings), _MOST_EVIDENCE))
    admits = _admitted(mail, conversation, directory)
    found = _strongest(pieces, admits, directory)
    if conversation is None:
        return replace(found, named=_named(pieces, admits))
    if _closer(conversation, found.inbox, directory):
        return found
    stays = f"the conversation stands in {conversation.inbox}"
    return Route(conversation.inbox, Strength(conversation.strength), stays, found.refused, found.addressed)


def _evidence(
    mail: Mail,
    recipients: Iterable[Recipient],
    conversation: Conversation | None,
    directory: Directory,
    settings: Settings,
) -> Iterator[_Evidence]:
    """All that points somewhere, strongest first."""
    addressed = [r for r in recipients if r.inbox is not None and r.inbox != GLOBAL]
    for recipient in sorted(addressed, key=lambda r: r.inbox is not None and r.inbox.kind is InboxKind.DEMARCHE):
        assert recipient.inbox is not None
        yield _Evidence(recipient.inbox, Strength.ADDRESS, f"the mail was sent to {recipient.address}")
    urls = (settings.instance.url, *settings.instance.legacy_urls)
    yield from _chosen(mail, conversation, directory, urls)
    # Who was asked which dossier it is quotes our list of them: what she quotes names all, and means none.
    asked = conversation is not None and conversation.asked is not None
    body = (mail.own if asked else mail.text)[: numbers.MOST_TEXT]
    subject = mail.subject[:_MOST_SUBJECT]
    yield from _own(mail, urls)
    for inbox in numbers.links(f"{subject}\n{body}", urls):
        yield _Evidence(inbox, Strength.LINK, f"the text holds a link to {inbox}")
    yield from _numbered(subject, Strength.SUBJECT, "subject")
    # An agent is admitted to many dossiers: « Réunion n° 12 » would be one of them.
    for number in () if directory.is_agent(mail.author.address) else numbers.subject_numbers(subject):
        inbox = Inbox(InboxKind.DOSSIER, number)
        yield _Evidence(inbox, Strength.SUBJECT, f"the subject holds the number {number}", weak=True)
    yield from _numbered(body, Strength.TEXT, "text")
    for inbox, words in entitled(subject, body, urls, directory):
        yield _Evidence(inbox, Strength.TITLE, words)
    yield from _only_dossier(mail, directory)


def _numbered(text: str, strength: Strength, where: str) -> Iterator[_Evidence]:
    """The dossiers that a text names by their number, the sure ones first, then démarches."""
    for names, weak in ((numbers.numbers, False), (numbers.listed_numbers, True), (numbers.bare_numbers, True)):
        for number in names(text):
            words = f"the {where} names dossier {number}"
            yield _Evidence(Inbox(InboxKind.DOSSIER, number), strength, words, weak=weak)
    for number in numbers.demarche_numbers(text):
        yield _Evidence(Inbox(InboxKind.DEMARCHE, number), strength, f"the {where} names démarche {number}")


def _own(mail: Mail, urls: tuple[str, ...]) -> Iterator[_Evidence]:
    """The one dossier that is named beside a quote: the notice that is answered, and its subject, may be another's.

    Of somebody else's dossier, what she answers says more.
    """
    if not mail.quoted and not mail.cited:
        return
    own = mail.own[: numbers.MOST_TEXT]
    linked = [inbox for inbox in numbers.links(own, urls) if inbox.kind is InboxKind.DOSSIER]
    marked = dict.fromkeys((*numbers.numbers(own), *numbers.listed_numbers(own)))
    sure = dict.fromkeys((*linked, *(Inbox(InboxKind.DOSSIER, number) for number in marked)))
    named = sure or dict.fromkeys(Inbox(InboxKind.DOSSIER, number) for number in numbers.bare_numbers(own))
    if len(named) == 1:
        inbox = next(iter(named))
        yield _Evidence(inbox, Strength.OWN, f"its author's own text names {inbox}", weak=True)


def _chosen(
    mail: Mail, conversation: Conversation | None, directory: Directory, urls: tuple[str, ...]
) -> Iterator[_Evidence]:
    """The dossier that an usager names who was asked for it, in whatever words."""
    if conversation is None or conversation.asked is None or mail.author.address != conversation.usager:
        return
    offered = [(number, _title(number, directory)) for number in conversation.asked]
    found = chosen(mail.own, "", offered, urls)
    if found is not None:
        words = f"asked which dossier it is about, the usager chose: {found.because}"
        yield _Evidence(Inbox(InboxKind.DOSSIER, found.number), Strength.CHOICE, words)


def _title(number: int, directory: Directory) -> str:
    demarche = directory.demarche_of(Inbox(InboxKind.DOSSIER, number))
    return demarche.title if demarche else ""


def _only_dossier(mail: Mail, directory: Directory) -> Iterator[_Evidence]:
    """The one open dossier of an usager whose address is proven: a From that anyone can write isn't enough."""
    dossiers = [d for d in directory.dossiers_by_usager.get(mail.author.address, ()) if d.state in OPEN_STATES]
    if len(dossiers) == 1 and mail.author.sure and mail.authentication.verdict is Verdict.PASS:
        inbox = Inbox(InboxKind.DOSSIER, dossiers[0].number)
        yield _Evidence(inbox, Strength.ONLY_DOSSIER, f"{inbox} is the only open one of its usager")


def _strongest(evidence: Iterable[_Evidence], admits: Callable[[Inbox], bool], directory: Directory) -> Route:
    """The first démarche that is named, or a dossier: the first that `admits` lets in, and isn't of another."""
    best: Route | None = None
    refused: _Evidence | None = None
    marks: list[str] = []
    for piece in evidence:
        inbox = piece.inbox
        if inbox.kind is InboxKind.DOSSIER:
            beside = directory.demarche_of(inbox)
            if admits(inbox):
                if best is None or (beside and beside.number == best.inbox.number):
                    return _marked(Route(inbox, piece.strength, piece.words), refused, marks)
                continue
            if piece.weak:
                continue
            refused = refused or piece
            if len(marks) < _MOST_MARKS:
                marks.append(_mark(inbox, known=beside is not None))
            inbox = Inbox(InboxKind.DEMARCHE, beside.number if beside else None)
        if best is None and inbox.number in directory.demarches:
            best = Route(inbox, piece.strength, piece.words)
    nothing = Route(GLOBAL, Strength.NONE, "nothing names a dossier or a démarche that we know")
    return _marked(best or nothing, refused, marks)


def _named(pieces: Iterable[_Evidence], admits: Callable[[Inbox], bool]) -> tuple[int, ...]:
    """The dossiers that are really named; that a person has only one is a guess."""
    named = (p.inbox for p in pieces if p.inbox.kind is InboxKind.DOSSIER and p.strength > Strength.ONLY_DOSSIER)
    return tuple(dict.fromkeys(inbox.number for inbox in named if inbox.number is not None and admits(inbox)))


def _admitted(mail: Mail, conversation: Conversation | None, directory: Directory) -> Callable[[Inbox], bool]:
    """Who must be admitted to a dossier: the author, and whoever the answers of the conversation go to."""
    people = {mail.author.address} if conversation is None else {mail.author.address, conversation.usager}

    def admits(inbox: Inbox) -> bool:
        dossier = directory.dossiers.get(inbox.number or 0)
        return dossier is not None and mail.author.sure and all(directory.admitted(p, dossier) for p in people)

    return admits


def _mark(inbox: Inbox, known: bool) -> str:
    if known:
        return f"mentions dossier {inbox.number}; the sender is not its usager"
    return f"mentions dossier {inbox.number}, which the directory doesn't know"


def _marked(chosen: Route, refused: _Evidence | None, marks: list[str]) -> Route:
    """Put what was refused on the way on the route that was found."""
    if refused is None:
        return chosen
    because = "; ".join(dict.fromkeys((chosen.because, *marks)))
    addressed = refused.strength is Strength.ADDRESS
    return Route(chosen.inbox, chosen.strength, because, refused.inbox.number, addressed)


def _closer(conversation: Conversation, inbox: Inbox, directory: Directory) -> bool:
    """Does `inbox` say more of the conversation than where it stands?"""
    if conversation.pinned or inbox == GLOBAL:
        return False
    if conversation.inbox == GLOBAL:
        return True
    demarche = directory.demarche_of(inbox)
    return (
        conversation.inbox.kind is InboxKind.DEMARCHE
        and inbox.kind is InboxKind.DOSSIER
        and demarche is not None
        and demarche.number == conversation.inbox.number
    )
