"""Routing: the strongest evidence counts, admission guards the dossiers, a conversation is only moved closer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import Settings
from gateway.model import GLOBAL, Conversation, Inbox, InboxKind, Mail
from gateway.routing.directory import directory
from gateway.routing.recipients import recognised, recogniser
from gateway.routing.route import Route, Strength, route
from tests.builders import (
    ALICE,
    DEMARCHE,
    DOSSIER,
    HOTLINE,
    INES,
    KEYS,
    MANON,
    ULYSSE,
    conversation,
    mail,
    passing,
    settings,
)

STRANGER = "stranger@elsewhere.example"
OTHER_DEMARCHE, OTHER_DOSSIER = Inbox(InboxKind.DEMARCHE, 7), Inbox(InboxKind.DOSSIER, 124)
LINK = "https://demarches.example.org"


def people(**dossier: Any) -> Settings:
    """Démarche 42 with the dossiers 123 (Ulysse's) and 125 (a guest's), démarche 7 with 124 (Penelope's)."""
    other = {"number": 7, "title": "Autre", "organisation": "21310555400017"}
    base = settings()
    return settings(
        demarches=[asdict(base.demarches[0]), other],
        dossiers=[
            {**asdict(base.dossiers[0]), **dossier},
            {"number": 124, "demarche": 7, "usager": "penelope@x.example"},
            {"number": 125, "demarche": 42, "usager": "laerte@x.example", "invites": ["guest@x.example"]},
        ],
    )


def routed(
    letter: Mail, *recipients: str, into: Conversation | None = None, by: Settings | None = None, **dossier: Any
) -> Route:
    everyone = by or people(**dossier)
    found = recognised((f"{r}@support.example.org" for r in recipients), recogniser(everyone, KEYS))
    return route(letter, found, into, directory(everyone), everyone)


# --- evidence, in its order ------------------------------------------------------------------------------


def test_nothing() -> None:
    found = routed(mail(), "contact")
    assert (found.inbox, found.strength, found.refused) == (GLOBAL, Strength.NONE, None)


@pytest.mark.parametrize(
    ("letter", "recipient", "inbox", "strength"),
    [
        (mail(), "dossier+123", DOSSIER, Strength.ADDRESS),
        (mail(), "demarche+42", DEMARCHE, Strength.ADDRESS),
        (mail(), "vegetaliser", DEMARCHE, Strength.ADDRESS),
        (mail(text=f"voir {LINK}/dossiers/123"), "contact", DOSSIER, Strength.LINK),
        (mail(subject=f"{LINK}/procedures/42/x"), "contact", DEMARCHE, Strength.LINK),
        (mail(subject="Re: votre dossier n° 123"), "contact", DOSSIER, Strength.SUBJECT),
        (mail(subject="mon dossier 123"), "contact", DOSSIER, Strength.SUBJECT),
        (mail(text="mon dossier n° 123"), "contact", DOSSIER, Strength.TEXT),
        (mail(authentication=passing()), "contact", DOSSIER, Strength.ONLY_DOSSIER),
    ],
)
def test_each_kind_of_evidence(letter: Mail, recipient: str, inbox: Inbox, strength: Strength) -> None:
    found = routed(letter, recipient)
    assert (found.inbox, found.strength) == (inbox, strength)
    assert found.because


def test_the_stronger_evidence_wins() -> None:
    both: dict[str, Any] = {"invites": ["guest@x.example"]}
    guest = "guest@x.example"  # of 123 and 125
    text = f"{LINK}/dossiers/125"
    assert routed(mail(guest, text=text), "dossier+123", **both).inbox == DOSSIER
    assert routed(mail(guest, text=text, subject="dossier n° 123"), "contact", **both).inbox.number == 125
    assert routed(mail(guest, text="dossier n° 125", subject="dossier n° 123"), "contact", **both).inbox == DOSSIER


def test_a_dossier_says_more_than_the_demarche_it_was_sent_to() -> None:
    assert routed(mail(subject="dossier n° 123"), "vegetaliser").inbox == DOSSIER
    assert routed(mail(), "vegetaliser", "dossier+123").inbox == DOSSIER
    # a dossier of another démarche doesn't outweigh the address
    assert routed(mail("penelope@x.example", subject="dossier n° 124"), "vegetaliser").inbox == DEMARCHE


def test_the_only_open_dossier_needs_a_proven_author() -> None:
    assert routed(mail(), "contact").inbox == GLOBAL
    assert routed(mail(authentication=passing(), sure=False), "contact").inbox == GLOBAL
    assert routed(mail(authentication=passing()), "contact", state="accepte").inbox == GLOBAL
    two = people()
    two = two.model_copy(update={"dossiers": (*two.dossiers, replace(two.dossiers[0], number=126))})
    assert routed(mail(authentication=passing()), "contact", by=two).inbox == GLOBAL


GUEST = "guest@x.example"
BOTH: dict[str, Any] = {"invites": [GUEST]}  # of 123 and 125
NOTICE = f"Nouveau message <{LINK}/dossiers/123/messagerie>"
OTHER_OWN = Inbox(InboxKind.DOSSIER, 125)


def answer(own: str, **values: Any) -> Mail:
    """An answer to the notice of dossier 123."""
    filled = {"subject": "Re: Nouveau message pour votre dossier n° 123", "quoted": NOTICE, **values}
    return mail(GUEST, own=own, **{"text": f"{own}\n\n> {NOTICE}", **filled})


@pytest.mark.parametrize(
    "own", ["C’est pour mon dossier n° 125.", f"{LINK}/dossiers/125", "mon autre dossier 125", "(dossier n° 125)"]
)
def test_the_dossier_that_she_names_herself_beats_the_notice_that_she_answers(own: str) -> None:
    found = routed(answer(own), "contact", **BOTH)
    assert (found.inbox, found.strength) == (OTHER_OWN, Strength.OWN)
    # the address says more, and a fresh mail's subject is hers too
    assert routed(answer(own), "dossier+123", **BOTH).inbox == DOSSIER
    assert routed(answer(own, quoted="", subject="dossier n° 123"), "contact", **BOTH).strength is not Strength.OWN


@pytest.mark.parametrize(
    "own",
    ["Bonjour, voici la pièce.", "mes dossiers n° 125 et 126", "mes dossiers n° 125, 126", "le dossier n° 999"],
)
def test_otherwise_the_notice_counts(own: str) -> None:
    assert routed(answer(own), "contact", **BOTH).inbox == DOSSIER


def test_of_a_dossier_of_somebody_elses_the_notice_says_more() -> None:
    assert routed(answer("Et le dossier n° 124 de mon mari ?"), "contact", **BOTH).inbox == DOSSIER
    alone = routed(answer("Et le dossier n° 124 ?", text="dossier n° 124", subject="Re: bonjour"), "contact", **BOTH)
    assert (alone.inbox, alone.refused) == (OTHER_DEMARCHE, 124)


@pytest.mark.parametrize(
    "letter",
    [
        mail(subject="Nouveau message pour votre dossier n° 999 « Permis de végétaliser »"),
        mail(subject="Re: Retrouvez votre brouillon pour la démarche « permis  de VEGETALISER »"),
        mail(text=f"voir {LINK}/commencer/permis-de-vegetaliser"),
        mail(STRANGER, subject="Une question sur la démarche n° 42"),
        mail(STRANGER, text="Démarche : Permis de végétaliser (n° 42)"),
    ],
)
def test_a_demarche_by_its_title_its_path_or_its_number(letter: Mail) -> None:
    assert routed(letter, "contact").inbox == DEMARCHE


def test_a_title_of_two_demarches_says_nothing() -> None:
    two = people()
    twin = replace(two.demarches[0], number=43)
    two = two.model_copy(update={"demarches": (*two.demarches, twin)})
    assert routed(mail(subject="« Permis de végétaliser »"), "contact", by=two).inbox == GLOBAL
    assert routed(mail(subject="Permis de végétaliser"), "contact").inbox == GLOBAL  # not called a title


def test_a_number_of_a_custom_subject_is_believed_of_its_usager_only() -> None:
    custom = "Accusé de réception N° 123"
    assert routed(mail(subject=custom), "contact").inbox == DOSSIER
    assert routed(mail(INES, subject=custom), "contact").inbox == GLOBAL
    found = routed(mail(STRANGER, subject=custom), "contact")
    assert (found.inbox, found.refused) == (GLOBAL, None)


def test_numbers_nobody_knows() -> None:
    found = routed(mail(), "dossier+999", "demarche+999")
    assert (found.inbox, found.refused, found.addressed) == (GLOBAL, 999, True)
    assert "doesn't know" in found.because


# --- admission -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("author", [ULYSSE, ALICE, INES, HOTLINE, "followed@x.example", "invited@x.example"])
def test_who_is_admitted(author: str) -> None:
    found = routed(mail(author), "dossier+123", followers=["followed@x.example"], invites=["invited@x.example"])
    assert (found.inbox, found.refused) == (DOSSIER, None)


@pytest.mark.parametrize("where", ["address", "link", "subject", "text"])
@pytest.mark.parametrize("author", [STRANGER, "penelope@x.example", MANON, "laerte@x.example"])
def test_everyone_else_goes_to_the_demarche_marked(author: str, where: str) -> None:
    letters = {
        "address": mail(author),
        "link": mail(author, text=f"{LINK}/dossiers/123"),
        "subject": mail(author, subject="dossier n° 123"),
        "text": mail(author, text="dossier n° 123"),
    }
    found = routed(letters[where], "dossier+123" if where == "address" else "contact")
    assert (found.inbox, found.refused, found.addressed) == (DEMARCHE, 123, where == "address")
    assert "mentions dossier 123; the sender is not its usager" in found.because


def test_an_uncertain_author_is_not_admitted() -> None:
    assert routed(mail(ULYSSE, sure=False), "dossier+123").inbox == DEMARCHE


def test_a_bare_number_of_someone_elses_is_a_year() -> None:
    found = routed(mail(STRANGER, subject="dossier 123"), "contact")
    assert (found.inbox, found.refused) == (GLOBAL, None)


def test_the_first_refusal_is_remembered_when_another_dossier_admits() -> None:
    found = routed(mail(ULYSSE, subject="dossier n° 123", text="x"), "dossier+125")
    assert (found.inbox, found.refused, found.addressed) == (DOSSIER, 125, True)


some_texts = st.lists(
    st.sampled_from(
        ["dossier n° 123", "dossier 123", f"{LINK}/dossiers/123", "dossier n° 125", f"{LINK}/procedures/42"]
    )
).map("\n".join)


@given(some_texts, some_texts, st.lists(st.sampled_from(["dossier+123", "demarche+42", "vegetaliser", "contact"])))
def test_a_stranger_never_enters_a_dossier(subject: str, text: str, to: list[str]) -> None:
    letter = mail(STRANGER, subject=subject, text=text, authentication=passing())
    for into in (None, conversation(1), conversation(1, DEMARCHE)):
        assert routed(letter, *to, into=into).inbox.kind is not InboxKind.DOSSIER


# --- a conversation that already stands somewhere ----------------------------------------------------------

GLOBAL_, IN_DEMARCHE, IN_DOSSIER = conversation(1), conversation(1, DEMARCHE), conversation(1, DOSSIER)


@pytest.mark.parametrize(
    ("into", "recipient", "inbox"),
    [
        (GLOBAL_, "dossier+123", DOSSIER),
        (GLOBAL_, "demarche+42", DEMARCHE),
        (IN_DEMARCHE, "dossier+123", DOSSIER),
        (IN_DEMARCHE, "contact", DEMARCHE),
        (IN_DEMARCHE, "demarche+7", DEMARCHE),
        (IN_DOSSIER, "demarche+42", DOSSIER),
        (IN_DOSSIER, "contact", DOSSIER),
        (conversation(1, OTHER_DEMARCHE), "dossier+123", OTHER_DEMARCHE),
        (conversation(1, OTHER_DOSSIER), "dossier+123", OTHER_DOSSIER),
    ],
)
def test_only_closer(into: Conversation, recipient: str, inbox: Inbox) -> None:
    assert routed(mail(), recipient, into=into).inbox == inbox


@given(some_texts, st.sampled_from([GLOBAL, DEMARCHE, OTHER_DEMARCHE]))
def test_never_after_an_agent_moved_it(text: str, inbox: Inbox) -> None:
    pinned = conversation(1, inbox, pinned=True)
    assert routed(mail(text=text), "dossier+123", into=pinned).inbox == inbox


def test_a_refusal_shows_in_a_conversation_that_stays() -> None:
    found = routed(mail(STRANGER), "dossier+123", into=IN_DEMARCHE)
    assert (found.inbox, found.refused) == (DEMARCHE, 123)


# --- who is who ------------------------------------------------------------------------------------------


def circles(inboxes: Iterable[Inbox]) -> list[frozenset[str]]:
    everyone = directory(people())
    return [everyone.circle(inbox).instructeurs for inbox in inboxes]


def test_circles_end_at_the_demarche() -> None:
    assert circles([GLOBAL, DEMARCHE, DOSSIER, OTHER_DOSSIER, Inbox(InboxKind.DOSSIER, 999)]) == [
        frozenset(),
        frozenset({INES}),
        frozenset({INES}),
        frozenset(),
        frozenset(),
    ]


def test_a_groupe_keeps_the_other_groupes_out() -> None:
    base = asdict(settings().demarches[0])
    groupes = [
        {"label": "Nord", "instructeurs": ["nord@x.example"]},
        {"label": "Sud", "instructeurs": ["sud@x.example"]},
    ]
    everyone = directory(
        settings(
            demarches=[{**base, "instructeurs": [], "groupes": groupes}],
            dossiers=[
                {"number": 1, "demarche": 42, "usager": ULYSSE, "groupe": "Nord"},
                {"number": 2, "demarche": 42, "usager": ULYSSE},
            ],
        )
    )
    assert everyone.circle(Inbox(InboxKind.DOSSIER, 1)).instructeurs == {"nord@x.example"}
    assert everyone.circle(Inbox(InboxKind.DOSSIER, 2)).instructeurs == {"nord@x.example", "sud@x.example"}
    assert not everyone.admitted("sud@x.example", everyone.dossiers[1])
    assert everyone.is_agent("sud@x.example")


def test_a_conversation_that_was_handed_over_is_for_all_who_are_responsible_there() -> None:
    everyone = directory(people())
    handed = everyone.circle(GLOBAL, "21310555400017")
    assert (handed.administrateurs, handed.support, handed.managers) == ({ALICE}, {HOTLINE}, {MANON})
    assert everyone.circle(GLOBAL).administrateurs == frozenset()
    assert everyone.circle_of(conversation(1, organisation="21310555400017")) == handed
    assert everyone.circle(DEMARCHE, "21310555400017") == everyone.circle(DEMARCHE)


def test_who_works_together() -> None:
    base = asdict(settings().demarches[0])
    groupes = [
        {"label": "Nord", "instructeurs": ["nord@x.example"]},
        {"label": "Sud", "instructeurs": ["sud@x.example"]},
    ]
    everyone = directory(
        settings(
            demarches=[{**base, "groupes": groupes}],
            dossiers=[
                {"number": 1, "demarche": 42, "usager": ULYSSE, "groupe": "Nord", "followers": ["f@x.example"]},
                {"number": 2, "demarche": 42, "usager": ULYSSE, "followers": ["f@x.example"]},
            ],
        )
    )
    nord, sud = {INES, "nord@x.example"}, {INES, "sud@x.example"}
    follower = {"f@x.example"}
    assert everyone.circle(DEMARCHE).groupes == (nord, sud)
    assert everyone.circle(Inbox(InboxKind.DOSSIER, 1)).groupes == (nord | follower, sud)
    assert everyone.circle(Inbox(InboxKind.DOSSIER, 2)).groupes == (nord | follower, sud | follower)
    assert everyone.is_agent("f@x.example")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("21310555400017", ["21310555400017"]),
        ("213 105 554 00017", ["21310555400017"]),
        ("mairie d'exemple", ["21310555400017"]),
        ("MAIRIE  D'EXEMPLE", ["21310555400017"]),
        ("mairie", []),
        ("", []),
        ("99999999999999", []),
    ],
)
def test_an_organisation_is_named_by_siret_or_name(words: str, found: list[str]) -> None:
    assert [organisation.siret for organisation in directory(people()).organisations_named(words)] == found


def test_a_name_that_fits_one_nearby_is_hers_and_the_whole_name_is_known_to_all() -> None:
    everyone = directory(
        settings(
            agents=[
                {"email": "p1@x.example", "name": "Paul Martin"},
                {"email": "p2@x.example", "name": "Paul Bernard"},
                {"email": "jean-marie.petit@x.example"},
            ]
        )
    )
    assert everyone.agents_named("paul", {"p1@x.example"}) == ("p1@x.example",)
    assert everyone.agents_named("paul", {"p1@x.example", "p2@x.example"}) == ("p1@x.example", "p2@x.example")
    assert everyone.agents_named("paul") == ()
    assert everyone.agents_named("  PAUL   bernard ", {"p1@x.example"}) == ("p2@x.example",)
    for words in ("jean", "marie", "petit", "jean-marie.petit"):
        assert everyone.agents_named(words, {"jean-marie.petit@x.example"}) == ("jean-marie.petit@x.example",)
    assert everyone.agents_named("", {"p1@x.example"}) == ()
    assert everyone.agents_named("unknown@x.example") == ()


# --- the dossier that an usager chooses --------------------------------------------------------------------

ASKED = conversation(1, asked=(123, 126))


def two_dossiers() -> Settings:
    base = people()
    second = replace(base.dossiers[0], number=126)
    return base.model_copy(update={"dossiers": (*base.dossiers, second)})


@pytest.mark.parametrize("own", ["126", "C’est le dossier 126, merci.", "le n° 126", f"{LINK}/dossiers/126"])
def test_the_dossier_that_she_names_when_she_was_asked(own: str) -> None:
    found = routed(mail(own=own, text=own), "contact", into=ASKED, by=two_dossiers())
    assert (found.inbox, found.refused) == (Inbox(InboxKind.DOSSIER, 126), None)


def test_a_bare_number_is_a_choice_only_of_whom_was_asked_and_of_what_is_hers() -> None:
    plain = mail(own="126", text="126")
    assert routed(plain, "contact", into=ASKED, by=two_dossiers()).strength is Strength.CHOICE
    assert routed(plain, "contact", into=conversation(1), by=two_dossiers()).inbox == GLOBAL
    assert routed(plain, "contact", into=conversation(1, asked=(123, 126), pinned=True)).inbox == GLOBAL
    other = mail("laerte@x.example", own="126", text="126")
    assert routed(other, "contact", into=ASKED, by=two_dossiers()).inbox == GLOBAL
    foreign = mail(own="125", text="125")  # Laërte's
    assert routed(foreign, "contact", into=ASKED, by=two_dossiers()).inbox.kind is not InboxKind.DOSSIER
    nobody = mail(own="126", text="126", sure=False)
    assert routed(nobody, "contact", into=ASKED, by=two_dossiers()).inbox.kind is not InboxKind.DOSSIER


@given(st.text(max_size=60), st.sampled_from([(), (123,), (123, 126)]))
def test_whatever_she_answers_she_enters_no_dossier_of_somebody_elses(own: str, asked: tuple[int, ...]) -> None:
    letter = mail("penelope@x.example", own=own, text=own)
    into = conversation(1, usager="penelope@x.example", asked=asked)
    found = routed(letter, "contact", into=into, by=two_dossiers())
    assert found.inbox.kind is not InboxKind.DOSSIER or found.inbox == OTHER_DOSSIER


@pytest.mark.parametrize(
    "text", ["mon dossier n° 123 45 678 à la CAF", "dossier n° 123-A de la préfecture", "Le dossier no 123 personnes"]
)
def test_half_a_number_takes_no_stranger_to_the_demarche_of_a_dossier(text: str) -> None:
    assert routed(mail(STRANGER, text=text), "contact").inbox == GLOBAL


def test_numbers_listed_after_others_count_for_those_who_are_admitted() -> None:
    assert routed(mail(text="mes dossiers n° 999, 123"), "contact").inbox == DOSSIER
    assert routed(mail(STRANGER, text="mes dossiers n° 999, 123"), "contact").inbox == GLOBAL
