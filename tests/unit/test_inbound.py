"""The whole way in, on a real store: what becomes of mails, whatever the order in which they come."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, OperationalError

from gateway import explaining, inbound
from gateway.commands import conversations as commands
from gateway.context import Context
from gateway.decision import Decision
from gateway.errors import StoreError
from gateway.mail import tokens
from gateway.mail.mark import REPLY_MARKER
from gateway.mail.tokens import Token, TokenKind
from gateway.store import arrivals, sending, views
from gateway.store.database import Store
from tests.builders import (
    ALICE,
    DOMAIN,
    HOTLINE,
    INES,
    KEYS,
    MANON,
    NOW,
    ULYSSE,
    file_all,
    incoming,
    keep,
    listed,
    make_context,
    opened,
    raw_mail,
    shown,
    take,
)

BOUNCE = """This is the mail system.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; ulysse@usager.example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 no such user

--b--
"""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with opened(tmp_path) as store:
        yield store


def only(found: list[Decision | str]) -> Decision:
    (decision,) = found
    assert isinstance(decision, Decision), decision
    return decision


def deliveries(store: Store) -> list[Any]:
    return store.read_now(lambda c: sending.due(c, NOW + timedelta(days=1), 1000))


def one(store: Store) -> dict[str, Any]:
    (summary,) = listed(store)
    return shown(store, summary["reference"])


# --- what becomes of a mail --------------------------------------------------------------------------------


def test_an_usager_writes(store: Store, context: Context) -> None:
    take(store, context, raw_mail(to="dossier+123@support.example.org"), recipients=(f"dossier+123@{DOMAIN}",))
    assert one(store)["inbox"] == {"kind": "dossier", "number": 123}
    assert {(d.draft.to, d.draft.purpose.value) for d in deliveries(store)} == {
        (INES, "notification"),
        (ULYSSE, "acknowledgement"),
    }


def test_explain_writes_nothing(store: Store, context: Context) -> None:
    (identifier,) = keep(store, incoming(raw_mail()))
    work = store.write_now(lambda tx: arrivals.claim(tx, "test", NOW, 1))
    letter = inbound.read_arrival(store, work[0], context)
    assert not isinstance(letter, Exception)
    store.read_now(lambda c: explaining.explain(c, work[0], letter, context, NOW))
    assert (listed(store), work[0].id) == ([], identifier)


def test_the_same_mail_is_one_message(store: Store, context: Context) -> None:
    again = b"Received: from mx by mx2; Sat, 01 Mar 2025 10:00:00 +0100\r\n" + raw_mail()
    found = take(store, context, raw_mail(), raw_mail(), again)
    assert [d.filing is None for d in found if isinstance(d, Decision)] == [False, True, True]
    assert len(one(store)["messages"]) == 1
    assert len(deliveries(store)) == 2


def test_two_mails_with_one_message_id_are_two(store: Store, context: Context) -> None:
    take(store, context, raw_mail(text="un"), raw_mail(text="deux"))
    assert sum(c["messages"] for c in listed(store)) == 2


def test_imported_mail_is_answered_by_nobody(store: Store, context: Context) -> None:
    take(store, context, raw_mail(), source="import:old.mbox")
    assert (len(listed(store)), deliveries(store)) == (1, [])


def answer(store: Store, context: Context, text: str, agent: str = MANON, **fields: Any) -> Decision:
    note = next(d for d in deliveries(store) if d.draft.to == agent)
    raw = raw_mail(agent, note.reply_to, text=text, identifier=f"{hash(text)}@mairie", **fields)
    return only(take(store, context, raw, recipients=(note.reply_to,), envelope_sender=agent))


def answers(store: Store) -> list[Any]:
    return [d for d in deliveries(store) if d.draft.purpose.value == "answer"]


def test_an_agent_answers_and_the_usager_answers_back(store: Store, context: Context) -> None:
    take(store, context, raw_mail())
    answer(store, context, "@note entre nous\n\nVoici, dit manon.manager@support.example.org.")
    (sent,) = answers(store)
    assert sent.draft.to == ULYSSE
    assert MANON not in sent.draft.text + sent.reply_to + sent.draft.from_name
    assert "entre nous" not in sent.draft.text
    assert one(store)["status"] == "pending"
    for way in ({"to": sent.reply_to}, {"answers": sent.message_id}, {"references": (sent.message_id,)}):
        take(store, context, raw_mail(**way, text=f"Merci {way}", identifier=f"r{len(str(way))}@x"))
    assert (len(one(store)["messages"]), one(store)["status"]) == (6, "active")


def test_an_answer_below_our_marker_comes_back_to_the_agent(store: Store, context: Context) -> None:
    """A mail program's separator at the very top: what below it is hers can't be told, and nothing of it leaves."""
    take(store, context, raw_mail())
    answer(store, context, f"-----Message d’origine-----\n\n{REPLY_MARKER}\n\nUne question.\n\nVoici mon avis.")
    assert answers(store) == []
    assert "n’a pas pu être distinguée du message" in deliveries(store)[-1].draft.text


def test_an_agents_address_alone_does_nothing(store: Store, context: Context) -> None:
    """Another's mail with the agent's token: nothing leaves, and she alone is asked whether it is hers."""
    take(store, context, raw_mail())
    note = next(d for d in deliveries(store) if d.draft.to == MANON)
    take(store, context, raw_mail("evil@x.example", note.reply_to, text="@clore\nsecret", identifier="e@x"))
    assert answers(store) == []
    assert one(store)["status"] == "active"
    (question,) = (d for d in deliveries(store) if d.draft.purpose.value == "confirmation")
    assert question.draft.to == MANON
    assert "cette adresse n’est pas la vôtre" in question.draft.text


def test_a_revoked_token_leads_nowhere(store: Store, context: Context) -> None:
    take(store, context, raw_mail())
    (sent,) = (d for d in deliveries(store) if d.draft.to == ULYSSE)
    from sqlalchemy import update

    from gateway.store.tables import participations

    store.write_now(lambda tx: tx.connection.execute(update(participations).values(epoch=1)))
    found = only(take(store, context, raw_mail("other@x.example", sent.reply_to, identifier="o@x")))
    assert found.placement.participation is None
    assert len(listed(store)) == 2


def test_whoever_is_assigned_gets_the_words_of_that_conversation(store: Store, context: Context) -> None:
    """Two conversations' tokens in one mail: the agent's own decides, for the text that is passed on too."""
    take(store, context, raw_mail(text="PREMIER"))
    own = next(d for d in deliveries(store) if d.draft.to == MANON)
    take(store, context, raw_mail("other@x.example", text="SECOND", identifier="o@x"))
    foreign = next(d for d in deliveries(store) if d.draft.to == "other@x.example")
    raw = raw_mail(MANON, f"{foreign.reply_to}, {own.reply_to}", text=f"@affecter {INES}", identifier="a@mairie")
    take(store, context, raw, recipients=(foreign.reply_to, own.reply_to))
    (told,) = (d for d in deliveries(store) if d.draft.to == INES)
    assert "PREMIER" in told.draft.text
    assert "SECOND" not in told.draft.text


def test_a_stranger_learns_nothing_of_a_dossier(store: Store, context: Context) -> None:
    raw = raw_mail("stranger@x.example", "dossier+123@support.example.org")
    found = only(take(store, context, raw, recipients=(f"dossier+123@{DOMAIN}",)))
    assert one(store)["inbox"] == {"kind": "demarche", "number": 42}
    assert not found.acknowledge.due
    assert "stranger@x.example" not in {d.draft.to for d in deliveries(store)}


def test_a_bounce_marks_its_delivery_and_tells_the_agent(store: Store, context: Context) -> None:
    take(store, context, raw_mail())
    answer(store, context, "Voici.")
    (sent,) = answers(store)
    kind = 'multipart/report; report-type=delivery-status; boundary="b"'
    raw = raw_mail("MAILER-DAEMON@mx.example", text=BOUNCE, identifier="b@mx", Content_Type=kind)
    for copy in (raw, raw.replace(b"<b@mx>", b"<b2@mx>")):
        take(store, context, copy, recipients=(sent.envelope_sender,), envelope_sender="")
    states = {d["state"] for m in one(store)["messages"] for d in m["deliveries"] if d["to"] == ULYSSE}
    assert "refused" in states
    notices = [d for d in deliveries(store) if d.draft.purpose.value == "notice"]
    assert {d.draft.to for d in notices} == {MANON}
    assert "550 no such user" in notices[0].draft.text


@pytest.mark.parametrize(
    "fields",
    [
        {"Auto_Submitted": "auto-replied"},
        {"List_Id": "<l.x>"},
        {"Subject": "Absence du bureau : Re: x", "text": "Je suis absente jusqu’au 12 mars."},
    ],
)
def test_machines_are_recorded_and_told_nothing(store: Store, context: Context, fields: dict[str, str]) -> None:
    take(store, context, raw_mail(**fields))  # type: ignore[arg-type]
    assert (one(store)["status"], deliveries(store)) == ("closed", [])
    assert one(store)["messages"][0]["kind"] == "machine"


# --- trouble ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (StoreError("x"), True),
        (OperationalError("", {}, Exception("full")), True),
        (DatabaseError("", {}, Exception("malformed")), True),
        (IntegrityError("", {}, Exception("unique")), False),
        (DataError("", {}, Exception("too big")), False),
        (ValueError("x"), False),
    ],
)
def test_whose_fault_it_is(error: Exception, ours: bool) -> None:
    assert inbound.store_trouble(error) is ours


def test_an_id_that_hundreds_of_mails_bear_names_none_of_them(store: Store, context: Context) -> None:
    from gateway.store import recall

    keep(store, *(incoming(raw_mail(identifier="same@x", text=str(n))) for n in range(400)))
    file_all(store, context)
    found = only(take(store, context, raw_mail(identifier="new@x", answers="same@x")))
    links = store.read_now(lambda c: recall._cited(c, ("same@x",)))
    assert links == ()
    assert found.placement.conversation is None


def test_tokens_of_another_key_are_nothing(store: Store, context: Context) -> None:
    forged = tokens.sign(Token(TokenKind.REPLY, 1, 0), KEYS)[:-2] + "aa"
    take(store, context, raw_mail())
    found = only(take(store, context, raw_mail("x@y.example", f"reponse+{forged}@{DOMAIN}", identifier="f@x")))
    assert found.placement.conversation is None


# --- which dossier? --------------------------------------------------------------------------------------


def two_dossiers(folder: Path) -> Context:
    base = make_context(folder).settings
    first = asdict(base.dossiers[0])
    autre = {"number": 43, "title": "Autre titre", "organisation": "21310555400017", "administrateurs": [ALICE]}
    return make_context(
        folder,
        demarches=[asdict(base.demarches[0]), autre],
        dossiers=[first, {**first, "number": 456, "demarche": 43, "followers": []}],
        desk={"bundle": "0s"},
    )


def test_an_usager_with_two_dossiers_is_asked_and_her_answer_routes(store: Store, tmp_path: Path) -> None:
    context = two_dossiers(tmp_path)
    take(store, context, raw_mail())
    (acknowledgement,) = (d for d in deliveries(store) if d.draft.to == ULYSSE)
    assert "123" in acknowledgement.draft.text
    assert "456" in acknowledgement.draft.text
    assert "Autre titre" in acknowledgement.draft.text
    told = [d.draft.to for d in deliveries(store) if d.draft.to != ULYSSE]
    assert told == [MANON]
    to = acknowledgement.reply_to
    take(store, context, raw_mail(to=to, text="Le 456, merci.", identifier="r@x"), recipients=(to,))
    assert one(store)["inbox"] == {"kind": "dossier", "number": 456}
    assert [d.draft.to for d in deliveries(store)][-2:] == [ALICE, HOTLINE]
    assert sum(d.draft.purpose.value == "acknowledgement" for d in deliveries(store)) == 1
    take(store, context, raw_mail(to=to, text="Ou plutôt le 123.", identifier="r2@x"), recipients=(to,))
    assert one(store)["inbox"] == {"kind": "dossier", "number": 456}  # she was asked once; now an agent moves it


def test_an_usager_without_a_dossier_is_asked_for_its_number(store: Store, context: Context) -> None:
    take(store, context, raw_mail("penelope@x.example", f"contact@{DOMAIN}"))
    with_asked = store.read_now(lambda c: views.find(c, one(store)["reference"]))
    assert with_asked.asked == ()
    to = next(d.reply_to for d in deliveries(store) if d.draft.to == "penelope@x.example")
    found = only(
        take(store, context, raw_mail("penelope@x.example", to, text="123", identifier="r@x"), recipients=(to,))
    )
    assert found.route.inbox.kind.value != "dossier"  # it's Ulysse's


def test_nobody_is_asked_where_the_question_is_answered(store: Store, tmp_path: Path) -> None:
    context = two_dossiers(tmp_path)
    take(store, context, raw_mail(to=f"dossier+123@{DOMAIN}"), recipients=(f"dossier+123@{DOMAIN}",))
    assert store.read_now(lambda c: views.find(c, one(store)["reference"])).asked is None
    assert "456" not in "".join(d.draft.text for d in deliveries(store) if d.draft.to == ULYSSE)


# --- the same conversation goes on -----------------------------------------------------------------------


@pytest.mark.parametrize("own", ["@clore", "@attente", "@attente 20/03/2025", "Voilà."])
def test_her_new_mail_makes_it_work_again_and_a_machines_does_not(store: Store, context: Context, own: str) -> None:
    take(store, context, raw_mail())
    answer(store, context, own)
    status = one(store)["status"]
    assert status != "active"
    take(store, context, raw_mail(answers="m1@usager.example.net", identifier="a@x", Auto_Submitted="auto-replied"))
    assert (len(one(store)["messages"]), one(store)["status"]) == (3, status)
    take(store, context, raw_mail(answers="m1@usager.example.net", identifier="b@x", text="Encore une question."))
    whole = one(store)
    assert (whole["status"], whole["snoozed_until"]) == ("active", None)
    assert whole["waiting_since"] == NOW
    assert whole["history"][-1]["what"] == f"active again: {ULYSSE} wrote"


def test_spam_stays_spam_and_nobody_is_told_of_it(store: Store, context: Context) -> None:
    take(store, context, raw_mail())
    answer(store, context, "@spam")
    before = len(deliveries(store))
    take(store, context, raw_mail(answers="m1@usager.example.net", identifier="b@x", text="Encore."))
    assert (one(store)["status"], len(deliveries(store))) == ("spam", before)


# --- delegation ------------------------------------------------------------------------------------------


def without_support(folder: Path, **tables: Any) -> Context:
    return make_context(folder, support_groups=[], desk={"bundle": "0s"}, **tables)


def told_of(store: Store, context: Context, text: str) -> set[str]:
    before = {d.id for d in deliveries(store)}
    to = f"demarche+42@{DOMAIN}"
    take(store, context, raw_mail(to=to, text=text, identifier=f"{text}@x", references=("d@x",)), recipients=(to,))
    return {d.draft.to for d in deliveries(store) if d.id not in before and d.draft.purpose.value == "notification"}


def test_a_contract_ends_and_open_conversations_change_hands_at_once(store: Store, tmp_path: Path) -> None:
    with_support = make_context(tmp_path, desk={"bundle": "0s"})
    to = f"demarche+42@{DOMAIN}"
    take(store, with_support, raw_mail(to=to, identifier="d@x"), recipients=(to,))
    token = next(d.reply_to for d in deliveries(store) if d.draft.to == HOTLINE)
    assert told_of(store, with_support, "un") == {ALICE, HOTLINE}
    ended = without_support(tmp_path, agents=[{"email": HOTLINE}])  # she is still an agent of somebody
    assert told_of(store, ended, "deux") == {ALICE}
    mine = raw_mail(HOTLINE, token, text="Voici la réponse.", identifier="h@x")
    take(store, ended, mine, recipients=(token,), envelope_sender=HOTLINE)
    assert answers(store) == []
    assert told_of(store, with_support, "trois") == {ALICE, HOTLINE}  # and begins again


def test_what_was_assigned_to_a_support_group_is_nobodys_when_its_contract_ends(store: Store, tmp_path: Path) -> None:
    with_support = make_context(tmp_path, desk={"bundle": "0s"})
    to = f"demarche+42@{DOMAIN}"
    take(store, with_support, raw_mail(to=to, identifier="d@x"), recipients=(to,))
    answer(store, with_support, "@affecter moi", HOTLINE)
    assert told_of(store, with_support, "un") == {HOTLINE}
    ended = without_support(tmp_path, agents=[{"email": HOTLINE}])
    assert told_of(store, ended, "deux") == {ALICE}
    assert [c["reference"] for c in seen(store, ended, HOTLINE)] == []
    assert len(seen(store, with_support, HOTLINE)) == 1


def test_whom_a_manager_chose_keeps_what_was_assigned_to_her(store: Store, tmp_path: Path) -> None:
    """Chosen freely, not for a place that she has there: no contract ends it."""
    context = make_context(tmp_path, desk={"bundle": "0s"})
    take(store, context, raw_mail())
    answer(store, context, f"@affecter {HOTLINE}")
    ended = without_support(tmp_path, agents=[{"email": MANON, "capacities": ["manager"]}, {"email": HOTLINE}])
    assert len(seen(store, ended, HOTLINE)) == 1
    gone = without_support(tmp_path)
    assert seen(store, gone, HOTLINE) == []  # she is no agent any more


def seen(store: Store, context: Context, agent: str) -> list[dict[str, Any]]:
    found = commands.listed(store, context, inbox=None, status=None, assignee=None, agent=agent)
    return list(found.document)


def test_an_organisation_with_no_agent_left_is_read_in_the_global_inbox_marked(store: Store, tmp_path: Path) -> None:
    base = asdict(make_context(tmp_path).settings.demarches[0])
    nobody = {**base, "administrateurs": [], "instructeurs": []}
    to = f"demarche+42@{DOMAIN}"
    left = make_context(tmp_path, demarches=[nobody])  # its support group
    take(store, left, raw_mail(to=to), recipients=(to,))
    assert {d.draft.to for d in deliveries(store)} == {HOTLINE, ULYSSE}
    alone = without_support(tmp_path, demarches=[nobody])
    take(store, alone, raw_mail(to=to, identifier="n@x", text="Autre"), recipients=(to,))
    (whole,) = [c for c in listed(store) if c["inbox"]["kind"] == "global"]
    assert whole["organisation"] == "21310555400017"
    assert any("nobody is left to read demarche:42" in reason for reason in whole["because"])
    told = [d for d in deliveries(store) if d.draft.to == MANON]
    assert len(told) == 1
    usagers = [d.draft for d in deliveries(store) if d.draft.to == ULYSSE]
    assert "Mairie d'Exemple" in usagers[-1].text.replace("’", "'")  # it is still responsible


def test_of_a_demarche_with_instructeurs_alone_the_managers_are_told(store: Store, tmp_path: Path) -> None:
    """They see its dossiers, not what was written to the démarche: it stands there, before those behind them."""
    base = asdict(make_context(tmp_path).settings.demarches[0])
    context = make_context(
        tmp_path,
        demarches=[{**base, "administrateurs": []}],
        support_groups=[],
    )
    to = f"demarche+42@{DOMAIN}"
    take(store, context, raw_mail(to=to), recipients=(to,))
    assert {d.draft.to for d in deliveries(store)} == {MANON, ULYSSE}
    assert one(store)["inbox"]["kind"] == "demarche"
