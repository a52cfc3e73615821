"""Answers to the platform's notices, copied as programs copy: the answer told apart, the dossier found.

Written for this, after what the programs do; the notices have the words by which the platform's are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import product

from gateway.mail.read import read
from gateway.model import Inbox, InboxKind
from gateway.routing import numbers
from tests.conformance.figure import Case, Figure, figure

URL = "https://demarches.example.org"
LINK = f"{URL}/dossiers/123/messagerie"
DOSSIER = Inbox(InboxKind.DOSSIER, 123)
FOOT = (
    "—",
    f"Merci de ne pas répondre à cet email. Pour vous adresser à votre administration, passez par ici <{LINK}>.",
    "Cette démarche est gérée par : Mairie d’Exemple, 1 rue de la Mairie",
    "Cet email a été envoyé à l’adresse :\nulysse@usager.example.net",
    f"Une question sur votre dossier ?\nMessagerie du dossier <{LINK}>\nHoraires : le matin",
)
ENGLISH_FOOT = (
    "—",
    f"Please do not reply to this email. To contact your administration, go directly here <{LINK}>.",
    "This procedure is managed by: Mairie d’Exemple",
)
# Paragraphs; a notice ends with its foot.
NOTICES = {
    "new message": (
        "Bonjour,",
        "Vous avez reçu un nouveau message de la part du service en charge de votre dossier.",
        f"Lire le message <{LINK}>",
        "Cordialement,\nMairie d’Exemple",
        *FOOT,
    ),
    "submitted": (
        "Bonjour,",
        "Votre dossier n° 123 a bien été déposé.",
        "Bonne journée,\nMairie d’Exemple",
        f"Consulter mon dossier <{URL}/dossiers/123>",
        *FOOT,
    ),
    "refused": (
        "Bonjour,",
        "Votre dossier n°\u00a0123 a été refusé le 3 mars.",
        "Le motif est le suivant :",
        "Il manque le plan.",
        "Cordialement,\nMairie d’Exemple",
        f"Consulter mon dossier <{URL}/dossiers/123>",
        *FOOT,
    ),
    "to correct": (
        "Bonjour,",
        "Afin de poursuivre son instruction, un instructeur vous demande de compléter votre dossier n° 123.",
        f"Ouvrir la messagerie <{LINK}>",
        *FOOT,
    ),
    "English": (
        "Hello,",
        "You received a new message from the service in charge of reviewing your file on « Permit ».",
        f"Read the message <{LINK}>",
        "Best regards,\nThe team",
        *ENGLISH_FOOT,
    ),
}
# What stays of a copy without a mark: nothing tells a reason, or what follows it, from an answer between the lines.
KEPT = {"refused": NOTICES["refused"][2:5]}
ANSWERS = {
    "short": ("Voici le plan.",),
    "letter": (
        "Bonjour,",
        "Voici le plan demandé.\nEst-ce suffisant ?",
        "Cordialement,\nUlysse\nTéléphone : 06 00 00 00 00",
    ),
    "about the notice": (
        "Bonjour,",
        "Votre dossier n° 123 ? Je n’ai rien reçu d’autre.",
        "Merci de ne pas répondre.",
    ),
}
ATTRIBUTION = "Le lun. 3 févr. 2025 à 10:12, Démarches d’exemple <ne-pas-repondre@demarches.example.org> a écrit :"
BLOCK = (
    "De : Démarches d’exemple <ne-pas-repondre@demarches.example.org>\nEnvoyé : lundi 3 février 2025 10:12\n"
    "À : ulysse@usager.example.net\nObjet : Nouveau message pour votre dossier n° 123"
)


def figures() -> tuple[Figure, ...]:
    """The answer, whole and alone as far as that can be told; the dossier that the notice is about."""
    return (
        figure("C8-notices", "answers told apart from the notice below them", 1.0, _answers()),
        figure("C8-answered", "the dossier of the notice that is answered", 1.0, _dossiers()),
    )


def _mails() -> Iterator[tuple[str, tuple[str, ...], bytes]]:
    """What it is, the paragraphs that are to stay, the mail."""
    for (notice, below), (answer, above) in product(NOTICES.items(), ANSWERS.items()):
        for how, (subtype, text) in {**_plain(above, below), **_html(above, below)}.items():
            kept = KEPT.get(notice, ()) if "no mark" in how else ()
            yield f"{answer} answer to {notice}, {how}", (*above, *kept), _mail(subtype, text)


def _plain(above: tuple[str, ...], below: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    own, notice = "\n\n".join(above), "\n\n".join(below)
    quoted = "\n".join(f"> {line}".rstrip() for line in notice.split("\n"))
    texts = {
        "quoted": f"{own}\n\n{ATTRIBUTION}\n\n{quoted}",
        "a block above it": f"{own}\n\n{BLOCK}\n\n{notice}",
        "a rule above it": f"{own}\n\n-----Message d’origine-----\n{BLOCK}\n\n{notice}",
        "no mark": f"{own}\n\n{notice}",
        "no mark, close": own + "\n" + "\n".join(below),
        "no mark, trailing spaces": f"{own}\n \n" + "\n \n".join(below).replace("\n", " \n"),
    }
    return {f"plain text, {name}": ("plain", text) for name, text in texts.items()}


def _html(above: tuple[str, ...], below: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    own, notice = f"<div>{_paragraphs(above)}</div>", _paragraphs(below)
    table = f"<table><tr><td>{notice}</td></tr></table>"
    attribution, block = escape(ATTRIBUTION), escape(BLOCK).replace("\n", "<br>")
    texts = {
        "Gmail": f'{own}<div class="gmail_quote"><div class="gmail_attr">{attribution}<br></div>'
        f'<blockquote class="gmail_quote">{table}</blockquote></div>',
        "Apple": f'{own}<blockquote type="cite"><div>{attribution}</div></blockquote>'
        f'<blockquote type="cite">{table}</blockquote>',
        "Outlook": f'{own}<hr><div id="divRplyFwdMsg">{block}</div>{table}',
        "no mark": f"{own}{table}",
    }
    return {f"HTML, {name}": ("html", text) for name, text in texts.items()}


def _paragraphs(texts: tuple[str, ...]) -> str:
    return "".join(f"<p>{_linked(escape(text))}</p>" for text in texts)


def _linked(text: str) -> str:
    """« Words <link> » as a link."""
    lines = []
    for line in text.split("\n"):
        words, _, rest = line.partition(" &lt;https")
        url, _, after = rest.partition("&gt;")
        lines.append(f'<a href="https{url}">{words}</a>{after}' if rest else line)
    return "<br>".join(lines)


def _mail(subtype: str, text: str) -> bytes:
    head = (
        "From: Ulysse <ulysse@usager.example.net>\r\nTo: contact@support.example.org\r\nSubject: Re: bonjour\r\n"
        "Message-ID: <1@usager.example.net>\r\nIn-Reply-To: <2@demarches.example.org>\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return (head + text.replace("\n", "\r\n")).encode()


def _answers() -> Iterator[Case]:
    for name, stays, raw in _mails():
        own = " ".join(read(raw).own.split())
        expected = " ".join(" ".join(stays).split())
        yield Case(name, own == expected, f"{expected!r} expected, {own!r} found")


def _dossiers() -> Iterator[Case]:
    for name, _, raw in _mails():
        found = numbers.links(read(raw).text, (URL,))
        yield Case(name, found == (DOSSIER,), f"{DOSSIER} expected, {', '.join(map(str, found)) or 'nothing'} found")
