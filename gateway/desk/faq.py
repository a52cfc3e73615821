"""Which FAQ entries fit a mail: a small model of weights, whose reasons can be told. Pure.

An entry's `words`, phrases too, count 1 each where they stand in the text, phrases half as much again, and the
content words of its title 0.2; twice that in the subject. Words that several entries share count the less for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log

from gateway.config.settings import Faq
from gateway.mail.language import FUNCTION_WORDS, plain, stem

_MOST_TEXT, _MOST_SUBJECT = 20_000, 1_000  # characters
_MOST_SUGGESTED = 3
_MOST_REASONS = 5
_THRESHOLD = 0.5  # a word that two entries share is enough
_WORD_WEIGHT, _PHRASE_WEIGHT, _TITLE_WEIGHT, _SUBJECT_FACTOR = 1.0, 1.5, 0.2, 2
# A word that more entries than this have in common chooses none of them; it also bounds what a mail costs.
_MOST_SHARED = 25
_LONGEST_PHRASE = 8  # words that are compared
_EVERYWHERE = 0  # the démarche number of entries that are offered for all
_TOKEN = re.compile(r"[^\W_]+")
_EMAIL = re.compile(r"\be[- ]mail")
_ELIDED = frozenset(("l", "d", "j", "m", "n", "s", "t", "c", "qu"))  # l’avancement, d’identité
_NO_CONTENT = FUNCTION_WORDS | frozenset(
    ("quel", "quelle", "quels", "quelles", "veux", "get", "make", "need", "want")
)

Term = tuple[str, ...]  # the stems of a word or phrase


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An entry that fits, how well, and why."""

    entry: Faq
    weight: float
    because: str


@dataclass(frozen=True, slots=True)
class _Posting:
    position: int  # of the entry in the configuration
    shown: str
    weight: float


@dataclass(frozen=True, slots=True)
class _Reason:
    weight: float
    shown: str
    in_subject: bool


@dataclass(frozen=True, slots=True)
class FaqIndex:
    """The entries by their words, for each démarche that some are offered for alone. Built by `index`."""

    entries: tuple[Faq, ...]
    postings: Mapping[int, Mapping[Term, Sequence[_Posting]]]
    lengths: Mapping[str, frozenset[int]]  # of the words and phrases that begin with a stem


def index(entries: Iterable[Faq]) -> FaqIndex:
    """Index the entries once, so that a mail costs what its own words cost, however many entries there are."""
    kept = tuple(entries)
    postings: dict[int, dict[Term, list[_Posting]]] = {}
    for position, entry in enumerate(kept):
        terms = _terms(entry)
        for demarche in entry.demarches or (_EVERYWHERE,):
            for term, (shown, weight) in terms.items():
                postings.setdefault(demarche, {}).setdefault(term, []).append(_Posting(position, shown, weight))
    lengths: dict[str, frozenset[int]] = {}
    for term in {term for by_term in postings.values() for term in by_term}:
        lengths[term[0]] = lengths.get(term[0], frozenset()) | {len(term)}
    return FaqIndex(kept, postings, lengths)


def _terms(entry: Faq) -> dict[Term, tuple[str, float]]:
    """What an entry is found by: as it's written, and its weight."""
    terms: dict[Term, tuple[str, float]] = {}
    for word in entry.words:
        term = tuple(_stems(word))[:_LONGEST_PHRASE]
        if term:
            terms.setdefault(term, (word, _WORD_WEIGHT if len(term) == 1 else _PHRASE_WEIGHT))
    for word in _tokens(entry.title):
        if word not in _NO_CONTENT:
            terms.setdefault((stem(word),), (word, _TITLE_WEIGHT))
    return terms


def suggest(
    found_in: FaqIndex, subject: str, text: str, *, demarche: int | None, language: str
) -> tuple[Suggestion, ...]:
    """The entries that fit a mail, three at most, best first; ties in the order of the configuration.

    `demarche`: whose entries are offered beside those for all. `language`: "fr" or "en" leaves out entries for
    readers of the other, "" none.
    """
    reasons: dict[int, list[_Reason]] = {}
    for term, in_subject in _found(found_in, subject, text).items():
        offered = _offered(found_in, term, demarche, language)
        if len(offered) > _MOST_SHARED:
            continue
        for posting in offered:
            weight = posting.weight * (_SUBJECT_FACTOR if in_subject else 1) / (1 + log(len(offered)))
            reasons.setdefault(posting.position, []).append(_Reason(weight, posting.shown, in_subject))
    weighed = (
        Suggestion(found_in.entries[position], round(sum(r.weight for r in found), 2), _because(found))
        for position, found in sorted(reasons.items())
    )
    fitting = (suggestion for suggestion in weighed if suggestion.weight >= _THRESHOLD)
    return tuple(sorted(fitting, key=lambda suggestion: -suggestion.weight)[:_MOST_SUGGESTED])


def _found(found_in: FaqIndex, subject: str, text: str) -> dict[Term, bool]:
    """The known words and phrases of a mail, each once: does it stand in the subject?"""
    found: dict[Term, bool] = {}
    for part, in_subject in ((subject[:_MOST_SUBJECT], True), (text[:_MOST_TEXT], False)):
        words = list(_tokens(part)) if found_in.lengths else []
        begin = {word: lengths for word in set(words) if (lengths := found_in.lengths.get(stem(word)))}
        for start in (start for start, word in enumerate(words) if word in begin):
            for length in begin[words[start]]:
                found.setdefault(tuple(map(stem, words[start : start + length])), in_subject)
    return found


def _offered(found_in: FaqIndex, term: Term, demarche: int | None, language: str) -> list[_Posting]:
    scopes = (_EVERYWHERE,) if demarche is None else (_EVERYWHERE, demarche)
    postings = (posting for scope in scopes for posting in found_in.postings.get(scope, {}).get(term, ()))
    return [
        posting for posting in postings if not language or found_in.entries[posting.position].locale in {"", language}
    ]


def _because(reasons: list[_Reason]) -> str:
    """The weightiest reasons: « "avancement" stands in the subject (2.0), "délai" stands in the text (1.0) »."""
    weightiest = sorted(reasons, key=lambda reason: -reason.weight)[:_MOST_REASONS]
    return ", ".join(
        f'"{reason.shown}" stands in the {"subject" if reason.in_subject else "text"} ({reason.weight:.1f})'
        for reason in weightiest
    )


def _tokens(text: str) -> Iterator[str]:
    """Its words, plain; hyphens and apostrophes part them, elided articles are dropped."""
    return (word for word in _TOKEN.findall(_EMAIL.sub("email", plain(text))) if word not in _ELIDED)


def _stems(text: str) -> Iterator[str]:
    return map(stem, _tokens(text))
