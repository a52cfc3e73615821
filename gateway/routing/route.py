"""Routing: which inbox a conversation belongs in, by the strongest evidence, with the reason.

The order is that of `Strength`. A mail enters a dossier only if its author is admitted to it; everyone else's goes
to the inbox of its démarche, marked. A conversation that already stands somewhere is only moved closer: from the
global inbox to a démarche, from a démarche to one of its dossiers, and never once an agent moved it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice

from gateway.config.settings import Settings
from gateway.model import GLOBAL, Conversation, Inbox, InboxKind, Mail, Verdict
from gateway.routing import numbers
from gateway.routing.choice import chosen
from gateway.routing.directory import OPEN_STATES, Directory
from gateway.routing.recipients import Recipient

_MOST_EVIDENCE, _MOST_MARKS = 50, 5


class Strength(IntEnum):
    """How much a piece of evidence weighs."""

    NONE = 0
    ONLY_DOSSIER = 20
    TEXT = 30
    SUBJECT = 40
    LINK = 50
    CHOICE = 55
    ADDRESS = 60


@dataclass(frozen=True, slots=True)
class Route:
    """The inbox and why. `refused` is the dossier that the mail names and its author isn't admitted to.

    `addressed`: that dossier was written to directly, as `dossier+N@`.
    """

    inbox: Inbox
    strength: Strength
    because: str
    refused: int | None = None
    addressed: bool = False


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
    pieces = islice(_evidence(mail, recipients, conversation, directory, settings), _MOST_EVIDENCE)
    found = _strongest(pieces, _admitted(mail, conversation, directory), directory)
    if conversation is None:
        return found
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
    for inbox in numbers.links(f"{mail.subject}\n{body}", urls):
        yield _Evidence(inbox, Strength.LINK, f"the text holds a link to {inbox}")
    for strength, text, where in (
        (Strength.SUBJECT, mail.subject, "subject"),
        (Strength.TEXT, body, "text"),
    ):
        for number in numbers.numbers(text):
            yield _Evidence(Inbox(InboxKind.DOSSIER, number), strength, f"the {where} names dossier {number}")
        for number in numbers.bare_numbers(text):
            words = f"the {where} names dossier {number}"
            yield _Evidence(Inbox(InboxKind.DOSSIER, number), strength, words, weak=True)
    yield from _only_dossier(mail, directory)


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
