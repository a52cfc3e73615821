"""Mail in an agent's name that isn't proven: kept, put before her, and done once she says that it is hers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway.context import Context
from gateway.decision import Decision
from gateway.model import Outgoing
from gateway.relay import plan
from gateway.store import sending, tables
from gateway.store.database import Store
from tests.builders import (
    ALICE,
    DOMAIN,
    INES,
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
)

MX = "mx.example.org"
STRANGER = "simon@stranger.example"
PASSES = f"{MX}; dmarc=pass header.from=mairie.example.org"
FAILS = f"{MX}; dmarc=fail header.from=mairie.example.org"
QUOTE = "Le lundi 3 mars 2025 à 10:00, La passerelle <x@support.example.org> a écrit :\n> Ce message est-il de vous ?"
ANSWER = "@clore\n\nBonjour, votre dossier est complet."
DAY = timedelta(days=1)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, trust={"agent_proof": "authenticated"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


class Scene:
    """A dossier's usager wrote; Inès was told, and a mail in her name has come."""

    def __init__(self, store: Store, context: Context) -> None:
        self.store, self.context = store, context
        self._count = 0
        self.bring(raw_mail(to=f"dossier+123@{DOMAIN}", identifier="q@usager.example.net"), f"dossier+123@{DOMAIN}")
        self.told = self.left(INES)[0]

    def bring(self, raw: bytes, to: str, at: datetime = NOW) -> Decision:
        keep(self.store, incoming(raw, (to,), authserv_id=MX, received_at=at))
        ((_, decision),) = file_all(self.store, self.context, at)
        assert isinstance(decision, Decision), decision
        return decision

    def write(
        self, author: str, to: str, text: str, at: datetime = NOW, results: str = "", **fields: Any
    ) -> Decision:
        self._count += 1
        raw = raw_mail(author, to, "Re: x", text, f"{self._count}@clients.example", **fields)
        if results:
            raw = f"Authentication-Results: {results}\r\n".encode() + raw
        return self.bring(raw, to, at)

    def unproven(self, author: str = INES, text: str = ANSWER, **values: Any) -> Outgoing:
        """A mail in her name, and the question about it."""
        self.write(author, self.told.reply_to, text, **values)
        return self.questions()[-1]

    def say(self, words: str = "oui", author: str = INES, to: str = "", **values: Any) -> Decision:
        return self.write(author, to or self.questions()[0].reply_to, words, **values)

    def questions(self) -> list[Outgoing]:
        return [d for d in self.left(INES) if d.draft.purpose.value == "confirmation"]

    def answers(self) -> list[Outgoing]:
        return [d for d in self.left(ULYSSE) if d.draft.purpose.value == "answer"]

    def left(self, to: str) -> list[Outgoing]:
        due = self.store.read_now(lambda connection: sending.due(connection, NOW + 30 * DAY, 1000))
        return sorted((d for d in due if d.draft.to == to), key=lambda d: d.id)

    @property
    def conversation(self) -> dict[str, Any]:
        (summary,) = listed(self.store)
        return shown(self.store, summary["reference"])

    @property
    def state(self) -> str:
        (asked,) = (m["confirmation"] for m in self.conversation["messages"] if m["confirmation"])
        return str(asked["state"])


@pytest.fixture
def scene(store: Store, context: Context) -> Scene:
    return Scene(store, context)


# --- put before her ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("author", "results", "why"),
    [
        (INES, "", "aucun serveur de messagerie n’atteste"),
        (INES, FAILS, "la vérification de son origine a échoué"),
        (STRANGER, "", f"une autre adresse que la vôtre ({STRANGER})"),
        (f"{INES}, {STRANGER}", "", "ne dit pas clairement qui l’a envoyé"),
    ],
)
def test_what_is_not_proven_is_kept_and_asked_about(scene: Scene, author: str, results: str, why: str) -> None:
    scene.write(author, scene.told.reply_to, ANSWER, results=results)
    (question,) = scene.questions()
    assert why in question.draft.text
    for told in ("Bonjour, votre dossier est complet.", "@clore", ULYSSE):
        assert told in question.draft.text
    assert scene.answers() == []
    assert scene.conversation["status"] == "active"
    message = scene.conversation["messages"][-1]
    assert (message["kind"], message["confirmation"]["agent"], message["confirmation"]["state"]) == (
        "internal",
        INES,
        "asked",
    )
    assert "asked ines.instruit@mairie.example.org to confirm" in scene.conversation["history"][-1]["what"]


def test_what_is_proven_acts_at_once(scene: Scene) -> None:
    scene.write(INES, scene.told.reply_to, ANSWER, results=PASSES)
    assert (len(scene.answers()), scene.questions(), scene.conversation["status"]) == (1, [], "closed")


def test_where_the_token_is_enough_a_failed_check_still_is_not(store: Store, tmp_path: Path) -> None:
    scene = Scene(store, make_context(tmp_path, trust={"agent_proof": "token"}))
    scene.write(INES, scene.told.reply_to, ANSWER, results=FAILS)
    assert (scene.answers(), len(scene.questions())) == ([], 1)
    scene.write(INES, scene.told.reply_to, ANSWER)
    assert len(scene.answers()) == 1


def test_the_question_leads_to_itself_alone(scene: Scene) -> None:
    question = scene.unproven()
    assert (question.in_reply_to, question.references) == ((), ())
    assert question.envelope_sender == ""
    assert question.reply_to != scene.told.reply_to
    assert scene.told.message_id.partition(".")[2] != question.message_id.partition(".")[2]


def test_what_could_not_act_anyway_is_given_back(scene: Scene) -> None:
    scene.write(INES, scene.told.reply_to, "@inconnu\n\nBonjour.")
    assert scene.questions() == []
    (notice,) = (d for d in scene.left(INES) if d.draft.purpose.value == "notice")
    assert "n’est pas une commande" in notice.draft.text
    assert "aucun serveur de messagerie" in notice.draft.text


def test_who_may_not_see_it_any_more_is_not_told_what_somebody_writes(scene: Scene) -> None:
    scene.write(STRANGER, scene.told.reply_to, "@dossier 999\nBonjour.")
    assert scene.questions() == []
    assert all("Bonjour." not in d.draft.text for d in scene.left(INES)[1:])


def test_what_is_too_long_to_be_read_whole_is_not_asked_about(scene: Scene) -> None:
    scene.write(INES, scene.told.reply_to, "Bonjour.\n" + "x" * plan.LONGEST_SHOWN)
    assert scene.questions() == []
    assert [d.draft.purpose.value for d in scene.left(INES)[1:]] == ["notice"]


def test_questions_and_notices_share_what_she_gets_in_a_day(scene: Scene) -> None:
    for number in range(plan.MOST_NOTICES + 3):
        scene.write(STRANGER, scene.told.reply_to, "Bonjour." if number % 2 else "@inconnu")
    assert len(scene.left(INES)) == 1 + plan.MOST_NOTICES
    assert "she was asked often enough today" in scene.conversation["history"][-2]["what"]


def test_who_is_never_vouched_for_may_answer_all_day(scene: Scene) -> None:
    """A town hall without DKIM: strangers who write in her name don't use up what she hears of her own mail."""
    for _ in range(plan.MOST_NOTICES + 3):
        scene.write(STRANGER, scene.told.reply_to, "Bonjour.")
    before = len(scene.questions())
    scene.write(INES, scene.told.reply_to, ANSWER)
    scene.write(INES, scene.told.reply_to, "@inconnu")
    scene.write(INES, scene.told.reply_to, ANSWER, results=FAILS)
    assert len(scene.questions()) == before + 1
    assert len(scene.left(INES)) == 1 + plan.MOST_NOTICES + 2
    scene.say("oui", to=scene.questions()[-1].reply_to)
    assert len(scene.answers()) == 1


def test_of_her_own_mail_too_she_is_asked_so_often_at_most(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MOST_LIKELY_HERS", plan.MOST_NOTICES + 2)
    for _ in range(plan.MOST_NOTICES + 4):
        scene.write(INES, scene.told.reply_to, ANSWER)
    assert len(scene.questions()) == plan.MOST_NOTICES + 2


def test_imported_mail_is_asked_about_by_nobody(scene: Scene) -> None:
    raw = raw_mail(INES, scene.told.reply_to, "Re: x", "Bonjour.", "old@clients.example")
    keep(scene.store, incoming(raw, (scene.told.reply_to,), source="import", authserv_id=MX))
    file_all(scene.store, scene.context)
    assert scene.questions() == []
    assert "without asking her: it is imported or old" in scene.conversation["history"][-1]["what"]


# --- confirmed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    ["oui", "Oui.\n\nInès", "yes", f"OK merci\n\n{QUOTE}", "D’accord", "Je confirme", "I confirm"],
)
def test_her_yes_lets_it_act_as_if_it_had_been_proven(scene: Scene, words: str) -> None:
    scene.unproven()
    scene.say(words)
    (answer,) = scene.answers()
    assert "votre dossier est complet" in answer.draft.text
    assert scene.conversation["status"] == "closed"
    assert scene.state == "confirmed"
    assert [m["kind"] for m in scene.conversation["messages"]] == ["external", "internal", "internal", "external"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "non"),
        ("application/pdf; name=non.pdf", "JVBERi0x"),
        ('multipart/mixed; boundary="b"', "--b\nContent-Type: image/png; name=non.png\n\nnon\n--b--"),
        ("application/rtf", "{\\rtf1 non}"),
        ("text/plain; charset=utf-8", f"{QUOTE}\n> Non, surtout pas !"),
    ],
)
def test_what_cannot_be_read_is_no_yes(scene: Scene, kind: str, body: str) -> None:
    scene.unproven()
    scene.say(body, Content_Type=kind)
    assert (scene.answers(), scene.state) == ([], "asked")
    assert "La réponse reçue" in scene.questions()[-1].draft.text


def test_the_proven_and_the_confirmed_mail_come_to_the_same(store: Store, context: Context, tmp_path: Path) -> None:
    text = "@note Vu.\n@tag urgent\n\nBonjour, c’est fait.\n\n-- \nInès"
    scene = Scene(store, context)
    scene.unproven(text=text)
    scene.say()
    (tmp_path / "other").mkdir()
    with opened(tmp_path / "other") as second:
        proven = Scene(second, context)
        proven.write(INES, proven.told.reply_to, text, results=PASSES)

        def left(one: Scene) -> Any:
            (answer,) = one.answers()
            told = one.conversation
            events = [
                event["what"] for event in told["history"] if event["by"] == INES and "confirmed" not in event["what"]
            ]
            reference = told["reference"]
            return answer.draft.text.replace(reference, ""), told["status"], told["tags"], events

        assert left(scene) == left(proven)


def test_a_stranger_in_her_name_may_have_been_she_herself(scene: Scene) -> None:
    """She wrote from her private address; it is her word at her own address that counts."""
    scene.unproven(STRANGER)
    scene.say("oui", author=STRANGER)
    assert scene.answers() == []
    scene.say("oui")
    assert len(scene.answers()) == 1
    assert scene.answers()[0].draft.from_name == "Mairie d'Exemple"


def test_what_it_quoted_is_no_part_of_what_acts(scene: Scene) -> None:
    scene.unproven(text="Bonjour, oui.\n\n> secret quoted")
    scene.say("oui\n\nLe 1 mars, la passerelle a écrit :\n> non\n> @spam")
    (answer,) = scene.answers()
    assert "secret quoted" not in answer.draft.text
    assert scene.conversation["status"] == "pending"


def test_its_attachments_go_with_it(scene: Scene) -> None:
    body = (
        '--b\nContent-Type: text/plain; charset=utf-8\n\nVoici.\n--b\nContent-Type: application/pdf; name="a.pdf"\n'
        "Content-Disposition: attachment; filename=a.pdf\nContent-Transfer-Encoding: base64\n\nJVBERg==\n--b--"
    )
    scene.unproven(text=body, Content_Type="multipart/mixed; boundary=b")
    assert "a.pdf" in scene.questions()[0].draft.text
    assert scene.questions()[0].draft.enclosures == ()
    scene.say()
    (answer,) = scene.answers()
    (enclosure,) = answer.draft.enclosures
    kept = scene.conversation["messages"][1]
    assert (enclosure.attachment.name, enclosure.attachment.sha256) == ("a.pdf", kept["attachments"][0]["sha256"])
    assert scene.store.read_now(lambda c: sending.due(c, NOW + DAY, 100))  # its bytes are where the kept mail is


def test_an_attachment_above_a_mere_quote_goes_without_the_quote(scene: Scene) -> None:
    body = (
        "--b\nContent-Type: text/plain; charset=utf-8\n\nLe 1 mars 2025, X <x@y.example> a écrit :\n> secret quoted\n"
        "--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n\n%PDF\n--b--"
    )
    scene.unproven(text=body, Content_Type="multipart/mixed; boundary=b")
    scene.say()
    (answer,) = scene.answers()
    assert len(answer.draft.enclosures) == 1
    assert "secret quoted" not in answer.draft.text


def test_it_is_found_by_in_reply_to_where_the_mailbox_has_no_tokens(store: Store, tmp_path: Path) -> None:
    trust = {"agent_proof": "authenticated"}
    scene = Scene(store, make_context(tmp_path, trust=trust, addresses={"reply": ""}))
    scene.write(INES, f"contact@{DOMAIN}", ANSWER, In_Reply_To=f"<{scene.told.message_id}>")
    (question,) = scene.questions()
    assert question.reply_to == f"contact@{DOMAIN}"
    scene.say("oui", References=f"<{question.message_id}>")
    assert scene.answers() == [], "what is only cited isn't answered"
    scene.say("oui", In_Reply_To=f"<{question.message_id}>")
    assert len(scene.answers()) == 1


# --- not confirmed -------------------------------------------------------------------------------------------


def test_the_audit_is_told_what_the_act_rests_on(scene: Scene) -> None:
    scene.unproven()
    changes = scene.say().filing
    assert changes is not None
    assert f"mail {scene.questions()[0].cause}, itself plausible, confirmed by an answer" in changes.proof
    assert [event.by for event in changes.history] == [INES] * 3


@pytest.mark.parametrize("words", ["Non", "no", "non, ce n’est pas moi", "Ce n'est pas moi !"])
def test_her_no_takes_it_back_for_good(scene: Scene, words: str) -> None:
    scene.unproven()
    changes = scene.say(words).filing
    assert changes is not None
    assert "withdrawn by an answer to her own address" in changes.proof
    assert scene.state == "withdrawn"
    scene.say("oui")
    assert (scene.answers(), scene.state) == ([], "withdrawn")
    assert "ce message a été retiré" in scene.questions()[-1].draft.text


def test_twice_is_once(scene: Scene) -> None:
    scene.unproven()
    for _ in range(3):
        scene.say()
    assert len(scene.answers()) == 1
    assert len([q for q in scene.questions() if "déjà été confirmé" in q.draft.text]) == 1, "and she is told once"


@pytest.mark.parametrize(
    "words", ["Qui est-ce ?", "oui ?", "oui mais pas maintenant", "Okapi", "Confirmer quoi ?", "@clore"]
)
def test_what_is_not_clear_does_nothing_and_she_is_told_how_once(scene: Scene, words: str) -> None:
    scene.unproven()
    for _ in range(2):
        scene.say(words)
    assert (scene.answers(), scene.state) == ([], "asked")
    assert len(scene.questions()) == 2
    how = scene.questions()[1]
    assert "ni oui ni non" in how.draft.text
    scene.say("oui", to=how.reply_to)
    assert len(scene.answers()) == 1, "she may answer what told her how"


def test_too_late(scene: Scene) -> None:
    scene.unproven()
    scene.say("oui", at=NOW + timedelta(days=3, minutes=1))
    assert (scene.answers(), scene.state) == ([], "asked")
    assert "le délai pour le confirmer est passé" in scene.questions()[-1].draft.text


def test_just_in_time(scene: Scene) -> None:
    scene.unproven()
    scene.say("oui", at=NOW + timedelta(days=3))
    assert len(scene.answers()) == 1


@pytest.mark.parametrize(
    ("author", "fields"),
    [
        (STRANGER, {}),
        (ULYSSE, {}),
        (MANON, {}),
        (f"{STRANGER}, {INES}", {}),
        (STRANGER, {"Sender": INES, "Reply_To": INES, "Resent_From": INES, "Return_Path": f"<{INES}>"}),
        (INES, {"Auto_Submitted": "auto-replied"}),
        (INES, {"Precedence": "bulk", "List_Id": "<x.example>"}),
        (INES, {"X_Autoreply": "yes"}),
        (INES, {"results": FAILS}),
    ],
)
def test_who_or_what_else_answers_confirms_nothing(scene: Scene, author: str, fields: dict[str, str]) -> None:
    scene.unproven()
    scene.say("oui", author=author, **fields)
    assert (scene.answers(), scene.state) == ([], "asked")
    assert {d.draft.to for d in scene.store.read_now(lambda c: sending.due(c, NOW + DAY, 100))} <= {
        INES,
        ULYSSE,
        ALICE,
    }


def test_a_receipt_confirms_nothing(scene: Scene) -> None:
    scene.unproven()
    receipt = (
        "--b\nContent-Type: text/plain\n\noui\n--b\nContent-Type: message/disposition-notification\n\n"
        "Final-Recipient: rfc822; ines.instruit@mairie.example.org\nDisposition: manual-action; displayed\n\n--b--"
    )
    kind = "multipart/report; report-type=disposition-notification; boundary=b"
    assert scene.say(receipt, Content_Type=kind).filing.messages[0][0].nature.value == "receipt"  # type: ignore[union-attr]
    assert (scene.answers(), scene.state) == ([], "asked")


def test_one_question_is_never_answered_by_what_answers_another(scene: Scene) -> None:
    first = scene.unproven(text="Première réponse.")
    second = scene.unproven(text="Deuxième réponse.")
    scene.say("oui", to=second.reply_to, In_Reply_To=f"<{first.message_id}>", References=f"<{first.message_id}>")
    (answer,) = scene.answers()
    assert "Deuxième" in answer.draft.text


def test_an_answer_to_two_questions_answers_none(scene: Scene) -> None:
    first, second = scene.unproven(text="Un."), scene.unproven(text="Deux.")
    scene.write(INES, first.reply_to, "oui", Cc=second.reply_to)
    assert scene.answers() == []


def test_an_answer_to_the_question_never_goes_to_the_usager(scene: Scene) -> None:
    """Not even where it cites what she may answer, and is proven."""
    question = scene.unproven()
    cited = f"<{scene.told.message_id}> <{question.message_id}>"
    scene.say("Bonjour, une réponse.", results=PASSES, References=cited, Cc=scene.told.reply_to)
    assert scene.answers() == []


def test_what_was_asked_is_no_part_of_the_exchange(scene: Scene) -> None:
    """A notification after it doesn't cite it: her answer to that one is an answer."""
    question = scene.unproven()
    scene.bring(
        raw_mail(to=f"dossier+123@{DOMAIN}", identifier="q2@usager.example.net", answers="q@usager.example.net"),
        f"dossier+123@{DOMAIN}",
        NOW + DAY / 24,
    )
    later = [d for d in scene.left(INES) if d.draft.purpose.value == "notification"][-1]
    assert later.id != scene.told.id
    assert question.message_id not in (*later.references, *later.in_reply_to)


# --- as things are by then -----------------------------------------------------------------------------------


def test_whom_it_would_go_to_has_changed(scene: Scene) -> None:
    scene.unproven()
    other = update(tables.conversations).values(usager="other@usager.example.net")
    scene.store.write_now(lambda tx: tx.connection.execute(other))
    scene.say()
    assert (scene.answers(), scene.left("other@usager.example.net")) == ([], [])
    assert scene.state == "confirmed"
    (notice,) = (d for d in scene.left(INES) if d.draft.purpose.value == "notice")
    assert "votre dossier est complet" in notice.draft.text


def test_rights_are_judged_when_she_confirms(scene: Scene, tmp_path: Path) -> None:
    scene.unproven()
    gone = {"number": 42, "title": "P", "organisation": "21310555400017", "administrateurs": [ALICE]}
    scene.context = make_context(
        tmp_path, trust={"agent_proof": "authenticated"}, demarches=[gone], dossiers=[], support_groups=[]
    )
    scene.say()
    assert scene.answers() == []
    (notice,) = (d for d in scene.left(INES) if d.draft.purpose.value == "notice")
    assert "vous n’avez pas accès" in notice.draft.text
