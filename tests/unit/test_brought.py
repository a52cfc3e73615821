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
from gateway.store import sending
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
FORWARD = """{above}

---------- Forwarded message ---------
De : Pénélope <{author}>
Date: sam. 1 mars 2025 à 09:12
Subject: {subject}
To: Inès <ines.instruit@mairie.example.org>

Bonjour,

{text}
"""


def passes(sender: str = INES) -> dict[str, Any]:
    domain = sender.rpartition("@")[2]
    return {"Authentication_Results": f"mx.example.org; dmarc=pass header.from={domain}"}


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
    fields = {**passes(sender), "authserv_id": "mx.example.org"} | fields
    values = {key: fields.pop(key) for key in ("authserv_id", "source", "received_at") if key in fields}
    raw = raw_mail(sender, to, f"Fwd: {subject}", words, **{"identifier": "f1@mairie"} | fields)
    (decision,) = take(store, context, raw, recipients=(to,), envelope_sender=sender, **values)
    assert isinstance(decision, Decision), decision
    return decision


def only(store: Store) -> dict[str, Any]:
    (summary,) = listed(store)
    return shown(store, summary["reference"])


def mails(store: Store, to: str) -> list[Outgoing]:
    found = store.read_now(lambda c: sending.due(c, NOW + timedelta(days=9), 1000))
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


def test_she_is_answered_in_her_language(store: Store, context: Context) -> None:
    bring(store, context, text="I would like to plant a tree. Could you please tell me what I have to do?")
    assert "We received your message" in mails(store, PENELOPE)[0].draft.text


def test_nobody_vouches_for_its_sender_and_it_says_so(store: Store, context: Context) -> None:
    bring(store, context, **passes(), authserv_id="mx.example.org")
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


def attached(original: bytes, above: str = "@fwd", sender: str = INES, cited: str = "", own: str = "") -> bytes:
    """A forward that brings the original as a part (RFC 2046 §5.2.1), and `own`, a file of the agent's."""
    head = f"From: {sender}\r\nTo: {CONTACT}\r\nSubject: Fwd: Plantation\r\nMessage-ID: <f@{sender}>\r\n"
    head += f"References: <{cited}>\r\n" if cited else ""
    head += f"Authentication-Results: {passes(sender)['Authentication_Results']}\r\n"
    above = above.replace("\n", "\r\n")
    kind = f"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{above}\r\n"
    file = f"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename={own}\r\n\r\nx\r\n"
    part = "--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    return (head + kind + (file if own else "") + part).encode() + original + b"\r\n--b--\r\n"


def bring_attached(store: Store, context: Context, original: bytes, **values: str) -> None:
    raw = attached(original, **values)
    sender = values.get("sender", INES)
    take(store, context, raw, recipients=(CONTACT,), envelope_sender=sender, authserv_id="mx.example.org")


def test_the_mails_that_cite_an_attached_original_join_it(store: Store, context: Context) -> None:
    original = raw_mail(PENELOPE, INES, "Plantation", "Puis-je planter un tilleul ?", "p1@usager")
    bring_attached(store, context, original)
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


@pytest.mark.parametrize("source", ["import:old.mbox", "smtp"])
def test_nobody_is_told_of_a_note_in_quiet_mail(store: Store, context: Context, source: str) -> None:
    old: dict[str, Any] = {"received_at": NOW - timedelta(days=40)} if source == "smtp" else {}
    bring(store, context, "@note @alice regarde\n@fwd", to=f"demarche+42@{DOMAIN}", source=source, **old)
    assert [m["kind"] for m in only(store)["messages"]] == ["external", "internal"]
    assert store.read_now(lambda c: sending.due(c, NOW + timedelta(days=99), 99)) == []


PDF = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=p\r\n\r\n--p\r\n\r\nVoir le plan.\r\n"
PDF += (
    "--p\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\n\r\nx\r\n--p--\r\n"
)


@pytest.mark.parametrize("note", ["", "@note voir l’avis\n"])
def test_what_the_agent_attached_is_hers(store: Store, context: Context, note: str) -> None:
    original = f"From: {PENELOPE}\r\nTo: {INES}\r\nSubject: Plantation\r\nMessage-ID: <p1@usager>\r\n{PDF}".encode()
    bring_attached(store, context, original, above=f"{note}@fwd", own="avis-interne.pdf")
    external, internal = only(store)["messages"]
    assert [a["name"] for a in external["attachments"]] == ["Plantation.eml", "plan.pdf"]
    assert [a["name"] for a in internal["attachments"]] == ["avis-interne.pdf"]
    assert (internal["kind"], internal["author"]) == ("internal", INES)
    told = [e.attachment.name for m in mails(store, MANON) for e in m.draft.enclosures]
    assert told == ["Plantation.eml"]  # the other is in it


def test_without_files_of_hers_there_is_no_note(store: Store, context: Context) -> None:
    bring_attached(store, context, raw_mail(PENELOPE, INES, "Plantation", "Bonjour", "p1@usager"))
    (external,) = only(store)["messages"]
    assert [a["name"] for a in external["attachments"]] == ["Plantation.eml"]


# --- what is there already -------------------------------------------------------------------------------


def forwarded_again(store: Store, context: Context, above: str, cited: str = "p1@usager") -> None:
    original = raw_mail(PENELOPE, INES, "Plantation", "Puis-je planter un tilleul ?", "p1@usager")
    bring_attached(store, context, original, above=above, sender=MANON, cited=cited)


@pytest.mark.parametrize("first", ["received", "brought"])
def test_what_is_there_already_is_not_filed_again(store: Store, context: Context, first: str) -> None:
    """Two agents forward the same mail, or one what came to the gateway too."""
    original = raw_mail(PENELOPE, CONTACT, "Plantation", "Puis-je planter un tilleul ?", "p1@usager")
    if first == "received":
        take(store, context, original, envelope_sender=PENELOPE)
    else:
        bring_attached(store, context, original)
    assert purposes(store, PENELOPE) == ["acknowledgement"]
    told = len(mails(store, MANON))
    forwarded_again(store, context, "@note @ines c’est pour toi\n@fwd", cited="")
    whole = only(store)
    assert [(m["kind"], m["text"]) for m in whole["messages"][1:]] == [("internal", "@ines c’est pour toi")]
    assert purposes(store, PENELOPE) == ["acknowledgement"]
    assert len(mails(store, MANON)) == told
    assert "forwarded what is here already" in [event["what"] for event in whole["history"]]


def test_without_a_note_it_leaves_its_trace(store: Store, context: Context) -> None:
    forwarded_again(store, context, "@fwd", cited="")
    assert only(store)["usager"] == PENELOPE
    raw = raw_mail(PENELOPE, INES, "Plantation", "Puis-je planter un tilleul ?", "p1@usager")
    bring_attached(store, context, raw, sender=MANON, cited="p1@usager", above="@fwd ")
    assert [m["kind"] for m in only(store)["messages"]] == ["external", "event"]


def test_an_inline_forward_is_known_by_what_it_cites(store: Store, context: Context) -> None:
    take(store, context, raw_mail(PENELOPE, text="Tilleul ?", identifier="p1@usager"), envelope_sender=PENELOPE)
    bring(store, context, sender=MANON, references=("p1@usager",))
    assert only(store)["usager"] == PENELOPE
    bring(store, context, sender=MANON, references=("p1@usager",), author="eve@x.example", identifier="f3@m")
    assert len(listed(store)) == 2  # not Penelope's


def test_who_may_not_see_it_brings_in_a_conversation_of_its_own(store: Store, context: Context) -> None:
    """Inès has no part in the global inbox: what stands there takes no note of hers."""
    take(store, context, raw_mail(PENELOPE, text="Tilleul ?", identifier="p1@usager"), envelope_sender=PENELOPE)
    bring(store, context, sender=INES, above="@note vu\n@fwd", references=("p1@usager",))
    assert sorted(len(shown(store, c["reference"])["messages"]) for c in listed(store)) == [1, 2]


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"above": "@fwd\n@clore"}, "@clore"),
        ({"above": "@fwd\n@xyz"}, "@xyz"),
        ({"author": f"vegetaliser@{DOMAIN}"}, f"vegetaliser@{DOMAIN}"),
        ({"author": ALICE}, ALICE),
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
    raw = raw_mail(INES, CONTACT, text="@fwd\n\nVoir ci-dessous.", identifier="n@mairie", **passes())
    take(store, context, raw, recipients=(CONTACT,), envelope_sender=INES, authserv_id="mx.example.org")
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


def test_her_own_token_is_enough_in_a_trial_and_nobody_elses(store: Store, context: Context) -> None:
    """She forwards it to the address at which she answers, of whichever conversation."""
    to = f"demarche+42@{DOMAIN}"
    take(store, context, raw_mail(to=to), recipients=(to,))
    tokens = {agent: mails(store, agent)[0].reply_to for agent in (ALICE, HOTLINE)}
    bring(store, context, to=tokens[HOTLINE], sender=ALICE, Authentication_Results="")
    assert purposes(store, PENELOPE) == []
    bring(store, context, to=tokens[ALICE], sender=ALICE, identifier="f2@m", Authentication_Results="")
    assert purposes(store, PENELOPE) == ["acknowledgement"]


def test_an_agents_address_of_its_own_is_no_proof_where_more_is_asked_for(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path, trust={"agent_proof": "authenticated"})
    to = f"demarche+42@{DOMAIN}"
    take(store, context, raw_mail(to=to), recipients=(to,))
    token = mails(store, ALICE)[0].reply_to
    bring(store, context, to=token, sender=ALICE, Authentication_Results="")
    assert PENELOPE not in {c["usager"] for c in listed(store)}
    assert purposes(store, ALICE) == ["notification", "notice"]
    bring(store, context, to=token, sender=ALICE, identifier="f2@m", **passes(), authserv_id="mx.example.org")
    assert PENELOPE in {c["usager"] for c in listed(store)}


def test_a_proven_one_does(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path, trust={"agent_proof": "authenticated"})
    bring(store, context, **passes(), authserv_id="mx.example.org")
    assert only(store)["usager"] == PENELOPE


def test_a_failed_authentication_is_never_enough(store: Store, context: Context) -> None:
    results = "mx.example.org; dmarc=fail header.from=mairie.example.org"
    bring(store, context, Authentication_Results=results, authserv_id="mx.example.org")
    assert PENELOPE not in {c["usager"] for c in listed(store)}
