"""The words of our mails: what mails and prepared answers say, in the place's language."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from jinja2 import TemplateError

from gateway import log
from gateway.errors import Permanent
from gateway.model import Problem
from gateway.relay import templating
from gateway.relay.templating import Place, Texts, Words, folded, local_time

__all__ = ["ModeleFaulty", "Place", "Texts", "Words", "load", "local_time", "modele", "modeles", "problem", "render"]


class ModeleFaulty(Permanent):
    """A prepared answer can't be filled in here; the message says why."""


def load(folder: Path | None) -> Texts:
    """The packaged templates, and those of `folder` over them, all checked.

    Looked for in this order: DEMARCHE/LANG/NAME.txt, DEMARCHE/NAME.txt, LANG/NAME.txt, NAME.txt, the packaged one.

    Raises:
        gateway.errors.ConfigError: a line per fault: `FILE:LINE: fault; remedy`.
    """
    if folder is None:
        return templating.packaged()
    from gateway.relay import overrides  # noqa: PLC0415 (where there are none, what checks them isn't loaded)

    return overrides.read(folder)


def render(name: str, place: Place, **values: object) -> Words:
    """The subject and text of a mail, in the place's language: in our words where the instance's own fail."""
    try:
        return templating.render(name, place, **values)
    except Exception as error:  # noqa: BLE001 (a mail in other words is better than none)
        _failed(place.texts, error)
        return templating.render(name, replace(place, texts=templating.packaged()), **values)


def problem(problem: Problem, locale: str, texts: Texts | None = None) -> str:
    """Why something didn't happen, in words; in ours where the instance's own fail."""
    try:
        return templating.problem(problem, locale, texts)
    except Exception as error:  # noqa: BLE001
        _failed(texts or templating.packaged(), error)
        return templating.problem(problem, locale)


def _failed(texts: Texts, error: Exception) -> None:
    if not texts.own:
        raise error
    from gateway.relay.required import failure  # noqa: PLC0415 (as above)

    path, line, said = failure(texts, error)
    log.template_failed(template=path, line=line, reason=said)


def modeles(place: Place) -> tuple[str, ...]:
    """The names of the prepared answers that this place has, sorted."""
    return tuple(name for _, (name, _) in sorted(_modeles(place).items()))


def modele(name: str, place: Place, *, usager: str = "", received: datetime | None = None) -> str | None:
    """A prepared answer, filled in; None: there is none of that name. Case, accents and kinds of space are forgiven.

    `received`: when the message that is answered came.

    Raises:
        ModeleFaulty: it names what this place hasn't, an organisation for instance.
    """
    _, path = _modeles(place).get(folded(name), ("", ""))
    if not path:
        return None
    told = local_time(received, place) if received else ""
    try:
        return templating.render_text(path, place, usager=usager, received=told)
    except TemplateError as error:
        raise ModeleFaulty(f"{path}: {error.message}") from error


def _modeles(place: Place) -> dict[str, tuple[str, str]]:
    """Name and file of each prepared answer that may be read here; the démarche's own come before those of all."""
    demarche = templating.demarche_of(place)
    found: dict[str, tuple[str, str]] = {}
    for above in dict.fromkeys((f"{demarche}/" if demarche else "", "")):
        for path in sorted(place.texts.own):
            *folders, file = path.split("/")
            if "/".join(folders) in {f"{above}modeles", f"{above}modeles/{place.language}"}:
                name = file.removesuffix(".txt")
                found.setdefault(folded(name), (name, f"modeles/{file}"))
    return found
