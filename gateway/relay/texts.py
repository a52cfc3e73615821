"""The words of the mails we write: templates in French and English, never in logic.

A template's first line is the subject, the rest is the text. Rendering is sandboxed, and a name that a template
misspells is an error, not a gap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from gateway.config.settings import Demarche, Instance, Organisation
from gateway.mail.quotes import REPLY_MARKER
from gateway.model import Problem

_MOIS = (
    *("janvier", "février", "mars", "avril", "mai", "juin", "juillet"),
    *("août", "septembre", "octobre", "novembre", "décembre"),
)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_LINE = "\x1e"  # a line's end in what people wrote: their blank lines are theirs, the template's are tidied


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation stands, as far as the reader of a mail may know it."""

    instance: Instance
    reference: str
    organisation: Organisation | None = None
    demarche: Demarche | None = None
    dossier: int | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """A rendered template."""

    subject: str
    text: str


@cache
def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=PackageLoader("gateway.relay", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
        autoescape=False,  # plain text
        auto_reload=False,  # they don't change while we run; looking costs more than rendering
    )


def render(name: str, place: Place, **values: object) -> Words:
    """The subject and text of the template `name`, in the instance's language."""
    template = _environment().get_template(f"{place.instance.locale}/{name}.txt")
    held = {key: value.replace("\n", _LINE) if isinstance(value, str) else value for key, value in values.items()}
    rendered = template.render(
        instance=place.instance,
        reference=place.reference,
        organisation=place.organisation,
        demarche=place.demarche,
        dossier=place.dossier,
        marker=REPLY_MARKER,
        **held,
    )
    subject, _, text = rendered.partition("\n")
    tidy = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    return Words(" ".join(subject.split()), tidy.replace(_LINE, "\n"))


def problem(problem: Problem, locale: str) -> str:
    """Why something didn't happen, in words."""
    template = _environment().get_template(f"{locale}/problem.txt")
    return template.render(code=problem.code, what=problem.what).strip()


def local_time(time: datetime, instance: Instance) -> str:
    """A time as people write it, in the instance's time zone."""
    local = time.astimezone(ZoneInfo(instance.timezone))
    if instance.locale == "fr":
        day = "1er" if local.day == 1 else str(local.day)
        return f"{day} {_MOIS[local.month - 1]} {local.year} à {local:%H}\u00a0h\u00a0{local:%M}"
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year} at {local:%H:%M}"
