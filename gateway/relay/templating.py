"""How the words of our mails are made: sandboxed templates, in two languages, ours or an instance's own.

A template's first line is the subject, the rest is the text. A line that holds nothing but tags vanishes, every other
line ends where it ends. Sentences stand in English in the templates; French comes from the catalogue in `locale/`.
A name that a template misspells is an error, not a gap.
"""

from __future__ import annotations

import gettext
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import FunctionLoader, StrictUndefined, TemplateRuntimeError, Undefined
from jinja2.ext import Extension
from jinja2.sandbox import SandboxedEnvironment

from gateway.config.settings import Attachments, Demarche, Instance, Organisation
from gateway.mail.mark import REPLY_MARKER
from gateway.model import Problem

LANGUAGES = ("fr", "en")
NO_SUBJECT = {"fr": "(sans objet)", "en": "(no subject)"}
MONTHS = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
}
FILTERS = frozenset(["join", "length"])
TESTS = frozenset(["none"])
_HERE = Path(__file__).parent
_LINE = "\x1e"  # a line's end in what people wrote: their blank lines are theirs, the template's are tidied
_TAGS = re.compile(r"\{%[^%]{0,2000}%\}|\{#[^#]{0,2000}#\}")
_INBOX = re.compile(r"(?P<kind>global|dossier|demarche)(?::(?P<number>\d+))?")  # as `model.Inbox` writes it
_SENTENCE = re.compile(r"\{%\s{0,9}endtrans")  # where a sentence of several lines ends


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """The templates that mails are made of: the packaged ones, and `own`, by path in the instance's folder."""

    own: Mapping[str, str]
    environments: Mapping[str, SandboxedEnvironment] = field(repr=False)


@cache
def packaged() -> Texts:
    """Our templates alone."""
    return texts_of({})


def texts_of(own: Mapping[str, str]) -> Texts:
    """Our templates, and those of `own` before them: `42/fr/answer.txt` → its source. Nothing is checked here."""
    return Texts(own, {language: _environment(own, language) for language in LANGUAGES})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation stands, as far as the reader of a mail may know it, and how it is told.

    `locale`: the language to use, "" for the instance's. `attachments`: which ones, and how much, a mail may carry.
    """

    instance: Instance
    reference: str
    organisation: Organisation | None = None
    demarche: Demarche | None = None
    dossier: int | None = None
    texts: Texts = field(default_factory=packaged, repr=False)
    locale: str = ""
    attachments: Attachments = field(default_factory=Attachments, repr=False)

    @property
    def language(self) -> str:
        return self.locale or self.instance.locale


@dataclass(frozen=True, slots=True)
class Words:
    """A rendered template."""

    subject: str
    text: str


# --- rendering -------------------------------------------------------------------------------------------


def render(name: str, place: Place, **values: object) -> Words:
    """The subject and text of the template `name`, in the place's language.

    Raises:
        jinja2.TemplateError: a template of the instance's own doesn't fit; `gateway check` finds it before.
    """
    return worded(place.texts, place.language, f"{demarche_of(place)}/{name}.txt", {**place_values(place), **values})


def render_text(path: str, place: Place, **values: object) -> str:
    """The whole of a template without a subject: a prepared answer."""
    return rendered(place.texts, place.language, f"{demarche_of(place)}/{path}", {**place_values(place), **values})


def worded(texts: Texts, language: str, name: str, values: Mapping[str, object]) -> Words:
    """A mail's subject and text. `name`: DEMARCHE/FILE, or /FILE for the templates of all."""
    subject, _, text = texts.environments[language].get_template(name).render(values).partition("\n")
    return Words(" ".join(subject.split()), _tidy(text))


def rendered(texts: Texts, language: str, name: str, values: Mapping[str, object]) -> str:
    """The whole of a template without a subject: a part, a prepared answer."""
    return _tidy(texts.environments[language].get_template(name).render(values))


def _tidy(text: str) -> str:
    """The template's blank lines are tidied, those of people's words stay."""
    return re.sub(r"\n{3,}", "\n\n", text).strip().replace(_LINE, "\n") + "\n"


def problem(problem: Problem, locale: str, texts: Texts | None = None) -> str:
    """Why something didn't happen, in words."""
    known = texts or packaged()
    what = problem.what
    if inbox := _INBOX.fullmatch(what):
        what = rendered(known, locale, "/_inbox.txt", inbox.groupdict(default="")).strip()
    return rendered(known, locale, "/_problem.txt", {"code": problem.code, "what": what}).strip()


def local_time(time: datetime, place: Place) -> str:
    """A time as people write it, in the instance's time zone and the place's language."""
    at = time.astimezone(ZoneInfo(place.instance.timezone))
    month = MONTHS[place.language].split()[at.month - 1]
    if place.language == "en":
        return f"{at.day} {month} {at.year} at {at:%H:%M}"
    return f"{'1er' if at.day == 1 else at.day} {month} {at.year} à {at.hour}\u00a0h\u00a0{at:%M}"


def candidates(demarche: str, language: str, file: str) -> Iterator[str]:
    """Where in the folder a template may stand, the nearest first."""
    stem, slash, last = file.rpartition("/")
    for folder in (f"{demarche}/", "") if demarche else ("",):
        yield f"{folder}{stem}{slash}{language}/{last}"
        yield f"{folder}{file}"


def folded(name: str) -> str:
    """A prepared answer's name without case, accents and kinds of space: equal where people take it for the same."""
    decomposed = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    return " ".join(re.split(r"[\s_.-]+", plain)).strip()


def place_values(place: Place) -> dict[str, object]:
    """What every template may name."""
    return {
        "instance": place.instance,
        "reference": place.reference,
        "organisation": place.organisation,
        "demarche": place.demarche,
        "dossier": place.dossier,
        "marker": REPLY_MARKER,
    }


def demarche_of(place: Place) -> str:
    """The folder of the place's démarche, "" where it has no templates of its own."""
    number = str(place.demarche.number) if place.demarche else ""
    return number if any(path.startswith(f"{number}/") for path in place.texts.own) else ""


# --- the environment -------------------------------------------------------------------------------------


class _Environment(SandboxedEnvironment):
    def join_path(self, template: str, parent: str) -> str:
        """An included template is looked for as its mail was: for the same démarche first."""
        return f"{parent.partition('/')[0]}/{template}"


class _Lines(Extension):
    """Lines end where they end; only a line of tags alone leaves nothing behind."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return "\n".join(_line(line) for line in source.split("\n"))


def _line(line: str) -> str:
    says = _TAGS.sub("", line).strip() or _SENTENCE.search(line)
    if line.endswith("%}") and line[-3:-2] not in {"-", "+"} and says:
        return f"{line[:-2]}+%}}"
    return line


def _environment(own: Mapping[str, str], language: str) -> SandboxedEnvironment:
    made = _Environment(
        loader=FunctionLoader(partial(_loaded, own, language)),
        undefined=StrictUndefined,
        extensions=[_Lines, "jinja2.ext.i18n"],
        finalize=_said,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # plain text
        auto_reload=False,  # they don't change while we run; looking costs more than rendering
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in FILTERS}
    made.tests = {name: made.tests[name] for name in TESTS}
    made.policies["ext.i18n.trimmed"] = True
    made.newstyle_gettext = True  # type: ignore[attr-defined]  # the values come as arguments
    made.globals |= _gettexts(_translations(language))
    return made


def _gettexts(translations: gettext.NullTranslations) -> dict[str, Callable[..., str]]:
    """What `{% trans %}` calls; the values in a sentence are held to the same as those that stand alone."""

    def one(message: str, /, **values: object) -> str:
        return translations.gettext(message) % {name: _said(value) for name, value in values.items()}

    def many(message: str, plural: str, number: int, /, **values: object) -> str:
        found = translations.ngettext(message, plural, number)
        return found % {name: _said(value) for name, value in values.items()}

    return {"gettext": one, "ngettext": many}


def _said(value: Any) -> Any:
    """What a template writes: texts and numbers, never the inside of an object."""
    if isinstance(value, str):
        return value.replace("\n", _LINE)
    if isinstance(value, Undefined) or type(value) is int:
        return value
    raise TemplateRuntimeError(f"a value of the kind {type(value).__name__} is no text")


def _loaded(own: Mapping[str, str], language: str, name: str) -> tuple[str, str, None] | None:
    found = source(own, language, name)
    return (found[0], found[1] or name, None) if found else None


def source(own: Mapping[str, str], language: str, name: str) -> tuple[str, str] | None:
    """A template's source and its path in the folder, "" for a packaged one. `name`: DEMARCHE/FILE, or /FILE."""
    demarche, _, file = name.partition("/")
    for path in candidates(demarche, language, file):
        if path in own:
            return own[path], path
    return (sources()[file], "") if file in sources() else None


@cache
def sources() -> Mapping[str, str]:
    """The packaged templates, by file name."""
    return {path.name: path.read_text("utf-8") for path in sorted((_HERE / "templates").glob("*.txt"))}


@cache
def _translations(language: str) -> gettext.NullTranslations:
    return gettext.translation("gateway", _HERE / "locale", [language], fallback=language == "en")
