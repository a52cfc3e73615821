"""The way in where somebody tries something, or where people are no longer who they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.context import Context
from gateway.decision import Decision
from gateway.store import sending
from gateway.store.database import Store
from tests.builders import DOMAIN, INES, MANON, NOW, ULYSSE, listed, make_context, opened, raw_mail, shown, take

STRANGER = "simon@stranger.example"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def due(store: Store, to: str) -> list[Any]:
    found = store.read_now(lambda c: sending.due(c, NOW + timedelta(days=1), 1000))
    return [delivery for delivery in found if delivery.draft.to == to]


def bring(store: Store, context: Context, raw: bytes, to: str, **values: Any) -> Decision:
    (decision,) = take(store, context, raw, recipients=(to,), **values)
    assert isinstance(decision, Decision), decision
    return decision


def only(store: Store) -> dict[str, Any]:
    (summary,) = listed(store)
    return shown(store, summary["reference"])


def test_a_strangers_conversation_never_gets_into_a_dossier(store: Store, context: Context) -> None:
    """Its answers go to the stranger: a mail that only looks like the usager's mustn't open it the dossier."""
    bring(store, context, raw_mail(STRANGER), f"contact@{DOMAIN}")
    token = due(store, STRANGER)[0].reply_to
    spoofed = raw_mail(ULYSSE, token, subject="dossier n° 123", identifier="spoofed@x")
    decision = bring(store, context, spoofed, token)
    assert only(store)["inbox"] == {"kind": "demarche", "number": 42}
    assert decision.route.refused == 123
    assert due(store, INES) == []


def test_an_author_who_is_uncertain_is_nobody_to_answer_to(store: Store, context: Context) -> None:
    raw = raw_mail().replace(b"\r\nTo:", b", Autre <autre@x.example>\r\nTo:", 1)
    bring(store, context, raw, f"contact@{DOMAIN}")
    assert only(store)["usager"] == ""
    assert due(store, ULYSSE) == []


def test_mails_without_an_author_do_not_link(store: Store, context: Context) -> None:
    for number in (1, 2):
        raw = raw_mail(identifier=f"n{number}@x", references=(f"n{3 - number}@x",))
        nameless = raw[raw.index(b"\n") + 1 :] if raw.startswith(b"From:") else raw.replace(b"From:", b"X-From:", 1)
        bring(store, context, nameless, f"contact@{DOMAIN}")
    assert len(listed(store)) == 2


def test_what_stands_below_our_marker_is_not_relayed(store: Store, context: Context) -> None:
    bring(store, context, raw_mail(), f"contact@{DOMAIN}")
    note = due(store, MANON)[0]
    block = f"De : Ulysse\nEnvoyé : lundi 1 mars 2025 10:00\nÀ : Manon\nObjet : Une question\n\n{note.draft.text}"
    bring(store, context, raw_mail(MANON, note.reply_to, text=block, identifier="b@x"), note.reply_to)
    assert not [d for d in due(store, ULYSSE) if d.draft.purpose.value == "answer"]
    assert only(store)["status"] == "active"


def test_who_is_no_agent_any_more_is_told_nothing_and_answers_nobody(
    store: Store, context: Context, tmp_path: Path
) -> None:
    to = f"dossier+123@{DOMAIN}"
    bring(store, context, raw_mail(to=to), to)
    token = due(store, INES)[0].reply_to
    mine = raw_mail(INES, token, text="@affecter moi", identifier="a@x")
    bring(store, context, mine, token)
    assert only(store)["assignee"] == INES
    demarche = asdict(context.settings.demarches[0]) | {"instructeurs": []}
    dossier = asdict(context.settings.dossiers[0]) | {"followers": []}
    without = make_context(tmp_path, demarches=[demarche], dossiers=[dossier])
    assert not without.directory.is_agent(INES)
    before = len(due(store, INES))
    bring(store, without, raw_mail(to=to, identifier="b@x", references=("a@x",), text="Alors ?"), to)
    bring(store, without, raw_mail(INES, token, text="Voici.", identifier="c@x"), token)
    assert not [d for d in due(store, ULYSSE) if d.draft.purpose.value == "answer"]
    assert [d.draft.purpose.value for d in due(store, INES)[before:]] == ["notice"]


def test_a_leaked_token_does_not_fill_the_agents_mailbox(store: Store, context: Context) -> None:
    bring(store, context, raw_mail(), f"contact@{DOMAIN}")
    token = due(store, MANON)[0].reply_to
    for number in range(40):
        bring(store, context, raw_mail(STRANGER, token, identifier=f"{number}@evil"), token)
    assert len([d for d in due(store, MANON) if d.draft.purpose.value == "confirmation"]) == 20
    assert "asked often enough today" in only(store)["history"][-1]["what"]


@pytest.mark.parametrize(("days", "acknowledged", "told"), [(1, True, True), (4, False, True), (40, False, False)])
def test_old_mail_in_a_new_mailbox_bothers_nobody(
    store: Store, context: Context, days: int, acknowledged: bool, told: bool
) -> None:
    bring(store, context, raw_mail(), f"contact@{DOMAIN}", received_at=NOW - timedelta(days=days))
    assert (bool(due(store, ULYSSE)), bool(due(store, MANON))) == (acknowledged, told)
    assert only(store)["status"] == "active"


def test_a_certificate_or_our_own_mail_does_not_leave_with_an_answer(store: Store, context: Context) -> None:
    bring(store, context, raw_mail(), f"contact@{DOMAIN}")
    token = due(store, MANON)[0].reply_to
    parts = "".join(
        f"--b\r\nContent-Type: {kind}\r\nContent-Disposition: attachment; filename={name}\r\n\r\nX\r\n"
        for kind, name in (("application/pdf", "a.pdf"), ("text/vcard", "me.vcf"), ("message/rfc822", "o.eml"))
    )
    head = f"From: {MANON}\r\nTo: {token}\r\nMessage-ID: <p@x>\r\nMIME-Version: 1.0\r\n"
    body = f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nVoici.\r\n{parts}--b--\r\n"
    bring(store, context, (head + body).encode(), token)
    (answer,) = [d for d in due(store, ULYSSE) if d.draft.purpose.value == "answer"]
    assert [enclosure.attachment.name for enclosure in answer.draft.enclosures] == ["a.pdf"]


def test_an_agent_is_told_when_another_writes_than_will_be_answered(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path, desk={"bundle": "0s"})
    bring(store, context, raw_mail(), f"contact@{DOMAIN}")
    token = due(store, ULYSSE)[0].reply_to
    bring(store, context, raw_mail(STRANGER, token, text="Et moi ?", identifier="e@evil"), token)
    first, second = (delivery.draft.text for delivery in due(store, MANON))
    assert "ne vient pas de l’usager" not in first
    assert f"ne vient pas de l’usager de cette conversation. Votre réponse sera envoyée à {ULYSSE}" in second


def test_a_note_comes_with_the_assignment(store: Store, context: Context) -> None:
    to = f"dossier+123@{DOMAIN}"
    bring(store, context, raw_mail(to=to), to)
    token = due(store, INES)[0].reply_to
    text = "@note largeur à vérifier\n@affecter alice.admin@mairie.example.org\n\nBonjour."
    bring(store, context, raw_mail(INES, token, text=text, identifier="n@x"), token)
    (told,) = due(store, "alice.admin@mairie.example.org")
    assert "largeur à vérifier" in told.draft.text
    assert "largeur" not in "".join(delivery.draft.text for delivery in due(store, ULYSSE))


def test_whoever_got_hold_of_a_token_reads_no_answer(store: Store, context: Context) -> None:
    to = f"dossier+123@{DOMAIN}"
    bring(store, context, raw_mail(to=to), to)
    leaked, token = due(store, ULYSSE)[0].reply_to, due(store, INES)[0].reply_to
    bring(store, context, raw_mail(STRANGER, leaked, text="Et moi ?", identifier="e@evil", Cc=STRANGER), leaked)
    bring(store, context, raw_mail(INES, token, text="Accordé.", identifier="i@mairie", Cc=STRANGER), token)
    assert [d.draft.purpose.value for d in due(store, ULYSSE)] == ["acknowledgement", "answer"]
    assert due(store, STRANGER) == []
