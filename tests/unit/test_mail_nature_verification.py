"""Verification mail of online services, and the people who resemble it."""

from __future__ import annotations

import pytest

from gateway.mail.read import read
from gateway.model import Nature
from tests.builders import raw_mail

ROBOT = "no-reply@service.example"


@pytest.mark.parametrize(
    ("author", "subject", "text"),
    [
        (ROBOT, "Confirmation code: 482-913", "Enter it in your browser."),
        (ROBOT, "Slack confirmation code: QVZ-HPK", "Enter it to confirm your email address."),
        (ROBOT, "Your security code", "Use AB12CD to sign in with this security code."),
        ("noreply@x.example", "Vérifiez votre adresse", "Cliquez : https://x.example/v?t=abc"),
        ("ne-pas-repondre@x.example", "Connexion", "Votre code à usage unique est 739205."),
        ("notifications@x.example", "Reset your password", "https://x.example/reset"),
        ("no-reply@x.example", "Bestätigungscode", "Ihr Bestätigungscode: 112233"),
    ],
)
def test_a_services_code_or_link(author: str, subject: str, text: str) -> None:
    assert read(raw_mail(author, subject=subject, text=text)).nature is Nature.VERIFICATION


def test_a_marked_one_from_any_address() -> None:
    raw = raw_mail("securite@x.example", subject="Code de sécurité", text="739205", Auto_Submitted="auto-generated")
    assert read(raw).nature is Nature.VERIFICATION


@pytest.mark.parametrize(
    ("author", "subject", "text"),
    [
        (
            "ulysse@usager.example.net",
            "Code de vérification",
            "Bonjour, le code de vérification 739205 ne marche pas.",
        ),
        (ROBOT, "Code de vérification", "Bonjour, je n'ai pas reçu mon code de vérification pour le dossier 123456."),
        (ROBOT, "Re: Votre code de vérification", "739205"),
        (ROBOT, "Votre facture", "Facture 20241234 : 30 euros."),
        (ROBOT, "Votre code de vérification", "Bientôt disponible."),
    ],
)
def test_what_people_write_and_what_verifies_nothing(author: str, subject: str, text: str) -> None:
    assert read(raw_mail(author, subject=subject, text=text)).nature is not Nature.VERIFICATION


def test_a_form_sends_peoples_words() -> None:
    raw = raw_mail(
        ROBOT, subject="Code de vérification 739205", text="Il manque.", Reply_To="ulysse@usager.example.net"
    )
    assert read(raw).nature is Nature.PERSON
