"""Numbers of dossiers and démarches in what people and the platform write: links, « dossier n° 123 456 ».

The forms are those of the platform's own mails, and of people who copy them. A number proves nothing: the directory
confirms it, and admission decides. One pass over the text for each form, no nested repetition.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from urllib.parse import unquote, urlsplit

from gateway.model import Inbox, InboxKind
from gateway.routing import rewritten

_MAX = 2**31 - 1
MOST_TEXT = 100_000  # characters that are looked through: evidence stands near the top, and a mail may be very long

# --- figures ---------------------------------------------------------------------------------------------

# Between groups of three: spaces of every width (RFC 5198 has no say: NBSP, figure, thin and narrow ones), a dot, an
# apostrophe. A comma groups in English only, and only several groups.
_SPACE = r"[ \u00a0\u2002-\u200a\u202f]"
_BETWEEN = r"[ \u00a0\u2002-\u200a\u202f.'’]"
_QUOTE = r"\n(?:> ?){0,9}"
_TELEPHONE = r"0[1-9](?:[ .\u00a0]?[0-9]{2}){4}(?![0-9])"
_UNITS = (
    r"€|£|\$|%|euros?|eur|k€|dollars?|millions?|[km]o|pages?|pi[eè]ces?|documents?|fichiers?"
    r"|fois|ans?|mois|jours?|semaines?"
)
# No number begins with 0, as telephone numbers do; « 12/2024 », « 12 345/2024 » and « 2024-15 » are references of
# something else, « 123-A » too; further figures behind it, but for a telephone's, make it half of a number, and of
# one that a line's end cuts nobody knows the whole.
_FIGURES = (
    rf"(?P<figures>(?>[1-9][0-9]{{0,2}}(?:,[0-9]{{3}}){{2}}|"
    rf"[1-9][0-9]{{0,2}}(?:{_BETWEEN}[0-9]{{3}}(?![0-9])){{1,3}}|[1-9][0-9]{{0,9}}))"
    rf"(?!\w|[ \u00a0]?/[ \u00a0]?[0-9]|/|[.,:–-][0-9]|-[^\W_]|{_BETWEEN}(?!{_TELEPHONE})[0-9]"
    rf"|{_QUOTE}[0-9]{{3}}(?![0-9])|{_SPACE}?(?:{_UNITS})(?!\w)|{_SPACE}(?:bis|ter|quater)\b)"
)

# --- the words around them -------------------------------------------------------------------------------

_GAP = rf"[^\S\n]{{0,3}}(?:{_QUOTE})?[^\S\n]{{0,3}}[*_]{{0,2}}"  # one end of line at most
_DOSSIER = r"(?<![\w-])(?:dossiers?|files?|applications?)(?!\w)"
# n° and nº, and what keyboards, scanners and charsets make of them; right after the word « dossier » less will do.
_LONG = rf"[^\w\n]{{1,6}}[1-9](?:{_BETWEEN}?[0-9]){{5}}"
_SIGN = (
    rf"(?:n[^\S\n]?(?:Â?[°º˚]|o\.|o(?={_LONG})|[ᵒ⁰](?![\w°])|\ufffd{{1,2}})\.?|№|num(?:[ée]ros?)?(?!\w)\.?"
    r"|numbers?(?!\w)|n(?:um|br?|r)\.?(?=[^\S\n]?[0-9]))"
)
_NO = r"n[^\S\n]?o(?![\w°])"  # a word as well: « Le dossier no 3 personnes »; a sign for sure before a long number
_SIGN_OF_DOSSIER = rf"(?:{_SIGN}|n\??(?=[.:]?[^\S\n]?[0-9])\.?|\#)"
_OPENING = rf"{_GAP}[:=(\[«\"“]?{_GAP}"
_LINKING = (
    r"(?:(?:portant|portent|enregistrée?s?|déposée?s?|référencée?s?|sous|avec|dont|ayant|pour|a|est|le|bears|has|the)"
    r"[^\S\n]{1,3}){0,4}"
)
_TITLE = r"(?:[«\"“][^«»\"“”\n]{1,200}[»\"”])?"
_OWNER = r"(?:de|du|d['’]|of)?[^\S\n]{0,2}(?:mon|ma|votre|notre|ce|le|my|your|our|the|this)?[^\S\n]{0,2}"
_IS = r"(?:[:=]|est|is)?[^\S\n]{0,2}(?:le|the)?"

_MARKED = re.compile(
    rf"{_DOSSIER}{_GAP}[:(\[–—-]?{_GAP}{_TITLE}{_GAP}{_LINKING}"
    rf"{_SIGN_OF_DOSSIER}{_OPENING}{_FIGURES}"  # dossier n° 123
    rf"|(?<![\w-])(?:n[^\S\n]?[°º˚o]|num(?:[ée]ro)?s?|r[ée]f(?:[ée]rence)?s?)\.?[^\S\n]{{0,2}}{_OWNER}dossiers?(?!\w)"
    rf"{_GAP}{_IS}{_OPENING}{_FIGURES.replace('figures', 'after')}"  # n° de dossier : 123
    rf"|(?<![\w-])(?:no\.|num\.?|number|ref\.?|reference)[^\S\n]{{0,2}}{_OWNER}(?:file|application)(?!\w)"
    rf"{_GAP}{_IS}{_OPENING}{_FIGURES.replace('figures', 'english')}",
    re.IGNORECASE,
)
_CALLED = ("dossier", "file", "application")  # one of them stands in whatever is marked
_FIGURE = re.compile("[0-9]")
_PLURAL = re.compile(r"(?:dossiers|files|applications)\b", re.IGNORECASE)
_FURTHER = re.compile(
    rf"[^\S\n]{{0,2}}(?P<by>,|et|and|&|ou|or)[^\S\n]{{1,2}}(?P<sign>{_SIGN_OF_DOSSIER}{_GAP})?{_FIGURES}",
    re.IGNORECASE,
)
_MOST_FURTHER = 10

_WORD = r"[^\W\d_][\w'’.]{0,30}"
_BARE = re.compile(
    rf"(?<![\w-])(?<!nombre de )(?:dossiers?|(?:my|your|the)[^\S\n]file){_GAP}(?:{_NO})?{_OPENING}"
    rf"{_FIGURES}"  # dossier 123, dossier no 123
    rf"|(?<![\w-])dossiers?(?P<between>(?:{_SPACE}{_WORD}){{1,6}}){_SPACE}(?:{_SIGN}|{_NO}){_OPENING}"
    rf"{_FIGURES.replace('figures', 'after')}"  # dossier de subvention n° 123
    rf"|(?<![\w-])(?:{_SIGN}|{_NO}){_OPENING}{_FIGURES.replace('figures', 'before')}"
    rf"[^\S\n]{{0,2}}[:–—(-]?[^\S\n]{{0,2}}{_OWNER}(?:dossier|file)(?!\w)",  # n° 123 du dossier
    re.IGNORECASE,
)
# What bears numbers of its own: « facture n° 12 », also within a dossier.
_OTHERS = frozenset(
    """
    facture factures devis commande contrat convention arrêté arrete décret decret loi permis chèque cheque siret
    siren téléphone telephone tél tel fax page pièce piece annexe article point document fichier formulaire cerfa
    lot rue avenue boulevard bâtiment batiment appartement étage parcelle section compte client allocataire sécurité
    ticket étape etape question alinéa démarche demarche procedure invoice order phone permit step item line bug
    issue payid
    """.split()  # noqa: SIM905
)
_LAST_WORD = re.compile(r"([^\W\d_]{1,30})[.:]?[^\S\n]{0,3}$")
# Of a custom subject nothing is known but that it holds the number: « Accusé de réception – 123 456 ».
_IN_SUBJECT = re.compile(
    rf"(?<![\w/.,:+#–-])(?<![0-9]{_BETWEEN})(?P<sign>(?:{_SIGN}|{_NO}){_GAP})?{_FIGURES}", re.IGNORECASE
)
_UNMISTAKABLE = 6  # figures: more than a postcode or a year has
_DEMARCHE = re.compile(
    rf"(?<![\w-])(?:d[ée]marches?|procedures?){_GAP}[:(]?{_GAP}{_TITLE}{_GAP}[(]?{_SIGN}{_OPENING}{_FIGURES}"
    rf"|^(?:> ?){{0,9}}(?:d[ée]marche|procedure)[^\S\n]?:[^\S\n][^\n]{{1,300}}?"
    rf"\((?:n°|no\.)[^\S\n]?{_FIGURES.replace('figures', 'after')}\)$",  # as our own mails have it
    re.IGNORECASE | re.MULTILINE,
)
_NAMED = re.compile(r"[«“]\s{0,2}([^«»“”\n]{3,300}?)\s{0,2}[»”]|\(([^()\n]{3,300})\)$|\s[-–]\s([^\n]{3,300})$")


def numbers(text: str) -> tuple[int, ...]:
    """Numbers called a dossier's in words: « dossier n° 123 456 », « n° de dossier : 123 », "file no. 123"."""
    return _valid(figures for figures, sure in _marked(text) if sure)


def listed_numbers(text: str) -> tuple[int, ...]:
    """Those that only may be further ones: « dossiers n° 123, 124 », but also « dossiers n° 123, 3 enfants »."""
    return _valid(figures for figures, sure in _marked(text) if not sure)


@lru_cache(maxsize=4)  # the same subject and text are asked for one after the other
def _marked(text: str) -> tuple[tuple[str, bool], ...]:
    """(Figures, are they surely a dossier's number?)"""
    text = unicodedata.normalize("NFC", text)
    found: list[tuple[str, bool]] = []
    for match in _MARKED.finditer(text) if _may_name(text, _CALLED) else ():
        found.append((_figures(match), True))
        if _PLURAL.match(match[0]):
            found += _further(text, match.end())
    return tuple(found)


def _further(text: str, position: int) -> Iterator[tuple[str, bool]]:
    """« dossiers n° 123, 124 et 125 »: those after the first."""
    for _ in range(_MOST_FURTHER):
        match = _FURTHER.match(text, position)
        if match is None:
            return
        yield _figures(match), match["by"] != "," or match["sign"] is not None
        position = match.end()


def bare_numbers(text: str) -> tuple[int, ...]:
    """Numbers that only may be a dossier's: « dossier 123 », « dossier de subvention n° 123 », « n° 123 du dossier ».

    They might be a year, or somebody else's: only believed of those who are admitted to that dossier.
    """
    text = unicodedata.normalize("NFC", text)
    if not _may_name(text, _CALLED):
        return ()
    return _valid(_figures(match) for match in _BARE.finditer(text) if not _of_something_else(text, match))


def subject_numbers(subject: str) -> tuple[int, ...]:
    """Numbers in a subject that nothing is said of, as custom templates have them: only believed as bare ones are."""
    subject = unicodedata.normalize("NFC", subject)
    return _valid(
        _figures(match)
        for match in _IN_SUBJECT.finditer(subject)
        if not _of_something_else(subject, match)
        and (match["sign"] or sum(map(str.isdigit, match["figures"])) >= _UNMISTAKABLE)
    )


def _of_something_else(text: str, match: re.Match[str]) -> bool:
    before = match.groupdict().get("between") or text[max(0, match.start() - 40) : match.start()]
    word = _LAST_WORD.search(before)
    return word is not None and word[1].lower() in _OTHERS


def demarche_numbers(text: str) -> tuple[int, ...]:
    """Numbers of démarches: « démarche n° 42 », « Démarche : Permis de végétaliser (n° 42) »."""
    text = unicodedata.normalize("NFC", text)
    return _valid(map(_figures, _DEMARCHE.finditer(text))) if _may_name(text, ("marche", "procedure")) else ()


def _may_name(text: str, words: Iterable[str]) -> bool:
    """Is there a figure at all, and one of these words? Looking for the whole form costs a hundred times as much."""
    folded = text.casefold()
    return any(word in folded for word in words) and _FIGURE.search(text) is not None


def titles(subject: str) -> tuple[str, ...]:
    """What may be a démarche's title in a subject: between guillemets, in brackets or after a dash at its end."""
    found = (match[1] or match[2] or match[3] for match in _NAMED.finditer(unicodedata.normalize("NFC", subject)))
    return tuple(dict.fromkeys(title.strip() for title in found))


def _figures(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return next(groups[name] for name in ("figures", "after", "before", "english") if groups.get(name))


def _valid(figures: Iterable[str]) -> tuple[int, ...]:
    found = (int(re.sub(r"[^0-9]", "", text)) for text in figures)
    return tuple(dict.fromkeys(number for number in found if 0 < number <= _MAX))


# --- links -----------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"([0-9]{1,10})(?![\w%-]|\*\w|\.[0-9])")
_KINDS = (
    (frozenset({"dossiers"}), InboxKind.DOSSIER),
    (frozenset({"procedures", "demarches"}), InboxKind.DEMARCHE),
)
_BEFORE_SLUG = frozenset({"commencer", "statistiques"})
_NO_SLUG = frozenset({"", "test"})


def links(text: str, urls: tuple[str, ...]) -> tuple[Inbox, ...]:
    """Inboxes that links of the platform name; `urls` are its addresses, past and present.

    Also where a filter or tracker rewrote the link, if its target can be seen.
    """
    return tuple(dict.fromkeys(inbox for steps in _paths(text, urls) if (inbox := _inbox(steps))))


def slugs(text: str, urls: tuple[str, ...]) -> tuple[str, ...]:
    """The names of démarches in links to their first page: /commencer/permis-de-vegetaliser."""
    return tuple(dict.fromkeys(slug for steps in _paths(text, urls) if (slug := _slug(steps))))


@lru_cache(maxsize=4)  # as above
def _paths(text: str, urls: tuple[str, ...]) -> tuple[list[str], ...]:
    """The steps of the paths of the platform's links that name something, in the order of the text."""
    return tuple(_steps(text, urls))


def _steps(text: str, urls: tuple[str, ...]) -> Iterator[list[str]]:
    anywhere, ours, names = _patterns(urls)
    folded = text.casefold()
    if not any(name in folded for name in names):  # looking for links costs a hundred times as much
        return
    for link, longer in rewritten.found(text, anywhere):
        alone = _ours(link, ours)
        whole = _ours(longer, ours) if longer else []
        yield from whole if whole and (not alone or _says_more(_inbox(whole[0]), _inbox(alone[0]))) else alone


def _says_more(whole: Inbox | None, alone: Inbox | None) -> bool:
    """Did the line's end cut a number, or the dossier off its démarche?"""
    if whole is None or alone is None:
        return whole is not None
    if whole.kind is alone.kind:
        return str(whole.number).startswith(str(alone.number))
    return whole.kind is InboxKind.DOSSIER


@lru_cache(maxsize=16)
def _patterns(urls: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str], tuple[str, ...]]:
    """What finds links, which of them are ours, and something of which one stands in each."""
    names = dict.fromkeys(urlsplit(url).netloc.lower().removeprefix("www.") for url in urls)
    hosts = tuple(
        rf"(?:www\.)?{re.escape(name)}{'' if ':' in name else '(?::(?:80|443))?'}" for name in names if name
    )
    ours = re.compile(rf"(?:://|^)(?:{'|'.join(hosts) or '(?!)'})(/[^?#&;|,]{{0,2000}})", re.IGNORECASE)
    return rewritten.pattern(hosts), ours, ("http", *(name.casefold() for name in names if name))


def _ours(link: str, ours: re.Pattern[str]) -> list[list[str]]:
    """The paths of the first reading of a link that says something."""
    for target in rewritten.targets(link):
        paths = [[step for step in unquote(match[1]).lower().split("/") if step] for match in ours.finditer(target)]
        if named := [steps for steps in paths if _inbox(steps) or _slug(steps)]:
            return named
    return []


def _inbox(steps: list[str]) -> Inbox | None:
    for words, kind in _KINDS:
        for word, after in pairwise(steps):
            if word in words:
                match = _NUMBER.match(after)
                number = int(match[1]) if match else 0
                return Inbox(kind, number) if 0 < number <= _MAX else None
    return None


def _slug(steps: list[str]) -> str:
    for word, after in pairwise(steps):
        if word in _BEFORE_SLUG or (word == "test" and steps[0] == "commencer"):
            name = after.rstrip(".,;:)]")
            if name not in _NO_SLUG:
                return name
    return ""
