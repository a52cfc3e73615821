"""What holds whatever agents do and strangers write, in whatever order, over directories that change meanwhile.

Mails, acts and rounds run on a real store; after each, every mail that it planned is looked at: who gets it, may she,
does it cite or show what isn't hers? The table of rights is `tests.desks`'s own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import select

from gateway import rounds
from gateway.commands.acts import act
from gateway.context import Context, context
from gateway.desk.commands import parse
from gateway.errors import Refused
from gateway.mail import tokens
from gateway.model import Conversation, Outgoing, Role
from gateway.store import schema, sending, views
from gateway.store.database import Store
from gateway.store.tables import conversations, metadata
from tests.builders import DOMAIN, KEYS, NOW, file_all, incoming, keep, raw_mail
from tests.desks import AGENTS, MAIRIE, PREFECTURE, USAGERS, World, someone, worlds

GUEST, STRANGER = "gaston@guest.example", "simon@stranger.example"
NAMED = ("eve@attacker.example", "max@attacker.example")  # by others' mails alone: they never write
ORGANISATIONS = {"accueil@mairie.example.org", "accueil@prefecture.example.org"}
SECRET = "entre nous seulement"
TOS = ("contact", "demarche+41", "demarche+42", "dossier+410", "dossier+421", "dossier+422", "dossier+430")

mails = st.tuples(st.just("mail"), st.sampled_from((*USAGERS, GUEST, STRANGER)), st.sampled_from(TOS))
answers = st.sampled_from(["Bonjour, c’est accordé.", f"Demandez à {AGENTS[0]} ou à {AGENTS[3]}."])
words = st.sampled_from(
    [
        f"@note {SECRET} @ada @bea {AGENTS[2]}",
        "@clore",
        "@rouvrir",
        "@attente demain",
        "@spam",
        "@affecter moi",
        "@affecter personne",
        *(f"@affecter {agent}" for agent in AGENTS),
        "@global",
        "@demarche",
        "@demarche 41",
        "@demarche 43",
        "@dossier 421",
        "@dossier 430",
        f"@transmettre {PREFECTURE}",
        f"@transmettre {MAIRIE}",
        f"@admettre {GUEST}",
        "@suivre",
        "@taire",
        "@aide",
        "@modele",
    ]
)
acts = st.tuples(
    st.just("act"), someone, st.booleans(), st.lists(answers | words, min_size=1, max_size=3).map(sorted)
)
replies = st.tuples(st.just("reply"), st.sampled_from((*USAGERS, GUEST, STRANGER)), st.integers(0, 9))
forgeries = st.tuples(
    st.just("forged"),
    st.sampled_from((*USAGERS, GUEST, STRANGER, AGENTS[0])),
    st.sampled_from((*TOS, "")),  # "": to an address that was given out
    st.sampled_from(("Cc", "Reply-To", "Sender", "Resent-From", "Resent-Cc", "Bcc", "Mail-Followup-To")),
    st.sampled_from(NAMED),
    st.lists(st.integers(0, 40), max_size=3),
)
others = st.sampled_from([("round", 1), ("round", 30), ("change", 0)])
steps = st.lists(st.one_of(mails, replies, forgeries, forgeries, acts, acts, acts, others), max_size=10)


@dataclass(slots=True)
class Play:
    """A store, the directory of the moment, and what was admitted so far."""

    store: Store
    worlds: tuple[World, World]
    now: datetime = NOW
    admitted: set[str] = field(default_factory=set)
    seen: int = 0
    contexts: dict[int, Context] = field(default_factory=dict)
    changes: int = 0
    known: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # ids of mails that each has

    @property
    def world(self) -> World:
        return self.worlds[self.changes % 2]

    @property
    def context(self) -> Context:
        which = self.changes % 2
        if which not in self.contexts:
            self.contexts[which] = context(self.world.settings, KEYS)
        return self.contexts[which]

    def step(self, kind: str, *what: Any) -> None:
        self.now += timedelta(hours=1)
        getattr(self, kind)(*what)
        self.look()

    # --- what happens ----------------------------------------------------------------------------------------

    def reply(self, sender: str, nth: int) -> None:
        """Somebody writes to the address that was given to a usager or guest: whose it is, or anybody."""
        if given := self.given():
            self.mail(sender, given[nth % len(given)].partition("@")[0])

    def forged(self, sender: str, to: str, field: str, named: str, cited: list[int]) -> None:
        """Somebody writes in anybody's name, names others in every field, and cites what he can't have."""
        given, ids = self.given(), sorted(set().union(*self.known.values()))
        references = tuple(ids[nth % len(ids)] for nth in cited) if ids else ()
        subject = f"Re: [{next(iter(self.conversations())).reference}] dossier n° 421 {to}"
        to = to or (given[sum(cited) % len(given)].partition("@")[0] if given else "contact")
        fields = {field.replace("-", "_"): named}
        self.mail(sender, to, subject, answers="".join(references[:1]), references=references, **fields)

    def given(self) -> list[str]:
        """The addresses that were given to usagers and guests."""
        return [mail.reply_to for mail in self.outbox() if mail.draft.role is not Role.AGENT and mail.conversation]

    def mail(self, sender: str, to: str, subject: str = "Une question", **fields: Any) -> None:
        to, identifier = f"{to}@{DOMAIN}", f"{self.now.timestamp():.0f}@x"
        text = f"Question du {self.now}. Mon adresse : {to}"
        raw = raw_mail(sender, to, subject, text, identifier, **fields)
        self.known[sender].add(identifier)
        keep(self.store, incoming(raw, (to,), envelope_sender=sender, received_at=self.now))
        ((_, decision),) = file_all(self.store, self.context, self.now)
        assert not isinstance(decision, str), decision

    def act(self, one: str, outsider: bool, wish: list[str]) -> None:
        for before in self.conversations():
            seeing = [agent for agent in AGENTS if self.sees(agent, before)]
            agent = one if outsider or not seeing else seeing[AGENTS.index(one) % len(seeing)]
            own, state = "\n".join(wish), self.state()
            try:
                act(self.store, self.context, before.reference, agent, parse(own), self.now)
            except Refused:
                assert self.state() == state
                continue
            assert self.sees(agent, before), "who may not see it acted on it"
            if f"@admettre {GUEST}" in wish:
                self.admitted.add(GUEST)
            history = self.history(before)[len(state["history"]) :]
            assert {row.by for row in history} <= {agent, "gateway"}
            assert all("no access" in row.what for row in history if row.by == "gateway")
            self.look(by=agent)

    def round(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.store.write_now(lambda tx: rounds.make(tx, self.context, self.now))

    def change(self, _: int) -> None:
        self.changes += 1

    # --- what is there ---------------------------------------------------------------------------------------

    def conversations(self) -> list[Conversation]:
        references = self.store.read_now(lambda c: list(c.scalars(select(conversations.c.reference))))
        return [self.store.read_now(lambda c, r=r: views.find(c, r)) for r in references]  # type: ignore[misc]

    def state(self) -> dict[str, list[Any]]:
        return self.store.read_now(lambda c: {t.name: list(c.execute(t.select())) for t in metadata.sorted_tables})

    def history(self, _: Conversation) -> list[Any]:
        return self.state()["history"]

    def sees(self, agent: str, what: Conversation) -> bool:
        """By the table; an assignee as long as the part lasts that her assignment rests on."""
        if self.world.sees(agent, replace(what, assignee=None)):
            return True
        part = what.outside or self.world.instructs_any(agent, what.inbox)
        return agent == what.assignee and part

    def names(self, what: Conversation, text: str) -> bool:
        """Does a text name its inbox?"""
        demarche = self.world.demarche(what.inbox)
        return demarche is not None and demarche.title in text

    def outbox(self) -> list[Outgoing]:
        return self.store.read_now(lambda c: sending.due(c, self.now + timedelta(days=9), 10_000))

    # --- what was planned ------------------------------------------------------------------------------------

    def look(self, by: str = "") -> None:
        """Every mail that is new: may its recipient have it?"""
        new = [mail for mail in self.outbox() if mail.id > self.seen]
        by_id = {conversation.id: conversation for conversation in self.conversations()}
        for mail in new:
            self.private(mail)
            if mail.conversation is None:
                self.digest(mail, by_id)
            elif mail.draft.role is Role.AGENT:
                where, notice = by_id[mail.conversation], mail.draft.purpose.value == "notice"
                asked = notice and mail.draft.to == by
                # Of a mail in her name she hears, but not where the conversation stands by now.
                spoken_for = notice and not by and not self.names(where, mail.draft.text)
                assert asked or spoken_for or self.sees(mail.draft.to, where), mail.draft
                assert mail.draft.to != by or asked, "nobody is told of their own act"
            else:
                self.outward(mail, by_id[mail.conversation])
        self.seen = max([self.seen, *(mail.id for mail in new)])

    def private(self, mail: Outgoing) -> None:
        """It is nobody's who was only named; it cites what its recipient has, and shows no token but a digest's."""
        draft = mail.draft
        assert draft.to not in NAMED
        assert {*mail.in_reply_to, *mail.references} <= self.known[draft.to]
        self.known[draft.to].add(mail.message_id)
        shown = f"{draft.from_name} {draft.subject} {draft.text if mail.conversation else ''}"
        assert not list(tokens.found(shown, KEYS)), shown

    def outward(self, mail: Outgoing, where: Conversation) -> None:
        draft, dossier = mail.draft, self.world.dossier(where.inbox)
        people = {where.usager, *where.guests, *((dossier.usager, *dossier.invites) if dossier else ())}
        assert set(where.guests) <= self.admitted
        if draft.to in ORGANISATIONS:
            assert where.status.value == "closed"  # it was handed over to whom isn't here
        else:
            assert draft.to in people
        assert SECRET not in draft.text
        assert not any(agent in draft.text + draft.from_name + draft.subject for agent in AGENTS)

    def digest(self, mail: Outgoing, by_id: dict[int, Conversation]) -> None:
        assert mail.draft.role is Role.AGENT
        named = [c for c in by_id.values() if c.reference in mail.draft.text]
        assert named
        for conversation in named:
            assert self.sees(mail.draft.to, conversation), mail.draft.text


@contextmanager
def empty(template: Path) -> Iterator[Store]:
    """A store with its schema, copied: making one each time would take most of the time."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "gateway.db"
        shutil.copy(template, database)
        store = Store(f"sqlite:///{database}", Path(folder) / "raw")
        try:
            yield store
        finally:
            store.close()


def _template() -> Path:
    folder = Path(tempfile.mkdtemp())
    store = Store(f"sqlite:///{folder / 'gateway.db'}", folder / "raw")
    schema.upgrade(store.engine)
    store.close()
    return folder / "gateway.db"


TEMPLATE = _template()


@given(worlds, worlds, mails, steps)
@profile(max_examples=70, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_mails_go_to_none_but_those_who_may_have_them(
    first: World, second: World, opening: tuple[Any, ...], then: list[tuple[Any, ...]]
) -> None:
    with empty(TEMPLATE) as store:
        play = Play(store, (first, second))
        for step in (opening, *then):
            play.step(*step)
