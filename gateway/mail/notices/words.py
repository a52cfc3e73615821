"""What stands in the platform's notices and in our own mails to usagers, line by line, in French and English.

The platform's words are those of its layouts and default templates; ours are those of `relay/templates`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto


class Kind(Enum):
    """What a line is."""

    HEAD = auto()  # stands above a sentence: a greeting, a logo, the subject
    SENTENCE = auto()  # only a notice of the platform says it
    BUTTON = auto()  # of the platform, with its link
    FOOT = auto()  # only the foot of the platform's notices says it
    OUR_SENTENCE = auto()
    OUR_FOOT = auto()
    BETWEEN = auto()  # cut between parts of a notice
    BELOW = auto()  # cut below a foot
    NO_REPLY = auto()  # cut below a foot, or right above it
    RULE = auto()  # likewise, but anybody draws one
    OTHER = auto()


LOOKED_AT = 240  # characters of a line
_N = r"(?:n ?[°ºo]|no)\.? ?[0-9][0-9 .,']{0,15}"
_LINK = r"(?: ?[<(\[]?https?://\S{1,200})"
_BUTTONS = (
    *("consulter mon dossier", "lire le message", "voir le dossier", "j'ai une question", "répondre à ce message"),
    *("ouvrir la messagerie", "afficher votre dossier", "read the message", "open (?:the )?file", "view my file"),
    "open the mailbox",
)


def _any(*alternatives: str, after: str = "") -> str:
    return f"(?:{'|'.join(alternatives)}){after}"


# In the order in which they are asked; matched at the beginning of a line as `_plain` leaves it.
WORDS: tuple[tuple[Kind, str], ...] = (
    (
        Kind.SENTENCE,
        _any(
            r"vous avez reçu un nouveau message ?(?:de la part )?du service (?:en charge|pour lequel)",
            rf"votre dossier {_N}\.? ?(?:a (?:bien )?été|va être|est en train d'être)",
            r"afin de poursuivre son instruction, un instructeur",
            rf"nous vous informons (?:que le dossier {_N}|qu'une décision sur (?:le|votre) dossier)",
            r"vous avez commencé à remplir un dossier pour la démarche",
            r"afin de respecter la durée de conservation de vos données personnelles, (?:le|la|les|ces?|vos?) ",
            r"you received a new message from the service in charge of reviewing",
            rf"your file {_N}\.? ?(?:has been|is being|will be)",
            r"in order to continue its (?:instruction|review), an? (?:instructor|reviewer)",
            rf"we inform you that (?:the |a decision on )?file {_N}",
        ),
    ),
    (
        Kind.OUR_SENTENCE,
        _any(
            r"nous avons bien reçu votre message le .{1,60}\. un agent le lira",
            r"(?:votre demande|elle) a été transmise le .{1,60} à l'organisme compétent",
            r"l'organisme auquel vous avez écrit \(.{1,200}\) n'est pas compétent",
            r"we received your message on .{1,60}\. a member of staff will read it",
            r"we handed your request over on .{1,60} to the organisation that is",
            r"you wrote to .{1,200}, which is not responsible for your request",
        ),
    ),
    (
        Kind.FOOT,
        _any(
            r"(?:merci de ne pas répondre à cet e-?mail\. ?)?pour vous adresser à votre administration, passez",
            r"cette démarche est gérée par ?:",
            r"une question sur votre dossier ?\?$",
            r"(?:please do not reply to this e-?mail\. ?)?to contact your administration, go directly",
            r"this procedure is managed by ?:",
            r"ask a question about your file ?:",
        ),
    ),
    (
        Kind.OUR_FOOT,
        _any(
            r"organi(?:sme|sation) ?: .{1,200} \(siret [0-9 ]{14,20}\)$",
            r"pour (?:nous répondre|compléter votre message), il vous suffit de répondre à ce courriel",
            r"to (?:answer|add something to your message), simply reply to this e-mail",
            r"vous n'avez rien à faire : cet organisme vous répondra",
            r"you do not have to do anything: this organisation will reply to you",
            r"cet organisme est responsable de votre demande ?:",
            r"this organisation is responsible for your request:",
        ),
    ),
    (Kind.BUTTON, _any(*_BUTTONS, after=_LINK)),
    (Kind.NO_REPLY, _any(r"merci de ne pas répondre à cet e-?mail", r"please do not reply to this e-?mail")),
    (Kind.RULE, _any(r"(?:[—–-]|-- ?|_{2,})$")),
    (
        Kind.BELOW,
        _any(
            r"cet e-?mail a été envoyé à l'adresse ?:",
            r"this e-?mail has been sent to ?:",
            rf"messagerie du dossier ?(?::|$|{_LINK})",
            rf"(?:messaging|page de contact|contact page) ?(?::|{_LINK})",
            rf"(?:consultez l'aide en ligne|consult the online help) ?(?:$|{_LINK})",
            r"(?:horaires|téléphone|adresse électronique|précisions) ?:",
            r"(?:schedule|phone|email|other contact informations?) ?:",
            r"(?:adresse|courriel|horaires d'ouverture|questions fréquentes) ?:",
            r"(?:address|telephone|opening hours|e-mail|frequently asked questions) ?:",
            r".{2,80} est un service fourni par ",
            r"(?:démarche|procedure) ?: .{1,300} \((?:n°|no\.) ?[0-9]{1,10}\)$",
            rf"(?:dossier|file) ?: {_N}$",
            r"(?:référence|reference) ?: \S{1,40}$",
            r"ce courriel a été envoyé automatiquement\.$",
            r"this e-mail was sent automatically\.$",
            r"si vous vouliez écrire à un autre organisme",
            r"if your message was meant for another organisation",
            r"vous recevez ce courriel parce que vous participez",
            r"you receive this e-mail because you take part",
            rf"{_LINK}$",
        ),
    ),
    (
        Kind.HEAD,
        _any(
            r"(?:bonjour|hello|good morning),?$",
            r"\[?logo .{1,100}$",
            rf"(?:nouveau message pour|vous devez corriger) votre dossier {_N}",
            rf"(?:new message on|you need to modify) your file {_N}",
        ),
    ),
    (
        Kind.BETWEEN,
        _any(
            r"pour consulter le message et y répondre, cliquez",
            r"si vous souhaitez contacter le service, merci de le faire directement",
            r"si besoin est, vous pouvez encore y apporter",
            r"consultez la messagerie de votre dossier pour prendre connaissance",
            r"to read the message and answer it, select",
            r"check your file's mailbox to see",
            r"(?:cordialement|bonne journée|best regards|sincerely),?$",
            *(f"{label}$" for label in _BUTTONS),
        ),
    ),
)


# One of these stands in every foot and on every button: where none is, there is no notice, whatever else is said.
_SIGNS = (
    "pour vous adresser à votre administration, passez",
    "cette démarche est gérée par",
    "une question sur votre dossier",
    "to contact your administration, go directly",
    "this procedure is managed by",
    "ask a question about your file",
    " (siret ",
    "il vous suffit de répondre à ce courriel",
    "simply reply to this e-mail",
    "vous n'avez rien à faire : cet",
    "you do not have to do anything: this",
    "cet organisme est responsable de votre",
    "this organisation is responsible for your",
    *(label for label in _BUTTONS if "(?:" not in label),
    "open file",
    "open the file",
)
_KINDS = re.compile("|".join(f"(?P<{kind.name}>{words})" for kind, words in WORDS))


def kind(line: str) -> Kind:
    """What a line is. A line that is quoted with `>` is nobody's here: no words begin with that."""
    found = _KINDS.match(_plain(line))
    return Kind[found.lastgroup] if found and found.lastgroup else Kind.OTHER


def mentioned(lines: Iterable[str]) -> bool:
    """May a foot or a button be among the lines? Most texts are done with after this look."""
    text = _spaced(" ".join(lines))
    return any(sign in text for sign in _SIGNS)


def _plain(line: str) -> str:
    """Its beginning without emphasis, with ordinary spaces and apostrophes, in lower case."""
    return _spaced(line[:LOOKED_AT]).strip("| ")


def _spaced(text: str) -> str:
    return " ".join(text.replace("*", "").split()).replace("’", "'").lower()
