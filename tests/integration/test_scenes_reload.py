"""Scene c, and a directory that changes while the daemon runs: what agents see and are told changes at once.

A configuration that can't be used is told with file, line and remedy; the daemon goes on with the last good one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.clients import gmail, letter, outlook
from tests.servers.gateway import (
    ALICE,
    BOB,
    DIRECTORY,
    DOMAIN,
    HOTLINE,
    INES,
    MAIRIE,
    MANON,
    METROPOLE,
    NEIGHBOURS,
    PAULA,
    ULYSSE,
    Gateway,
    Sent,
    configuration,
    running,
)

TO = f"demarche+43@{DOMAIN}"
ALONE = configuration(directory=DIRECTORY + NEIGHBOURS)
CONTRACT = ALONE.replace(f'organisations = ["{MAIRIE}"]', f'organisations = ["{MAIRIE}", "{METROPOLE}"]')
BOBLESS = f'administrateurs = ["{BOB}"]', "administrateurs = []"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with running(tmp_path, ALONE) as started:
        yield started


def asked(gateway: Gateway, author: str, agent: str) -> Sent:
    """Somebody writes to Bob's démarche; what an agent is told."""
    gateway.post(letter(author, "Bonjour, où en est mon aide ?", to=TO), to=TO)
    return gateway.latest(agent)


def taken(gateway: Gateway, config: str) -> None:
    assert gateway.reload(config)["event"] == "configuration_reloaded"


def told_since(gateway: Gateway, before: int) -> list[str]:
    return sorted(mail.to for mail in gateway.sent()[before:])


# --- scene c ------------------------------------------------------------------------------------------------


def test_a_contract_with_a_support_group_begins_and_ends(gateway: Gateway) -> None:
    """Open conversations change with it, and those that are assigned."""
    nora = "nora@usager.example.net"
    bob_told = asked(gateway, nora, BOB)
    reference = bob_told.reference
    assert told_since(gateway, 0) == sorted([BOB, nora]), "an organisation without a group keeps its mail to itself"
    assert gateway.conversations("--as", HOTLINE) == []
    gateway.post(gmail(bob_told, BOB, f"@affecter {HOTLINE}"))
    assert "qui n’est pas agent de cette démarche" in gateway.latest(BOB).words

    taken(gateway, CONTRACT)
    assert [c["reference"] for c in gateway.conversations("--as", HOTLINE)] == [reference]
    before = len(gateway.sent())
    gateway.post(gmail(gateway.latest(nora), nora, "Un détail encore."))
    assert told_since(gateway, before) == sorted([BOB, HOTLINE])
    hotline_told = gateway.latest(HOTLINE)
    gateway.post(outlook(hotline_told, HOTLINE, "Bonjour, c'est en cours."))
    assert gateway.latest(nora).from_name == "Métropole d'Exemple"
    gateway.post(gmail(bob_told, BOB, f"@affecter {HOTLINE}"))
    assert gateway.command("show", reference, "--as", HOTLINE)["assignee"] == HOTLINE

    taken(gateway, ALONE)
    assert gateway.conversations("--as", HOTLINE) == []
    before = len(gateway.sent())
    gateway.post(gmail(gateway.latest(nora), nora, "Allô ?"))
    assert told_since(gateway, before) == [BOB], "the assignment ended with the contract"
    gateway.post(outlook(hotline_told, HOTLINE, "Encore moi."))
    assert "vous n’avez pas accès à cette conversation" in gateway.latest(HOTLINE).words
    assert not [mail for mail in gateway.sent(nora) if "Encore moi" in mail.text]
    assert not gateway.sent(MANON)


def test_an_organisation_of_which_nobody_is_left(gateway: Gateway) -> None:
    """Its group reads it; without one the platform does, in its name and marked, until somebody is there again."""
    taken(gateway, CONTRACT.replace(*BOBLESS))
    asked(gateway, "un@usager.example.net", HOTLINE)
    assert told_since(gateway, 0) == sorted([HOTLINE, "un@usager.example.net"])
    open_ = gateway.latest(HOTLINE).reference

    taken(gateway, ALONE.replace(*BOBLESS))
    before = len(gateway.sent())
    manon_told = asked(gateway, "deux@usager.example.net", MANON)
    assert told_since(gateway, before) == sorted([MANON, "deux@usager.example.net"])
    orphaned = "L’organisme responsable n’a pas d’agent qui puisse traiter cette conversation : elle vous revient."
    assert orphaned in manon_told.words
    assert f"Organisme : Métropole d'Exemple (SIRET {METROPOLE})" in manon_told.words
    assert f"Métropole d'Exemple (SIRET {METROPOLE})" in gateway.latest("deux@usager.example.net").words
    seen = gateway.show(manon_told.reference)
    assert (seen["inbox"]["kind"], seen["organisation"]) == ("global", METROPOLE)
    assert "nobody is left to read demarche:43: it stands in the global inbox" in seen["because"]
    gateway.post(gmail(gateway.latest("un@usager.example.net"), "un@usager.example.net", "Et moi ?"))
    assert orphaned in gateway.latest(MANON, open_).words, "what was open before is not lost either"
    gateway.post(gmail(manon_told, MANON, "La métropole n'a personne ; patience."))
    assert gateway.latest("deux@usager.example.net").from_name == "Métropole d'Exemple"

    taken(gateway, ALONE)
    before = len(gateway.sent())
    gateway.post(gmail(gateway.latest("deux@usager.example.net"), "deux@usager.example.net", "Toujours rien ?"))
    assert told_since(gateway, before) == [BOB]


# --- a directory in several files -----------------------------------------------------------------------------

SHEETS = {
    "organisations.csv": f"siret;name;email\n{MAIRIE};Mairie d'Exemple;accueil@mairie.example.org\n",
    "demarches.csv": f"number;title;organisation;administrateurs\n42;Permis de végétaliser;{MAIRIE};{ALICE}\n",
    "dossiers.csv": f"number;demarche;usager;followers\n123;42;{ULYSSE};{INES}\n",
    "agents.csv": f"email;name;capacities\n{MANON};Manon;manager\n{INES};Inès;\n",
}
FAULTY: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "a column that isn't there": (
        "demarches.csv",
        f"number;titre;organisation\n42;Permis;{MAIRIE}\n".encode(),
        ("annuaire/demarches.csv:1: titre: there is no such column", 'did you mean "title"'),
    ),
    "an odd encoding": (
        "demarches.csv",
        f"number;title;organisation\n42;Permis de végétaliser;{MAIRIE}\n".encode("latin-1"),
        ("annuaire/demarches.csv:2: not UTF-8 text", "save it again"),
    ),
    "an organisation that isn't there": (
        "demarches.csv",
        b"number;title;organisation\n42;Permis;77770004500019\n",
        ("annuaire/demarches.csv:2", "77770004500019"),
    ),
    "a circle": (
        "tour.toml",
        b'include = ["../gateway.toml"]\n',
        ("annuaire/tour.toml:1", "goes in a circle", "take it out"),
    ),
    "TOML that isn't": ("tour.toml", b"[[agents]\n", ("annuaire/tour.toml:1",)),
}
MODELES = {
    "a syntax error": ("Bonjour {{ usager }\n", "textes/modeles/merci.txt:1"),
    "a name that there isn't": ("Bonjour,\n\n{{ usagere }}\n", "textes/modeles/merci.txt:3"),
}


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A daemon whose directory stands in CSV files, and whose prepared answers in a folder."""
    folder = tmp_path_factory.mktemp("sheets")
    (folder / "textes" / "modeles").mkdir(parents=True)
    (folder / "textes" / "modeles" / "merci.txt").write_text("Merci.\n")
    write(folder / "annuaire", SHEETS)
    desk = 'bundle = "0s"\ntemplates = "textes"'
    with running(folder, configuration(directory="", include='["annuaire/*"]', desk=desk)) as started:
        yield started


def write(folder: Path, files: dict[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)


def reloaded(gateway: Gateway) -> dict[str, str]:
    return gateway.reload(gateway.file.read_text())


def works(gateway: Gateway, title: str = "Permis de végétaliser") -> str:
    """A mail to the démarche reaches its agent, and names it as it was before; who wrote it."""
    author = f"n{len(gateway.events('mail_filed'))}@usager.example.net"
    gateway.post(letter(author, "Bonjour", to=f"demarche+42@{DOMAIN}"), to=f"demarche+42@{DOMAIN}")
    assert gateway.latest(author).reference == gateway.latest(ALICE).reference
    assert f"Démarche : {title} (n° 42)" in gateway.latest(ALICE).words
    return author


def test_sheets_that_change_are_taken_over(sheets: Gateway) -> None:
    works(sheets)
    changed = SHEETS["demarches.csv"].replace("Permis de végétaliser", "Permis de planter")
    write(sheets.folder / "annuaire", {**SHEETS, "demarches.csv": changed})
    assert reloaded(sheets)["event"] == "configuration_reloaded"
    works(sheets, "Permis de planter")
    write(sheets.folder / "annuaire", SHEETS)
    assert reloaded(sheets)["event"] == "configuration_reloaded"
    works(sheets)


@pytest.mark.parametrize("what", FAULTY)
def test_a_faulty_file_leaves_the_last_good_state(sheets: Gateway, what: str) -> None:
    name, content, told = FAULTY[what]
    (sheets.folder / "annuaire" / name).write_bytes(content)
    kept = reloaded(sheets)
    assert kept["event"] == "configuration_kept"
    assert all(words in kept["problems"] for words in told), kept["problems"]
    works(sheets)
    write(sheets.folder / "annuaire", SHEETS)
    assert reloaded(sheets)["event"] == "configuration_reloaded"


@pytest.mark.parametrize("what", MODELES)
def test_a_faulty_text_leaves_the_last_good_state(sheets: Gateway, what: str) -> None:
    content, told = MODELES[what]
    file = sheets.folder / "textes" / "modeles" / "merci.txt"
    file.write_text(content)
    kept = reloaded(sheets)
    assert kept["event"] == "configuration_kept"
    assert told in kept["problems"]
    author = works(sheets)
    sheets.post(gmail(sheets.latest(ALICE), ALICE, "@modele merci"))
    assert sheets.latest(author).text.startswith("Merci.")
    file.write_text("Merci.\n")
    assert reloaded(sheets)["event"] == "configuration_reloaded"


def test_a_faulty_mail_of_the_instances_own(sheets: Gateway) -> None:
    """An acknowledgement that lacks what it must tell: `check` refuses it, and so does the daemon."""
    file = sheets.folder / "textes" / "acknowledgement.txt"
    file.write_text("Reçu !\n\nMerci de votre message.\n")
    kept = reloaded(sheets)
    assert kept["event"] == "configuration_kept"
    assert "textes/acknowledgement.txt:1" in kept["problems"]
    assert "it doesn't tell reference" in kept["problems"]
    assert kept["problems"] in sheets.command("conversations", status=78), "commands tell it too"
    works(sheets)
    file.unlink()
    assert reloaded(sheets)["event"] == "configuration_reloaded"


def test_a_daemon_does_not_start_on_it(sheets: Gateway, tmp_path: Path) -> None:
    """Status 78, and all that is wrong at once."""
    broken = Gateway(tmp_path, configuration(directory="", include='["annuaire/*"]'))
    write(tmp_path / "annuaire", SHEETS)
    name, content, told = FAULTY["a column that isn't there"]
    (tmp_path / "annuaire" / name).write_bytes(content)
    words = broken.command("conversations", status=78)
    assert all(piece in words for piece in told)
    assert PAULA not in words
