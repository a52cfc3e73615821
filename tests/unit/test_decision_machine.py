"""What becomes of a machine's mail, nature by nature: who is told, and whether the conversation changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway.commands import conversations
from gateway.context import Context
from gateway.decision import Decision
from gateway.model import Nature, Outgoing
from gateway.store import evidence, outbox, sending, tables
from gateway.store.database import Store
from tests.builders import DOMAIN, MANON, NOW, ULYSSE, listed, make_context, opened, raw_mail, shown, take

TEXTS = {
    Nature.AUTO_REPLY: ("Réponse automatique : votre réponse", "Je suis absent."),
    Nature.ACKNOWLEDGEMENT: ("[GLPI #0012] Nouveau ticket x", "Votre demande a été enregistrée."),
    Nature.REPORT: ("Report Domain: example.org Submitter: x.example Report-ID: 1", "Voir la pièce."),
    Nature.CHALLENGE: (
        "Re: Votre message est en attente",
        "Votre message est en attente. Veuillez confirmer que vous êtes un humain : https://filtre.example.net/1",
    ),
}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def deliveries(store: Store) -> list[Outgoing]:
    return store.read_now(lambda connection: sending.due(connection, NOW + timedelta(days=1), 1000))


def one(store: Store) -> dict[str, Any]:
    (summary,) = listed(store)
    return shown(store, summary["reference"])


def only(found: list[Decision | str]) -> Decision:
    (decision,) = found
    assert isinstance(decision, Decision), decision
    return decision


def answered(store: Store, context: Context) -> Outgoing:
    """Ulysse asks, Manon answers: what he gets. The conversation waits for him."""
    take(store, context, raw_mail())
    note = next(d for d in deliveries(store) if d.draft.to == MANON)
    answer = raw_mail(MANON, note.reply_to, text="Voici.", identifier="a1@mairie")
    take(store, context, answer, recipients=(note.reply_to,), envelope_sender=MANON)
    return next(d for d in deliveries(store) if d.draft.purpose.value == "answer")


def robot(store: Store, context: Context, to: str, subject: str, text: str, **fields: Any) -> Decision:
    raw = raw_mail(to=to, subject=subject, text=text, identifier="robot@usager.example.net", **fields)
    return only(take(store, context, raw, recipients=(to,)))


def notified(store: Store, before: int) -> list[Outgoing]:
    return deliveries(store)[before:]


@pytest.mark.parametrize("nature", [Nature.AUTO_REPLY, Nature.ACKNOWLEDGEMENT, Nature.REPORT])
def test_most_machines_are_recorded_alone(store: Store, context: Context, nature: Nature) -> None:
    answer = answered(store, context)
    before = len(deliveries(store))
    decision = robot(store, context, answer.reply_to, *TEXTS[nature])
    assert (one(store)["messages"][-1]["nature"], one(store)["status"]) == (nature.value, "pending")
    assert (decision.told, notified(store, before)) == ((), [])


def test_a_challenge_is_put_before_the_agents_and_never_answered(store: Store, context: Context) -> None:
    answer = answered(store, context)
    before = len(deliveries(store))
    decision = robot(store, context, answer.reply_to, *TEXTS[Nature.CHALLENGE])
    conversation = one(store)
    last = conversation["messages"][-1]
    assert (last["kind"], last["nature"], conversation["status"]) == ("machine", "challenge", "active")
    assert "a filter asks for a person" in conversation["history"][-1]["what"]
    sent = notified(store, before)
    assert MANON in decision.told
    assert {d.draft.to for d in sent} == set(decision.told)
    for delivery in sent:
        assert "https://filtre.example.net/1" in delivery.draft.text
        assert "Seul un humain" in delivery.draft.text


def test_a_challenge_that_answers_nothing_of_ours_is_bait(store: Store, context: Context) -> None:
    decision = robot(store, context, f"contact@{DOMAIN}", *TEXTS[Nature.CHALLENGE])
    assert (decision.told, deliveries(store)) == ((), [])
    assert (one(store)["status"], one(store)["messages"][0]["nature"]) == ("closed", "challenge")


def test_an_imported_challenge_is_put_before_nobody(store: Store, context: Context) -> None:
    answer = answered(store, context)
    before = len(deliveries(store))
    subject, text = TEXTS[Nature.CHALLENGE]
    raw = raw_mail(to=answer.reply_to, subject=subject, text=text, identifier="robot@usager.example.net")
    decision = only(take(store, context, raw, recipients=(answer.reply_to,), source="import:old.mbox"))
    assert (decision.told, notified(store, before), one(store)["status"]) == ((), [], "pending")


def test_a_challenge_is_bundled_with_a_burst(store: Store, context: Context) -> None:
    """As a person's mail is: what came a moment after another notification waits for the end of the burst."""
    take(store, context, raw_mail())
    before = len(deliveries(store))
    acknowledgement = next(d for d in deliveries(store) if d.draft.to == ULYSSE)
    decision = robot(store, context, acknowledgement.reply_to, *TEXTS[Nature.CHALLENGE])
    assert decision.told
    assert notified(store, before) == []
    assert decision.filing is not None
    assert {notice.agent for notice in decision.filing.notices} == set(decision.told)


@pytest.mark.parametrize(
    ("text", "status", "heard"),
    [("Oui, mais plutôt à 11 h.", "active", True), ("", "closed", False)],
)
def test_a_calendars_words_are_a_persons(
    store: Store, context: Context, text: str, status: str, *, heard: bool
) -> None:
    parts = (f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n" if text else "") + (
        "--b\nContent-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\nEND:VCALENDAR\n--b--"
    )
    kind = {"Content_Type": "multipart/alternative; boundary=b"}
    decision = robot(store, context, f"contact@{DOMAIN}", "Accepté : rendez-vous", parts, **kind)
    conversation = one(store)
    assert (conversation["messages"][0]["nature"], conversation["status"]) == ("calendar", status)
    assert bool(decision.told) is bool(deliveries(store)) is heard


def test_spam_stays_spam(store: Store, context: Context) -> None:
    answer = answered(store, context)
    note = next(d for d in deliveries(store) if d.draft.to == MANON)
    spam = raw_mail(MANON, note.reply_to, text="@spam", identifier="s1@mairie")
    take(store, context, spam, recipients=(note.reply_to,), envelope_sender=MANON)
    before = len(deliveries(store))
    assert robot(store, context, answer.reply_to, *TEXTS[Nature.CHALLENGE]).told == ()
    assert (one(store)["status"], notified(store, before)) == ("spam", [])


def test_a_bounce_of_many_is_told_in_the_words_for_the_one_it_was_for(store: Store, context: Context) -> None:
    answer = answered(store, context)
    status = (
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        "Final-Recipient: rfc822; else@example.net\nAction: failed\nStatus: 5.2.2\n"
        "Diagnostic-Code: smtp; 552 full\n\n"
        f"Original-Recipient: rfc822; {ULYSSE}\nFinal-Recipient: rfc822; u@inside.example.net\nAction: failed\n"
        "Status: 5.1.1\nDiagnostic-Code: smtp; 550 no such user\n\n--b--"
    )
    raw = raw_mail(
        "MAILER-DAEMON@mx.example.net",
        answer.envelope_sender,
        "Undelivered Mail Returned to Sender",
        status,
        "bounce@mx.example.net",
        Content_Type="multipart/report; report-type=delivery-status; boundary=b",
    )
    take(store, context, raw, recipients=(answer.envelope_sender,), envelope_sender="")
    told = [d for d in deliveries(store) if d.draft.purpose.value == "notice"]
    assert [d.draft.to for d in told] == [MANON]
    assert "no such user" in told[0].draft.text
    assert "full" not in told[0].draft.text


# --- word of an arrival ----------------------------------------------------------------------------------------


def told_by_a_server(
    store: Store, context: Context, sent: Outgoing, action: str, kind: str = "delivery-status"
) -> None:
    """A report of what became of a mail (RFC 3464), or of how it was shown (RFC 8098)."""
    text = (
        "--b\n\nRapport.\n"
        f"--b\nContent-Type: message/{kind}\n\nReporting-MTA: dns; mx.example.net\n\n"
        f"Final-Recipient: rfc822; {ULYSSE}\nAction: {action}\nStatus: 2.0.0\nDiagnostic-Code: smtp; 250 2.0.0 Ok\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{sent.message_id}>\n\n--b--"
    )
    raw = raw_mail(
        "mailer-daemon@mx.example.net",
        sent.envelope_sender,
        subject="Delivery report",
        text=text,
        identifier="report@mx.example.net",
        Content_Type=f"multipart/report; report-type={kind}; boundary=b",
    )
    take(store, context, raw, recipients=(sent.envelope_sender,), envelope_sender="")


def put(store: Store, delivery: int, state: str) -> None:
    query = update(tables.deliveries).where(tables.deliveries.c.id == delivery).values(state=state)
    store.write_now(lambda tx: tx.connection.execute(query))


def page(store: Store, context: Context) -> str:
    """The only conversation as people read it."""
    lines = conversations.shown(store, context, one(store)["reference"], None).lines
    return "\n".join(line for line in lines if isinstance(line, str))


def state_of(store: Store, delivery: int) -> str:
    return next(str(row["state"]) for row in store.read_now(outbox.listed) if row["id"] == delivery)


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_word_that_a_mail_arrived_ends_the_doubt_and_the_agent_is_told(
    store: Store, context: Context, action: str
) -> None:
    sent = answered(store, context)
    put(store, sent.id, "unknown")
    before = one(store)["status"]
    told_by_a_server(store, context, sent, action)
    assert state_of(store, sent.id) == "sent"
    (notice,) = [d.draft for d in deliveries(store) if d.draft.purpose.value == "notice"]
    assert (notice.to, f"2.0.0 {action} 250 2.0.0 Ok" in notice.text) == (MANON, True)
    conversation = one(store)
    assert conversation["status"] == before
    assert any("arrived after all" in event["what"] for event in conversation["history"])
    rows = store.read_now(lambda c: evidence.of_conversation(c, sent.conversation or 0))
    assert [(row["event"], row["delivery"]) for row in rows] == [("receipt", sent.id)]


def test_word_that_a_mail_arrived_of_which_that_was_known_is_evidence_alone(store: Store, context: Context) -> None:
    sent = answered(store, context)
    put(store, sent.id, "sent")
    told_by_a_server(store, context, sent, "delivered")
    assert [d for d in deliveries(store) if d.draft.purpose.value == "notice"] == []
    assert not any("arrived" in event["what"] for event in one(store)["history"])
    assert len(store.read_now(lambda c: evidence.of_conversation(c, sent.conversation or 0))) == 1


def test_word_that_a_mail_arrived_stands_with_it_and_the_receipt_is_one_line(store: Store, context: Context) -> None:
    sent = answered(store, context)
    put(store, sent.id, "sent")
    before = page(store, context)
    told_by_a_server(store, context, sent, "delivered")
    assert "Rapport." not in page(store, context)
    assert f"to {ULYSSE}: sent: 2.0.0 delivered 250 2.0.0 Ok" in page(store, context)
    assert page(store, context).count("\u2190") == before.count("\u2190") + 1
    assert "(a receipt)" in page(store, context)
    assert [m["nature"] for m in one(store)["messages"]].count("receipt") == 1
    laid_out = conversations.laid_out(store, context, one(store)["reference"], None).document["html"]
    assert "Rapport." not in laid_out
    assert "· a receipt" in laid_out


@pytest.mark.parametrize(
    ("action", "kind"), [("delayed", "delivery-status"), ("displayed", "disposition-notification")]
)
def test_what_says_nothing_of_an_arrival_ends_no_doubt(
    store: Store, context: Context, action: str, kind: str
) -> None:
    sent = answered(store, context)
    put(store, sent.id, "unknown")
    told_by_a_server(store, context, sent, action, kind)
    assert state_of(store, sent.id) == "unknown"
    assert [d for d in deliveries(store) if d.draft.purpose.value == "notice"] == []
