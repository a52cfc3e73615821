"""A mail that an agent received privately, brought in with `@fwd`: the conversation is its original sender's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.context import Context
from gateway.decision import Decision
from gateway.model import Outgoing
from gateway.store import outbox
from gateway.store.database import Store
from gateway.store.tables import citations
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
    shown,
    take,
)

PENELOPE, CONTACT = "penelope@usager.example.net", f"contact@{DOMAIN}"
PASSES = {"Authentication_Results": "mx.example.org; dmarc=pass header.from=mairie.example.org"}
FORWARD = """{above}

---------- Forwarded message ---------
De : Pénélope <{author}>
Date: sam. 1 mars 2025 à 09:12
Subject: {subject}
To: Inès <ines.instruit@mairie.example.org>

Bonjour,

{text}
"""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def bring(
    store: Store,
    context: Context,
    above: str = "@fwd",
    to: str = CONTACT,
    sender: str = INES,
    text: str = "Puis-je planter un tilleul ?",
    author: str = PENELOPE,
    subject: str = "Plantation",
    **fields: Any,
) -> Decision:
    words = FORWARD.format(above=above, author=author, subject=subject, text=text)
    values = {key: fields.pop(key) for key in ("authserv_id", "source") if key in fields}
    raw = raw_mail(sender, to, f"Fwd: {subject}", words, **{"identifier": "f1@mairie"} | fields)
    (decision,) = take(store, context, raw, recipients=(to,), envelope_sender=sender, **values)
    assert isinstance(decision, Decision), decision
    return decision


def only(store: Store) -> dict[str, Any]:
    (summary,) = listed(store)
    return shown(store, summary["reference"])


def mails(store: Store, to: str) -> list[Outgoing]:
    found = store.read_now(lambda c: outbox.due(c, NOW + timedelta(days=9), 1000))
    return [mail for mail in found if mail.draft.to == to]


def purposes(store: Store, to: str) -> list[str]:
    return [mail.draft.purpose.value for mail in mails(store, to)]


# --- what becomes of it ----------------------------------------------------------------------------------


def test_it_is_the_original_senders_conversation(store: Store, context: Context) -> None:
    decision = bring(store, context)
    assert decision.commands == ("fwd",)
    whole = only(store)
    assert (whole["usager"], whole["subject"], whole["status"]) == (PENELOPE, "Plantation", "active")
    (message,) = whole["messages"]
    assert (message["author"], message["kind"], message["direction"]) == (PENELOPE, "external", "in")
    assert "tilleul" in message["text"]
    assert "@fwd" not in message["text"] + message["quoted"]
    assert {"by": INES, "what": "brought it in: it was written to her"} in [
        {key: event[key] for key in ("by", "what")} for event in whole["history"]
    ]


def test_nobody_vouches_for_its_sender_and_it_says_so(store: Store, context: Context) -> None:
    bring(store, context, **PASSES, authserv_id="mx.example.org")
    (message,) = only(store)["messages"]
    assert message["proof"] == "unverified"
    assert any(f"forwarded by {INES}" in reason for reason in message["because"])


def test_its_sender_is_acknowledged_and_its_agents_are_told(store: Store, context: Context) -> None:
    bring(store, context, to=f"demarche+42@{DOMAIN}")
    assert only(store)["inbox"] == {"kind": "demarche", "number": 42}
    assert purposes(store, PENELOPE) == ["acknowledgement"]
    assert INES not in mails(store, PENELOPE)[0].draft.text
    assert {agent for agent in (ALICE, HOTLINE, MANON) if mails(store, agent)} == {ALICE, HOTLINE}


def test_notes_go_with_it_and_stay_with_the_agents(store: Store, context: Context) -> None:
    bring(store, context, "@note elle a appelé\n@fwd")
    external, note = only(store)["messages"]
    assert (note["kind"], note["author"], note["text"]) == ("internal", INES, "elle a appelé")
    assert external["kind"] == "external"
    assert "appelé" not in "".join(mail.draft.text for mail in mails(store, PENELOPE))


def test_her_later_mail_goes_on_with_it(store: Store, context: Context) -> None:
    bring(store, context)
    token = mails(store, PENELOPE)[0].reply_to
    take(store, context, raw_mail(PENELOPE, token, text="Alors ?", identifier="p2@x"), recipients=(token,))
    assert len(only(store)["messages"]) == 2


def attached(original: bytes) -> bytes:
    """A forward that brings the original as a part (RFC 2046 §5.2.1)."""
    head = f"From: {INES}\r\nTo: {CONTACT}\r\nSubject: Fwd: Plantation\r\nMessage-ID: <f@mairie>\r\n"
    kind = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n@fwd\r\n"
    part = "--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    return (head + kind + part).encode() + original + b"\r\n--b--\r\n"


def test_the_mails_that_cite_an_attached_original_join_it(store: Store, context: Context) -> None:
    original = raw_mail(PENELOPE, INES, "Plantation", "Puis-je planter un tilleul ?", "p1@usager")
    take(store, context, attached(original), recipients=(CONTACT,), envelope_sender=INES)
    whole = only(store)
    assert (whole["usager"], whole["messages"][0]["message_id"]) == (PENELOPE, "p1@usager")
    take(store, context, raw_mail(PENELOPE, text="Alors ?", identifier="p2@usager", answers="p1@usager"))
    assert len(only(store)["messages"]) == 2


def test_an_answer_to_it_goes_to_its_sender(store: Store, context: Context) -> None:
    bring(store, context)
    token = mails(store, MANON)[0].reply_to
    take(store, context, raw_mail(MANON, token, text="Oui.", identifier="a@m"), recipients=(token,))
    assert purposes(store, PENELOPE) == ["acknowledgement", "answer"]
    assert "answer" not in purposes(store, INES)


def test_it_is_the_same_mail_when_it_comes_twice(store: Store, context: Context) -> None:
    bring(store, context)
    assert bring(store, context).filing is None
    assert len(only(store)["messages"]) == 1


# --- where it goes ---------------------------------------------------------------------------------------


def test_it_enters_a_dossier_only_if_its_sender_is_admitted(store: Store, context: Context) -> None:
    """The agent's word for who wrote it opens no dossier to a stranger, though she herself is admitted."""
    bring(store, context, to=f"dossier+123@{DOMAIN}")
    assert only(store)["inbox"] == {"kind": "demarche", "number": 42}


def test_the_usagers_own_goes_to_the_dossier_that_it_names(store: Store, context: Context) -> None:
    bring(store, context, author=ULYSSE, subject="Mon dossier n° 123")
    assert only(store)["inbox"] == {"kind": "dossier", "number": 123}
    assert only(store)["usager"] == ULYSSE


def test_brought_in_an_answer_to_a_notification_it_is_a_conversation_of_its_own(
    store: Store, context: Context
) -> None:
    """Not a part of the one whose notification she happened to answer; and told at once."""
    to = f"demarche+42@{DOMAIN}"
    take(store, context, raw_mail(to=to), recipients=(to,))
    told = mails(store, ALICE)[0]
    bring(store, context, to=told.reply_to, sender=ALICE, answers=told.message_id)
    assert len(listed(store)) == 2
    assert {c["usager"] for c in listed(store)} == {ULYSSE, PENELOPE}
    assert purposes(store, PENELOPE) == ["acknowledgement"]
    cited = store.read_now(lambda c: c.scalars(select(citations.c.cited)).all())
    assert cited == []  # what the agent's mail answers isn't what the original did


def test_imported_mail_that_was_brought_is_quiet(store: Store, context: Context) -> None:
    bring(store, context, source="import:old.mbox")
    assert only(store)["usager"] == PENELOPE
    assert mails(store, PENELOPE) + mails(store, MANON) == []


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"above": "@fwd\n@clore"}, "@clore"),
        ({"above": "@fwd\n@xyz"}, "@xyz"),
        ({"author": f"vegetaliser@{DOMAIN}"}, f"vegetaliser@{DOMAIN}"),
    ],
)
def test_a_problem_and_nothing_leaves(store: Store, context: Context, values: dict[str, str], words: str) -> None:
    bring(store, context, **values)
    assert purposes(store, PENELOPE) == []
    (notice,) = mails(store, INES)
    assert notice.draft.purpose.value == "notice"
    assert words in notice.draft.text
    assert values.get("above", "@fwd") in notice.draft.text  # she gets her text back
    assert only(store)["status"] == "closed"


def test_a_forward_without_a_forward(store: Store, context: Context) -> None:
    raw = raw_mail(INES, CONTACT, text="@fwd\n\nVoir ci-dessous.", identifier="n@mairie")
    take(store, context, raw, recipients=(CONTACT,), envelope_sender=INES)
    assert purposes(store, INES) == ["notice"]
    assert only(store)["messages"][0]["kind"] == "internal"


def test_an_usagers_fwd_is_an_usagers_mail(store: Store, context: Context) -> None:
    bring(store, context, sender=ULYSSE)
    assert only(store)["usager"] == ULYSSE
    assert purposes(store, PENELOPE) == []


@pytest.mark.parametrize("verdict", ["fail", "none"])
def test_where_proof_is_asked_for_an_unproven_forward_opens_nothing_in_anothers_name(
    store: Store, tmp_path: Path, verdict: str
) -> None:
    context = make_context(tmp_path, trust={"agent_proof": "authenticated"})
    results = f"mx.example.org; dmarc={verdict} header.from=mairie.example.org"
    bring(store, context, Authentication_Results=results, authserv_id="mx.example.org")
    assert purposes(store, PENELOPE) == []
    assert PENELOPE not in {c["usager"] for c in listed(store)}


def test_an_agents_address_of_its_own_is_no_proof_where_more_is_asked_for(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path, trust={"agent_proof": "authenticated"})
    to = f"demarche+42@{DOMAIN}"
    take(store, context, raw_mail(to=to), recipients=(to,))
    token = mails(store, ALICE)[0].reply_to
    bring(store, context, to=token, sender=ALICE)
    assert PENELOPE not in {c["usager"] for c in listed(store)}
    assert purposes(store, ALICE) == ["notification", "notice"]
    bring(store, context, to=token, sender=ALICE, identifier="f2@m", **PASSES, authserv_id="mx.example.org")
    assert PENELOPE in {c["usager"] for c in listed(store)}


def test_a_proven_one_does(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path, trust={"agent_proof": "authenticated"})
    bring(store, context, **PASSES, authserv_id="mx.example.org")
    assert only(store)["usager"] == PENELOPE


def test_a_failed_authentication_is_never_enough(store: Store, context: Context) -> None:
    results = "mx.example.org; dmarc=fail header.from=mairie.example.org"
    bring(store, context, Authentication_Results=results, authserv_id="mx.example.org")
    assert PENELOPE not in {c["usager"] for c in listed(store)}
