"""Absence messages without any mark: by how programs begin their subject, or by a text that says nothing else.

People write the same words, of themselves and of such messages: in doubt it is a person's.
"""

from __future__ import annotations

import re

from gateway.mail.nature import words_absence as words
from gateway.mail.nature.evidence import Evidence, Judgement, greets, said
from gateway.mail.nature.words import IN_FIRST_PERSON, SAYS_AUTOMATIC, TELLS_OF_IT
from gateway.mail.phrases import ABSENCE
from gateway.model import Nature

_LONGEST = 1_500
_LONGEST_END = 150
_SIGNS = (words.AWAY, words.MEANWHILE, words.BACK, SAYS_AUTOMATIC)


def absence_subject(e: Evidence) -> Judgement | None:
    """Out-of-office answers without any header, by how programs begin their subject.

    People complain of such mails, and answer them, below the same subject: who asks something, or answers, is one;
    who greets or says « je » has to say that they are away as well.
    """
    if e.answered:
        return None
    begins, ends = ABSENCE.match(e.title), words.ABSENCE_AFTER.search(e.title)
    lotus = words.LOTUS_ABSENCE.match(e.title)
    subject = begins or ends or lotus
    if subject is None or words.PERSONAL.search(e.opening) or TELLS_OF_IT.search(e.opening):
        return None
    away = words.AWAY.search(e.opening[:400])
    if begins:
        alone = begins[0] == e.title and not _nothing_else(e)
        certain = any(p.search(e.opening) for p in _SIGNS) or not (alone or _in_person(e) or greets(e))
    elif ends:
        certain = bool(away or SAYS_AUTOMATIC.search(e.opening))
    else:  # « Auto : » is a car, too
        certain = not greets(e) and (e.no_sender() or (away is not None and _nothing_else(e)))
    return Judgement(Nature.AUTO_REPLY, f"the subject is an absence message's: {said(subject)}") if certain else None


def _in_person(e: Evidence) -> bool:
    """Does its author speak, in the subject or below?"""
    found = words.PERSONAL.search(e.title) or IN_FIRST_PERSON.search(f"{e.title} {e.opening}")
    return found is not None


def absence_text(e: Evidence) -> Judgement | None:
    """The same by all that is said: away, and what becomes of the mail or whom to turn to; and nothing besides.

    People tell of their absence in the same words, among others.
    """
    away = words.AWAY.search(e.opening[:400])
    if not away or len(e.opening) > _LONGEST or words.PERSONAL.search(e.opening):
        return None
    hint = words.MAYBE_ABSENT.search(e.title)
    rest = words.MEANWHILE.search(e.opening) or (words.BACK.search(e.opening) if hint else None)
    if rest is None or not (hint or e.answered) or not _nothing_else(e):
        return None
    return Judgement(Nature.AUTO_REPLY, f"all it says is {said(away)} and {said(rest)}: an absence message")


# Not at « M. Martin », nor at „12. Mai“.
_SENTENCES = re.compile(
    r"(?<!\b[^\W\d])(?<!\bmme)[.!;](?:$|\s(?!jan|f[ée][bv]|m[aä]r|avr|apr|ma[ijy]|jui?[nl]|a[ou][ugû]|sep|o[ck]t|nov|d[eé][cz]))"
)
_ADDRESS = re.compile(r"\S{1,64}@\S{1,253}")
_BESIDE = 3  # words about a colleague, or a number to call
_NAMED = re.compile(r"[^\W\d_]{4,}")


def _nothing_else(e: Evidence) -> bool:
    """Is all of the text about being away, but for what begins and ends a letter?"""
    body, closing = e.opening, words.CLOSING.search(e.opening)
    if closing:
        body, tail = e.opening[: closing.start()], e.opening[closing.end() :]
        if len(tail) > _LONGEST_END or IN_FIRST_PERSON.search(tail) or words.HANDLES.search(tail):
            return False
    name = set(_NAMED.findall(e.author.name.lower()))
    return all(_of_absence(sentence, name) for sentence in _SENTENCES.split(body))


def _of_absence(sentence: str, name: set[str]) -> bool:
    """One sentence: an absence and its dates alone; or what becomes of mail meanwhile, and little else."""
    if words.HANDLES.search(sentence):
        return False
    rest, beside = words.MEANWHILE.subn(" ", sentence)
    for known in (words.POLITE, words.AWAY, words.BACK, SAYS_AUTOMATIC, _ADDRESS):
        rest = known.sub(" ", rest)
    strange = [word for word in _NAMED.findall(rest) if word not in name and not words.PERIOD.match(word)]
    return len(strange) <= (_BESIDE if beside else 0)
