"""An instance's own templates: read from its folder, and refused where they don't fit, each fault with its line.

Templates are a closed language: text, the values that a mail has, conditions, loops over its lists, our parts and
translations. So none can read a file, call Python or run for ever; the sandbox that renders them stands behind that.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import TemplateSyntaxError, meta
from jinja2.sandbox import SandboxedEnvironment

from gateway.errors import ConfigError
from gateway.relay import samples, templating
from gateway.relay.grammar import Fault, faults
from gateway.relay.required import lacks, modele_lacks, problem_lacks
from gateway.relay.samples import Values
from gateway.relay.templating import LANGUAGES, Texts
from gateway.relay.walking import files

_LARGEST = 100_000  # octets: a template is a page
_MODELES = "modeles"
_OF_NONE = frozenset({"digest.txt", "_entry.txt", "_problem.txt"})


@dataclass(frozen=True, slots=True, order=True)
class _Found:
    """A fault of a file of the folder."""

    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class _Where:
    """What a path stands for: a mail, a part or a prepared answer, of a démarche or all, in a language or all."""

    demarche: str
    language: str
    file: str

    @property
    def name(self) -> str:
        return self.file.rpartition("/")[2].removesuffix(".txt")

    @property
    def languages(self) -> tuple[str, ...]:
        return (self.language,) if self.language else LANGUAGES


def read(folder: Path) -> Texts:
    """The packaged templates, and those of `folder` over them.

    Raises:
        ConfigError: a line per fault.
    """
    if not folder.is_dir():
        raise ConfigError(f'{folder}: there is no such folder; make it, or set templates = "" under [desk]')
    own, found = _own(folder)
    texts = templating.texts_of(own)
    found += [*_same_names(own), *(one for path in own for one in _written(texts, path))]
    if not found:
        found += _lacking(texts)
    if found:
        raise ConfigError("\n".join(f"{folder / one.path}:{one.line}: {one.text}" for one in sorted(set(found))))
    return texts


# --- files -----------------------------------------------------------------------------------------------


def _own(folder: Path) -> tuple[dict[str, str], list[_Found]]:
    """The folder's templates by path, and what can't be one."""
    own: dict[str, str] = {}
    found: list[_Found] = []
    paths, closed = files(folder)
    for path, error in closed.items():
        found.append(_Found(path, *(_unreadable(error) if error else (1, "it leads in a circle; take the link out"))))
    for path in paths:
        where = _where(path)
        if isinstance(where, str):
            found.append(_Found(path, 1, where))
            continue
        try:
            own[path] = _source(folder / path)
        except (OSError, ValueError) as error:
            found.append(_Found(path, *_unreadable(error)))
    return own, found


def _source(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: it can't be read.
        ValueError: it isn't UTF-8, or it is too long.
    """
    if not path.is_file():
        raise OSError("it is no file")
    content = path.read_bytes()
    if len(content) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST} octets; a template is a page")
    return "\n".join(content.decode("utf-8-sig").splitlines()) + "\n"


def _unreadable(error: OSError | ValueError) -> tuple[int, str]:
    if isinstance(error, UnicodeDecodeError):
        return error.object.count(b"\n", 0, error.start) + 1, "it isn't UTF-8; save it in that encoding"
    if isinstance(error, OSError):
        return 1, f"it can't be read ({error.strerror or error}); let the gateway's user read it"
    return 1, str(error)


def _where(path: str) -> _Where | str:
    """What a path stands for, or why it stands for nothing."""
    *folders, last = path.split("/")
    demarche = folders.pop(0) if folders and re.fullmatch(r"[1-9][0-9]{0,17}", folders[0]) else ""
    modele = folders.pop(0) if folders and folders[0] == _MODELES else ""
    language = folders.pop(0) if folders and folders[0] in LANGUAGES else ""
    if folders:
        return (
            f"the folder {folders[0]} means nothing here; use a démarche's number, {', '.join(LANGUAGES)}, {_MODELES}"
        )
    if not last.endswith(".txt"):
        return "it is no template; give it a name that ends with .txt, or take it out"
    if modele:
        return _Where(demarche, language, f"{_MODELES}/{last}")
    if demarche and last in _OF_NONE:
        return "it belongs to no démarche; put it in the folder itself, or below a language's"
    if last in templating.sources():
        return _Where(demarche, language, last)
    close = difflib.get_close_matches(last, templating.sources(), n=1)
    return "it overrides nothing; " + (f"did you mean {close[0]}?" if close else "`gateway template list` names all")


def _same_names(own: Iterable[str]) -> Iterator[_Found]:
    """Prepared answers that agents couldn't tell apart."""
    seen: dict[tuple[str, str], str] = {}
    for path in own:
        folder, _, last = path.rpartition("/")
        if _MODELES in folder.split("/"):
            key = folder, templating.folded(last.removesuffix(".txt"))
            if key in seen:
                yield _Found(path, 1, f"agents can't tell its name from {seen[key]}; rename one of them")
            seen[key] = path


# --- what is written in a template -----------------------------------------------------------------------


def _written(texts: Texts, path: str) -> Iterator[_Found]:
    """Faults that can be seen without rendering: in every branch, taken or not."""
    where = _where(path)
    assert isinstance(where, _Where)
    environment = texts.environments[where.languages[0]]
    try:
        tree = environment.parse(texts.own[path])
        found = [_Found(path, *_pair(fault)) for fault in faults(tree, _scope(where), frozenset(samples.PARTS))]
        if not found:
            environment.compile(tree)
    except TemplateSyntaxError as error:
        found = [_Found(path, error.lineno, f"{error.message}; mend it there or just before")]
    except (RecursionError, MemoryError):
        found = [_Found(path, 1, "its conditions are nested too deeply; take some apart")]
    except Exception as error:  # noqa: BLE001 (Python has limits of its own: digits of a number, nested blocks)
        found = [_Found(path, 1, f"it can't be understood ({error}); write it more simply")]
    yield from found
    for language in where.languages:
        if where.file in _reached(texts.environments[language], where.demarche, where.file):
            yield _Found(path, 1, "it includes itself; take that out")


def _scope(where: _Where) -> Values:
    if where.file == "_problem.txt":
        return samples.PARTS["_problem"]
    common = templating.place_values(samples.PLACE)
    if where.file.startswith(f"{_MODELES}/"):
        return {**common, **samples.MODELE}
    return {**common, **(samples.MAILS.get(where.name) or samples.PARTS.get(where.name, {}))}


# --- what a mail lacks -----------------------------------------------------------------------------------


def _lacking(texts: Texts) -> Iterator[_Found]:
    """Faults that only rendering shows: of every mail, part and prepared answer that the folder has something of."""
    places = {path: where for path in texts.own if isinstance(where := _where(path), _Where)}
    for demarche in sorted({"", *(where.demarche for where in places.values())}):
        for language in LANGUAGES:
            for name in samples.MAILS:
                if blamed := _blamed(texts, demarche, language, f"{name}.txt"):
                    yield from (_Found(blamed, *_pair(one)) for one in lacks(texts, demarche, language, name))
    for path, where in places.items():
        for language in where.languages:
            if where.file == "_problem.txt":
                yield from (_Found(path, *_pair(one)) for one in problem_lacks(texts, language))
            if where.file.startswith(f"{_MODELES}/"):
                found = modele_lacks(texts, where.demarche, language, where.file)
                yield from (_Found(path, *_pair(one)) for one in found)


def _pair(fault: Fault) -> tuple[int, str]:
    return fault.line, fault.text


def _blamed(texts: Texts, demarche: str, language: str, file: str) -> str:
    """The file of the folder that a mail's faults are told of: its template, else a part of it; "" if none is.

    Of a démarche's mails, a file of its own: where it has none, its mails are those of all.
    """
    for name in (file, *sorted(_reached(texts.environments[language], demarche, file))):
        path = next((path for path in templating.candidates(demarche, language, name) if path in texts.own), "")
        if path and path.startswith(f"{demarche}/" if demarche else ""):
            return path
    return ""


def _reached(environment: SandboxedEnvironment, demarche: str, file: str) -> set[str]:
    """The parts that a template includes, and those that they do."""
    reached: set[str] = set()
    waiting = [file]
    while waiting:
        assert environment.loader is not None
        source = environment.loader.get_source(environment, f"{demarche}/{waiting.pop()}")[0]
        new = _included(source) - reached
        reached |= new
        waiting += new & templating.sources().keys()  # another's fault is told of the file that names it
    return reached


@lru_cache(maxsize=200)
def _included(source: str) -> frozenset[str]:
    try:
        tree = templating.packaged().environments[LANGUAGES[0]].parse(source)
        return frozenset(part for part in meta.find_referenced_templates(tree) if part)
    except Exception:  # noqa: BLE001 (told of its own file)
        return frozenset()
