"""What an agent's act becomes: what leaves with it, and what doesn't."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import acting
from gateway.context import Context
from gateway.desk.commands import parse
from gateway.mail.tokens import Token, TokenKind, sign
from gateway.model import GLOBAL, Attachment, Conversation, Direction, Draft, Kind, Message, Nature, Purpose, Thread
from tests.builders import (
    ALICE,
    DOMAIN,
    DOSSIER,
    INES,
    KEYS,
    MANON,
    NOW,
    ULYSSE,
    conversation,
    make_context,
    settings,
)

ELSEWHERE = {"siret": "21330063500017", "name": "Mairie d’Ailleurs", "email": "accueil@ailleurs.example"}


def written(text: str = "Bonjour", author: str = ULYSSE, *files: Attachment, **values: Any) -> Message:
    made = Message(*("", Direction.IN, Kind.EXTERNAL, Nature.PERSON, None, author, (), NOW, "s", text, "", files))
    return replace(made, **values)


def drafts(
    context: Context,
    what: Conversation,
    agent: str,
    own: str,
    base: Message | None = None,
    thread: Thread | None = None,
) -> list[Draft]:
    """The mails that an act causes."""
    thread = thread or Thread()
    outcome = acting.act(
        context, what, agent, parse(own), NOW, attachments=base.attachments if base else (), thread=thread
    )
    assert not outcome.problems
    done = acting.act_filing(context, what, outcome, base or written("", agent), thread, NOW)
    return [draft for _, drafts in done.messages for draft in drafts]


# --- attachments -----------------------------------------------------------------------------------------


def sent(*files: Attachment) -> list[str]:
    """The attachments of an agent's mail that leave with her answer."""
    (answer,) = drafts(make_context(), conversation(1, DOSSIER), INES, "Voici.", written("", INES, *files))
    return [enclosure.attachment.name for enclosure in answer.enclosures]


def attachment(name: str, kind: str = "application/octet-stream", inside: str = "") -> Attachment:
    return Attachment(name, kind, 9, "", 2, inside=inside)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            (f"ines{ending}", "application/octet-stream")
            for ending in (".vcf", ".VCF", ".eml", ".msg", ".p7m", ".p7s")
        ),
        *((f"key{ending}", "text/plain") for ending in (".asc", ".sig", ".asc. ", ".p7c")),
        *(("notification.msg", kind) for kind in ("application/vnd.ms-outlook", "application/x-msg")),
        *(
            ("x", kind)
            for kind in ("text/vcard", "text/x-vcard", "text/directory", "message/rfc822", "message/global")
        ),
        *(("x", kind) for kind in ("text/rfc822-headers", "application/pkcs7-mime", "application/x-pkcs7-mime")),
        *(
            ("x", kind)
            for kind in ("application/pkcs7-signature", "application/pgp-keys", "Application/PGP-Signature")
        ),
        *(("winmail.dat", kind) for kind in ("application/ms-tnef", "application/octet-stream")),
    ],
)
def test_what_tells_of_the_agent_stays(name: str, kind: str) -> None:
    assert sent(attachment("plan.pdf", "application/pdf"), attachment(name, kind)) == ["plan.pdf"]


@pytest.mark.parametrize("name", ["eml.pdf", "vcf", "message.txt", "signature.png", "plan.eml.zip"])
def test_what_is_no_such_thing_leaves(name: str) -> None:
    assert sent(attachment(name)) == [name]


def test_what_an_attached_mail_holds_stays_with_it_and_what_was_signed_leaves() -> None:
    assert sent(
        attachment("notification.eml"),
        attachment("secret.pdf", "application/pdf", inside="notification.eml"),
        attachment("smime.p7m", "application/pkcs7-mime"),
        attachment("plan.pdf", "application/pdf", inside="smime.p7m"),
    ) == ["plan.pdf"]


# --- handing over by mail ----------------------------------------------------------------------------------


def handed(*messages: Message) -> Draft:
    """The mail to an organisation that has nobody here."""
    base = settings()
    context = make_context(organisations=[*map(asdict, base.organisations), ELSEWHERE])
    thread = Thread(messages[-1], messages[-1:], (ULYSSE,), written=messages)
    found = drafts(context, conversation(1, GLOBAL), MANON, "@transmettre 21330063500017", None, thread)
    (letter,) = [draft for draft in found if draft.to == ELSEWHERE["email"]]
    assert letter.purpose is Purpose.ANSWER
    return letter


def test_the_whole_request_is_handed_over() -> None:
    """Not only what came after the last answer: « the second » alone is no request."""
    letter = handed(*(written(f"n{n}.") for n in range(15)), written("le second"))
    assert [n for n in range(15) if f"n{n}." in letter.text] == list(range(15))
    assert letter.text.index("n0.") < letter.text.index("n14.") < letter.text.index("le second")


def test_what_is_handed_over_holds_no_address_of_an_agent_and_no_token() -> None:
    token = f"reponse+{sign(Token(TokenKind.REPLY, 7, 0), KEYS)}@{DOMAIN}"
    letter = handed(written(f"{ALICE} m’a dit d’écrire à {token}, ou à moi : {ULYSSE}"))
    assert ALICE not in letter.text
    assert token not in letter.text
    assert letter.text.count(ULYSSE) >= 2


def test_of_a_request_without_end_the_latest_is_handed_over_and_the_rest_counted() -> None:
    letter = handed(*(written(f"n{n}. " + "x" * 49_000) for n in range(10)))
    assert "6 messages plus anciens ne figurent pas ici" in letter.text
    assert len(letter.text) < 250_000


# --- prepared answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thread", "day"),
    [
        (Thread(), 1),
        (Thread(latest=written(received_at=NOW + timedelta(days=3))), 4),
        (
            Thread(
                latest=written(received_at=NOW + timedelta(days=9)),
                unanswered=tuple(written(received_at=NOW + timedelta(days=days)) for days in (5, 6)),
            ),
            7,
        ),
    ],
)
def test_a_prepared_answer_tells_when_the_message_came_that_it_answers(
    tmp_path: Path, thread: Thread, day: int
) -> None:
    (tmp_path / "modeles").mkdir()
    (tmp_path / "modeles/recu.txt").write_text("Votre message du {{ received }}.\n", "utf-8")
    context = make_context(desk={"templates": str(tmp_path)})
    (answer,) = drafts(context, conversation(1, DOSSIER), INES, "@modele recu", None, thread)
    told = "1er mars" if day == 1 else f"{day} mars"
    assert f"Votre message du {told} 2025" in answer.text


@pytest.mark.parametrize(
    ("name", "first"),
    [
        *(("Marie Dupont", "Marie"), ("DUPONT Marie", "Marie"), ("DE LA TOUR Jean-Marie", "Jean-Marie")),
        *(("Dupont, Marie", "Marie"), ("MARIE DUPONT", "MARIE"), ("J. Dupont", "J."), ("Marie", "Marie"), ("", "")),
        *(("Marie DUPONT", "Marie"), ("DUPONT M. Marie", "M.")),
    ],
)
def test_an_agents_first_name(name: str, first: str) -> None:
    context = make_context(agents=[{"email": INES, "name": name}])
    assert context.first_name(INES) == first
