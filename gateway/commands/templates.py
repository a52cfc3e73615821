"""`template list`, `show`, `preview`: the texts of mails, where they come from, and what they look like."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from gateway.commands import options as typed
from gateway.commands.output import Shown, table
from gateway.config.settings import Settings
from gateway.errors import NotFound
from gateway.relay import html as pages
from gateway.relay import samples, templating, texts
from gateway.relay.templating import LANGUAGES, Place, Texts

_WHEN = datetime(2026, 3, 12, 9, 31, tzinfo=UTC)
_Row = tuple[str, str, str, str]  # name, language, démarche, path in the folder


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_template)
    made.add_argument("action", choices=["list", "show", "preview"])
    made.add_argument("name", nargs="?", metavar="NAME")
    made.add_argument("--demarche", type=int, metavar="NUMBER", help="as this démarche words it")
    made.add_argument("--language", choices=["fr", "en"], help="else the instance's")
    made.add_argument("--html", action="store_true", help="preview the HTML alternative")


OFFERED = {"template": _parser}


def _template(options: argparse.Namespace) -> Shown:
    settings = typed.settings(options)
    known = texts.load(settings.desk.templates)
    if options.action == "list":
        return listed(known, settings)
    if options.name is None:
        options.usage(f"name it: `{options.action} NAME`; `list` shows them")
    language = options.language or settings.instance.locale
    if options.action == "show":
        return shown(known, options.name, demarche=options.demarche, language=language)
    return preview(known, settings, options.name, demarche=options.demarche, language=language, html=options.html)


def listed(texts: Texts, settings: Settings) -> Shown:
    """Every template in each language, with the file that it comes from; those of démarches below them."""
    rows = [*_general(texts), *_of_demarches(texts), *_modeles(texts)]
    document = [
        {
            "name": name,
            "language": language or None,
            "demarche": int(demarche) if demarche else None,
            "source": _source(settings, path),
        }
        for name, language, demarche, path in rows
    ]
    cells = (
        (name, language or "–", demarche or "–", _source(settings, path)) for name, language, demarche, path in rows
    )
    return Shown(document, (table(("name", "language", "démarche", "from"), cells), *_unknown(rows, settings)))


def shown(texts: Texts, name: str, *, demarche: int | None, language: str) -> Shown:
    """A template's source, as it is found for a démarche (None: for all) and a language.

    Raises:
        NotFound: there is no such template.
    """
    file, text, path = _found(texts, name, demarche, language)
    document = {"name": file.removesuffix(".txt"), "language": language, "source": path or "packaged", "text": text}
    return Shown(document, (text.rstrip("\n"),))


def preview(texts: Texts, settings: Settings, name: str, *, demarche: int | None, language: str, html: bool) -> Shown:
    """A template filled in with sample values, and with a démarche's own where one is named.

    Raises:
        NotFound: there is no such template, or no such démarche.
    """
    file, _, _ = _found(texts, name, demarche, language)
    place = _place(texts, settings, demarche, language)
    known = {**templating.place_values(place), **_values(file, place)}
    path = f"{templating.demarche_of(place)}/{file}"
    if file.removesuffix(".txt") in samples.MAILS:
        words = templating.worded(texts, language, path, known)
        subject, text = words.subject, words.text
    else:
        subject, text = "", templating.rendered(texts, language, path, known)
    body = pages.page(text, subject, language) if html else text
    document = {"name": file.removesuffix(".txt"), "language": language, "subject": subject, "text": body}
    heading = (subject, "") if subject and not html else ()
    return Shown(document, (*heading, body.rstrip("\n")))


# --- what there is ---------------------------------------------------------------------------------------


def _general(texts: Texts) -> Iterator[_Row]:
    for file in templating.sources():
        for language in LANGUAGES:
            found = templating.source(texts.own, language, f"/{file}")
            yield file.removesuffix(".txt"), language, "", found[1] if found else ""


def _of_demarches(texts: Texts) -> Iterator[_Row]:
    for path in texts.own:
        demarche, _, file = path.partition("/")
        if demarche.isdigit() and not file.startswith("modeles/"):
            folder, _, last = file.rpartition("/")
            yield last.removesuffix(".txt"), folder, demarche, path


def _modeles(texts: Texts) -> Iterator[_Row]:
    for path in texts.own:
        *folders, last = path.split("/")
        if "modeles" in folders:
            demarche = folders[0] if folders[0].isdigit() else ""
            language = folders[-1] if folders[-1] in LANGUAGES else ""
            yield f"modeles/{last.removesuffix('.txt')}", language, demarche, path


def _source(settings: Settings, path: str) -> str:
    folder = settings.desk.templates
    return str(folder / path) if folder and path else "packaged"


def _unknown(rows: list[_Row], settings: Settings) -> Iterator[str]:
    numbers = {str(demarche.number) for demarche in settings.demarches}
    for demarche in sorted({row[2] for row in rows if row[2]} - numbers):
        yield f"No démarche has the number {demarche}: its templates are never used."


def _found(texts: Texts, name: str, demarche: int | None, language: str) -> tuple[str, str, str]:
    """The file that a name stands for, its source, and its path in the folder ("": it is ours)."""
    file = _file(texts, name)
    number = str(demarche) if demarche else ""
    found = templating.source(texts.own, language, f"{number}/{file}")
    if found is None:
        raise NotFound(f"there is no {name} in {language}" + (f" for the démarche {number}" if number else ""))
    return file, *found


def _file(texts: Texts, name: str) -> str:
    """The file that a name stands for: a mail's, a part's, or that of a prepared answer."""
    name = name.removesuffix(".txt")
    known = [*templating.sources(), *(f"{row[0]}.txt" for row in _modeles(texts))]
    for file in (f"{name}.txt", f"modeles/{name}.txt"):
        if file in known:
            return file
    close = difflib.get_close_matches(f"{name}.txt", known, n=1)
    advice = f"did you mean {close[0].removesuffix('.txt')}?" if close else "`gateway template list` names all"
    raise NotFound(f"there is no template {name}; {advice}")


# --- what it is filled with ------------------------------------------------------------------------------


def _place(texts: Texts, settings: Settings, demarche: int | None, language: str) -> Place:
    place = replace(samples.PLACE, instance=settings.instance, texts=texts, locale=language)
    if demarche is None:
        return place
    found = next((one for one in settings.demarches if one.number == demarche), None)
    if found is None:
        raise NotFound(f"there is no démarche {demarche} in the configuration")
    organisation = next((one for one in settings.organisations if one.siret == found.organisation), None)
    return replace(place, demarche=found, organisation=organisation)


def _values(file: str, place: Place) -> Mapping[str, object]:
    """The sample values of a template, its times and the délai as they'd be told."""
    name = file.removesuffix(".txt")
    values = samples.MAILS.get(name) or samples.PARTS.get(name) or samples.MODELE
    told = {"received": templating.local_time(_WHEN, place)}
    if place.demarche and place.demarche.number != samples.DEMARCHE.number:
        told["delay"] = place.demarche.delay
    return {**values, **{key: value for key, value in told.items() if key in values}}
