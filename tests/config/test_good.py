"""A directory in files of its own, as spreadsheets write them: what stands in it, and where."""

from datetime import date, time, timedelta
from pathlib import Path

from gateway.config import load, notes
from gateway.config.hours import parse

MAIN = Path(__file__).parent / "good" / "gateway.toml"


def test_the_desk() -> None:
    desk = load(MAIN, {}).desk
    assert desk.global_agents == ("accueil@mairie.example.org",)
    assert desk.bundle == timedelta(0)
    assert desk.digest_at == (time(8, 30), time(17, 0))
    assert (desk.remind_after, desk.close_after, desk.close_warning) == (timedelta(2), timedelta(30), timedelta(3))
    assert desk.hours == parse("lun-ven 09:00-12:00 14:00-17:00; sam 09:00-12:00")
    assert desk.closed_days == (date(2026, 12, 25), date(2027, 1, 1))
    assert desk.templates == MAIN.parent / "directory"


def test_the_organisations_of_excel() -> None:
    agence, mairie = load(MAIN, {}).organisations
    assert agence.name == "Agence"
    assert (mairie.siret, mairie.name, mairie.email) == (
        "21310555400017", "Mairie d'Exemple", "accueil@mairie.example.org",
    )  # fmt: skip
    assert mairie.adresse == "1, place de la Mairie\n31000 Exemple"


def test_the_demarches_with_their_groupes() -> None:
    permis, carte, aide = load(MAIN, {}).demarches
    assert (permis.number, permis.title, permis.delay) == (1042, "Permis de végétaliser", "10 jours ouvrés")
    assert permis.instructeurs == carte.instructeurs == ("ines@mairie.example.org", "ivan@mairie.example.org")
    assert (permis.first_name, permis.remind_after, permis.hours) == (True, timedelta(5), parse("lun 9h-12h"))
    assert [(each.label, each.instructeurs) for each in permis.groupes] == [
        ("Nord, centre", ("noe@mairie.example.org", "nora@mairie.example.org")),
        ("Sud", ()),
    ]
    assert (carte.first_name, carte.remind_after, carte.hours, carte.locale) == (False, None, None, "")
    assert [each.label for each in aide.groupes] == ["Est"]


def test_the_people_and_the_rest() -> None:
    settings = load(MAIN, {})
    assert [(each.email, each.name, each.notify) for each in settings.agents] == [
        ("manon@mairie.example.org", "Manon «la» cheffe", "digest"),
        ("ines@mairie.example.org", 'Inès "Nès"', "all"),
        ("last@mairie.example.org", "", "all"),
    ]
    assert settings.agents[0].capacities == ("manager",)
    assert settings.dossiers[0].groupe == "Nord, centre"
    assert settings.support_groups[0].organisations == ("21310555400017", "35600000000048")
    assert settings.faq[0].words == ("où en est", "avancement", "délai")
    assert settings.faq[0].demarches == (1042, 43)


def test_notes_lead_to_the_right_file() -> None:
    told = [note.where.removeprefix(f"{MAIN.parent}/") for note in notes(load(MAIN, {}), MAIN)]
    assert told == [
        "gateway.toml:9: intake.smtp[0].authserv_id",
        "directory/sub/last.toml:1: agents[0]",
    ]
