"""What each template may name, with sample values: for checks, for previews, and as the list of it all.

`NEEDED` says what a mail must not lack, whoever writes its template: dotted names whose values have to be read in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gateway.config.settings import Demarche, Faq, Instance, Organisation
from gateway.relay.templating import Place

Values = Mapping[str, object]

ORGANISATION = Organisation(
    siret="21310555400017",
    name="Mairie d’Exemple",
    email="accueil@mairie.example.org",
    telephone="05 00 00 00 00",
    horaires="9 h – 17 h",
    adresse="1 place de la Mairie, 31000 Exemple",
    faq_url="https://mairie.example.org/faq",
)
FORMER = Organisation(siret="21330063500017", name="Mairie d’Ailleurs")
DEMARCHE = Demarche(number=98765, title="Permis de végétaliser", organisation=ORGANISATION.siret)
INSTANCE = Instance(name="Démarches d’exemple", url="https://demarches.example.org")
PLACE = Place(INSTANCE, "K7MP-4QXZ", ORGANISATION, DEMARCHE, 1234567)
NOWHERE = Place(INSTANCE, "K7MP-4QXZ")
# What may be there without the rest: what was handed over stands in no démarche, and the directory doesn't know every
# dossier that a conversation stands in.
PLACES = (
    PLACE,
    replace(PLACE, dossier=None),
    replace(PLACE, demarche=None),
    replace(PLACE, demarche=None, dossier=None),
    replace(NOWHERE, dossier=PLACE.dossier),
    NOWHERE,
)

_USAGER, _AGENT = "ulysse@usager.example.net", "Inès Instruit"
_TEXT = "Bonjour,\n\nvoici ma question.\n\nCordialement"
_RECEIVED = "12 mars 2026, 10:31"
_SAID = {
    "author": f"Ulysse <{_USAGER}>",
    "received": _RECEIVED,
    "text": _TEXT,
    "cut": True,
    "encrypted": False,
    "unread": False,
    "proof": "plausible",
    "proof_code": "token",
    "marks": [
        {"code": code, "what": "maire@exemple.fr"}
        for code in ("ambiguous", "address", "script", "imitates", "outdated")
    ],
}
_SILENT = {
    "author": "",
    "received": "13 mars 2026, 11:32",
    "text": "",
    "cut": False,
    "encrypted": True,
    "unread": False,
    "proof": "unverified",
    "proof_code": "",
    "marks": [],
}
_UNREAD = _SILENT | {"encrypted": False, "unread": True, "marks": [{"code": "unread", "what": ""}]}
_ENTRY = {
    "section": "fresh",
    "reference": "W3HN-8KTD",
    "subject": "Où en est mon dossier ?",
    "title": "Permis de végétaliser",
    "dossier": 1234567,
    "usager": _USAGER,
    "since": _RECEIVED,
    "excerpt": "Bonjour, voici ma question.",
    "count": 2,
    "answer_to": "reponse+sample@support.example.org",
    "closes": "15 mars 2026, 08:30",
}
_BARE = {"title": "", "dossier": None, "usager": "", "excerpt": "", "count": 1, "answer_to": "", "closes": ""}
_REASONS = ("infected", "unscanned", "size", "holds", "token", "address", "unsearched", "type")
_LOOKS = ("program", "script", "shortcut", "page", "disk", "macros")
_HELD = [
    *({"name": f"{why}.pdf", "why": why, "form": ""} for why in _REASONS),
    *({"name": f"{form}.pdf", "why": "type", "form": form} for form in _LOOKS),
]
# With all that it may have, with each of it missing, and with nothing of it.
_ENTRIES = [_ENTRY, *(_ENTRY | {name: value} for name, value in _BARE.items()), _ENTRY | _BARE]


def _entries(section: str) -> list[dict[str, object]]:
    return [
        entry | {"section": section, "reference": f"T5QY-{section[:2].upper()}{nth:02}"}
        for nth, entry in enumerate(_ENTRIES)
    ]


MAILS: Mapping[str, Values] = {
    "acknowledgement": {
        "received": _RECEIVED,
        "delay": "10 jours ouvrés",
        "suggestions": [Faq(title="Délais d’instruction", url="https://demarches.example.org/faq/delais")],
        "asked": True,
        "choices": [
            {"number": 1234567, "title": "Permis de végétaliser"},
            {"number": 7654321, "title": ""},
        ],
    },
    "alarm": {"most": 120},
    "answer": {
        "subject": "Re: Ma question",
        "text": _TEXT,
        "first_name": "Inès",
        "guest": True,
    },
    "checked": {
        "subject": "Ma question",
        "author": _USAGER,
        "received": _RECEIVED,
        "attachments": ["a.pdf"],
        "held": _HELD,
    },
    "confirmation": {
        "subject": "Ma question",
        "message": _SAID,
        "why": "une raison",
        "stranger": True,
        "commands": ["@clore", "@note Vu."],
        "goes_to": _USAGER,
        "attachments": ["a.pdf"],
        "until": _RECEIVED,
    },
    "digest": {
        "total": 3,
        **{section: _entries(section) for section in ("fresh", "waiting", "closing")},
        "more_fresh": 5,
        "more_waiting": 1,
        "more_closing": 2,
    },
    "health": {"gaps": [{"kind": "filing", "count": 3, "since": _RECEIVED}]},
    "help": {"subject": "Ma question", "asked": True},
    "mention": {"subject": "Ma question", "note": "Qui peut regarder ?", "by": _AGENT, "received": _RECEIVED},
    "modeles": {"subject": "Ma question", "names": ["accueil", "pièces manquantes"]},
    "notification": {
        "subject": "Ma question",
        "messages": [_SAID, _UNREAD, _SILENT],
        "more": 37,
        "answered_to": "ulysse.autre@usager.example.net",
        "stranger": True,
        "guests": ["notaire@example.org"],
        "refused": 7654321,
        "reason": "message",
        "by": _AGENT,
        "notes": ["Une note."],
        "attachments": ["a.pdf"],
        "held": _HELD,
    },
    "refused": {
        "subject": "Ma question",
        "text": _TEXT,
        "hers": True,
        "problems": ["une raison", "une autre"],
        "received": _RECEIVED,
    },
    "unconfirmed": {
        "subject": "Ma question",
        "problem": "une raison",
        "again": True,
        "received": _RECEIVED,
    },
    "transferred": {
        "subject": "Re: Ma question",
        "former": FORMER,
        "text": "Votre demande relève d’un autre organisme.",
        "received": _RECEIVED,
    },
    "transmission": {
        "subject": "Ma question",
        "usager": _USAGER,
        "former": FORMER,
        "messages": [_SAID, _SILENT],
        "more": 37,
        "attachments": ["a.pdf"],
        "held": _HELD,
    },
    "arrived": {"subject": "Ma question", "recipient": _USAGER, "reply": "2.0.0 delivered 250 2.0.0 Ok"},
    "undelivered": {
        "subject": "Ma question",
        "recipient": _USAGER,
        "reply": "550 5.1.1 no such user",
        "problem": "",
        "delivery": 17,
        "answer": True,
        "uncertain": False,
    },
}
# The parts that mails include may name what every mail may, and these.
PARTS: Mapping[str, Values] = {
    "_authenticity": {"message": _SAID},
    "_commands": {},
    "_commands_short": {},
    "_contact": {},
    "_entry": {"entry": _ENTRY},
    "_held": {"held": _HELD},
    "_inbox": {"kind": "dossier", "number": "1234567"},
    "_marks": {"message": _SAID},
    "_matter": {},
    "_misdirected": {},
    "_place": {},
    "_problem": {"code": "empty_note", "what": "@note"},
}
MODELE: Values = {"usager": _USAGER, "received": _RECEIVED}

_PLACE_NAMED = (
    "organisation.name",
    "organisation.siret",
    "demarche.title",
    "demarche.number",
    "dossier",
    "reference",
)
_CONTACT = tuple(f"organisation.{name}" for name in ("adresse", "telephone", "horaires", "email", "faq_url"))
NEEDED: Mapping[str, tuple[str, ...]] = {
    "acknowledgement": (
        *_PLACE_NAMED,
        *_CONTACT,
        *("received", "delay", "suggestions.title", "suggestions.url", "choices.number"),
    ),
    "answer": (*_PLACE_NAMED, "text", "first_name"),
    "transferred": (*_PLACE_NAMED, *_CONTACT, "text", "received"),
    "transmission": (
        *(*_PLACE_NAMED, "usager", "messages.text", "messages.author", "messages.received", "held.name"),
    ),
    "notification": (
        *("reference", "messages.text", "messages.author", "messages.received", "messages.marks.what"),
        *("refused", "notes", "held.name"),
    ),
    "checked": ("reference", "received", "attachments", "held.name"),
    "mention": ("reference", "note", "by"),
    "confirmation": (
        *("reference", "message.author", "message.received", "message.text", "why"),
        *("commands", "goes_to", "attachments", "until"),
    ),
    "unconfirmed": ("reference", "problem"),
    "digest": tuple(
        f"{section}.{name}" for section in ("fresh", "waiting", "closing") for name in ("reference", "answer_to")
    ),
    "alarm": ("most",),
    "health": ("gaps.count", "gaps.since"),
    "help": ("reference",),
    "modeles": ("reference", "names"),
    "refused": ("reference", "text", "problems"),
    "arrived": ("reference", "recipient"),
    "undelivered": ("reference", "recipient", "reply"),
}
TO_USAGER = frozenset({"acknowledgement", "answer", "transferred"})  # say what to do if they went astray
TO_ANSWER = (
    frozenset(MAILS) - TO_USAGER - {"alarm", "digest", "health", "transmission"}
)  # their answers are cut off at the marker

PROOFS = tuple([_SAID | {"proof": proof}] for proof in ("verified", "plausible", "unverified"))
_KINDS: Mapping[str, tuple[object, ...]] = {
    "reason": ("assigned", "moved", "transferred", "woken", "unstaffed", "challenge", "verification"),
    "messages": PROOFS,
}
_ALWAYS = frozenset(
    {"subject", "received", "recipient", "reply", "total", "most", "message", "why", "problem", "until"}
)


def situations(name: str) -> Iterator[tuple[Place, Values]]:
    """A mail with all that it may have, with each of it missing or otherwise, and with nothing of it."""
    rich = MAILS[name]
    changes = [{key: other} for key in sorted(rich.keys() - _ALWAYS) for other in _others(key, rich[key])]
    bare = {key: _missing(value) for key, value in rich.items() if key not in _ALWAYS}
    for place in PLACES:
        for change in ({}, *changes, bare):
            yield place, {**rich, **change}


def _others(key: str, value: object) -> tuple[object, ...]:
    return (*_KINDS.get(key, ()), _missing(value))


def _missing(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str | list):
        return type(value)()
    return 0 if isinstance(value, int) else None
