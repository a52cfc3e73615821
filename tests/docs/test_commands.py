"""Every command of the terminal is in its documents, and no other."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import cli
from tests import demo

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/commands.md").read_text("utf-8")
MAN = (ROOT / "docs/man/gateway.1").read_text("utf-8")
MANAGER = "manon.manager@support.example.org"
COMMON = {"--help", "--config", "--json", "--verbose"}


def parsers() -> dict[str, argparse.ArgumentParser]:
    subparsers = next(a for a in cli.parser(cli.COMMANDS)._actions if isinstance(a, argparse._SubParsersAction))
    return dict(subparsers.choices)


def forms(parser: argparse.ArgumentParser) -> list[str]:
    """The actions of commands such as `aside list`."""
    return [c for a in parser._actions if a.dest == "action" for c in a.choices or ()]


def sections() -> dict[str, str]:
    """Command → its section of the page. One heading may name several."""
    found = {}
    for heading, body in re.findall(r"^### (.+)\n((?:(?!^#).*\n?)*)", PAGE, re.MULTILINE):
        for command in re.findall(r"`([a-z]+)", heading):
            found[command] = heading + body
    return found


def paragraphs() -> dict[str, str]:
    """Command → its paragraph of the manual, without what only formats."""
    text = re.sub(r"\\f[BIR]", "", MAN.partition(".SH COMMANDS")[2].partition(".SH SIGNALS")[0]).replace(r"\-", "-")
    found = {}
    for paragraph in text.split(".TP\n")[1:]:
        head = re.sub(r"^\.[BR]+ ", "", paragraph)
        found[head.split()[0].strip('"')] = paragraph
    return found


def test_the_page_has_a_section_for_each_command() -> None:
    assert set(sections()) == set(parsers())


def test_the_manual_has_a_paragraph_for_each_command() -> None:
    assert set(paragraphs()) == set(parsers())


def acts() -> list[str]:
    """The commands that somebody must stand for with `--as`."""
    return [
        name for name, parser in parsers().items() if any(a.dest == "agent" and a.required for a in parser._actions)
    ]


@pytest.mark.parametrize("command", parsers())
def test_options_and_forms_are_told(command: str) -> None:
    parser = parsers()[command]
    options = {o for a in parser._actions for o in a.option_strings if o.startswith("--")} - COMMON
    manual, page = paragraphs()[command], sections()[command]
    if command in acts():  # told once for all of them
        assert "--as" in manual
        options -= {"--as"}
    for option in options:
        assert option in manual, option
        assert option in page, option
    for form in forms(parser):
        assert f"{command} {form}" in manual
        assert f"{command} {form}" in page


def test_acts_stand_together_where_as_is_told() -> None:
    """The section of the first says it of all that follow up to the last."""
    assert "`--as AGENT`" in sections()["reply"]
    assert "up to `merge`" in sections()["reply"]
    places = list(sections())
    assert places[places.index("reply") : places.index("merge") + 1] == acts()


@pytest.mark.parametrize("command", parsers())
def test_arguments_stand_in_the_heading(command: str) -> None:
    """Whatever has to be typed after a command, in its order: `status REF active|pending|closed|spam`."""
    heading = sections()[command].partition("\n")[0]
    typed = [a for a in parsers()[command]._actions if not a.option_strings and a.nargs != "?" and a.dest != "action"]
    words = [str(a.metavar or "|".join(map(str, a.choices or ()))) for a in typed]
    assert f"`{' '.join((command, *words))}" in heading


def test_common_options_are_told() -> None:
    for option in COMMON:
        assert option in PAGE
        assert option in MAN.replace(r"\-", "-")


def test_statuses_are_told() -> None:
    for status in (0, cli.REFUSED, cli.USAGE, cli.TRY_AGAIN, cli.CONFIGURATION):
        assert f".B {status}\n" in MAN
        assert f"\n| {status} | " in (ROOT / "docs/operations.md").read_text("utf-8")


@pytest.mark.skipif(shutil.which("man") is None, reason="man isn't installed (Debian: man-db)")
def test_the_manual_shows_well() -> None:
    shown = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", ROOT / "docs/man/gateway.1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "90", "LC_ALL": "C.UTF-8"},
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "démarche" in shown.stdout


# --- JSON ------------------------------------------------------------------------------------------------


FORWARD = """From: ulysse@usager.example.net
Subject: TR: Une glycine

-----Message d'origine-----
De : Penelope <penelope@usager.example.net>
Envoyé : lundi 3 février 2025 10:12
À : Ulysse
Objet : Une glycine

Bonjour.
"""
BOUNCE = """From: MAILER-DAEMON@mx.example.org
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; ulysse@usager.example.net
Action: failed
Status: 5.1.1

--b--
"""


def told_fields(command: str) -> set[str]:
    """The fields that the page names for a command."""
    lines = re.split(r"\n- ", PAGE.partition("\n## JSON\n")[2].partition("\n## ")[0])[1:]
    whole = next(line for line in lines if f"`{command}`" in line.partition(":")[0])
    return set(re.findall(r"`([a-z_0-9]+)`", whole.partition(":")[2]))


def fields(document: Any) -> Iterator[str]:
    for value in document if isinstance(document, list) else ():
        yield from fields(value)
    for key, value in document.items() if isinstance(document, dict) else ():
        yield key
        yield from fields(value)


def test_json_has_the_fields_that_are_told(tmp_path: Path) -> None:
    with demo.daemon() as running:
        question = demo.written(demo.USAGER, demo.ALIAS, "Une glycine", demo.QUESTION)
        question.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="plan.pdf")
        running.send(question)
        running.mail_to(demo.USAGER, "bien reçu")
        told = running.mail_to(demo.AGENT, "Une glycine")
        running.send(demo.written("stranger@example.net", told["Reply-To"], "Re: Une glycine", "Oui."))
        running.mail_to(demo.AGENT, "Une glycine")  # is it hers?
        (tmp_path / "one.eml").write_bytes(question.as_bytes())
        (tmp_path / "two.eml").write_text(FORWARD, "utf-8")
        (tmp_path / "three.eml").write_text(BOUNCE, "utf-8")

        def answer(*arguments: str, typed: bytes = b"") -> Any:
            command = demo.gateway(running.folder, *arguments, "--json")
            done = subprocess.run(command, input=typed, capture_output=True, timeout=60, check=True)
            return json.loads(done.stdout)

        listed = answer("conversations")
        assert set(fields(listed)) == told_fields("conversations")
        inherited = told_fields("conversations")
        shown = answer("show", listed[0]["reference"])
        assert set(fields(shown)) == told_fields("show") | inherited
        for command in (("explain", str(tmp_path)), ("threads",), ("check",), ("import", str(tmp_path))):
            assert set(fields(answer(*command))) - {"kind", "number"} == _flat(command[0]), command
        assert set(fields(answer("outbox", "list"))) == told_fields("outbox list")
        reference = listed[0]["reference"]
        for act in (("note", reference), ("tag", reference, "arbre"), ("move", reference, "global")):
            assert set(fields(answer(*act, "--as", MANAGER, typed=b"Une note."))) == told_fields(act[0]), act
        taken_off = str(shown["messages"][0]["id"])
        assert set(fields(answer("split", reference, taken_off, "--as", MANAGER))) == told_fields("split")
        for form in (("list",), ("show", "answer"), ("preview", "answer")):
            assert set(fields(answer("template", *form))) == told_fields(f"template {form[0]}"), form


def _flat(command: str) -> set[str]:
    found = told_fields(command)
    return found | {"name", "type", "size", "sha256"} if command == "explain" else found
