"""The platform's own mail: the dossier's number out of its subjects and links, and out of nothing else.

The subjects are those that the platform is documented to send, in every way in which its number is written.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from email.header import Header
from functools import cache
from itertools import product
from urllib.parse import quote

from gateway.mail.read import read
from gateway.model import Inbox, InboxKind
from gateway.routing import numbers
from tests import corpora
from tests.conformance.figure import Case, Figure, figure
from tests.conformance.platform_false import FALSE, FOREIGN_LINKS

N = 13266855
URLS = ("https://demarches.example.org", "https://old.example.org")
DOSSIER, DEMARCHE = Inbox(InboxKind.DOSSIER, N), Inbox(InboxKind.DEMARCHE, 4217)
NBSP, NARROW, THIN, FIGURE = "\u00a0", "\u202f", "\u2009", "\u2007"

# § stands for « n° » and the number, ¶ for the title of a démarche.
FRENCH = (
    "Votre dossier § a bien été déposé (¶)",
    "Votre dossier § va être examiné (¶)",
    "Votre dossier § est en train d’être réexaminé (¶)",
    "Votre dossier § a été accepté (¶)",
    "Votre dossier § a été refusé (¶)",
    "Votre dossier § a été classé sans suite (¶)",
    "Nouveau message pour votre dossier § « ¶ »",
    "Vous devez corriger votre dossier § « ¶ »",
    "Vous devez compléter votre dossier § « ¶ »",
    "Attention : votre dossier § n’est pas déposé",
    "La décision a été rendue pour votre dossier § (¶)",
    "Nouveau message envoyé sur le dossier §",
    "Nouvel avis rendu sur le dossier §",
    "Le dossier § a changé de groupe d’instructeurs",
    "Le dossier § a été supprimé à la demande de l’usager",
    "Donnez votre avis sur le dossier § (¶)",
    "Dossier § a été accepté - ¶",
    "Dossier § a été refusé - ¶",
    "Dossier § a été classé sans suite - ¶",
    "alice.admin@mairie.example.org vous a envoyé le dossier §",
)
ENGLISH = (
    "New message on your file § « ¶ »",
    "Your file § has been submitted (¶)",
    "Your file § has been accepted (¶)",
    "Your file § will be examined (¶)",
    "You need to modify your file § « ¶ »",
    "You need to complete your application § « ¶ »",
    "Give your opinion on file § (¶)",
)
# Customised, per démarche or instance: the word « dossier » stays near the number.
CUSTOM = (
    "Mairie d’Exemple : dossier §",
    "[¶] Dossier §",
    "¶ – dossier § : pièces manquantes",
    "Accusé de réception (dossier §)",
    "Suivi de votre dossier : §",
    "Dossier « ¶ » § reçu",
)
ASIDE = ("Numéro de dossier : #", "N° de dossier # – ¶", "Votre n° dossier # a été reçu", "Réf. dossier # (¶)")
SIGNS = (
    *("n°", "N°", "nº", "n o", "no", "No.", "no.", "n°.", "num.", "num", "numéro", "Numéro", "numero", "#"),
    *("n° :", "numéro :", "n˚", "nume\u0301ro", "Nr.", "№"),
)
ENGLISH_SIGNS = ("no.", "No.", "n°", "nº", "number", "no", "#")
FIGURES = (
    *("13266855", "13 266 855", f"13{NBSP}266{NBSP}855", f"13{NARROW}266{NARROW}855", f"13{THIN}266{THIN}855"),
    *(f"13{FIGURE}266{FIGURE}855", f"13{NBSP}266{NARROW}855", "13.266.855", "13'266'855", "13’266’855"),
)
TITLES = ("Permis de végétaliser", "Aide 2024 aux associations", "Arrêté n° 12/2024, 3e appel", "Subvention (n° 7)")
PREFIXES = ("", "Re: ", "RE : ", "TR: ", "Fwd: [EXTERNE] ")


def figures() -> tuple[Figure, ...]:
    """Numbers in subjects, in links, and none in what only looks like them."""
    return (
        figure("C8-subjects", "the platform's subjects", 1.0, _subjects()),
        figure("C8-links", "links of the platform", 1.0, _links()),
        figure("C8-false", "false friends, and mail that has nothing to do with the platform", 1.0, _false()),
    )


# --- subjects --------------------------------------------------------------------------------------------


def _subjects() -> Iterator[Case]:
    for written in dict.fromkeys((*_written(), *_marked_aside())):
        found = numbers.numbers(written)
        yield Case(written, found == (N,), f"{N} expected, {found} found")
        upper = numbers.numbers(written.upper())
        yield Case(f"{written} (upper case)", upper == (N,), f"{N} expected, {upper} found")
    yield from _arrived()


def _arrived() -> Iterator[Case]:
    """As it stands in the header of an answer: in encoded words (RFC 2047), folded."""
    for template, charset in product((*FRENCH, *ENGLISH), ("utf-8", "iso-8859-15", "windows-1252")):
        written = f"RE: {template}".replace("§", f"n°{NBSP}13{NBSP}266{NBSP}855").replace("¶", TITLES[0])
        field = Header(written.replace("’", "'"), charset, header_name="Subject").encode(linesep="\r\n")
        mail = read(f"From: ulysse@usager.example.net\r\nSubject: {field}\r\n\r\n".encode())
        found = numbers.numbers(mail.subject)
        yield Case(f"{written} ({charset})", found == (N,), f"{N} expected, {found} found in {mail.subject!r}")


def _written() -> Iterator[str]:
    for templates, signs, spaces in (
        ((*FRENCH, *CUSTOM), SIGNS, (" ", NBSP, NARROW, "")),
        (ENGLISH, ENGLISH_SIGNS, (" ", NBSP)),
    ):
        for index, (template, sign, figure_, space) in enumerate(product(templates, signs, FIGURES, spaces)):
            if not space and sign[-1:].isalpha():
                continue  # « numéro123 » is nobody's
            title, prefix = TITLES[index % len(TITLES)], PREFIXES[index % len(PREFIXES)]
            yield prefix + template.replace("§", f"{sign}{space}{figure_}").replace("¶", title)


def _marked_aside() -> Iterator[str]:
    for template, figure_, title in product(ASIDE, FIGURES, TITLES):
        yield template.replace("#", figure_).replace("¶", title)
    for template, title in product(ENGLISH, TITLES):
        yield template.replace("§", "no. 13,266,855").replace("¶", title)


# --- links -----------------------------------------------------------------------------------------------

PATHS = {
    f"/dossiers/{N}": DOSSIER,
    f"/dossiers/{N}/": DOSSIER,
    f"/dossiers/{N}/messagerie": DOSSIER,
    f"/dossiers/{N}/modifier": DOSSIER,
    f"/dossiers/{N}/attestation": DOSSIER,
    f"/dossiers/{N}.pdf": DOSSIER,
    f"/users/dossiers/{N}": DOSSIER,
    f"/manager/dossiers/{N}": DOSSIER,
    f"/procedures/4217/dossiers/{N}": DOSSIER,
    f"/procedures/4217/a-suivre/dossiers/{N}/messagerie": DOSSIER,
    f"/procedures/4217/tous/dossiers/{N}#commentaires": DOSSIER,
    "/procedures/4217": DEMARCHE,
    "/procedures/4217/suivis": DEMARCHE,
    "/procedures/4217/avis/12": DEMARCHE,
    "/admin/procedures/4217": DEMARCHE,
    "/demarches/4217": DEMARCHE,
}


def _rewritten(link: str) -> dict[str, str]:
    """The same link as filters and trackers write it, where they show what it leads to."""
    encoded = quote(link, safe="")
    once = base64.urlsafe_b64encode(link.encode()).decode().rstrip("=")
    return {
        "as it is": link,
        "http": link.replace("https:", "http:"),
        "upper-case host": link.replace("demarches.example", "Demarches.EXAMPLE"),
        "port": link.replace(".org/", ".org:443/"),
        "query": f"{link.split('#', maxsplit=1)[0]}?utm_source=mail&x=/procedures/7",
        "Safe Links": f"https://eur05.safelinks.protection.outlook.com/?url={encoded}&data=05%7C02%7C&reserved=0",
        "URL Defense 2": "https://urldefense.proofpoint.com/v2/url?u="
        + quote(link, safe=":/").replace("%", "-").replace(":", "-3A").replace("/", "_")
        + "&d=DwMFaQ&c=eu&r=1",
        "URL Defense 3": f"https://urldefense.com/v3/__{link}__;!!AbC!x7$",
        "Barracuda": f"https://linkprotect.cudasvc.com/url?a={encoded.lower()}&c=E,1,abc&typo=1",
        "Mailinblack": f"https://mibc-fr-01.mailinblack.com/securelink/?url={encoded}&key=eyJhbGciOi",
        "search engine": f"https://www.google.com/url?q={link}&sa=D&ust=1",
        "base64 step": f"http://x1z.mjt.lu/lnk/AAAA/1/Hash/{once}",
        "base64 query": f"https://eu-west-1.protection.sophos.com?d=example.org&u={once}&i=1",
        "twice": "https://emea01.safelinks.protection.outlook.com/?url="
        + quote(f"https://linkprotect.cudasvc.com/url?a={encoded}&c=E", safe="")
        + "&data=1",
    }


SETTINGS = (
    *("{}", "<{}>", "Lire le message <{}>", "Lire le message<{}>.", "({})", "voir {}.", "{}, merci", "« {} »"),
    *('<a href="{}">', "[Lire le message]({})", "> > {}", "*{}*"),
)


def _links() -> Iterator[Case]:
    for path, inbox in PATHS.items():
        for url in URLS:
            for how, link in _rewritten(url + path).items():
                yield from (_link(f"{how}: {form.format(link)}", form.format(link), inbox) for form in SETTINGS)
        yield from _wrapped(URLS[0] + path, inbox)


def _wrapped(link: str, inbox: Inbox) -> Iterator[Case]:
    """Broken anywhere after its host, in angle brackets and at the end of a line as long as programs make it."""
    for at in range(len(URLS[0]), len(link), 3):
        begin, end = link[:at], link[at:]
        for form in (f"Lire <{begin}\n{end}>", f"> Lire <{begin}\n> {end}>", f"{'x' * 60} {begin}\n{end}\n"):
            if "x" in form[:1] and not end[0].isdigit() and begin[-1].isdigit():
                continue  # the number is whole already
            yield _link(f"wrapped: {form!r}", form, inbox)


def _link(name: str, text: str, inbox: Inbox) -> Case:
    found = numbers.links(text, URLS)
    return Case(name, found == (inbox,), f"{inbox} expected, {', '.join(map(str, found)) or 'nothing'} found")


# --- false friends -----------------------------------------------------------------------------------------


def _false() -> Iterator[Case]:
    for text in (*FALSE, *FOREIGN_LINKS):
        yield Case(text, not (found := _taken(text)), f"nothing expected, {found} found")
    yield from _unrelated()


@cache
def _unrelated() -> tuple[Case, ...]:
    """Mail of lists and test suites: whatever it says, it names no dossier of ours."""
    cases = []
    for path in corpora.sample(3000):
        mail = read(path.read_bytes())
        found = _taken(f"{mail.subject}\n{mail.text[: numbers.MOST_TEXT]}")
        cases.append(Case(str(path.relative_to(corpora.folder())), not found, f"nothing expected, {found} found"))
    return tuple(cases)


def _taken(text: str) -> str:
    inboxes = numbers.links(text, URLS)
    taken = (*numbers.numbers(text), *numbers.bare_numbers(text), *numbers.demarche_numbers(text), *map(str, inboxes))
    return ", ".join(map(str, (*taken, *numbers.slugs(text, URLS))))
