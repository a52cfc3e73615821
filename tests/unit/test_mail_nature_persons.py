"""People whose mail resembles a machine's: they tell of machines, answer them, complain of them, or are away."""

from __future__ import annotations

import pytest

from gateway.mail.read import read
from gateway.model import Mail, Nature

CLAIRE = "Claire Petit <claire@example.org>"


def mail(subject: str, text: str, sender: str = CLAIRE, *fields: str, domain: str = "") -> Mail:
    kind = () if any(f.startswith("Content-Type") for f in fields) else ("Content-Type: text/plain; charset=utf-8",)
    header = (f"From: {sender}", "To: contact@support.example", f"Subject: {subject}", *kind, *fields)
    return read("\n".join((*header, "", text, "")).encode(), domain=domain)


def mixed(subject: str, *some: str, kind: str = "multipart/mixed") -> Mail:
    body = "".join(f"--b\n{part}\n" for part in some) + "--b--"
    return mail(subject, body, CLAIRE, f'Content-Type: {kind}; boundary="b"', "MIME-Version: 1.0")


def text_part(text: str) -> str:
    return f"Content-Type: text/plain; charset=utf-8\n\n{text}"


OWN_ABSENCE = [
    (
        "Absence à la convocation",
        "Bonjour,\n\nJe serai absent le 3 mars à la convocation. Je répondrai à votre courriel à mon retour.",
    ),
    (
        "Re: Pièces manquantes",
        (
            "Je suis actuellement en déplacement, je n'ai pas accès à ma messagerie professionnelle. "
            "J'enverrai les pièces lundi."
        ),
    ),
    (
        "Re: Your file",
        "I am away until Monday and will reply to you when I return. The missing paper will follow.",
    ),
    (
        "Re: Termin",
        (
            "Guten Tag, ich bin nächste Woche im Urlaub. In dringenden Fällen erreichen Sie mich unter 0171 5550123. "
            "Den Termin am 12. nehme ich wahr."
        ),
    ),
    (
        "Re: Votre dossier",
        (
            "Je suis en congés du 3 au 10 mai. Votre message sera lu à mon retour. Cordialement, Claire. "
            "Je passerai au guichet le 12."
        ),
    ),
    (
        "Re: Votre facture",
        "Je suis en congés. Votre message sera lu après le 12. La facture manquante est chez le comptable.",
    ),
    (
        "RE: Expediente",
        (
            "Estaré fuera de la oficina hasta el 12 de mayo. En caso de urgencia contactar con info@example.org. "
            "El certificado falta todavía."
        ),
    ),
]


@pytest.mark.parametrize(("subject", "text"), OWN_ABSENCE)
def test_who_tells_of_their_absence_is_a_person(subject: str, text: str) -> None:
    assert mail(subject, text).nature is Nature.PERSON


ABOUT_ABSENCE_MAIL = [
    ("Re: Votre demande (réponse automatique)", "Et maintenant, qui s'en occupe ?"),
    ("Re: Your application (automatic reply)", "Thank you, so I wait until the 12th."),
    ("Votre demande (réponse automatique)", "Cela fait trois fois."),
    ("Re: Anna Smith is out of the office", "I am away too.\n\nThe form is on your desk."),
    ("Re: Anna Smith is out of the office", "Who else is there to help us?"),
    ("Anna Smith is out of the office", "She never answers. Someone else must take it."),
    ("Réponse automatique : que dois-je en faire ?", "Bonjour,\n\nvoir ci-dessous, merci."),
    ("Réponse automatique : que dois-je en faire ?", "C'est la troisième cette semaine."),
    ("Message automatique : je n'ai pas demandé cela", "Merci de cesser ces envois."),
    ("Message automatique : erreur", "Bonjour,\n\nvotre serveur se trompe de destinataire."),
    ("Automatic reply", "Your system answers but nobody reads."),
    ("Réponse automatique", "J'ai reçu cela hier, rien depuis."),
]


@pytest.mark.parametrize(("subject", "text"), ABOUT_ABSENCE_MAIL)
def test_who_answers_or_complains_of_an_absence_message_is_a_person(subject: str, text: str) -> None:
    assert mail(subject, text).nature is Nature.PERSON


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Auto : carte grise, absence de réponse", "Où en est le certificat, déposé le 3 mars."),
        ("Auto : absence de contrôle technique", "Le véhicule est au garage depuis lundi."),
        ("Auto : TR : assurance", "Le contrat de la voiture est joint."),
        ("Auto : assurance, absence", "Je suis absente le matin, le contrat est chez le garagiste."),
        ("Auto : absence de réponse", "Bonjour,\n\nje suis absente le matin."),
    ],
)
def test_a_car_is_no_absence(subject: str, text: str) -> None:
    assert mail(subject, text).nature is Nature.PERSON


@pytest.mark.parametrize(
    ("subject", "text", "sender"),
    [
        (
            "Sans nouvelles",
            "J'ai reçu le message automatique « Votre demande a bien été enregistrée », mais depuis, plus rien.",
            CLAIRE,
        ),
        (
            "Recours",
            "Le recommandé avec accusé de réception est sans réponse ; seul un courriel automatique est arrivé.",
            CLAIRE,
        ),
        (
            "Statuts",
            (
                "Nous avons bien reçu votre message du 3 mars. Merci de ne pas répondre à cet e-mail mais à "
                "paul@asso.example. Voici les statuts."
            ),
            "support@asso.example",
        ),
        (
            "Statuts",
            "Votre demande a bien été enregistrée. Merci de ne pas répondre à cet e-mail mais à paul@asso.example.",
            CLAIRE,
        ),
        ("Ticket reçu - amende de stationnement", "Bonjour, comment le payer ?", CLAIRE),
        ("Ticket créé : mais sans suite", "Le guichet ne répond plus depuis un mois.", CLAIRE),
        ("Ticket créé : mais sans suite", "« Votre demande a bien été enregistrée », m'a-t-on écrit.", CLAIRE),
        ("[Demande reçue] plus de nouvelles", "Bonjour,\n\nrien depuis le 3 mars.", CLAIRE),
    ],
)
def test_who_tells_of_a_receipt_is_a_person(subject: str, text: str, sender: str) -> None:
    assert mail(subject, text, sender).nature is Nature.PERSON


@pytest.mark.parametrize(
    ("subject", "text", "sender"),
    [
        (
            "Courrier non distribué",
            "Votre courrier recommandé n'a pas pu être distribué à la mairie. Écrire à paul@asso.example.",
            "Administration Association Petit <admin@asso.example>",
        ),
        (
            "Courrier retourné",
            "Le pli du 3 mars est revenu avec la mention destinataire inconnu. Le siège : siege@asso.example.",
            "Administration <secretariat@asso.example>",
        ),
        (
            "Élections",
            "Les bulletins n'ont pas pu être distribués dans la classe. Écrire à ape@asso.example pour les avoir.",
            "no-reply <ape@asso.example>",
        ),
        (
            "Courrier non distribué",
            "Votre message n'a pas pu être distribué, code erreur 550 chez paul@asso.example. Que faire ?",
            "admin@asso.example",
        ),
    ],
)
def test_an_office_that_speaks_of_letters_is_a_person(subject: str, text: str, sender: str) -> None:
    assert mail(subject, text, sender).nature is Nature.PERSON


def test_who_waits_for_an_activation_is_a_person() -> None:
    text = (
        "Le courriel d'activation est toujours en attente. Quand on clique sur https://demarches.example/activer "
        "pour valider votre adresse, rien ne se passe."
    )
    assert mail("Activation du compte", text).nature is Nature.PERSON


def test_a_filters_answer_with_a_link_is_a_challenge() -> None:
    text = "Your message is being held. To release your message, click: https://filtre.example.net/1"
    assert mail("Re: Your file", text).nature is Nature.CHALLENGE
    assert mail("Your file", text).nature is Nature.PERSON


NOTIFICATION = (
    "Content-Type: message/disposition-notification\n\nDisposition: manual-action/MDN-sent-manually; displayed"
)
STATUS = "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@example.org\nAction: failed"
ZIP = "Content-Type: application/zip; name=google.com!example.org!1709251200!1709337599.zip\n\nUEs"
TLS = "Content-Type: application/tlsrpt+gzip\n\nH4s"
COMPLAINT = "Content-Type: message/feedback-report\n\nFeedback-Type: abuse"
BROUGHT = [
    (NOTIFICATION, Nature.RECEIPT),
    (STATUS, Nature.BOUNCE),
    (ZIP, Nature.REPORT),
    (TLS, Nature.REPORT),
    (COMPLAINT, Nature.REPORT),
]


@pytest.mark.parametrize(("part", "nature"), BROUGHT)
def test_who_brings_a_report_with_words_of_their_own_is_a_person(part: str, nature: Nature) -> None:
    assert mixed("Lu : demande", text_part("Bonjour,\n\nci-joint."), part).nature is Nature.PERSON
    assert mixed("Lu : demande", text_part("Que dois-je faire de cet avis ?"), part).nature is Nature.PERSON
    assert mixed("TR: Lu : demande", text_part("Pour information."), part).nature is Nature.PERSON
    assert mixed("Lu : demande", part).nature is nature


@pytest.mark.parametrize(("part", "nature"), BROUGHT[:2])
def test_a_report_may_greet(part: str, nature: Nature) -> None:
    kind = "multipart/report; report-type=delivery-status"
    assert mixed("Undelivered", text_part("Hello,\n\nthis is a report."), part, kind=kind).nature is nature


@pytest.mark.parametrize(
    "field",
    [
        "List-Id: Contact <contact.support.example>",
        "List-Id: <support.example>",
        "List-Post: <mailto:contact@Support.example?subject=x>",
    ],
)
def test_a_contact_address_may_be_a_list_of_our_own(field: str) -> None:
    text = "Bonjour, où en est mon dossier ?"
    assert mail("Dossier", text, CLAIRE, field, domain="support.example").nature is Nature.PERSON
    more = ("List-Unsubscribe: <https://listes.example/sortir>", "Precedence: list")
    assert mail("Dossier", text, CLAIRE, field, *more, domain="support.example").nature is Nature.PERSON
    assert mail("Dossier", text, CLAIRE, field, domain="port.example").nature is Nature.BULK
    assert mail("Dossier", text, CLAIRE, field).nature is Nature.BULK
