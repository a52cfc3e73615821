"""What a mail must tell, whoever wrote its template: found out by rendering it in every situation."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator, Mapping

from jinja2 import TemplateError, TemplateRuntimeError

from gateway.mail.mark import REPLY_MARKER
from gateway.relay import samples, templating
from gateway.relay.grammar import Fault
from gateway.relay.samples import Values
from gateway.relay.templating import Texts, Words

_SENTENCE = 20  # characters: less says nothing
_CODES = re.compile(r'code == "(\w+)"')


def lacks(texts: Texts, demarche: str, language: str, name: str) -> Iterator[Fault]:
    """What a mail doesn't tell, or why it can't be rendered. `demarche`: whose templates, "" for those of all."""
    by_proof: dict[object, str] = {}
    for place, values in samples.situations(name):
        known = {**templating.place_values(place), **values}
        try:
            mail = templating.worded(texts, language, f"{demarche}/{name}.txt", known)
            astray = templating.rendered(texts, language, f"{demarche}/_misdirected.txt", known)
        except Exception as error:  # noqa: BLE001 (whatever a template makes of it is a fault of the template)
            yield _failed(texts, error)
            return
        yield from _laid_out(name, mail)
        yield from _told(name, known, f"{mail.subject}\n{mail.text}")
        if name in samples.TO_USAGER and not (len(_flat(astray)) >= _SENTENCE and _flat(astray) in _flat(mail.text)):
            yield Fault(1, 'it must say in words what to do if it went astray; add {% include "_misdirected.txt" %}')
        if name == "notification" and values["messages"] in samples.PROOFS:
            by_proof[_flat(str(values["messages"]))] = mail.text
    if len(set(by_proof.values())) < len(by_proof):
        yield Fault(1, 'it must tell whether the sender is proven; add {% include "_authenticity.txt" %}')


def problem_lacks(texts: Texts, language: str) -> Iterator[Fault]:
    """Reasons that `_problem.txt` has no words for."""
    for code in sorted(set(_CODES.findall(templating.sources()["_problem.txt"]))):
        for what in ("", "x"):
            try:
                words = templating.rendered(texts, language, "/_problem.txt", {"code": code, "what": what})
            except Exception as error:  # noqa: BLE001
                yield _failed(texts, error)
                return
            if not words.strip():
                yield Fault(1, f"it has no words for the reason {code}; add an elif, or an else with {{{{ code }}}}")


def modele_lacks(texts: Texts, demarche: str, language: str, file: str) -> Iterator[Fault]:
    """Why a prepared answer can't be rendered where all that it may name is there."""
    values = {**templating.place_values(samples.PLACE), **samples.MODELE}
    try:
        if not templating.rendered(texts, language, f"{demarche}/{file}", values).strip():
            yield Fault(1, "it says nothing; write the answer, or take the file out")
    except Exception as error:  # noqa: BLE001
        yield _failed(texts, error)


def _laid_out(name: str, mail: Words) -> Iterator[Fault]:
    if not mail.subject:
        yield Fault(1, "its first line, the subject, is empty; write one")
    if name in samples.TO_ANSWER and not mail.text.startswith(REPLY_MARKER):
        yield Fault(2, "its text doesn't begin with {{ marker }}, at which answers are cut off; put it on top")


def _told(name: str, known: Values, mail: str) -> Iterator[Fault]:
    for dotted in samples.NEEDED[name]:
        if any(value and str(value) not in mail for value in _values(known, dotted.split("."))):
            yield Fault(
                1, f"it doesn't tell {dotted} in every case; write {{{{ {dotted} }}}}, or include a part that does"
            )


def _values(value: object, steps: list[str]) -> Iterable[object]:
    """What a dotted name leads to: of each element, where it leads through a list; nothing where nothing is."""
    if isinstance(value, list):
        return [found for one in value for found in _values(one, steps)]
    if not steps or value is None:
        return [value]
    inner = value[steps[0]] if isinstance(value, Mapping) else getattr(value, steps[0])
    return _values(inner, steps[1:])


def _failed(texts: Texts, error: Exception) -> Fault:
    _, line, said = failure(texts, error)
    if isinstance(error, TemplateRuntimeError):
        return Fault(line, f"{said}: it may be missing; put {{% if … %}} … {{% endif %}} around it")
    return Fault(line, f"{said}; mend it there, or write it more simply")


def failure(texts: Texts, error: Exception) -> tuple[str, int, str]:
    """Which of the instance's own templates an error of rendering came from ("" if none), the line, what it says."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in texts.own]
    path, line = (frames[-1].filename, frames[-1].lineno) if frames else ("", None)
    said = error.message if isinstance(error, TemplateError) else str(error)
    return path, line or 1, said or type(error).__name__


def _flat(text: str) -> str:
    return " ".join(text.split())
