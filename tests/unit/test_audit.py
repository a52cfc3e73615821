"""What people do goes to the audit with what it rests on, in the transaction of the act. And what is shown of it."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import aside, importing, outbox
from gateway.commands import audit as command
from gateway.commands.acts import act
from gateway.commands.operator import operator
from gateway.commands.repair import merge, split
from gateway.commands.rethread import rethread
from gateway.context import Context
from gateway.desk.commands import parse
from gateway.errors import NotFound, Refused
from gateway.store import audit
from gateway.store.database import Store
from tests.builders import (
    ALICE,
    DOMAIN,
    INES,
    MANON,
    NOW,
    OPERATOR,
    ULYSSE,
    deliveries_to,
    listed,
    make_context,
    opened,
    raw_mail,
    shown,
    take,
)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, desk={"bundle": "0s"})


@pytest.fixture
def store(tmp_path: Path, context: Context) -> Iterator[Store]:
    with opened(tmp_path) as store:
        take(store, context, raw_mail(to=f"dossier+123@{DOMAIN}"), recipients=(f"dossier+123@{DOMAIN}",))
        yield store


def acts(store: Store) -> list[dict[str, Any]]:
    return store.read_now(audit.listed)


def answer(store: Store, context: Context, words: str) -> str:
    """An agent answers her notification by mail; its digest."""
    notified = deliveries_to(store, INES)[-1]
    raw = raw_mail(INES, notified.reply_to, "Re: Une question", words, "a1@mairie", answers=notified.message_id)
    take(store, context, raw, recipients=(notified.reply_to,), envelope_sender=INES)
    messages = shown(store, listed(store)[0]["reference"])["messages"]
    assert messages[-1]["author"] == INES
    return hashlib.sha256(raw).hexdigest()


def test_what_nobody_did_is_not_in_it(store: Store) -> None:
    assert acts(store) == []
    assert shown(store, listed(store)[0]["reference"])["history"] != []


def test_an_agents_mail_with_the_mail_and_its_grade(store: Store, context: Context) -> None:
    digest = answer(store, context, "@tag urgent\n\nBonjour Ulysse")
    reference = listed(store)[0]["reference"]
    assert [(a["by"], a["what"], a["conversation"]) for a in acts(store)] == [
        (INES, "answered the usager", reference),
        (INES, "tagged with urgent", reference),
    ]
    assert {a["proof"] for a in acts(store)} == {
        f"mail {digest}: the agent's own token (the configuration asks for no more)"
    }


def test_a_mail_that_did_nothing_is_not_in_it(store: Store, context: Context) -> None:
    answer(store, context, "@nothing of the kind")
    assert acts(store) == []


def test_a_mail_that_is_brought_in(store: Store, context: Context) -> None:
    head = ("-------- Message transféré --------", "De : Vera <vera@x.example>", "Sujet : Aide", f"Pour : {INES}")
    words = "\n".join(("@fwd", "", *head, "", "Aidez-moi."))
    take(store, context, raw_mail(INES, text=words, identifier="f1@mairie"), envelope_sender=INES)
    (done,) = acts(store)
    assert (done["by"], done["what"]) == (INES, "brought it in: it was written to her")
    assert ": no token; " in done["proof"]
    assert done["conversation"] == listed(store)[0]["reference"]


def test_an_act_on_the_command_line(store: Store, context: Context) -> None:
    reference = listed(store)[0]["reference"]
    act(store, context, reference, INES, parse("@note à voir"), NOW, proof=OPERATOR.proof)
    (done,) = acts(store)
    assert (done["by"], done["what"], done["proof"]) == (INES, "wrote a note", OPERATOR.proof)
    with pytest.raises(Refused):
        act(store, context, reference, INES, parse("@spam"), NOW, proof=OPERATOR.proof)
    assert len(acts(store)) == 1


def test_a_message_that_is_split_off_and_merged_again(store: Store, context: Context) -> None:
    first = listed(store)[0]["reference"]
    take(store, context, raw_mail(identifier="m2@x", answers="m1@usager.example.net", text="Et encore."))
    second = shown(store, first)["messages"][-1]["id"]
    split(store, context, first, second, None, ALICE, NOW, proof="split by hand")
    (other,) = [c["reference"] for c in listed(store) if c["reference"] != first]
    merge(store, context, first, other, ALICE, NOW, proof="merged by hand")
    assert [(a["what"], a["conversation"], a["proof"]) for a in acts(store)] == [
        (f"took message {second} out of {first}", other, "split by hand"),
        (f"moved message {second} to {other}", first, "split by hand"),
        (f"merged {other} into {first}", first, "merged by hand"),
    ]
    of_both = command.listed(store, other.lower()).document["acts"]
    assert [a["id"] for a in of_both] == [1, 2, 3]


def test_what_an_operator_does(store: Store, context: Context, tmp_path: Path) -> None:
    (delivery, *_), reference = deliveries_to(store, ULYSSE), listed(store)[0]["reference"]
    outbox.retried(store, delivery.id, OPERATOR, NOW)
    outbox.cancelled(store, delivery.id, OPERATOR, NOW)
    with pytest.raises(Refused):
        outbox.cancelled(store, delivery.id, OPERATOR, NOW)
    with pytest.raises(NotFound):
        aside.retried(store, 9, OPERATOR, NOW)
    (tmp_path / "one.eml").write_bytes(raw_mail(identifier="m9@x"))
    importing.imported(store, context, [tmp_path / "one.eml"], OPERATOR, lambda: NOW)
    rethread(store, context, NOW, apply=False, by=OPERATOR)
    rethread(store, context, NOW, apply=True, by=OPERATOR)
    assert [(a["by"], a["what"], a["conversation"]) for a in acts(store)] == [
        (OPERATOR.name, f"let delivery {delivery.id} be sent now", reference),
        (OPERATOR.name, f"cancelled delivery {delivery.id}", reference),
        (OPERATOR.name, "imported 1 mail", None),
        (OPERATOR.name, "placed every mail anew: 0 differences", None),
    ]
    assert {a["proof"] for a in acts(store)} == {OPERATOR.proof}


# --- who types, and what is shown ------------------------------------------------------------------------


def test_an_operator_is_who_the_system_says() -> None:
    user = getpass.getuser()
    alone, behind = operator("aside retry", {}), operator("aside retry", {"SUDO_USER": "olga"})
    assert (alone.name, alone.proof) == (f"operator {user}", f"command line: gateway aside retry, system user {user}")
    assert (behind.name, behind.proof) == ("operator olga", f"{alone.proof}, by sudo of olga")


def test_verifying_says_what_holds(store: Store, context: Context) -> None:
    reference = listed(store)[0]["reference"]
    act(store, context, reference, MANON, parse("@note rien"), NOW)
    kept = command.listed(store, None).document["head"]
    found = command.verified(store, kept)
    assert (found.status, found.document) == (0, {"rows": 1, "erased": 0, "head": kept, "fault": None})
    assert kept in str(found.lines[-1])


def test_verifying_says_what_is_wrong(store: Store) -> None:
    found = command.verified(store, "ab" * 32)
    assert (found.status, found.document["fault"]) == (1, f"no row up to 0 has the hash {'ab' * 32}")
    for wrong in ("ab", "xy" * 32):
        with pytest.raises(Refused, match="64 hexadecimal"):
            command.verified(store, wrong)
    with pytest.raises(NotFound):
        command.listed(store, "AAAA-AAAA")
