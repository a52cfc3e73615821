"""Mail in agents' names: what isn't proven does nothing, whatever it claims; only their own word lets it act."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import update

from gateway.context import Context
from gateway.model import Authentication, Mail, Nature, Outgoing, Verdict
from gateway.store import outbox, sending, tables
from gateway.store.database import Store
from tests.builders import (
    ALICE,
    DOMAIN,
    INES,
    MANON,
    NOW,
    ULYSSE,
    emptied,
    listed,
    make_context,
    opened,
    raw_mail,
    shown,
)
from tests.security.naive import MX, as_read, bring, known_as
from tests.servers.gateway import Gateway, configuration, running
from tests.trials.case import Case, Counted, scratch

DOSSIER, CONTACT = f"dossier+123@{DOMAIN}", f"contact@{DOMAIN}"
EVE = "eve@stranger.example"
ACT = "@clore\n\nVotre demande est rejetée."
PASSED = Authentication(Verdict.PASS, "believed")


@dataclass(frozen=True, slots=True)
class Desk:
    """A store in which a dossier's usager has written, and the notification that its agent got."""

    store: Store
    context: Context

    def begin(self) -> Outgoing:
        emptied(self.store)
        bring(self.store, self.context, raw_mail(ULYSSE, DOSSIER, identifier="q@usager.example.net"), (DOSSIER,), NOW)
        return self.left(INES)[0]

    def left(self, to: str) -> list[Outgoing]:
        due = self.store.read_now(lambda connection: sending.due(connection, NOW + timedelta(days=30), 1000))
        return sorted((found for found in due if found.draft.to == to), key=lambda found: found.id)

    def answers(self) -> int:
        """How many mails an agent's word has sent to the usager."""
        return sum(found.draft.purpose.value == "answer" for found in self.left(ULYSSE))

    def questions(self) -> list[Outgoing]:
        return [found for found in self.left(INES) if found.draft.purpose.value == "confirmation"]

    def shown(self) -> list[dict[str, Any]]:
        return [shown(self.store, summary["reference"]) for summary in listed(self.store)]


@contextmanager
def desk() -> Iterator[Desk]:
    with scratch() as folder, opened(folder) as store:
        yield Desk(store, make_context(folder, trust={"agent_proof": "authenticated"}))


def written(author: str, to: str, text: str, number: int = 0, results: str = "", **fields: Any) -> bytes:
    """A mail of a person, as the server in front hands it over."""
    raw = raw_mail(author, to, "Re: Une question", text, f"attack{number}@stranger.example", **fields)
    return f"Authentication-Results: {results}\r\n".encode() + raw if results else raw


def passing(author: str) -> str:
    return f"{MX}; dmarc=pass header.from={author.rpartition('@')[2]}"


# --- the conjunction -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which of the conditions hold."""

    signed: bool
    hers: bool
    author: bool
    authenticated: bool
    fresh: bool

    @property
    def holder(self) -> str:
        """Whose token it bears."""
        return INES if self.hers else ALICE

    @property
    def whole(self) -> bool:
        return self.signed and self.hers and self.author and self.authenticated and self.fresh


def conjunction(naive: bool) -> Counted:
    """Every combination of the conditions: an act where one is missing is wrong, and none where all are there."""
    attempts = [Attempt(*held) for held in itertools.product((True, False), repeat=5)]
    with desk() as scene:
        wrong = sum(_acts(scene, attempt, naive) is not attempt.whole for attempt in attempts)
    return Counted(len(attempts), wrong, "wrong")


def _acts(scene: Desk, attempt: Attempt, naive: bool) -> bool:
    told = scene.begin()
    to = told.reply_to if attempt.hers else _token(scene, ALICE)
    if not attempt.signed:
        to = to.replace(to.partition("@")[0][-1] + "@", "a@" if to.partition("@")[0][-1] != "a" else "b@")
    if not attempt.fresh:
        other = update(tables.conversations).values(usager="other@usager.example.net")
        scene.store.write_now(lambda tx: tx.connection.execute(other))
    author = INES if attempt.author else EVE
    raw = written(author, to, ACT, results=passing(author) if attempt.authenticated else "")
    change = partial(_held_by, attempt.holder) if naive else as_read
    bring(scene.store, scene.context, raw, (to,), NOW, change)
    (conversation, *_) = reversed(scene.shown())
    return scene.answers() > 0 or conversation["status"] == "closed"


def _token(scene: Desk, agent: str) -> str:
    """Where an agent's answers go."""
    conversation = scene.left(INES)[0].conversation
    assert conversation is not None
    signer = scene.context.signer
    return scene.store.write_now(lambda tx: outbox.reply_address(tx, conversation, agent, signer, NOW))


def _held_by(address: str, mail: Mail) -> Mail:
    """Whoever has a token is its agent."""
    return replace(known_as(mail, address), authentication=PASSED)


# --- fields that say who somebody is ---------------------------------------------------------------------------

FIELDS = (
    *(
        "Reply-To",
        "Sender",
        "Resent-From",
        "Resent-Sender",
        "Return-Path",
        "X-Original-From",
        "X-Sender",
        "Errors-To",
    ),
    *("Disposition-Notification-To", "X-Envelope-From", "Mail-Reply-To", "On-Behalf-Of", "name", "envelope"),
)


def attacks(victim: str, to: str) -> Iterator[tuple[bytes, str]]:
    """A stranger's mails, proven to be hers, with the victim in every other field; each with its envelope sender."""
    for number, name in enumerate(FIELDS):
        author = f'"{victim}" <{EVE}>' if name == "name" else EVE
        fields = {} if name in {"name", "envelope"} else {name.replace("-", "_"): victim}
        text = ACT if victim == INES else "Bonjour, où en est le dossier 123 ?"
        raw = written(author, to, text, number if victim == INES else 100 + number, passing(EVE), **fields)
        yield raw, victim if name == "envelope" else EVE


def believed(conversations: list[dict[str, Any]]) -> int:
    """How many of a stranger's mails acted, count as verified, or stand in the dossier as somebody's of it."""
    return sum(
        message["direction"] == "out"
        or (message["message_id"].endswith("@stranger.example") and _wrongly(message, conversation))
        for conversation in conversations
        for message in conversation["messages"]
    )


def _wrongly(message: dict[str, Any], conversation: dict[str, Any]) -> bool:
    admitted = conversation["inbox"]["kind"] == "dossier" and message["kind"] == "external"
    return bool(message["proof"] == "verified" or admitted)


def fields_on_a_daemon() -> Counted:
    config = configuration(agent_proof="authenticated", authserv_id=MX)
    with scratch() as folder, running(folder, config) as gateway:
        gateway.send(raw_mail(ULYSSE, DOSSIER), to=DOSSIER)
        token = gateway.awaited(INES).answer_to
        tried = _handed_in(gateway, token)
        gateway.taken_in(1 + tried)
        found = gateway.conversations()
        return Counted(tried, believed([gateway.show(one["reference"]) for one in found]), "mails")


def _handed_in(gateway: Gateway, token: str) -> int:
    mails = [(raw, sender, token) for raw, sender in attacks(INES, token)]
    mails += [(raw, sender, DOSSIER) for raw, sender in attacks(ULYSSE, DOSSIER)]
    for raw, sender, to in mails:
        gateway.send(raw, sender, to)
    return len(mails)


def fields_believed() -> Counted:
    """The same mails, where what such a field says is taken for the author."""
    with desk() as scene:
        token = scene.begin().reply_to
        mails = [(INES, raw, token) for raw, _ in attacks(INES, token)]
        mails += [(ULYSSE, raw, DOSSIER) for raw, _ in attacks(ULYSSE, DOSSIER)]
        for victim, raw, to in mails:
            bring(scene.store, scene.context, raw, (to,), NOW, partial(_held_by, victim))
        return Counted(len(mails), believed(scene.shown()), "mails")


# --- answers to the question whether a mail is hers --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes to the address at which an agent confirms. `first`: what was said there before."""

    text: str = "oui"
    author: str = INES
    results: str = ""
    days: float = 0
    first: str = ""
    fields: dict[str, str] = field(default_factory=dict)


_RECEIPT = (
    "--b\nContent-Type: text/plain\n\noui\n--b\nContent-Type: message/disposition-notification\n\n"
    f"Final-Recipient: rfc822; {INES}\nDisposition: automatic-action; displayed\n\n--b--"
)
_FORWARD = f"---------- Forwarded message ---------\nFrom: Démarches <contact@{DOMAIN}>\nSubject: Question\n\noui"
ANSWERS = (
    Answer(fields={"Auto-Submitted": "auto-replied"}),
    Answer(fields={"X-Autoreply": "yes"}),
    Answer("oui, je suis absente", fields={"Subject": "Réponse automatique : Question"}),
    Answer(fields={"List-Id": "<liste.example.org>", "Precedence": "list"}),
    Answer(_RECEIPT, fields={"Content-Type": "multipart/report; report-type=disposition-notification; boundary=b"}),
    Answer(author=EVE),
    Answer(author=ULYSSE),
    Answer(author=MANON),
    Answer(author=EVE, results=f"{MX}; dmarc=pass header.from=stranger.example"),
    Answer(author=EVE, fields={"Sender": INES, "Reply-To": INES, "Resent-From": INES, "Return-Path": f"<{INES}>"}),
    Answer(author=f'"{INES}" <{EVE}>'),
    Answer(author=f"{INES}, {EVE}"),
    Answer(author=f"{INES}\r\nFrom: {EVE}"),
    Answer(results=f"{MX}; dmarc=fail header.from=mairie.example.org"),
    Answer(days=3.1),
    Answer(days=20),
    Answer(first="oui"),
    Answer(first="non"),
    Answer("Je n’ai rien écrit.\n\nLe 1 mars, vous avez écrit :\n> oui"),
    Answer("Qui a écrit cela ?\n\n> oui\n> oui"),
    Answer("> oui\n> @clore\n\nJe transfère à l’informatique."),
    Answer("oui ?"),
    Answer("oui mais ce n’est pas moi"),
    Answer(_FORWARD),
    Answer(f"oui\n\n{_FORWARD}", fields={"Subject": "Fwd: Question"}),
    Answer(_FORWARD, author=MANON),
    Answer("@clore"),
)


def confirmations(naive: bool) -> Counted:
    """An unproven mail, the question, and an answer that isn't the agent's yes in time: does the mail act?"""
    with desk() as scene:
        acted = sum(_confirmed(scene, answer, naive) for answer in ANSWERS)
        acted += _by_another_question(scene, naive) + _only_cited(scene, naive)
    return Counted(len(ANSWERS) + 2, acted, "acts")


def _confirmed(scene: Desk, answer: Answer, naive: bool) -> bool:
    told = scene.begin()
    bring(scene.store, scene.context, written(EVE, told.reply_to, ACT, 1), (told.reply_to,), NOW)
    to = scene.questions()[0].reply_to
    if answer.first:
        bring(scene.store, scene.context, written(INES, to, answer.first, 2), (to,), NOW)
    if naive:
        forgotten = update(tables.confirmations).values(state="asked", done_at=None)
        scene.store.write_now(lambda tx: tx.connection.execute(forgotten))
    before = scene.answers()
    fields = {name.replace("-", "_"): value for name, value in answer.fields.items()}
    raw = written(answer.author, to, answer.text, 3, answer.results, **fields)
    at = NOW if naive else NOW + timedelta(days=answer.days)
    bring(scene.store, scene.context, raw, (to,), at, _taken_for_hers if naive else as_read)
    return scene.answers() > before


def _by_another_question(scene: Desk, naive: bool) -> bool:
    """Her yes to a second mail: does the first act, which she never saw?"""
    told = scene.begin()
    for number, text in enumerate(("Premier.", "Second.")):
        bring(scene.store, scene.context, written(EVE, told.reply_to, text, number), (told.reply_to,), NOW)
    first, second = scene.questions()
    cited = f"<{first.message_id}>"
    to = CONTACT if naive else second.reply_to  # the naive one goes by what is cited, whatever the address says
    raw = written(INES, to, "oui", 3, In_Reply_To=cited, References=cited)
    bring(scene.store, scene.context, raw, (to,), NOW)
    return any("Premier." in found.draft.text for found in scene.left(ULYSSE))


def _only_cited(scene: Desk, naive: bool) -> bool:
    """An answer to something else, in a thread that names the question."""
    told = scene.begin()
    bring(scene.store, scene.context, written(EVE, told.reply_to, ACT, 1), (told.reply_to,), NOW)
    (question,) = scene.questions()
    raw = written(INES, CONTACT, "oui", 3, References=f"<{question.message_id}> <x@mairie.example.org>")
    bring(scene.store, scene.context, raw, (CONTACT,), NOW, _answers_all_it_cites if naive else as_read)
    return scene.answers() > 0


def _answers_all_it_cites(mail: Mail) -> Mail:
    return replace(mail, in_reply_to=mail.references)


def _taken_for_hers(mail: Mail) -> Mail:
    """Whatever comes to that address is the agent's yes."""
    return replace(known_as(mail, INES), nature=Nature.PERSON, own="oui", forwarded=None, authentication=PASSED)


CASES: tuple[Case, ...] = (
    Case(
        key="S6-conjunction",
        trial="a mail in an agent's name, in every combination of five conditions: a token that we signed, "
        "that agent's, From is her address, authenticated, of the conversation as it is",
        promise="it acts where all five hold, and in no other case",
        defended=partial(conjunction, naive=False),
        control=partial(conjunction, naive=True),
        removed="whoever has a token is its agent",
    ),
    Case(
        key="S6-confirm",
        trial="answers to the question whether a mail is hers: robots, receipts, strangers, other agents, too late, "
        "again, to another question, quoted, doubtful, forwarded",
        promise="none of them lets the mail act",
        defended=partial(confirmations, naive=False),
        control=partial(confirmations, naive=True),
        removed="whatever comes to that address is her yes",
    ),
    Case(
        key="S6-fields",
        trial="a stranger's authenticated mail with an agent's token, or to a dossier, and the agent or the usager "
        "in each other field that names people, in the display name, in the envelope",
        promise="no command, nobody verified, nobody in the dossier, on a running gateway",
        defended=fields_on_a_daemon,
        control=fields_believed,
        removed="such a field is taken for the author",
    ),
)
