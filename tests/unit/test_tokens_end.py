"""Reply addresses end: by an agent's word, or with time. What comes to them then is a hint, and gives no right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.commands.acts import act
from gateway.commands.repair import merge
from gateway.context import Context
from gateway.decision import Decision
from gateway.desk.commands import parse
from gateway.errors import Refused
from gateway.mail import tokens
from gateway.mail.tokens import Token
from gateway.model import Outgoing, Purpose
from gateway.store import audit, outbox, sending
from gateway.store.database import Store
from gateway.store.tables import deliveries, participations
from tests.builders import (
    ALICE,
    DOMAIN,
    INES,
    KEYS,
    MANON,
    NOW,
    ULYSSE,
    deliveries_to,
    file_all,
    incoming,
    keep,
    listed,
    make_context,
    opened,
    raw_mail,
    shown,
)

VERA = "vera@usager.example.net"
LIFE = timedelta(days=180)
SOON, LATE = NOW + timedelta(days=1), NOW + LIFE + timedelta(days=1)
TO = f"dossier+123@{DOMAIN}"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, desk={"bundle": "0s"})


@pytest.fixture
def store(tmp_path: Path, context: Context) -> Iterator[Store]:
    """Ulysse wrote about his dossier; he was acknowledged, and Ines notified."""
    with opened(tmp_path) as store:
        came(store, context, raw_mail(to=TO), TO)
        yield store


def came(store: Store, context: Context, raw: bytes, to: str, at: datetime = NOW) -> Decision:
    keep(store, incoming(raw, (to,), received_at=at))
    ((_, decision),) = file_all(store, context, at)
    assert isinstance(decision, Decision), decision
    return decision


def first(store: Store, address: str = ULYSSE) -> Outgoing:
    return deliveries_to(store, address)[0]


def latest(store: Store, address: str, at: datetime = NOW) -> Outgoing:
    due = store.read_now(lambda c: sending.due(c, at + timedelta(days=1), 1000))
    return max((each for each in due if each.draft.to == address), key=lambda each: each.id)


def answer(
    store: Store,
    context: Context,
    mail: Outgoing,
    at: datetime,
    author: str = "",
    text: str = "Et encore.",
    **fields: Any,
) -> Decision:
    """Answer a mail of ours, as mail programs do: to its reply address, citing it."""
    sender = author or mail.draft.to
    name = f"{mail.id}.{at:%Y%m%d%H%M}.{len(text)}@{sender.partition('@')[2]}"
    answers = fields.pop("answers", mail.message_id)
    raw = raw_mail(sender, mail.reply_to, text=text, identifier=name, answers=answers, **fields)
    return came(store, context, raw, mail.reply_to, at)


def by_hand(store: Store, context: Context, words: str, agent: str = INES, at: datetime = NOW) -> None:
    act(store, context, listed(store)[-1]["reference"], agent, parse(words), at)


def epoch(token_of: Outgoing) -> int:
    found = tokens.verify(token_of.reply_to.partition("+")[2].partition("@")[0], KEYS)
    assert found is not None
    return found.epoch


# --- revoked ---------------------------------------------------------------------------------------------


def test_until_then_it_leads_home(store: Store, context: Context) -> None:
    decision = answer(store, context, first(store), SOON)
    assert decision.placement.because.startswith("a token of ours")
    assert len(listed(store)) == 1


def test_what_comes_to_a_revoked_address_opens_a_conversation_of_its_own(store: Store, context: Context) -> None:
    """It is taken, kept, and routed by what it says; the two are related, and each says so."""
    by_hand(store, context, f"@revoquer {ULYSSE}")
    old = listed(store)[0]["reference"]
    decision = answer(store, context, first(store), SOON)
    assert decision.placement.conversation is None
    assert decision.placement.because.endswith(f"a token of ours that it bears was revoked; related to {old}")
    new, before = listed(store)
    assert (new["usager"], before["reference"]) == (ULYSSE, old)
    assert shown(store, new["reference"])["related"] == [old]
    assert shown(store, old)["related"] == [new["reference"]]
    assert "was revoked" in shown(store, new["reference"])["because"][0]


def test_who_reads_what_came_to_an_outdated_address_is_told_where_it_led(store: Store, context: Context) -> None:
    by_hand(store, context, f"@revoquer {ULYSSE}")
    old = listed(store)[0]["reference"]
    answer(store, context, first(store), SOON)
    new = shown(store, listed(store)[0]["reference"])
    assert new["messages"][0]["marks"] == [{"code": "outdated", "what": old}]
    assert f"adresse de réponse de la conversation {old} qui n’a plus cours" in latest(store, MANON, SOON).draft.text


def test_the_next_mail_brings_an_address_that_counts(store: Store, context: Context) -> None:
    by_hand(store, context, f"@revoquer {ULYSSE}")
    by_hand(store, context, "Bonjour Ulysse")
    fresh = latest(store, ULYSSE)
    assert fresh.draft.purpose is Purpose.ANSWER
    assert (epoch(first(store)), epoch(fresh)) == (0, 1)
    assert answer(store, context, fresh, SOON).placement.participation is not None
    assert len(listed(store)) == 1


def test_an_answer_in_the_same_mail_brings_the_new_one(store: Store, context: Context) -> None:
    by_hand(store, context, f"@revoquer {ULYSSE}\n\nBonjour Ulysse")
    assert epoch(latest(store, ULYSSE)) == 1


def test_what_is_written_by_herself_joins_by_itself(store: Store, context: Context) -> None:
    """Her mail that cites her own stands where that stands, as without any token."""
    by_hand(store, context, f"@revoquer {ULYSSE}")
    decision = answer(store, context, first(store), SOON, References="<m1@usager.example.net>")
    assert decision.placement.because.startswith("it answers <m1@usager.example.net>")
    assert decision.placement.participation is None
    assert len(listed(store)) == 1


def test_a_machine_is_not_led_there_either(store: Store, context: Context) -> None:
    by_hand(store, context, f"@revoquer {ULYSSE}")
    answer(store, context, first(store), SOON, text="Absente.", Auto_Submitted="auto-replied")
    assert len(listed(store)) == 2
    assert [m["kind"] for m in shown(store, listed(store)[-1]["reference"])["messages"]] == ["external", "event"]


def test_a_bounce_still_finds_its_delivery(store: Store, context: Context) -> None:
    """Its own token, in the envelope, names the delivery and nobody."""
    by_hand(store, context, "Bonjour")
    sent = latest(store, ULYSSE)
    by_hand(store, context, f"@revoquer {ULYSSE}")
    report = "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; {}\nAction: failed\nStatus: 5.1.1\n"
    raw = raw_mail(
        "MAILER-DAEMON@mx.example",
        sent.envelope_sender,
        "Undelivered Mail Returned to Sender",
        f"--b\nContent-Type: message/delivery-status\n\n{report.format(ULYSSE)}\n--b--",
        "b1@mx.example",
        Content_Type='multipart/report; report-type=delivery-status; boundary="b"',
    )
    came(store, context, raw, sent.envelope_sender, SOON)
    state = store.read_now(lambda c: c.scalar(select(deliveries.c.state).where(deliveries.c.id == sent.id)))
    assert state == "refused"
    assert len(listed(store)) == 1


def test_an_agent_whose_address_was_revoked_gets_her_text_back_once_more(store: Store, context: Context) -> None:
    notified = first(store, INES)
    by_hand(store, context, f"@revoquer {INES}", ALICE)
    decision = answer(store, context, notified, SOON, text="Bonjour Ulysse")
    assert decision.placement.participation is not None
    back = latest(store, INES, SOON)
    assert back.draft.purpose is Purpose.NOTICE
    assert "Bonjour Ulysse" in back.draft.text
    assert "a été révoquée" in back.draft.text
    assert not any(d.draft.purpose is Purpose.ANSWER for d in deliveries_to(store, ULYSSE))
    answer(store, context, back, SOON, text="Bonjour Ulysse, et merci")  # the remedy that she is told
    assert latest(store, ULYSSE, SOON).draft.purpose is Purpose.ANSWER


def test_all_parts_of_a_person_end_and_nobody_elses(store: Store, context: Context) -> None:
    came(store, context, raw_mail(VERA, TO, identifier="v1@x", answers="m1@usager.example.net"), TO)
    rows = select(participations.c.conversation, participations.c.address, participations.c.epoch)
    before = store.read_now(lambda c: set(c.execute(rows).all()))
    by_hand(store, context, f"@revoke {ULYSSE}")
    after = store.read_now(lambda c: set(c.execute(rows).all()))
    assert after - before == {(1, ULYSSE, 1)}


def test_it_is_in_history_and_audit(store: Store, context: Context) -> None:
    by_hand(store, context, f"@revoke {ULYSSE}")
    words = f"revoked the reply addresses of {ULYSSE}"
    assert words in [event["what"] for event in shown(store, listed(store)[0]["reference"])["history"]]
    assert [act["what"] for act in store.read_now(audit.listed)] == [words]


def test_by_mail_too(store: Store, context: Context) -> None:
    answer(store, context, first(store, INES), SOON, text=f"@révoquer {ULYSSE.upper()}")
    assert [a["what"] for a in store.read_now(audit.listed)] == [f"revoked the reply addresses of {ULYSSE}"]
    assert answer(store, context, first(store), SOON).placement.participation is None


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("@revoke", "the e-mail address is missing"),
        ("@revoke ulysse", "not an e-mail address"),
        (f"@revoke {VERA}", "has no reply address in this conversation"),
    ],
)
def test_whom_it_does_not_mean_is_told(store: Store, context: Context, words: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem):
        by_hand(store, context, words)
    assert store.read_now(audit.listed) == []


def test_who_may_not_admit_may_not_revoke(store: Store, context: Context) -> None:
    with pytest.raises(Refused, match="no access"):
        by_hand(store, context, f"@revoke {ULYSSE}", VERA)
    assert epoch(latest(store, ULYSSE)) == 0


def test_what_was_merged_into_it_ends_too(store: Store, context: Context) -> None:
    """Her addresses from before lead here by now."""
    other = f"dossier+123@{DOMAIN}"
    came(store, context, raw_mail(to=other, identifier="m2@x", subject="Autre chose"), other)
    newer = deliveries_to(store, ULYSSE)[-1]
    in_digest = store.write_now(lambda tx: outbox.reply_address(tx, 2, MANON, context.signer, NOW))
    merge(store, context, listed(store)[0]["reference"], listed(store)[1]["reference"], ALICE, NOW)
    by_hand(store, context, f"@revoke {ULYSSE}\n@revoke {MANON}")
    for sent in (first(store), newer, replace(newer, reply_to=in_digest, message_id="")):
        assert answer(store, context, sent, SOON, text=f"À {sent.reply_to}").placement.participation is None


# --- as often as it may be -------------------------------------------------------------------------------


def test_when_the_octet_is_used_up_another_id_is_taken(store: Store, context: Context) -> None:
    """256 revocations of one person in one conversation: none of the addresses before counts, and nothing breaks."""
    store.write_now(
        lambda tx: tx.connection.execute(
            update(participations).where(participations.c.address == ULYSSE).values(epoch=tokens.LAST_EPOCH)
        )
    )
    by_hand(store, context, "Bonjour")
    last = latest(store, ULYSSE)
    assert epoch(last) == 255
    by_hand(store, context, f"@revoke {ULYSSE}")
    by_hand(store, context, "Bonsoir")
    fresh = latest(store, ULYSSE)
    assert epoch(fresh) == 0
    assert answer(store, context, fresh, SOON).placement.participation is not None
    for old in (first(store), last):
        decision = answer(store, context, old, SOON, text=f"Depuis {old.id}")
        assert decision.placement.participation is None
    assert store.read_now(lambda c: c.exec_driver_sql("PRAGMA foreign_key_check").all()) == []


# --- expired ---------------------------------------------------------------------------------------------


def test_it_counts_to_the_last_moment_and_no_longer(store: Store, context: Context) -> None:
    sent = first(store)
    written = store.read_now(
        lambda c: c.scalar(select(participations.c.written_at).where(participations.c.address == ULYSSE))
    )
    assert written is not None
    assert answer(store, context, sent, written + LIFE).placement.participation is not None
    assert answer(store, context, sent, written + LIFE + timedelta(minutes=1)).placement.participation is None


def test_each_mail_of_ours_begins_it_anew(store: Store, context: Context) -> None:
    middle = NOW + LIFE - timedelta(days=1)
    by_hand(store, context, "Bonjour", at=middle)
    assert answer(store, context, first(store), LATE).placement.participation is not None


def test_for_ever_where_it_is_configured(store: Store, tmp_path: Path) -> None:
    for_ever = make_context(tmp_path, desk={"bundle": "0s"}, trust={"token_life": "never"})
    assert answer(store, for_ever, first(store), NOW + 40 * LIFE).placement.participation is not None


def test_an_expired_one_is_a_hint(store: Store, context: Context) -> None:
    old, sent = listed(store)[0]["reference"], first(store)
    assert context.recognise(sent.reply_to).ours  # nothing is refused
    decision = answer(store, context, sent, LATE)
    assert decision.placement.because.endswith(f"has expired; related to {old}")
    assert shown(store, listed(store)[0]["reference"])["related"] == [old]
    assert decision.grade.because.startswith("no token")


def test_what_has_expired_stays_so_when_she_is_written_to_again(store: Store, context: Context) -> None:
    sent = first(store)
    by_hand(store, context, "Bonjour", at=LATE)
    assert epoch(latest(store, ULYSSE, LATE)) == 1
    assert answer(store, context, sent, LATE).placement.participation is None
    assert answer(store, context, latest(store, ULYSSE, LATE), LATE).placement.participation is not None


def test_an_agents_text_comes_back_with_the_remedy(store: Store, context: Context) -> None:
    notified = first(store, INES)
    answer(store, context, notified, LATE, text="Bonjour Ulysse")
    back = latest(store, INES, LATE)
    assert "a expiré" in back.draft.text
    assert "Bonjour Ulysse" in back.draft.text
    assert not any(d.draft.purpose is Purpose.ANSWER for d in deliveries_to(store, ULYSSE))
    answer(store, context, notified, LATE + timedelta(hours=1), text="Encore moi")  # the old one is no better now
    assert not any(d.draft.purpose is Purpose.ANSWER for d in deliveries_to(store, ULYSSE))
    answer(store, context, latest(store, INES, LATE), LATE + timedelta(hours=2), text="Voici la réponse")
    assert latest(store, ULYSSE, LATE).draft.purpose is Purpose.ANSWER


def test_an_agents_expired_token_proves_nothing(store: Store, context: Context) -> None:
    """Where a token alone is believed, in trials, one that is over isn't."""
    decision = answer(store, context, first(store, INES), LATE, text="@spam")
    assert decision.grade.proof.value == "unverified"
    assert listed(store)[0]["status"] == "active"


def test_an_agents_expired_token_makes_nobody_an_agent(store: Store, context: Context) -> None:
    decision = answer(store, context, first(store, INES), LATE, author=VERA, text="@spam")
    assert decision.placement.participation is None
    assert decision.commands == ()
    assert listed(store)[0]["usager"] == VERA


def test_a_digests_address_counts_from_the_digest(store: Store, context: Context) -> None:
    def addressed(at: datetime) -> Token | None:
        address = store.write_now(lambda tx: outbox.reply_address(tx, 1, MANON, context.signer, at))
        return tokens.verify(address.partition("+")[2].partition("@")[0], KEYS)

    assert addressed(NOW) == addressed(NOW + LIFE) != addressed(NOW + 3 * LIFE)
    assert addressed(NOW + 3 * LIFE) is not None
