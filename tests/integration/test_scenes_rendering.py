"""Scene h: what an usager receives, in both languages, as text and as a browser shows it on a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.chromium import CHROMIUM, WIDTH, Chromium
from tests.servers.clients import gmail, letter
from tests.servers.gateway import (
    ALICE,
    DIRECTORY,
    DOMAIN,
    NEIGHBOURS,
    PAULA,
    PIERRE,
    PREFECTURE,
    WANDA,
    Gateway,
    Sent,
    configuration,
    running,
)

MISSING = "Chromium isn't installed (Debian package chromium): mails aren't rendered"

FAQ = """
[[faq]]
title = "Où en est mon dossier ?"
url = "https://demarches.example.org/faq/une-adresse-tres-longue-sans-un-seul-espace/ou-en-est-mon-dossier"
words = ["où en est"]
locale = "fr"

[[faq]]
title = "How far is my file?"
url = "https://demarches.example.org/faq/en/how-far-is-my-file"
words = ["how far"]
locale = "en"

[[demarches]]
number = 53
title = "Visitor permit"
organisation = "17310001700016"
administrateurs = ["paula.admin@prefecture.example.org"]
locale = "en"
"""
FRENCH = "Bonjour,\n\nOù en est ma demande de titre de séjour, s'il vous plaît ?\n\nMerci beaucoup"
ENGLISH = "Hello,\n\nCould you please tell me how far you are with my application?\n\nThank you very much"
WORDS = {
    "fr": ("Nous avons bien reçu votre message", "Délai de réponse habituel", "Organisme :", "Référence :"),
    "en": ("We received your message", "Usual time to reply", "Organisation:", "Reference:"),
}
ANSWERS = {
    "fr": "Bonjour,\n\nVotre dossier est complet.\n\nBonne journée",
    "en": "Hello,\n\nYour file is complete.\n\nKind regards",
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("h"), configuration(directory=DIRECTORY + NEIGHBOURS + FAQ)) as started:
        yield started


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if CHROMIUM is None:
        pytest.skip(MISSING)
    started = Chromium(tmp_path_factory.mktemp("chromium"))
    try:
        started.open()
        yield started
    finally:
        started.close()


def mails(gateway: Gateway, language: str) -> dict[str, Sent]:
    """What an usager who writes this language receives: acknowledgements, an answer, a hand-over."""
    nora = f"nora.{language}@usager.example.net"
    question = {"fr": FRENCH, "en": ENGLISH}[language]
    if not gateway.sent(nora):
        to = f"demarche+52@{DOMAIN}"
        gateway.post(letter(nora, question, to=to), to=to)
        gateway.post(gmail(gateway.latest(PIERRE), PIERRE, ANSWERS[language]))
        to = f"demarche+42@{DOMAIN}"
        gateway.post(letter(nora, question, to=to, subject="Autre"), to=to)
        gateway.post(gmail(gateway.latest(ALICE), ALICE, f"@transmettre {PREFECTURE} démarche 51"))
        wanda = letter(WANDA, question, subject=language)
        gateway.post(wanda)
    acknowledged, answer, _, transferred = gateway.sent(nora)
    (asked,) = [mail for mail in gateway.sent(WANDA) if mail.message["Content-Language"] == language]
    return {"acknowledgement": acknowledged, "answer": answer, "transferred": transferred, "question": asked}


KINDS = ("acknowledgement", "answer", "transferred", "question")


# --- words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["fr", "en"])
def test_in_the_language_that_the_usager_writes(gateway: Gateway, language: str) -> None:
    other = {"fr": "en", "en": "fr"}[language]
    for kind, mail in mails(gateway, language).items():
        assert mail.message["Content-Language"] == language, kind
        assert f'<html lang="{language}">' in mail.html, kind
        for foreign in WORDS[other]:
            assert foreign not in mail.words, kind
    acknowledged = mails(gateway, language)["acknowledgement"]
    received, _, organisation, reference = WORDS[language]
    number = {"fr": "n° 52", "en": "no. 52"}[language]
    for told in (received, organisation, reference, PREFECTURE, "05 11 11 11 11", "1 place de l'Exemple", number):
        assert told in acknowledged.words
    titles = {"fr": "Où en est mon dossier ?", "en": "How far is my file?"}
    assert titles[language] in acknowledged.text
    assert titles[other] not in acknowledged.text


def test_in_the_language_of_the_demarche_where_the_mail_tells_none(gateway: Gateway) -> None:
    nemo = "nemo@usager.example.net"
    for number, language in ((53, "en"), (51, "fr")):
        to = f"demarche+{number}@{DOMAIN}"
        gateway.post(letter(nemo, "…", to=to), to=to)
        acknowledged = gateway.latest(nemo)
        assert acknowledged.message["Content-Language"] == language
        assert WORDS[language][0] in acknowledged.words
        assert WORDS[language][0] not in gateway.latest(PAULA).words, "her agents read it in the instance's"
    assert "Délai de réponse habituel : 10 jours ouvrés." in gateway.latest(nemo).words


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_says_where_it_comes_from_and_what_if_it_went_astray(
    gateway: Gateway, kind: str, language: str
) -> None:
    mail = mails(gateway, language)[kind]
    astray = {"fr": "ou si ce courriel ne vous est pas destiné", "en": "if this e-mail is not meant for you"}[
        language
    ]
    assert astray in mail.words
    assert mail.reference in mail.text
    if kind != "question":
        assert f"Préfecture d'Exemple (SIRET {PREFECTURE})" in mail.words
        assert "Permis de conduire" in mail.text or "Titre de séjour" in mail.text


def test_an_operator_looks_at_the_texts(gateway: Gateway) -> None:
    names = {row["name"] for row in gateway.command("template", "list")}
    assert {"acknowledgement", "answer", "transferred", "notification", "digest"} <= names
    preview = gateway.command(
        "template", "preview", "acknowledgement", "--language", "en", "--demarche", "51", "--html"
    )
    assert "We received your message" in preview["text"]
    assert "Titre de séjour" in preview["text"]
    assert preview["text"].startswith("<!DOCTYPE html>")
    assert "there is no" in gateway.command("template", "show", "nothing", status=1)


# --- pictures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_telephone(gateway: Gateway, browser: Chromium, tmp_path: Path, kind: str, language: str) -> None:
    """Nothing is fetched, nothing stands out at the side, and every word of the text can be read."""
    mail = mails(gateway, language)[kind]
    page = tmp_path / f"{kind}.{language}.html"
    page.write_text(mail.html)
    browser.show(page)
    assert browser.requests == [page.as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") == WIDTH
    wide = f"[...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > {WIDTH}).length"
    assert browser.evaluate(wide) == 0
    smallest = (
        "Math.min(...[...document.querySelectorAll('p, td, th')].map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert browser.evaluate(smallest) >= 14
    seen = " ".join(browser.evaluate("document.body.innerText").split())
    for line in mail.text.splitlines():
        words = " ".join(line.split())
        if words.strip("- "):
            assert words in seen, words
    picture = tmp_path / f"{kind}.{language}.png"
    browser.picture(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
