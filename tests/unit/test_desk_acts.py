"""What an agent's wish changes: all of it, or nothing and the reasons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.acts import Outcome, decide
from gateway.desk.commands import parse
from gateway.desk.work import Desk, HandOver
from gateway.model import GLOBAL, Conversation, Event, Inbox, InboxKind, Problem, Status
from gateway.routing.directory import directory
from tests.builders import NOW, ULYSSE, conversation, settings
from tests.desks import AGENTS, MAIRIE, PREFECTURE, World, conversations, someone, worlds

ADMIN, ADMIN2, INST, SUD, MANAGER, OTHER, TRIAGE, HELP = (
    f"{name}@x.example" for name in ("admin", "admin2", "inst", "sud", "manager", "other", "triage", "help")
)
PARIS = ZoneInfo("Europe/Paris")
D42, D43, D44 = (Inbox(InboxKind.DEMARCHE, number) for number in (42, 43, 44))
NORD, AUTRE = Inbox(InboxKind.DOSSIER, 123), Inbox(InboxKind.DOSSIER, 125)
COMMUNE, ABSENTE = "21640122000019", "21590350100017"
PREPARED = {"délai": "Comptez {delai} jours.\n"}


def directory_of(**changed: Any) -> Any:
    tables = {
        "organisations": [
            {"siret": MAIRIE, "name": "Mairie d'Exemple", "email": "accueil@mairie.example.org"},
            {"siret": PREFECTURE, "name": "Préfecture"},
            {"siret": COMMUNE, "name": "Ville voisine", "email": "ville@voisine.example.org"},
            {"siret": ABSENTE, "name": "Ville lointaine"},
        ],
        "demarches": [
            {
                "number": 42,
                "title": "Permis",
                "organisation": MAIRIE,
                "administrateurs": [ADMIN, ADMIN2],
                "groupes": [
                    {"label": "Nord", "instructeurs": [INST]},
                    {"label": "Sud", "instructeurs": [SUD]},
                ],
            },
            {"number": 43, "title": "Titre", "organisation": PREFECTURE, "administrateurs": [OTHER]},
            {"number": 44, "title": "Autre titre", "organisation": MAIRIE, "administrateurs": [ADMIN]},
        ],
        "dossiers": [
            {"number": 123, "demarche": 42, "usager": ULYSSE, "groupe": "Nord"},
            {"number": 125, "demarche": 43, "usager": ULYSSE},
        ],
        "agents": [
            {"email": MANAGER, "name": "Manon Manager", "capacities": ["manager"]},
            {"email": INST, "name": "Inès Instruit"},
            {"email": SUD, "name": "Paul Dupont"},
            {"email": ADMIN2, "name": "Paul Durand"},
        ],
        "support_groups": [{"name": "adullact", "organisations": [MAIRIE], "agents": [HELP]}],
        "desk": {"global_agents": [TRIAGE]},
    }
    return directory(settings(**{**tables, **changed}))


DIRECTORY = directory_of()


def desk(register: Any = DIRECTORY, now: datetime = NOW) -> Desk:
    return Desk(
        register,
        now,
        PARIS,
        takes=lambda address: address.endswith("@support.example.org"),
        modele=lambda name, where: PREPARED.get(name) if where.usager else None,
    )


def act(own: str, agent: str = ADMIN, where: Conversation | None = None, **values: Any) -> Outcome:
    register = values.pop("register", DIRECTORY)
    return decide(agent, parse(own), where or conversation(1, NORD), desk(register), **values)


def codes(done: Outcome) -> list[str]:
    return [problem.code for problem in done.problems]


# --- answers, notes, tags --------------------------------------------------------------------------------


def test_an_answer_waits_for_the_usager() -> None:
    done = act("Bonjour")
    assert (done.answers, done.answer, done.conversation.status) == (True, "Bonjour", Status.PENDING)
    assert done.conversation.waiting_since == NOW
    assert done.history == (Event(ADMIN, "answered the usager"),)


def test_a_command_beside_the_answer_has_the_last_word() -> None:
    done = act("@clore\n@tag urgent\n@affecter inst@x.example\n@note vu\nBonjour")
    after = done.conversation
    assert (after.status, after.tags, after.assignee) == (Status.CLOSED, ("urgent",), INST)
    assert (done.answer, done.notes, done.assigned, len(done.history)) == ("Bonjour", ("vu",), INST, 5)


def test_commands_alone_relay_nothing() -> None:
    done = act("@clore")
    assert (done.answers, done.answer, done.conversation.status) == (False, "", Status.CLOSED)
    assert act("@aide").help
    assert act("@modele").modeles
    assert not act("@modele").answers


def test_an_attachment_without_words() -> None:
    assert act("", enclosed=True).answers
    assert act("@clore", enclosed=True).answers
    assert not act("@note pour nous", enclosed=True).answers  # it belongs to the note
    assert act("").problems == (Problem("empty"),)


def test_a_prepared_answer_stands_before_the_agents_own_words() -> None:
    done = act("@modele délai\nÀ bientôt.")
    assert (done.answers, done.answer) == (True, "Comptez {delai} jours.\n\nÀ bientôt.")
    assert act("@modele délai").answer == "Comptez {delai} jours."
    assert act("@modele absent").problems == (Problem("unknown_modele", "absent"),)


@pytest.mark.parametrize(
    ("own", "agent", "code"),
    [
        ("@clotûrere\nBonjour", ADMIN, "unknown_command"),
        ("@affecter nobody@x.example\nBonjour", ADMIN, "unknown_agent"),
        ("@affecter\nBonjour", ADMIN, "unknown_agent"),
        ("@affecter other@x.example\nBonjour", ADMIN, "assign_reach"),
        ("@affecter Paul\nBonjour", MANAGER, "ambiguous_agent"),
        ("@spam", INST, "spam_right"),
        ("@spam\nBonjour", ADMIN, "spam_answer"),
        ("@tag\nBonjour", ADMIN, "empty_tag"),
        ("@note", ADMIN, "empty_note"),
        ("Bonjour", OTHER, "no_part"),
        ("@dossier 999\nBonjour", ADMIN, "no_dossier"),
        ("@dossier 125\nBonjour", ADMIN, "move_reach"),
        ("@dossier 123\nBonjour", ADMIN, "same_inbox"),
        ("@demarche 999\nBonjour", ADMIN, "no_demarche"),
        ("@global\nBonjour", INST, "move_reach"),
        ("@demarche 44\n@global\nBonjour", ADMIN, "one_conversation"),
        ("@transmettre Préfecture\nBonjour", INST, "transfer_reach"),
        ("@transmettre Inconnue\nBonjour", ADMIN, "unknown_organisation"),
        ("@transmettre Ville lointaine\nBonjour", ADMIN, "transfer_unreachable"),
        ("@transmettre Mairie d'Exemple\nBonjour", ADMIN, "same_inbox"),
        ("@transmettre Préfecture, démarche 42\nBonjour", ADMIN, "no_demarche"),
        ("@admettre\nBonjour", ADMIN, "bad_address"),
        ("@admettre a@y.example, b@y.example\nBonjour", ADMIN, "bad_address"),
        ("@admettre reponse+abc@support.example.org\nBonjour", ADMIN, "admit_own"),
        ("@admettre inst@x.example\nBonjour", ADMIN, "admit_agent"),
        (f"@admettre {ULYSSE}\nBonjour", ADMIN, "already_admitted"),
        ("@attente bientôt\nBonjour", ADMIN, "bad_date"),
        ("@attente 01/01/2020\nBonjour", ADMIN, "past_date"),
        ("@fwd", ADMIN, "no_forward"),
    ],
)
def test_one_problem_and_nothing_happens(own: str, agent: str, code: str) -> None:
    before = conversation(1, NORD)
    done = act(f"@clore\n@note vu\n@tag x\n{own}", agent, before)
    assert codes(done) == [code]
    assert done == Outcome(before, problems=done.problems)


def test_no_usager_no_answer() -> None:
    nobodys = conversation(1, NORD, usager="")
    assert act("Bonjour", where=nobodys).problems == (Problem("no_usager"),)
    assert act("@clore", where=nobodys).problems == ()
    assert act("Bonjour", where=replace(nobodys, guests=("guest@y.example",))).problems == ()


def test_each_problem_is_told_once() -> None:
    assert codes(act("@tag\n@tag\n@spam\n@xyz", INST)) == ["unknown_command", "empty_tag", "spam_right"]


# --- statuses --------------------------------------------------------------------------------------------


def test_an_instructeur_does_not_take_back_what_is_spam() -> None:
    spam = conversation(1, NORD, status=Status.SPAM)
    for own in ("@rouvrir", "@attente", "@clore", "@attente demain"):
        assert codes(act(own, INST, spam)) == ["spam_right"], own
        assert act(own, ADMIN, spam).conversation.status is not Status.SPAM


def test_set_aside_until_a_date() -> None:
    done = act("@attente lundi\nNous revenons vers vous lundi.")
    after = done.conversation
    assert (after.status, after.snoozed_until) == (Status.PENDING, datetime(2025, 3, 3, 7, tzinfo=UTC))
    assert done.history[-1].what == "set it aside until 2025-03-03 08:00 CET"
    assert act("@rouvrir", where=after).conversation.snoozed_until is None
    assert act("Bonjour", where=after).conversation.snoozed_until is None


def test_set_aside_where_midnight_comes_earlier() -> None:
    """« demain » is tomorrow where the instance is."""
    late = datetime(2025, 3, 1, 23, 30, tzinfo=UTC)
    done = decide(ADMIN, parse("@attente demain"), conversation(1, NORD), desk(now=late))
    assert done.conversation.snoozed_until == datetime(2025, 3, 3, 7, tzinfo=UTC)


# --- who takes part --------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["g@y.example", "Gaël <G@y.example>", "mailto:g@y.example", "g@y.example."])
def test_a_person_is_admitted(named: str) -> None:
    done = act(f"@admettre {named}\nBonjour")
    assert (done.conversation.guests, done.answers) == (("g@y.example",), True)
    assert codes(act(f"@admettre {named}", where=done.conversation)) == ["already_admitted"]


def test_following_and_muting_are_one_switch() -> None:
    after = act("@suivre").conversation
    assert (after.followers, after.muted) == ((ADMIN,), ())
    after = act("@taire", where=after).conversation
    assert (after.followers, after.muted) == ((), (ADMIN,))
    after = act("@suivre", where=act("@taire", INST, after).conversation).conversation
    assert (after.followers, after.muted) == ((ADMIN,), (INST,))


# --- assignment ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        INST,
        " INST@X.example ",
        "<inst@x.example>",
        "mailto:inst@x.example",
        "<mailto:inst@x.example>",
        "Inès <inst@x.example>",
        "inst@x.example<mailto:inst@x.example>",
        "inst@x.example.",
        "Inès",
        "ines instruit",
        "INES",
        "inst",
    ],
)
def test_an_agent_is_named_in_many_ways(name: str) -> None:
    assert act(f"@affecter {name}").assigned == INST
    assert act("@affecter moi").assigned == act("@assign me").assigned == ADMIN


def test_two_addresses_name_nobody() -> None:
    assert codes(act("@affecter inst@x.example admin@x.example")) == ["unknown_agent"]


def test_a_name_is_looked_for_among_those_nearby_first() -> None:
    assert act("@affecter Paul", SUD, conversation(1, D42, assignee=SUD)).problems == (
        Problem("ambiguous_agent", f"{ADMIN2}, {SUD}"),
    )
    assert act("@affecter Paul Durand").assigned == ADMIN2
    assert codes(act("@affecter Manager", ADMIN, conversation(1, NORD))) == ["assign_reach"]


def test_whoever_may_choose_freely_may_choose_an_outsider() -> None:
    after = act(f"@affecter {OTHER}", MANAGER).conversation
    assert (after.assignee, after.outside) == (OTHER, True)
    back = act(f"@affecter {INST}", MANAGER, after).conversation
    assert (back.assignee, back.outside) == (INST, False)
    # an instructeur of another groupe isn't an outsider: she is chosen because of her place in the démarche
    assert act(f"@affecter {SUD}", ADMIN).conversation.outside is False


def test_given_back() -> None:
    mine = conversation(1, NORD, assignee=INST)
    for words in ("personne", "nobody", "aucun", "none"):
        assert act(f"@affecter {words}", INST, mine).conversation.assignee is None
    assert codes(act("@affecter personne", INST, replace(mine, assignee=ADMIN))) == ["not_yours"]
    assert act("@affecter personne", ADMIN, mine).conversation.assignee is None


def test_up_the_hierarchy_to_the_global_inbox() -> None:
    """Escalation: from the instructeur to her administrateur, from there to the platform."""
    up = act(f"@affecter {ADMIN}", INST, conversation(1, NORD, assignee=INST)).conversation
    assert up.assignee == ADMIN
    top = act("@global\n@note je ne sais pas", ADMIN, up)
    assert (top.conversation.inbox, top.conversation.assignee, top.moved) == (GLOBAL, None, True)
    assert act(f"@affecter {MANAGER}", TRIAGE, top.conversation).assigned == MANAGER


# --- moves -----------------------------------------------------------------------------------------------


def test_a_move_is_final_and_told() -> None:
    done = act("@demarche", INST, conversation(1, NORD, asked=(1, 2)))
    after = done.conversation
    assert (after.inbox, after.pinned, after.asked, done.moved) == (D42, True, None, True)
    assert done.history == (Event(INST, "moved it from dossier:123 to demarche:42"),)
    assert after.because[-1] == f"{INST} moved it to demarche:42"


def test_what_is_moved_stays_with_whom_it_is_assigned_to_if_she_belongs_there_too() -> None:
    mine = conversation(1, NORD, assignee=INST)
    assert act("@demarche", INST, mine).conversation.assignee == INST
    assert act("@demarche 44", ADMIN, mine).conversation.assignee is None
    freely = conversation(1, NORD, assignee=OTHER, outside=True)
    moved = act("@demarche 43", MANAGER, freely).conversation
    assert (moved.assignee, moved.outside) == (OTHER, False)  # it is her own there
    assert act("@global", MANAGER, freely).conversation.assignee is None


@pytest.mark.parametrize(
    "order", ["@affecter other@x.example\n@demarche 43", "@demarche 43\n@affecter other@x.example"]
)
def test_a_conversation_is_assigned_where_it_then_stands(order: str) -> None:
    done = act(order, MANAGER, conversation(1, GLOBAL))
    assert (done.conversation.inbox, done.conversation.assignee, done.conversation.outside) == (D43, OTHER, False)


def test_nobody_gains_a_right_by_moving() -> None:
    """Triage may put it before a démarche, not keep it in the hands of the platform's team."""
    assert codes(act(f"@demarche 42\n@affecter {TRIAGE}", TRIAGE, conversation(1, GLOBAL))) == ["assign_reach"]
    assert codes(act("@global\n@affecter moi", ADMIN)) == ["assign_reach"]
    assert codes(act(f"@demarche 43\n@affecter {OTHER}", TRIAGE, conversation(1, GLOBAL))) == ["assign_reach"]
    assert codes(act("@demarche\n@global", INST)) == ["one_conversation"]


def test_nobody_keeps_what_she_hands_over() -> None:
    """From one organisation to another within the global inbox too."""
    two = directory_of(
        demarches=[
            {"number": 42, "title": "A", "organisation": MAIRIE, "administrateurs": [ADMIN, ADMIN2]},
            {"number": 44, "title": "B", "organisation": MAIRIE, "administrateurs": [ADMIN]},
            {"number": 43, "title": "C", "organisation": PREFECTURE, "administrateurs": [OTHER]},
            {"number": 45, "title": "D", "organisation": PREFECTURE, "administrateurs": [OTHER]},
        ],
        dossiers=[],
    )
    handed = conversation(1, GLOBAL, organisation=MAIRIE, pinned=True)
    done = act(f"@transmettre Préfecture\n@affecter {ADMIN2}", ADMIN, handed, register=two)
    assert codes(done) == ["assign_reach"]
    done = act("@transmettre Préfecture", ADMIN, handed, register=two)
    assert (done.conversation.inbox, done.conversation.organisation) == (GLOBAL, PREFECTURE)


# --- hand over -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "named", ["Préfecture", "prefecture", PREFECTURE, "173 100 017 00016", "préfecture, démarche 43"]
)
def test_to_an_organisation_with_one_demarche(named: str) -> None:
    done = act(f"@transmettre {named}\nVoici pourquoi.", ADMIN)
    after = done.conversation
    assert (after.inbox, after.organisation, after.status, after.pinned) == (D43, "", Status.ACTIVE, True)
    assert done.handed == HandOver(DIRECTORY.organisations[PREFECTURE])
    assert (done.answers, done.answer, done.moved) == (True, "Voici pourquoi.", True)
    assert done.history[-1].what == f"handed it over from dossier:123 to Préfecture ({PREFECTURE})"


def test_to_an_organisation_with_several_demarches_it_stands_before_all_its_agents() -> None:
    where = conversation(1, D43)
    after = act("@transmettre Mairie d'Exemple", OTHER, where).conversation
    assert (after.inbox, after.organisation) == (GLOBAL, MAIRIE)
    after = act("@transmettre Mairie d'Exemple 44", OTHER, where).conversation
    assert (after.inbox, after.organisation) == (D44, "")


def test_to_an_organisation_without_agents_it_leaves_by_mail_and_ends_here() -> None:
    done = act("@transmettre Ville voisine")
    assert done.handed is not None
    assert (done.handed.mail_to, done.conversation.status) == ("ville@voisine.example.org", Status.CLOSED)
    assert (done.conversation.inbox, done.conversation.organisation) == (GLOBAL, "")


def test_two_organisations_of_one_name() -> None:
    twice = directory_of(
        organisations=[
            {"siret": MAIRIE, "name": "Mairie"},
            {"siret": PREFECTURE, "name": "Saint-Martin"},
            {"siret": COMMUNE, "name": "Saint-Martin"},
        ]
    )
    (problem,) = act("@transmettre saint-martin", register=twice).problems
    assert problem.code == "ambiguous_organisation"
    assert PREFECTURE in problem.what
    assert COMMUNE in problem.what


# --- whatever is wished ----------------------------------------------------------------------------------

WISHES = st.sampled_from(
    [
        "@clore",
        "@rouvrir",
        "@attente",
        "@attente demain",
        "@spam",
        "@tag a",
        "@tag",
        "@note n",
        *(f"@affecter {agent}" for agent in AGENTS[:4]),
        "@affecter moi",
        "@affecter personne",
        "@global",
        "@demarche",
        "@demarche 41",
        "@demarche 43",
        "@dossier 421",
        "@dossier 430",
        f"@transmettre {PREFECTURE}",
        f"@transmettre {MAIRIE}",
        "@admettre guest@elsewhere.example",
        "@suivre",
        "@taire",
        "@modele délai",
        "@aide",
        "@xyz",
        "Bonjour",
        "",
    ]
)
wishes = st.lists(WISHES, max_size=4).map("\n".join)


@given(worlds, conversations(), someone, wishes)
def test_all_or_none(world: World, before: Conversation, agent: str, written: str) -> None:
    done = decide(agent, parse(written), before, desk(world.directory))
    if done.problems:
        assert done == Outcome(before, problems=done.problems)
    else:
        assert done.history or done.help or done.modeles
        assert all(event.by == agent for event in done.history)
    if not world.sees(agent, before):
        assert done.problems


@given(worlds, conversations(), someone, wishes)
def test_nothing_goes_beyond_the_table(world: World, before: Conversation, agent: str, written: str) -> None:
    """Whoever it is assigned to, wherever it goes: the table allows it where it stood, or where it then stands."""
    after = decide(agent, parse(written), before, desk(world.directory)).conversation
    if after == before:
        return
    manages, responsible = world.manages(agent), world.responsible(agent, before)
    assert world.sees(agent, before)
    if Status.SPAM in {before.status, after.status} and before.status != after.status:
        assert manages or responsible or "Bonjour" in written or "@modele" in written
    moved = (before.inbox, before.organisation) != (after.inbox, after.organisation)
    if moved:
        handed = "@transmettre" in written
        assert (handed and (manages or responsible)) or manages or world.moves(agent, before, after.inbox)
        assert after.pinned
        assert after.asked is None
    if after.assignee and after.assignee != before.assignee and not manages:
        assert world.assigns(agent, before, after.assignee) or world.assigns(agent, after, after.assignee)
        assert not (after.outside and moved)
    if moved and after.assignee and not manages:
        assert world.sees(after.assignee, after)
        assert not after.outside


@given(worlds, conversations(), someone, wishes, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_what_waits_waits_since_some_time(
    world: World, before: Conversation, agent: str, written: str, later: timedelta
) -> None:
    """A status that an act sets begins when it is set; what is done waits for nobody."""
    now = NOW + later
    after = decide(agent, parse(written), before, desk(world.directory, now)).conversation
    if after.status is not before.status:
        assert after.waiting_since == (now if after.status in {Status.ACTIVE, Status.PENDING} else None)
    if after.snoozed_until is not None:
        assert after.snoozed_until > now
        assert after.status is Status.PENDING


def test_whoever_was_admitted_can_be_taken_out_again() -> None:
    where = conversation(1, NORD, guests=("a@x.example", "b@x.example"))
    done = act("@retirer A@x.example", where=where)
    assert done.conversation.guests == ("b@x.example",)
    assert done.history[-1].what == "removed a@x.example"
    assert act("@remove c@x.example", where=where).problems == (Problem("not_admitted", "c@x.example"),)
    assert act("@retirer", where=where).problems == (Problem("not_admitted", ""),)
