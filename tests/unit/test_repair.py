"""What was threaded wrongly is mended: messages that go elsewhere, conversations that become one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.commands.acts import act
from gateway.commands.repair import merge, split
from gateway.context import Context
from gateway.desk.commands import parse
from gateway.errors import NotFound, Refused
from gateway.model import Outgoing
from gateway.store import repair, sending
from gateway.store.database import Store
from gateway.store.tables import conversations
from gateway.store.views import find as view
from tests.builders import (
    ALICE,
    DOMAIN,
    HOTLINE,
    INES,
    MANON,
    NOW,
    ULYSSE,
    listed,
    make_context,
    opened,
    raw_mail,
    settings,
    shown,
    take,
)

GUEST, STRANGER = "gaston@guest.example", "simon@stranger.example"
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    base = settings(tmp_path)
    other = {"number": 124, "demarche": 42, "usager": "penelope@x.example"}
    return make_context(
        tmp_path,
        desk={"bundle": "0s"},
        dossiers=[{**asdict(base.dossiers[0]), "invites": [GUEST]}, other],
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def bring(
    store: Store, context: Context, text: str, to: str = f"dossier+123@{DOMAIN}", sender: str = ULYSSE, **fields: Any
) -> str:
    """A mail comes in; the reference of its conversation."""
    raw = raw_mail(sender, to, text=text, **{"identifier": named(text)} | fields)
    take(store, context, raw, recipients=(to,), envelope_sender=sender)
    return where(store, named(text))


def named(text: str) -> str:
    """The Message-ID of the mail with this text."""
    return f"{text.encode().hex()}@x" if not text.isalnum() or not text.isascii() else f"{text}@x"


def where(store: Store, message_id: str) -> str:
    """In which conversation a message is."""
    return next(str(c["reference"]) for c in listed(store) if message_id in ids(store, c["reference"]).values())


def ids(store: Store, reference: str) -> dict[int, str]:
    return {message["id"]: message["message_id"] for message in shown(store, reference)["messages"]}


def number(store: Store, message_id: str) -> int:
    return next(n for n, i in ids(store, where(store, message_id)).items() if i == message_id)


def mails(store: Store, to: str, purpose: str = "") -> list[Outgoing]:
    found = store.read_now(lambda c: sending.due(c, NOW + timedelta(days=9), 1000))
    return [mail for mail in found if mail.draft.to == to and mail.draft.purpose.value.startswith(purpose)]


def everything(store: Store) -> list[Any]:
    from gateway.store.tables import metadata

    return store.read_now(lambda c: [c.execute(table.select()).all() for table in metadata.sorted_tables])


# --- split -----------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(store: Store, context: Context) -> str:
    """One conversation with two matters: the second is a mail of the usager's and the notification of it."""
    reference = bring(store, context, "premier")
    assert bring(store, context, "second", answers="premier@x") == reference
    return reference


def test_a_message_that_is_split_off_opens_a_conversation_of_its_own(
    store: Store, context: Context, mixed: str
) -> None:
    done = split(store, context, mixed, number(store, "second@x"), None, ALICE, LATER)
    own = done.document["reference"]
    assert own != mixed
    assert list(ids(store, mixed).values()) == ["premier@x"]
    new = shown(store, own)
    assert [m["message_id"] for m in new["messages"]] == ["second@x"]
    assert (new["inbox"], new["usager"], new["status"]) == ({"kind": "dossier", "number": 123}, ULYSSE, "active")
    assert new["waiting_since"] == LATER
    assert f"{ALICE} split a message off {mixed}" in new["because"]
    assert f"took message 2 out of {mixed}" in [e["what"] for e in new["history"]]
    assert f"moved message 2 to {own}" in [e["what"] for e in shown(store, mixed)["history"]]


def test_later_answers_follow_what_was_split_off_by_message_id(store: Store, context: Context, mixed: str) -> None:
    """The usager answers her own mail, or ours about it; the agent answers its notification."""
    own = split(store, context, mixed, number(store, "second@x"), None, ALICE, LATER).document["reference"]
    assert bring(store, context, "encore", answers="second@x") == own
    assert bring(store, context, "toujours", references=("premier@x", "second@x")) == own
    assert bring(store, context, "autre", answers="premier@x") == mixed


def test_later_answers_follow_what_was_split_off_by_token(store: Store, context: Context, mixed: str) -> None:
    """An agent's answer to the notification of the second goes to the second, though it bears the first's address."""
    of_first, of_second = mails(store, INES, "notification")
    own = split(store, context, mixed, number(store, "second@x"), None, ALICE, LATER).document["reference"]
    assert of_first.reply_to == of_second.reply_to  # one token for a person in a conversation
    bring(store, context, "Voici pour le second", of_second.reply_to, INES, answers=of_second.message_id)
    assert where(store, named("Voici pour le second")) == own
    assert shown(store, own)["status"] == "pending"
    assert shown(store, mixed)["status"] == "active"
    bring(store, context, "Voici pour le premier", of_first.reply_to, INES, answers=of_first.message_id)
    assert where(store, named("Voici pour le premier")) == mixed
    for text, reference in (("second", own), ("premier", mixed)):
        (sent,) = [m for m in mails(store, ULYSSE, "answer") if f"le {text}" in m.draft.text]
        assert f"{text}@x" in (*sent.in_reply_to, *sent.references)
        assert bring(store, context, f"merci pour le {text}", sent.reply_to, answers=sent.message_id) == reference
        assert bring(store, context, f"merci encore pour le {text}", sent.reply_to) == reference


def test_the_address_alone_leads_where_the_conversation_was(store: Store, context: Context, mixed: str) -> None:
    (told, _) = mails(store, INES, "notification")
    split(store, context, mixed, number(store, "second@x"), None, ALICE, LATER)
    bring(store, context, "Sans références", told.reply_to, INES)
    assert where(store, named("Sans références")) == mixed


def test_a_bounce_of_what_was_split_off_is_recorded_there(store: Store, context: Context, mixed: str) -> None:
    (_, of_second) = mails(store, INES, "notification")
    own = split(store, context, mixed, number(store, "second@x"), None, ALICE, LATER).document["reference"]
    bounce = raw_mail(
        "MAILER-DAEMON@mx.example", of_second.envelope_sender, identifier="b@mx", Auto_Submitted="auto-replied"
    )
    take(store, context, bounce, recipients=(of_second.envelope_sender,), envelope_sender="")
    assert where(store, "b@mx") == own


def test_a_message_moves_into_another_conversation(store: Store, context: Context, mixed: str) -> None:
    other = bring(store, context, "ailleurs")
    assert other != mixed
    done = split(store, context, mixed, number(store, "second@x"), other, MANON, LATER)
    assert done.document["reference"] == other
    assert sorted(ids(store, other).values()) == ["ailleurs@x", "second@x"]
    assert bring(store, context, "encore", answers="second@x") == other
    assert bring(store, context, "toujours", references=("premier@x", "second@x")) == other
    assert where(store, "premier@x") == mixed
    assert listed(store)[0]["usager"] == ULYSSE


def test_a_guests_message_has_the_guest_for_its_usager(store: Store, context: Context, mixed: str) -> None:
    token = mails(store, ULYSSE, "acknowledgement")[0].reply_to
    assert bring(store, context, "invité", token, GUEST) == mixed
    own = split(store, context, mixed, number(store, named("invité")), None, ALICE, LATER).document["reference"]
    assert shown(store, own)["usager"] == GUEST
    act(store, context, own, ALICE, parse("Bonjour Gaston"), LATER)
    assert [m.draft.to for m in mails(store, GUEST, "answer")] == [GUEST]
    assert mails(store, ULYSSE, "answer") == []


def test_what_a_stranger_slipped_in_leaves_the_dossier_when_it_is_split_off(
    store: Store, context: Context, mixed: str
) -> None:
    token = mails(store, ULYSSE, "acknowledgement")[0].reply_to
    assert bring(store, context, "intruse", token, STRANGER) == mixed
    own = shown(
        store, split(store, context, mixed, number(store, "intruse@x"), None, ALICE, LATER).document["reference"]
    )
    assert (own["usager"], own["inbox"]) == (STRANGER, {"kind": "demarche", "number": 42})


def test_an_agents_own_message_waits_for_nobody_when_it_is_split_off(
    store: Store, context: Context, mixed: str
) -> None:
    act(store, context, mixed, INES, parse("@note pour l’autre dossier"), LATER)
    note = max(ids(store, mixed))
    own = shown(store, split(store, context, mixed, note, None, ALICE, LATER).document["reference"])
    assert (own["status"], own["usager"], own["waiting_since"]) == ("closed", ULYSSE, None)


def test_the_trace_of_a_command_is_no_message(store: Store, context: Context, mixed: str) -> None:
    act(store, context, mixed, INES, parse("@tag urgent"), LATER)
    before = everything(store)
    with pytest.raises(Refused, match="trace of a command"):
        split(store, context, mixed, max(ids(store, mixed)), None, ALICE, LATER)
    assert everything(store) == before


@pytest.mark.parametrize("forged", [f"{ULYSSE}, {STRANGER}", f"{ULYSSE}\r\nFrom: {STRANGER}"])
def test_whose_author_is_uncertain_is_nobodys_when_it_is_split_off(
    store: Store, context: Context, mixed: str, forged: str
) -> None:
    token = mails(store, ULYSSE, "acknowledgement")[0].reply_to
    raw = raw_mail(forged, token, text="Donnez-moi tout", identifier="forged@x")
    take(store, context, raw, recipients=(token,), envelope_sender=STRANGER)
    assert where(store, "forged@x") == mixed
    own = split(store, context, mixed, number(store, "forged@x"), None, ALICE, LATER).document["reference"]
    assert (shown(store, own)["usager"], shown(store, own)["inbox"]) == ("", {"kind": "demarche", "number": 42})


@pytest.mark.parametrize("own", ["@clore", "@attente", "Voilà"])
def test_an_unanswered_mail_is_work_where_it_comes_to(store: Store, context: Context, mixed: str, own: str) -> None:
    other = bring(store, context, "ailleurs")
    act(store, context, other, INES, parse(own), LATER)
    before = {agent: len(mails(store, agent, "notification")) for agent in (INES, ALICE)}
    split(store, context, mixed, number(store, "second@x"), other, ALICE, LATER)
    whole = shown(store, other)
    assert (whole["status"], whole["waiting_since"]) == ("active", LATER)
    told = mails(store, INES, "notification")[before[INES] :]
    assert [("second" in m.draft.text, f"[{other}]" in m.draft.subject) for m in told] == [(True, True)]
    assert len(mails(store, ALICE, "notification")) == before[ALICE]  # it is her own act
    assert shown(store, mixed)["status"] == "active"  # the first one waits there


def test_who_was_told_of_it_is_not_told_again_while_it_is_work(store: Store, context: Context, mixed: str) -> None:
    other = bring(store, context, "ailleurs")
    act(store, context, other, ALICE, parse("@affecter moi"), LATER)
    before = {agent: len(mails(store, agent)) for agent in (INES, ALICE)}
    split(store, context, mixed, number(store, "second@x"), other, MANON, LATER)
    assert len(mails(store, INES)) == before[INES]
    assert len(mails(store, ALICE)) == before[ALICE] + 1  # who has it now


def test_who_has_what_left_a_dossier_is_told_of_it(store: Store, context: Context, mixed: str) -> None:
    token = mails(store, ULYSSE, "acknowledgement")[0].reply_to
    bring(store, context, "intruse", token, STRANGER)
    split(store, context, mixed, number(store, "intruse@x"), None, ALICE, LATER)
    assert ["intruse" in m.draft.text for m in mails(store, HOTLINE, "notification")] == [True]
    assert len(mails(store, INES, "notification")) == 3


@pytest.mark.parametrize(("own", "status"), [("", "closed"), ("Voilà", "pending")])
def test_what_has_nothing_left_to_answer_is_no_work(store: Store, context: Context, own: str, status: str) -> None:
    here, other = bring(store, context, "un"), bring(store, context, "deux")
    act(store, context, here, INES, parse(own or "@note rien"), LATER)
    bring(store, context, "trois", answers="un@x")
    assert shown(store, here)["status"] == "active"
    if not own:
        split(store, context, here, number(store, "un@x"), other, ALICE, LATER)
        assert shown(store, here)["status"] == "active"
    split(store, context, here, number(store, "trois@x"), other, ALICE, LATER)
    assert (shown(store, here)["status"], shown(store, here)["waiting_since"] is None) == (status, status == "closed")
    assert shown(store, other)["status"] == "active"


def test_spam_stays_spam(store: Store, context: Context, mixed: str) -> None:
    other = bring(store, context, "ailleurs")
    act(store, context, other, ALICE, parse("@spam"), LATER)
    before = len(mails(store, INES))
    split(store, context, mixed, number(store, "second@x"), other, ALICE, LATER)
    assert (shown(store, other)["status"], len(mails(store, INES))) == ("spam", before)


def test_an_answered_mail_is_no_work_where_it_comes_to(store: Store, context: Context, mixed: str) -> None:
    other = bring(store, context, "ailleurs")
    for reference in (mixed, other):
        act(store, context, reference, INES, parse("Voilà"), LATER)
    before = len(mails(store, INES))
    split(store, context, mixed, number(store, "second@x"), other, ALICE, LATER)
    assert {shown(store, reference)["status"] for reference in (mixed, other)} == {"pending"}
    assert len(mails(store, INES)) == before


def test_a_conversation_that_takes_a_message_goes_on_to_move_as_its_usager_says(
    store: Store, context: Context
) -> None:
    """She names her dossier where she is asked: that an agent added a message forbids nothing."""
    here, there = (bring(store, context, text, f"contact@{DOMAIN}") for text in ("un", "deux"))
    moved = number(store, "un@x")
    split(store, context, here, moved, there, MANON, LATER)
    after = store.read_now(lambda c: view(c, there))
    assert not after.pinned
    assert store.read_now(lambda c: repair.message(c, after.id, moved)).traits.anchored
    token = mails(store, ULYSSE, "acknowledgement")[1].reply_to
    assert bring(store, context, "C’est le dossier 123", token) == there
    assert shown(store, there)["inbox"] == {"kind": "dossier", "number": 123}


@pytest.mark.parametrize("agent", [INES, "nobody@x.example", ULYSSE])
def test_who_may_not_mend_changes_nothing(store: Store, context: Context, mixed: str, agent: str) -> None:
    other = bring(store, context, "ailleurs")
    before = everything(store)
    with pytest.raises(Refused):
        split(store, context, mixed, number(store, "second@x"), None, agent, LATER)
    with pytest.raises(Refused):
        split(store, context, mixed, number(store, "second@x"), other, agent, LATER)
    with pytest.raises(Refused):
        merge(store, context, mixed, other, agent, LATER)
    assert everything(store) == before


def test_what_cannot_be_split(store: Store, context: Context, mixed: str) -> None:
    alone = bring(store, context, "ailleurs")
    elsewhere = bring(store, context, "penelope", f"dossier+124@{DOMAIN}", "penelope@x.example")
    second = number(store, "second@x")
    before = everything(store)
    with pytest.raises(Refused, match="only message"):
        split(store, context, alone, number(store, "ailleurs@x"), None, ALICE, LATER)
    with pytest.raises(Refused, match="never merged"):
        split(store, context, mixed, second, elsewhere, MANON, LATER)
    with pytest.raises(NotFound):
        split(store, context, alone, second, None, ALICE, LATER)
    with pytest.raises(NotFound):
        split(store, context, "ZZZZ-ZZZZ", second, None, ALICE, LATER)
    with pytest.raises(NotFound):
        split(store, context, mixed, second, "ZZZZ-ZZZZ", ALICE, LATER)
    with pytest.raises(Refused):
        split(store, context, mixed, second, mixed, ALICE, LATER)
    assert everything(store) == before


# --- merge -----------------------------------------------------------------------------------------------


@pytest.fixture
def two(store: Store, context: Context) -> tuple[str, str]:
    return bring(store, context, "un"), bring(store, context, "deux", f"demarche+42@{DOMAIN}")


def test_two_conversations_become_the_older(store: Store, context: Context, two: tuple[str, str]) -> None:
    older, newer = two
    act(store, context, newer, ALICE, parse("@tag urgent\n@affecter moi\n@suivre"), LATER)
    assert merge(store, context, newer, older, ALICE, LATER).document["reference"] == older
    (whole,) = listed(store)
    assert (whole["reference"], whole["tags"], whole["assignee"]) == (older, ["urgent"], ALICE)
    assert whole["inbox"] == {"kind": "dossier", "number": 123}
    assert whole["followers"] == [ALICE]
    for reference in two:
        assert {"un@x", "deux@x"} <= set(ids(store, reference).values())
    assert f"merged {newer} into {older}" in [e["what"] for e in shown(store, older)["history"]]


def test_every_address_and_id_of_either_leads_to_the_whole(
    store: Store, context: Context, two: tuple[str, str]
) -> None:
    older, newer = two
    tokens = [m.reply_to for m in mails(store, ULYSSE)]
    told = [*mails(store, INES), *mails(store, ALICE), *mails(store, HOTLINE)]
    assert len(set(tokens)) == 2
    merge(store, context, older, newer, MANON, LATER)
    for nth, token in enumerate(tokens):
        assert bring(store, context, f"jeton{nth}", token) == older
    for cited in ("un@x", "deux@x", *(m.message_id for m in mails(store, ULYSSE))):
        assert bring(store, context, f"à {cited.partition('@')[0]}", answers=cited) == older
    for nth, mail in enumerate(told):
        bring(store, context, f"Réponse {nth}", mail.reply_to, mail.draft.to, answers=mail.message_id)
        assert where(store, named(f"Réponse {nth}")) == older
    assert {m.draft.to for m in mails(store, ULYSSE, "answer")} == {ULYSSE}
    assert len(mails(store, ULYSSE, "answer")) == len(told)


def test_of_two_people_only_conversations_that_admit_the_other_become_one(store: Store, context: Context) -> None:
    older = bring(store, context, "un", f"contact@{DOMAIN}")
    newer = bring(store, context, "autre", f"contact@{DOMAIN}", STRANGER)
    with pytest.raises(Refused, match="different usagers"):
        merge(store, context, older, newer, MANON, LATER)
    act(store, context, newer, MANON, parse(f"@admettre {ULYSSE}"), LATER)
    merge(store, context, older, newer, MANON, LATER)
    act(store, context, older, MANON, parse("Bonjour"), LATER)
    told = [m.draft.to for m in (*mails(store, STRANGER, "answer"), *mails(store, ULYSSE, "answer"))]
    assert told == [STRANGER, ULYSSE]


def test_a_message_is_not_put_before_another_usager(store: Store, context: Context) -> None:
    here = bring(store, context, "un", f"contact@{DOMAIN}")
    there = bring(store, context, "autre", f"contact@{DOMAIN}", STRANGER)
    before = everything(store)
    with pytest.raises(Refused, match="different usagers"):
        split(store, context, here, 1, there, MANON, LATER)
    assert everything(store) == before


def test_a_stranger_does_not_come_into_a_dossier_by_a_merge(store: Store, context: Context) -> None:
    """Whom an agent admitted to a conversation of the démarche isn't admitted to the dossier."""
    strange = bring(store, context, "étrange", f"demarche+42@{DOMAIN}", STRANGER)
    act(store, context, strange, ALICE, parse(f"@admettre {ULYSSE}"), LATER)
    of_dossier = bring(store, context, "un")
    before = everything(store)
    for pair in ((strange, of_dossier), (of_dossier, strange)):
        with pytest.raises(Refused, match="Admit that person"):
            merge(store, context, *pair, ALICE, LATER)
    assert everything(store) == before
    act(store, context, of_dossier, ALICE, parse(f"@admettre {STRANGER}"), LATER)  # the agents let her in themselves
    merge(store, context, strange, of_dossier, ALICE, LATER)


def test_nor_does_who_takes_part_in_the_other_one(store: Store, context: Context) -> None:
    of_demarche = bring(store, context, "un", f"demarche+42@{DOMAIN}")
    act(store, context, of_demarche, ALICE, parse(f"@admettre {STRANGER}"), LATER)
    of_dossier = bring(store, context, "deux")
    with pytest.raises(Refused, match="Admit that person"):
        merge(store, context, of_demarche, of_dossier, ALICE, LATER)
    act(store, context, of_demarche, ALICE, parse(f"@retirer {STRANGER}\n@admettre {GUEST}"), LATER)
    merge(store, context, of_demarche, of_dossier, ALICE, LATER)  # the dossier's own guest


def test_nobody_who_takes_part_is_left_out_by_a_merge(store: Store, context: Context) -> None:
    older, newer = (bring(store, context, text, f"demarche+42@{DOMAIN}") for text in ("un", "deux"))
    act(store, context, newer, ALICE, parse(f"@admettre {STRANGER}"), LATER)
    before = everything(store)
    with pytest.raises(Refused, match=rf"{STRANGER} takes part in {newer} .* admit .* to {older}, or remove"):
        merge(store, context, older, newer, ALICE, LATER)
    assert everything(store) == before
    act(store, context, older, ALICE, parse(f"@admettre {STRANGER}"), LATER)
    merge(store, context, older, newer, ALICE, LATER)
    assert shown(store, older)["guests"] == [STRANGER]


def test_those_whose_usager_is_unknown_are_not_the_same_persons(store: Store, context: Context) -> None:
    def forged(name: str) -> str:
        raw = raw_mail(f"{ULYSSE}, {STRANGER}", f"contact@{DOMAIN}", identifier=f"{name}@x")
        take(store, context, raw)
        return where(store, f"{name}@x")

    one, other = forged("un"), forged("deux")
    assert shown(store, one)["usager"] == shown(store, other)["usager"] == ""
    before = everything(store)
    with pytest.raises(Refused, match="different usagers"):
        merge(store, context, one, other, MANON, LATER)
    with pytest.raises(Refused, match="different usagers"):
        split(store, context, one, number(store, "un@x"), other, MANON, LATER)
    assert everything(store) == before


def test_conversations_of_different_dossiers_are_never_merged(store: Store, context: Context) -> None:
    one = bring(store, context, "un")
    other = bring(store, context, "deux", f"dossier+124@{DOMAIN}", "penelope@x.example")
    before = everything(store)
    with pytest.raises(Refused, match="never merged"):
        merge(store, context, one, other, MANON, LATER)
    with pytest.raises(Refused):
        merge(store, context, one, one, MANON, LATER)
    assert everything(store) == before


def test_whoever_is_responsible_for_one_alone_merges_nothing(store: Store, context: Context) -> None:
    own = bring(store, context, "un")
    of_the_platform = bring(store, context, "deux", f"contact@{DOMAIN}", STRANGER)
    before = everything(store)
    for pair in ((own, of_the_platform), (of_the_platform, own)):
        with pytest.raises(Refused):
            merge(store, context, *pair, ALICE, LATER)
    assert everything(store) == before


def test_a_chain_of_merges_leads_on(store: Store, context: Context) -> None:
    one, two, three = (bring(store, context, text) for text in ("un", "deux", "trois"))
    merge(store, context, two, three, ALICE, LATER)
    merge(store, context, one, three, ALICE, LATER)
    assert bring(store, context, "quatre", answers="trois@x") == one
    rows = store.read_now(lambda c: c.execute(select(conversations.c.merged_into)).all())
    assert sum(row.merged_into is None for row in rows) == 1


def test_split_again_after_a_merge(store: Store, context: Context, two: tuple[str, str]) -> None:
    older, newer = two
    merge(store, context, older, newer, ALICE, LATER)
    own = split(store, context, older, number(store, "deux@x"), None, ALICE, LATER).document["reference"]
    assert own not in two
    assert bring(store, context, "trois", answers="deux@x") == own
    assert bring(store, context, "quatre", answers="un@x") == older
