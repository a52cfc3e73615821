"""Base subjects: what is left when replying, forwarding, lists and filters are taken off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import phrases
from gateway.mail.subjects import Base, base

NBSP = "\u00a0"
NARROW = "\u202f"

REPLIES = [
    *("Re: {}", "RE: {}", "RE : {}", "re:{}", f"Re{NBSP}: {{}}", f"RE{NARROW}:{NBSP}{{}}", "Re： {}", "  Re :   {}"),
    *("Re[2]: {}", "Re(3): {}", "Re^2: {}", "Re*4: {}", "Re-2: {}", "RE2: {}", "Re [2] : {}", "Re [voirie]: {}"),
    *("Réf : {}", "Réf. : {}", "RÉF: {}", "REF : {}", "Rép : {}", "Rép. : {}", "Réponse : {}", "Ré : {}"),
    *("AW: {}", "Aw: {}", "Antwort: {}", "SV: {}", "Antw: {}", "Antw.: {}", "R: {}", "RIF: {}", "Rif: {}", "RES: {}"),
    *(
        "Odp: {}",
        "ODP.: {}",
        "YNT: {}",
        "Ynt: {}",
        "Vá: {}",
        "VÁ: {}",
        "Απ: {}",
        "Ответ: {}",
        "ΑΠ: {}",
        "ΑΠΑΝΤΗΣΗ: {}",
        "回复：{}",
    ),
    *(
        "Réponse automatique : {}",
        f"Réponse automatique{NBSP}: {{}}",
        "Absence du bureau : {}",
        "Automatic reply: {}",
    ),
    *("Automatische Antwort: {}", "Respuesta automática: {}", "Risposta automatica: {}"),
    *("AutoReply: {}", "Abwesenheitsnotiz: {}", "Out of Office AutoReply: {}", "Automatisch antwoord: Antw: {}"),
    *(
        "Re: Re: Re: {}",
        "Re:Re:{}",
        "AW: Re: SV: {}",
        "Réponse automatique : RE : {}",
        "\u200eRe: {}",
        "Re:\u200b {}",
    ),
    *("[voirie] Re: {}", "Re: [voirie] {}", "Re: [voirie] Re: [voirie] {}", "[SPAM] RE: {}", "***SPAM*** Re: {}"),
    *("{{Spam?}} Re: {}", "** SPAM ** Re: {}", "REPONSE : {}", "REP : {}", "REPONSE AUTOMATIQUE : {}"),
]
FORWARDS = [
    *("TR: {}", "TR : {}", "Tr: {}", f"Tr{NBSP}: {{}}", "Transfert : {}", "Fwd: {}", "FWD: {}", "Fw: {}", "FW : {}"),
    *(
        "WG: {}",
        "VB: {}",
        "PD: {}",
        "RV: {}",
        "ENC: {}",
        "I: {}",
        "Doorst: {}",
        "VL: {}",
        "FS: {}",
        "TRS: {}",
        "Переслано: {}",
        "Πρθ: {}",
        "ΠΡΘ: {}",
    ),
    *("İlt: {}", "ilt: {}", "Továbbítás: {}", "Fwd[2]: {}", "Fwd: Fwd: {}", "{} (fwd)", "{} (Fwd) (fwd)"),
    *("[Fwd: {}]", "[Fwd: [Fwd: {}]]", "[TR : {}]", "[voirie] Fwd: {}", "[Fwd: [voirie] {}]"),
]
BOTH = [
    *("RE : Re: TR: {}", "Re: Fwd: {}", "Fwd: Re: {}", "TR : RE : {}", "WG: AW: {}", "Re: {} (fwd)", "[Fwd: Re: {}]"),
    "VS: {}",  # a Finn's reply, a Dane's forward
]
SAME = [
    *("Note: marché", "Dossier 12: marché", "C: disque plein", r"R:\partage inaccessible", "I:partage", "Re marché"),
    *("Réunion : marché", "Hôtel : marché", "Important : marché", "12: marché", "Aw, marché", "Rendez-vous: marché"),
    *(
        "Tribune: marché",
        "Retour : marché",
        "(fwd) marché",
        "« Re: marché »",
        "Automatic reply",
        "Absence",
        "[Re",
        "a [voirie]",
    ),
    *("https://x.example/re:", "Question (urgent)", "marché [Fwd: x]"),
]
NUMBERED = {
    "[#123] Marché": "[#123] marché",
    "Re: [#123] Re: Marché": "[#123] marché",
    "RE : [Ticket 45] [voirie] Marché": "[ticket 45] marché",
    "[PATCH 1/3] x": "[patch 1/3] x",
    "Re: [PATCH v2 2/3] x": "[patch v2 2/3] x",
    "[usrp2-users] Re: x": "x",  # a list's name, digit and all
    "[PATCH v2] x": "x",
}


@pytest.mark.parametrize("form", REPLIES)
def test_replies(form: str) -> None:
    assert base(form.format("Permis  de Végétaliser")) == Base("permis de végétaliser", response=True, forward=False)


@pytest.mark.parametrize("form", FORWARDS)
def test_forwards(form: str) -> None:
    assert base(form.format("Permis")) == Base("permis", response=False, forward=True)


@pytest.mark.parametrize("form", BOTH)
def test_both(form: str) -> None:
    assert base(form.format("Permis")) == Base("permis", response=True, forward=True)


@pytest.mark.parametrize("subject", SAME)
def test_what_is_no_mark_stays(subject: str) -> None:
    assert base(subject) == Base(subject.casefold(), response=False, forward=False)


@pytest.mark.parametrize("subject", NUMBERED)
def test_a_tag_with_a_number_names_a_matter(subject: str) -> None:
    assert base(subject).text == NUMBERED[subject]
    assert base(subject).response == subject.upper().startswith("RE") or "] Re" in subject


@pytest.mark.parametrize(
    ("subject", "text", "response"),
    [
        ("", "", False),
        ("Re:", "", True),
        (" \t ", "", False),
        ("[voirie]", "[voirie]", False),  # a tag that is the whole text stays (RFC 5256 §2.1)
        ("Re: [voirie]", "[voirie]", True),
        ("[voirie] [parcs]", "[parcs]", False),
        ("[]", "[]", False),
        ("Re: []", "[]", True),
    ],
)
def test_hardly_anything(subject: str, text: str, response: bool) -> None:
    assert base(subject) == Base(text, response, forward=False)


@pytest.mark.parametrize(("subject", "text"), [("[TR: ]R: TR:Re:", ""), ("[Fwd: le marché] Re:", "le marché")])
def test_a_forward_that_is_all_that_is_left(subject: str, text: str) -> None:
    assert base(subject) == Base(text, response=True, forward=True)
    assert base(text).text == text


def test_one_subject_however_its_letters_are_put_together() -> None:
    assert base("Re: E\u0301cole\u00adde") == base("RE : ÉCOLE\u00adDE") == base("Réf\u00a0: école\u200bde")


@pytest.mark.parametrize("mark", sorted(phrases.REPLY_PREFIXES | phrases.FORWARD_PREFIXES))
def test_every_mark_that_forwards_know(mark: str) -> None:
    for written in (f"{mark}: x", f"{mark.upper()} : x", f"{mark.title()}: Re: x"):
        found = base(written)
        assert found.text == "x"
        assert found.response or found.forward
        assert found.forward or mark not in phrases.FORWARD_PREFIXES


@pytest.mark.parametrize(
    "junk", ["Re:", "Re: ", "[a] ", "[", "[1] ", "(fwd)", "[Fwd: ", "*", "** a ** ", "re", "é", " ", "{a}", "Re[2] "]
)
def test_junk_without_end(junk: str) -> None:
    """No pattern costs more than its length."""
    assert base(junk * (200_000 // len(junk))).text is not None
    assert base(junk * (200_000 // len(junk)) + "]").text is not None


@given(st.text(max_size=80))
def test_what_is_found_is_its_own_base(subject: str) -> None:
    found = base(subject)
    assert base(f"Re: {subject}") == Base(found.text, response=True, forward=found.forward)
    assert base(f"TR : {subject}") == Base(found.text, response=found.response, forward=True)
    assert found.text == " ".join(found.text.split())
