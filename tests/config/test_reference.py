"""The reference configuration loads as it is, and can't go stale."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter

from gateway.config import load, notes
from gateway.config.problems import fields_at
from gateway.config.settings import Attachments, Settings

REFERENCE = Path(__file__).parents[2] / "gateway.toml"
TABLES: dict[str, tuple[str | int, ...]] = {
    "": (),
    "instance": ("instance",),
    "addresses": ("addresses",),
    "store": ("store",),
    "store.s3": ("store", "s3"),
    "intake.smtp": ("intake", "smtp", 0),
    "intake.imap": ("intake", "imap", 0),
    "relay": ("relay",),
    "trust": ("trust",),
    "limits": ("limits",),
    "attachments": ("attachments",),
    "antivirus": ("antivirus",),
    "health": ("health",),
    "desk": ("desk",),
    "organisations": ("organisations", 0),
    "demarches": ("demarches", 0),
    "dossiers": ("dossiers", 0),
    "agents": ("agents", 0),
    "support_groups": ("support_groups", 0),
    "faq": ("faq", 0),
}


def documented() -> dict[str, dict[str, str]]:
    """table → key → the text of its line and the comment lines that go on."""
    found: dict[str, dict[str, str]] = {"": {}}
    table, key = "", ""
    for line in REFERENCE.read_text(encoding="utf-8").splitlines():
        if header := re.match(r"(?:# )?\[\[?([a-z_0-9.]+)\]\]?", line):
            table, key = header[1], ""
            found[table] = {}
        elif pair := re.match(r"(?:# )?([a-z_0-9]+) = ", line):
            key = pair[1]
            found[table][key] = line
        elif key:
            found[table][key] += line
    return found


def test_it_loads_as_it_is() -> None:
    settings = load(REFERENCE, environ={})
    assert settings.instance.name == "Démarches d'exemple"
    assert settings.store.url == f"sqlite:///{REFERENCE.parent}/var/gateway.db"
    assert settings.relay.folder == REFERENCE.parent / "var/sent"
    assert settings.demarches[0].addresses == ("vegetaliser@support.example.org",)


def test_it_withholds_what_is_withheld_where_nothing_is_said() -> None:
    assert load(REFERENCE, environ={}).attachments == Attachments()


def test_what_deserves_a_look_in_it() -> None:
    """The agent in the gateway's own domain, and nothing without effect."""
    told = [(note.severity, note.where.rpartition(" ")[2]) for note in notes(load(REFERENCE, {}), REFERENCE)]
    assert told == [("warning", "agents[0].email")]


def keys(path: tuple[str | int, ...]) -> dict[str, Any]:
    """The keys of a table that are no tables themselves."""
    tables = [each for each in TABLES.values() if each]
    inner = {each[len(path)] for each in tables if each[: len(path)] == path and len(each) > len(path)}
    return {key: known for key, known in fields_at(path).items() if key not in inner}


def test_every_key_is_documented_and_no_other() -> None:
    told = documented()
    assert set(told) == set(TABLES)
    assert list(keys(())) == ["include"]
    for table, path in TABLES.items():
        assert set(told[table]) == set(keys(path)), table


def test_every_key_says_whether_it_is_required_or_its_default() -> None:
    told = documented()
    missing = []
    for table, path in TABLES.items():
        for key, known in keys(path).items():
            word = r"\brequired\b" if known.is_required() else r"default|this is the default|one of the three|refused"
            comment = told[table][key].removeprefix("# ").partition("#")[2]
            if (
                table not in {"trust"}
                and not re.search(word, comment)
                and key not in {"password", "password_credential"}
            ):
                missing.append(f"{table}.{key}")
    assert missing == []


def test_the_values_of_defaults_are_told_truly() -> None:
    """A key whose comment begins with « default VALUE » has that default."""
    wrong = []
    for table, path in TABLES.items():
        for key, line in documented()[table].items():
            told = re.search(r'# default ("[^"]*"|\d+|true|false|\[[^]]*\])', line)
            if told and not same(fields_at(path)[key], tomllib.loads(f"x = {told[1]}")["x"]):
                wrong.append(f"{table}.{key}: {told[1]}")
    assert wrong == []


def same(known: Any, told: Any) -> bool:
    """What is told as the default becomes the default."""
    annotation: Any = Annotated[known.annotation, *known.metadata] if known.metadata else known.annotation
    default = known.default
    if hasattr(default, "get_secret_value"):
        default = default.get_secret_value()
    found = TypeAdapter(annotation).validate_python(told)
    return bool((found.get_secret_value() if hasattr(found, "get_secret_value") else found) == default)


def test_the_commented_mailbox_loads_once_it_has_its_password(tmp_path: Path) -> None:
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("# [[intake.imap]]"))
    kept = [line.removeprefix("# ") for line in lines[start:] if line.startswith("# ")][:18]
    box = "\n".join(line for line in kept if not re.match(r"password|oauth2|groupe", line))
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "gateway.toml").write_text(
        "\n".join(lines[:start]) + f'\n{box}\npassword_file = "password"\n', encoding="utf-8"
    )
    settings: Settings = load(tmp_path / "gateway.toml", environ={})
    assert settings.intake.imap[0].password.get_secret_value() == "secret"
    assert settings.intake.imap[0].after == "keep"
