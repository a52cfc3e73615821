"""`gateway template`: what there is and where it comes from, as it stands, and filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.commands import templates
from gateway.commands.output import Shown, show
from gateway.config.settings import Settings
from gateway.errors import NotFound
from gateway.relay import samples, texts
from gateway.relay.texts import Texts
from tests.builders import settings

ASTRAY = "Pas pour vous\u00a0? Merci de nous le dire en répondant."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part, a démarche's part and prepared answers of an instance's own."""
    folder = tmp_path_factory.mktemp("templates")
    files = {
        "fr/_misdirected.txt": ASTRAY,
        "42/_contact.txt": "{% include '_place.txt' %}\n{{ organisation.adresse }} {{ organisation.telephone }}\n"
        "{{ organisation.horaires }} {{ organisation.email }} {{ organisation.faq_url }} at 42\n",
        "42/modeles/fr/pièces.txt": "Il manque des pièces au dossier n° {{ dossier }}.",
        "modeles/Accueil.txt": "Bonjour {{ usager }}.",
        "77/help.txt": "s\n{{ marker }}\n{{ reference }}\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    return folder


@pytest.fixture(scope="module")
def mine(folder: Path) -> tuple[Texts, Settings]:
    base = settings()
    desk = base.desk.model_copy(update={"templates": folder})
    return texts.load(folder), base.model_copy(update={"desk": desk})


def previewed(mine: tuple[Texts, Settings], name: str, **values: Any) -> dict[str, Any]:
    asked = {"demarche": None, "language": "fr", "html": False, **values}
    document = templates.preview(*mine, name, **asked).document
    assert isinstance(document, dict)
    return document


def test_the_list(mine: tuple[Texts, Settings], folder: Path) -> None:
    shown = templates.listed(*mine)
    rows = {(row["name"], row["language"], row["demarche"]): row["source"] for row in shown.document}
    assert rows["answer", "fr", None] == rows["_misdirected", "en", None] == "packaged"
    assert rows["_misdirected", "fr", None] == f"{folder}/fr/_misdirected.txt"
    assert rows["_contact", None, 42] == f"{folder}/42/_contact.txt"
    assert rows["modeles/pièces", "fr", 42] == f"{folder}/42/modeles/fr/pièces.txt"
    assert rows["modeles/Accueil", None, None] == f"{folder}/modeles/Accueil.txt"
    assert len(rows) == 2 * len({*samples.MAILS, *samples.PARTS}) + 4
    assert shown.lines[1:] == ("No démarche has the number 77: its templates are never used.",)


def test_the_list_of_an_instance_without_its_own() -> None:
    shown = templates.listed(texts.load(None), settings())
    assert {row["source"] for row in shown.document} == {"packaged"}
    assert len(shown.lines) == 1


def test_a_template_is_shown_as_it_stands(mine: tuple[Texts, Settings]) -> None:
    def text(name: str, demarche: int | None = None, language: str = "fr") -> Shown:
        return templates.shown(mine[0], name, demarche=demarche, language=language)

    assert text("_misdirected").lines == (ASTRAY,)
    assert "another organisation" in text("_misdirected", language="en").document["text"]
    assert text("_misdirected", language="en").document["source"] == "packaged"
    assert "at 42" in text("_contact.txt", 42).document["text"]
    assert "at 42" not in text("_contact", 43).document["text"]
    assert text("Accueil").document == {
        "name": "modeles/Accueil",
        "language": "fr",
        "source": "modeles/Accueil.txt",
        "text": "Bonjour {{ usager }}.\n",
    }
    assert "{{ dossier }}" in str(text("modeles/pièces", 42).lines[0])
    for name, demarche, language in (("pièces", None, "fr"), ("pièces", 42, "en")):
        with pytest.raises(NotFound, match=f"there is no pièces in {language}"):
            text(name, demarche, language)
    with pytest.raises(NotFound, match=r"there is no template anwser; did you mean answer\?"):
        text("anwser")
    with pytest.raises(NotFound, match="`gateway template list` names all"):
        text("../../etc/passwd")


@pytest.mark.parametrize("name", [*samples.MAILS, *samples.PARTS])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_everything_can_be_previewed(mine: tuple[Texts, Settings], name: str, language: str) -> None:
    for demarche in (None, 42):
        document = previewed(mine, name, demarche=demarche, language=language)
        assert document["text"].strip()
        assert bool(document["subject"]) == (name in samples.MAILS)
        page = previewed(mine, name, demarche=demarche, language=language, html=True)["text"]
        assert page.startswith(f'<!DOCTYPE html>\n<html lang="{language}">')


def test_a_preview_has_the_instances_and_the_demarches_own(mine: tuple[Texts, Settings]) -> None:
    document = previewed(mine, "acknowledgement")
    assert samples.DEMARCHE.title in document["text"]
    assert "12 mars 2026 à 10\u00a0h\u00a031" in document["text"]
    assert "10 jours ouvrés" in document["text"]
    assert mine[1].instance.name in document["text"]
    assert ASTRAY in document["text"]
    document = previewed(mine, "acknowledgement", demarche=42, language="en")
    assert "(no. 42)" in document["text"]
    assert "at 42" in document["text"]
    assert "12 March 2026 at 10:31" in document["text"]
    assert "10 jours" not in document["text"]
    with pytest.raises(NotFound, match="there is no démarche 41 in the configuration"):
        previewed(mine, "acknowledgement", demarche=41)


def test_a_prepared_answer_is_previewed(mine: tuple[Texts, Settings]) -> None:
    assert previewed(mine, "Accueil")["text"] == "Bonjour ulysse@usager.example.net.\n"
    assert previewed(mine, "pièces", demarche=42)["text"] == "Il manque des pièces au dossier n° 1234567.\n"
    with pytest.raises(NotFound):
        previewed(mine, "pièces")


def test_a_preview_is_printed_with_its_subject(
    mine: tuple[Texts, Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    show(templates.preview(*mine, "answer", demarche=None, language="fr", html=False), as_json=False)
    printed = capsys.readouterr().out
    assert printed.startswith("Re: Ma question\n\nBonjour,\n")
    assert printed.count("\n\n\n") == 0
