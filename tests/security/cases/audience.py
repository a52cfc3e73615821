"""Who is written to, and what they are told: nobody unapproved gets a byte of a conversation (S7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from unittest.mock import patch

from sqlalchemy import select

from gateway import acting
from gateway.mail import nature
from gateway.mail.nature.verification import verification
from gateway.model import Conversation, Purpose
from gateway.store import leads, tables
from tests.builders import ALICE, DOMAIN, INES, ULYSSE, make_context, raw_mail
from tests.security.stage import Left, Stage, reply_to, stage
from tests.trials.case import Case, Counted

EVE, MAX = "eve@attacker.example", "max@attacker.example"
SECOND, COUSIN = "ulysse@autre.example", "cousin@famille.example"
GUEST = "gaston@guest.example"
ELSEWHERE = "accueil@ailleurs.example"
DOSSIER = f"dossier+123@{DOMAIN}"
# What only agents and those who were admitted may read; what agents alone may; what strangers wrote.
SECRET, NOTE, STRANGE, CODE = "canari-reponse", "canari-note", "canari-etranger", "739205"
PLACES: tuple[dict[str, str], ...] = (
    {"Cc": EVE},
    {"Cc": f"{EVE}, {MAX}"},
    {"Reply-To": EVE},
    {"Sender": EVE},
    {"Resent-From": EVE, "Resent-Cc": MAX},
    {"Bcc": EVE},
    {"Mail-Followup-To": EVE, "Return-Receipt-To": EVE},
    {"Disposition-Notification-To": EVE, "Cc": f"Ulysse <{EVE}>"},
)
Removed = Callable[[Stage], AbstractContextManager[object]]


# --- how a scene is counted --------------------------------------------------------------------------------


def played(scene: Callable[[Stage], int], removed: Removed | None = None) -> Callable[[], Counted]:
    """Play it; what got through are the mails to whom nobody approved, and those that tell what they mustn't."""

    def run() -> Counted:
        organisations = [
            *make_context().settings.model_dump()["organisations"],
            {"siret": "21330063500017", "name": "Mairie d’Ailleurs", "email": ELSEWHERE},
        ]
        with stage(organisations=organisations) as on, removed(on) if removed else nullcontext():
            tries = scene(on)
            return Counted(tries, sum(_leaks(mail) for mail in on.left), "mails")

    return run


def _leaks(mail: Left) -> bool:
    if not mail.outside:
        return False
    if mail.to in {ULYSSE, GUEST}:
        return any(word in mail.said for word in (NOTE, STRANGE, CODE))
    if mail.to == ELSEWHERE:
        return NOTE in mail.said or CODE in mail.said
    own = mail.outgoing.draft.purpose is Purpose.ACKNOWLEDGEMENT  # of a request of theirs
    return not own or any(word in mail.said for word in (SECRET, NOTE, CODE)) or "@service.example" in mail.to


@contextmanager
def everybody(on: Stage) -> Iterator[None]:
    """Answers go to all who stand in the thread, as help desks do that call it collaboration."""

    def audience(conversation: Conversation, admitted: Iterable[str], writers: Iterable[str]) -> tuple[str, ...]:
        query = select(tables.messages.c.people).where(tables.messages.c.conversation == conversation.id)
        found = on.store.read_now(lambda connection: list(connection.scalars(query)))
        people = (conversation.usager, *conversation.guests, *writers, *(each for row in found for each in row))
        return tuple(
            dict.fromkeys(
                each
                for each in people
                if each and not each.endswith(f"@{DOMAIN}") and not on.context.directory.is_agent(each)
            )
        )

    with patch.object(acting, "audience", audience):
        yield


# --- scenes ------------------------------------------------------------------------------------------------


def begun(on: Stage, key: object, text: str = "Bonjour, où en est mon dossier ?") -> tuple[str, Left]:
    """The usager asks, an agent answers; the reference, and the answer as she has it."""
    raw = raw_mail(ULYSSE, DOSSIER, f"Question {key}", text, f"u{key}@usager.example.net")
    decision = on.post(raw, DOSSIER)
    assert decision.filing is not None
    reference = decision.filing.conversation.reference
    on.act(reference, INES, f"@note {NOTE}\n\nVotre dossier est complet, {SECRET}.")
    return reference, on.to(ULYSSE)[-1]


def answers(on: Stage, reference: str) -> None:
    on.act(reference, INES, f"Voici la suite, {SECRET}.")


def written(author: str, to: str, answer: Left, identifier: str, text: str = STRANGE, **fields: str) -> bytes:
    """A mail that cites the usager's mail and ours, as her own program would."""
    ours = answer.outgoing
    references = (*ours.references, ours.message_id)
    subject = f"Re: {ours.draft.subject}"
    return raw_mail(author, to, subject, text, identifier, ours.message_id, references, **fields)


def takeover(on: Stage) -> int:
    """In her name, with the attacker in every field there is; then the attacker answers that in his own."""
    for n, fields in enumerate(PLACES):
        reference, answer = begun(on, n)
        forged = written(ULYSSE, reply_to(answer), answer, f"f{n}@attacker.example", "Merci.", **fields)
        on.post(forged, reply_to(answer), sender=EVE)
        answers(on, reference)
        for who in (EVE, MAX):
            again = raw_mail(who, reply_to(answer), "Re: Question", STRANGE, f"{n}{who}", f"f{n}@attacker.example")
            on.post(again, reply_to(answer), sender=who)
        answers(on, reference)
    return len(PLACES) * 4


def leaked(on: Stage) -> int:
    """A stranger writes to her address; an agent's notification is forwarded by a rule, and answered from there."""
    for n in range(5):
        reference, answer = begun(on, n)
        on.post(written(EVE, reply_to(answer), answer, f"e{n}@attacker.example"), reply_to(answer), sender=EVE)
        answers(on, reference)
        hers = on.to(INES)[-1]
        wish = f"@admettre {EVE}\n\n{SECRET}"
        on.post(written(MAX, reply_to(hers), hers, f"m{n}@x.example", wish), reply_to(hers), sender=MAX)
        answers(on, reference)
    return 5 * 4


def copied(on: Stage) -> int:
    """She copies a stranger in herself, who answers all."""
    for n in range(5):
        reference, answer = begun(on, n)
        on.post(written(ULYSSE, reply_to(answer), answer, f"c{n}@x", "Voici.", Cc=COUSIN), reply_to(answer))
        answers(on, reference)
        raw = raw_mail(COUSIN, ULYSSE, "Re: Question", STRANGE, f"k{n}@famille", f"c{n}@x", Cc=f"contact@{DOMAIN}")
        on.post(raw, sender=COUSIN)
        answers(on, reference)
    return 5 * 3


def moved(on: Stage) -> int:
    """She writes from another address, with her token: an agent must say that it is hers."""
    for n in range(5):
        reference, answer = begun(on, n)
        on.post(written(SECOND, reply_to(answer), answer, f"s{n}@autre.example"), reply_to(answer), sender=SECOND)
        answers(on, reference)
        assert "ulysse@autre.example" in on.to(INES)[-1].said, "the agent isn't warned"
    return 5


def hijacked(on: Stage) -> int:
    """A stranger who knows ids, reference and subject writes to every public address, without a token."""
    targets = (f"contact@{DOMAIN}", DOSSIER, f"demarche+42@{DOMAIN}", f"vegetaliser@{DOMAIN}")
    for n, to in enumerate(targets):
        reference, answer = begun(on, n)
        subject = f"Re: [{reference}] dossier n° 123"
        for what in ({"answers": f"u{n}@usager.example.net"}, {"answers": answer.outgoing.message_id}, {}):
            identifier = f"h{n}{len(on.left)}@attacker.example"
            on.post(raw_mail(EVE, to, subject, STRANGE, identifier, **what), to, sender=EVE)  # type: ignore[arg-type]
        answers(on, reference)
    return len(targets) * 4


OTPS = (
    ("no-reply@service.example", "Your verification code", f"Your verification code is {CODE}."),
    ("noreply@service.example", f"{CODE} is your security code", "Use this security code to sign in."),
    ("ne-pas-repondre@service.example", "Votre code de vérification", f"Votre code de vérification : {CODE}"),
    (
        "no-reply@service.example",
        "Confirm your email address",
        f"Confirm your email: https://service.example/c?t={CODE}",
    ),
    (
        "notifications@service.example",
        "Confirmez votre adresse",
        f"Confirmez votre adresse : https://service.example/{CODE}",
    ),
    ("noreply@service.example", "Connexion", f"Voici votre code à usage unique : {CODE}"),
)


def tricked(on: Stage) -> int:
    """A service's code is sent to the contact address, a dossier's and the usager's own; then all is handed over."""
    tries = 0
    for n, (sender, subject, text) in enumerate(OTPS):
        reference, answer = begun(on, n)
        for to in (f"contact@{DOMAIN}", DOSSIER, reply_to(answer)):
            on.post(raw_mail(sender, to, subject, text, f"o{n}{tries}@service.example"), to, sender=sender)
            tries += 1
        answers(on, reference)
        on.act(reference, ALICE, "@transmettre 21330063500017")
    return tries


@contextmanager
def taken_for_persons(_: Stage) -> Iterator[None]:
    rules = tuple(rule for rule in nature._RULES if rule is not verification)
    with patch.object(nature, "_RULES", rules):
        yield


# --- references ----------------------------------------------------------------------------------------------


def cited(removed: Removed | None = None) -> Callable[[], Counted]:
    """Ids in In-Reply-To and References of a mail whose recipient neither wrote nor was sent that mail."""

    def run() -> Counted:
        with stage() as on, removed(on) if removed else nullcontext():
            _exchanged(on)
            seen: dict[str, set[str]] = {ULYSSE: {f"u{n}@usager.example.net" for n in range(3)} | {"v@x"}}
            seen[GUEST], tries, unseen = {"g@guest.example"}, 0, 0
            for mail in on.left:
                own = seen.setdefault(mail.to, set())
                ids = (*mail.outgoing.in_reply_to, *mail.outgoing.references)
                tries, unseen = tries + len(ids), unseen + len(set(ids) - own)
                own.add(mail.outgoing.message_id)
            return Counted(tries, unseen, "ids")

    return run


def _exchanged(on: Stage) -> None:
    """Usager, guest, stranger and agents, in three conversations."""
    for n in range(3):
        reference, answer = begun(on, n)
        on.act(reference, INES, f"@admettre {GUEST}")
        answers(on, reference)
        on.post(written(EVE, reply_to(answer), answer, f"e{n}@attacker.example"), reply_to(answer), sender=EVE)
        answers(on, reference)
        guests = on.to(GUEST)[-1]
        if not n:
            on.post(written(GUEST, reply_to(guests), guests, "g@guest.example"), reply_to(guests), sender=GUEST)
            on.post(written(ULYSSE, reply_to(answer), answer, "v@x"), reply_to(answer))
        answers(on, reference)


@contextmanager
def whole_thread(_: Stage) -> Iterator[None]:
    """References as RFC 5322 §3.6.4 would have them: every id of the conversation."""

    def thread(connection, conversation: int, address: str) -> tuple[list[str], list[str]]:  # type: ignore[no-untyped-def]
        ids = [
            identifier
            for table in (tables.messages, tables.deliveries)
            for identifier in connection.scalars(
                select(table.c.message_id).where(table.c.conversation == conversation)
            )
            if identifier
        ]
        return ids[-1:], ids

    with patch.object(leads, "thread", thread):
        yield


_NAIVE = "answers go to everybody in the thread"
CASES = (
    Case(
        "S7-cc",
        "the usager copies a stranger in, who answers all",
        "he is read, and written to by nobody",
        played(copied),
        played(copied, everybody),
        _NAIVE,
    ),
    Case(
        "S7-leaked-token",
        "strangers write to a forwarded reply address, the usager's or an agent's",
        "they are read, get nothing and admit nobody",
        played(leaked),
        played(leaked, everybody),
        _NAIVE,
    ),
    Case(
        "S7-references",
        "what the headers of our mails cite",
        "only mails that their recipient wrote or was sent",
        cited(),
        cited(whole_thread),
        "every id of the conversation is cited",
    ),
    Case(
        "S7-second-address",
        "the usager's token, from another address of hers",
        "the agent is warned; answers go to the address that was admitted",
        played(moved),
        played(moved, everybody),
        _NAIVE,
    ),
    Case(
        "S7-takeover",
        "in the usager's name, the attacker in Cc, Reply-To, Sender, Resent-*; then in his own",
        "no mail to him",
        played(takeover),
        played(takeover, everybody),
        _NAIVE,
    ),
    Case(
        "S7-thread-hijack",
        "a stranger who knows ids, reference and subject",
        "gets nothing of the conversation, and the usager nothing of his words",
        played(hijacked),
        played(hijacked, everybody),
        _NAIVE,
    ),
    Case(
        "S7-ticket-trick",
        "a service's code is sent to our addresses",
        "agents alone are told; no acknowledgement",
        played(tricked),
        played(tricked, taken_for_persons),
        "verification mail isn't recognised",
    ),
)
