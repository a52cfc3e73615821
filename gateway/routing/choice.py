"""« Which dossier? », the usager was asked, with a numbered list: what does her answer mean? Pure.

Her mail holds other numbers too: telephones, postcodes, dates, amounts. A number counts where it's called a
dossier's, where it stands among nothing but the words of an answer (« le 2, merci »), or where it's longer than those
others are and is one of those offered. Two different answers are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.mail.language import FUNCTION_WORDS, plain, stem
from gateway.model import InboxKind
from gateway.routing.numbers import links
from gateway.routing.recipients import MAX_NUMBER

Offered = Sequence[tuple[int, str]]  # in the order of the list: the dossier's number, its démarche's title

_MOST_TEXT, _MOST_SUBJECT = 5_000, 500  # characters
_MOST_WORDS_WITH_TITLE = 60  # in a longer answer a title may be named by the way
_UNMISTAKABLE = 6  # figures: more than a postcode or a year has
_OTHER = 0  # the number of a dossier that wasn't offered: an answer, but not one to the question

# « aucun », « je ne sais pas », « les deux ».
_NONE = re.compile(
    r"\baucune?\b(?! (?:souci|probleme|doute|inquietude|urgence))|\bj'ignore\b|\bni l'une?\b|\bl'un ou l'autre\b"
    r"|\bsai[st] (?:vraiment )?(?:pas|plus)\b(?! (?:comment|quand|pourquoi|combien))|\bun autre dossier\b"
    r"|\b(?:not|don't|can't) (?:know|remember|tell|sure)\b(?! (?:how|when|why))|\bno idea\b|\banother (?:file|one)\b"
    r"|\b(?:les|the) (?:deux|two|trois|three)\b|(?<!\ba )\btous\b(?! les)|\ball of them\b"
    r"|\b(?:none|neither|either|both)\b"
)
# What holds figures that would be read as numbers of their own. Telephones, dates and SIRETs wouldn't: their figures
# stand side by side, or at a slash or hyphen. Repetitions are bounded: a mail may be all figures.
_ELSE = re.compile(
    r"https?://\S{1,2000}|\S{1,64}@\S{1,255}"
    r"|\b(?:siren|siret|tel|telephone|phone|facture|invoice)\b[^\n0-9]{0,12}[0-9][0-9 .]{0,40}"
    r"|(?<![0-9])[0-9]{1,2}:[0-9]{2}"  # times
    r"|[0-9](?:[0-9]|[ .,](?=[0-9])){0,20} ?(?:[€$£%]|k?eur\b|euros?\b|pounds?\b|dollars?\b)"  # amounts
    r"|[€$£] ?[0-9][0-9 .,]{0,20}"
)
_SIGNATURE = re.compile(r"^-- ?$.*", re.MULTILINE | re.DOTALL)
_LIST_NUMBER = re.compile(r"^([ \t>*]*[0-9]{1,2})[ \t]?[.):/-]+[ \t]+(?=\S)", re.MULTILINE)
_SPELT_NUMBER = re.compile(r"\b(numero|number|option|choix|choice|dossier|file|le) (un|one|deux|two|trois|three)\b")
_END_OF_CLAUSE = re.compile(r",(?![0-9])|[;:!?()«»\"\n]|\.(?![^\s])|\s-+\s|\b(?:mais|but|plutot)\b")
_FIGURES = re.compile(
    r"(?<![\w/-])(?<![0-9][ .,'])(?P<figures>[1-9][0-9]{0,2}(?:[ .,'][0-9]{3}){1,3}|[1-9][0-9]{0,9})"
    r"(?:(?P<ordinal>er|e?re|i?e|i?eme|nde?|st|rd|th)\b|(?![\w/-]|[ .,'*][0-9]))"
)
_NAMED = re.compile(r"\b(?:dossiers?|files?) ?(?P<sign>(?:n ?[°o]\.?|numero|number|no\.?|#) ?)?$")
_NEGATED = re.compile(
    r"\b(?:pas|not|ni|sauf|except|non)\b"
    r"(?: (?:le|la|du|de|the|celui|celle|dossier|file|numero|number|pour|for|mon|my))*(?: (?:n ?[°o]|no\.?|#))? *$"
)
_NEGATED_TITLE = re.compile(r"\b(?:pas|not|ni|sauf|except|non) (?:l['ea]|du|de|celui|celle|the|for|pour)\b.*")
# « 2 dossiers » counts them, « le premier message » is one of something else.
_COUNTED = re.compile(r" (?:dossiers?|files?|demandes?|demarches?|messages?|questions?|mails?|points?|lignes?)\b")
_NOT_OURS = re.compile(r" (?:message|question|mail|reponse|point|ligne)\b")
_WORD = re.compile(r"[^\W\d_]+")
_ORDINALS = {
    word: position
    for position, words in enumerate(
        (
            *("premier premiere first", "second seconde deuxieme", "troisieme third", "quatrieme fourth"),
            *("cinquieme fifth", "sixieme sixth", "septieme seventh", "huitieme eighth", "neuvieme ninth"),
            "dixieme tenth",
        ),
        1,
    )
    for word in words.split()
}
_SPELT = {"un": "1", "one": "1", "deux": "2", "two": "2", "trois": "3", "three": "3"}
# A clause of these words alone is an answer; with any other, its figures may count children, streets or days.
_OF_AN_ANSWER = frozenset(
    """
    bonjour bonsoir madame monsieur mesdames messieurs merci beaucoup avance cordialement bien vous svp stp s il plait
    bonne journee oui non ok c ce cest est l le la celui celle agit du de d mon ma mes au pour sur concerne
    concernant dossier dossiers demande demarche numero numeros num nr n no option choix choisis choisi choice prends
    prendre reponse ligne point liste je j parle pense crois veux voudrais souhaite message question mail que qu et ou
    soit pas ni donc alors voici suivant
    hello hi dear sir thanks thank you please regards kind best yes it the one that my this i mean is s for about
    would like want number file files from list think and or not take choose concerns
    """.split()  # noqa: SIM905
) | frozenset(_ORDINALS)


@dataclass(frozen=True, slots=True)
class Choice:
    """The dossier's number, and what in the answer says so."""

    number: int
    because: str


def chosen(own: str, subject: str, offered: Offered, urls: tuple[str, ...] = ()) -> Choice | None:
    """The dossier that an answer names; None where it names none, several, or another than those offered.

    `own` is what she wrote herself, without what she quoted. A number that is offered is that dossier, else a place
    in the list. With nothing offered any number counts that is given as a dossier's: whether it exists, and whether
    she is admitted to it, is for the caller to ask. `urls`: the platform's addresses, whose links to dossiers count.
    """
    text = _SIGNATURE.sub("", _shortened(own))
    words = plain(text)
    if _NONE.search(words):
        return None
    clauses = _clauses(words)
    head = subject[:_MOST_SUBJECT]
    answers = (
        [*_linked(text, offered, urls), *_numbered(clauses, offered)]
        or [*_titled(clauses, offered)]
        or [*_linked(head, offered, urls), *_numbered(_clauses(plain(head)), offered, places=False)]
    )
    sure = len({answer.number for answer in answers}) == 1 and answers[0].number != _OTHER
    return answers[0] if sure else None


def _shortened(own: str) -> str:
    """Its beginning, not ending within a number."""
    return own if len(own) <= _MOST_TEXT else own[:_MOST_TEXT].rstrip("0123456789 .,'\u00a0\u202f")


def _clauses(words: str) -> list[str]:
    """What stands between commas, full stops and the like, without figures that are something else. `|` ends the
    number of a list's line, whose text stays with it.
    """
    words = _LIST_NUMBER.sub(r"\1 | ", _ELSE.sub("x", words))
    words = _SPELT_NUMBER.sub(lambda found: f"{found[1]} {_SPELT[found[2]]}", words)
    return [clause.strip() for clause in _END_OF_CLAUSE.split(words) if clause.strip()]


def _linked(text: str, offered: Offered, urls: tuple[str, ...]) -> Iterator[Choice]:
    known = {number for number, _ in offered}
    for inbox in links(text, urls):
        if inbox.kind is InboxKind.DOSSIER and inbox.number:
            number = inbox.number if inbox.number in known or not offered else _OTHER
            yield Choice(number, f"the answer holds a link to dossier {inbox.number}")


def _numbered(clauses: Iterable[str], offered: Offered, places: bool = True) -> Iterator[Choice]:
    """What the figures and the ordinals of each clause stand for. `places`: they may be places in the list."""
    with_titles = _OF_AN_ANSWER.union(*(_WORD.findall(plain(title)) for _, title in offered))
    for clause in clauses:
        # Nothing but figures and the words of an answer? A line of the list may hold the title too.
        words = _WORD.findall(_FIGURES.sub(" ", clause))
        alone = (with_titles if "|" in clause else _OF_AN_ANSWER).issuperset(words)
        for found in _FIGURES.finditer(clause):
            before = clause[: found.start()]
            given = alone and not (_NOT_OURS if found["ordinal"] else _COUNTED).match(clause, found.end())
            choice = _figured(found, _NAMED.search(before), given, offered, places)
            if choice is not None and not _NEGATED.search(before):
                yield choice
        for found in _WORD.finditer(clause) if alone and places else ():
            place = _ORDINALS.get(found[0], 0)
            ours = not _NOT_OURS.match(clause, found.end())
            if 0 < place <= len(offered) and ours and not _NEGATED.search(clause[: found.start()]):
                yield _place(place, offered)


def _figured(
    found: re.Match[str], named: re.Match[str] | None, alone: bool, offered: Offered, places: bool
) -> Choice | None:
    figures = re.sub(r"[^0-9]", "", found["figures"])
    number, signed = int(figures), named is not None and named["sign"] is not None
    if found["ordinal"]:
        return _place(number, offered) if alone and places and number <= len(offered) else None
    if not offered:
        named_so = Choice(number, f"the answer names dossier {number}")
        return named_so if (alone or named) and number <= MAX_NUMBER else None
    if any(number == dossier for dossier, _ in offered):
        sure = alone or named or len(figures) >= _UNMISTAKABLE
        return Choice(number, f"the answer names dossier {number}") if sure else None
    if (alone or signed) and places and number <= len(offered):
        return _place(number, offered)
    return Choice(_OTHER, f"the answer names dossier {number}, which wasn't offered") if signed else None


def _place(place: int, offered: Offered) -> Choice:
    number, _ = offered[place - 1]
    return Choice(number, f"the answer takes number {place} of the list, dossier {number}")


def _titled(clauses: Sequence[str], offered: Offered) -> Iterator[Choice]:
    """Dossiers whose démarche's title is named: whole, or by words that no other title has, and nothing else."""
    affirmed = [_NEGATED_TITLE.sub("", clause) for clause in clauses]
    words = [_WORD.findall(clause) for clause in affirmed]
    all_stems = {stem(word) for row in words for word in row}
    short = sum(map(len, words)) <= _MOST_WORDS_WITH_TITLE
    contents = [(number, title, _content(title)) for number, title in offered]
    whole = [content for _, _, content in contents if content and short and content <= all_stems]
    of_titles = frozenset[str]().union(*(content for _, _, content in contents))
    answers = [
        {stem(word) for word in row}
        for row in words
        if all(word in _OF_AN_ANSWER or word in FUNCTION_WORDS or stem(word) in of_titles for word in row)
    ]
    for number, title, content in contents:
        others = frozenset[str]().union(*(c for _, _, c in contents if c != content))
        named = content in whole and not any(content < other for other in whole)
        if named or any(row & (content - others) for row in answers):
            yield Choice(number, f'the answer names "{title}", the démarche of dossier {number}')


def _content(title: str) -> frozenset[str]:
    return frozenset(stem(word) for word in _WORD.findall(plain(title)) if word not in FUNCTION_WORDS)
