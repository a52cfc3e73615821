"""Directories of any size as CSV files: organisations, démarches, agents, dossiers, with people in all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

INCLUDE = 'include = ["directory/*.csv"]'
_OF_AN_ORGANISATION = 20  # démarches


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each. Every agent is an instructeur of two démarches; every démarche has an administrateur."""

    demarches: int = 0
    agents: int = 0
    dossiers: int = 0


NATIONAL = Size(demarches=40_000, agents=140_000)
FIRST = 1000  # the numbers below are the shipped example's


def write(folder: Path, size: Size) -> None:
    """The files that INCLUDE names, in a folder that isn't there yet."""
    folder.mkdir()
    organisations = -(-size.demarches // _OF_AN_ORGANISATION)
    _sheet(folder / "organisations.csv", "siret;name;email", map(_organisation, range(organisations)))
    _sheet(
        folder / "demarches.csv",
        "number;title;organisation;administrateurs;instructeurs",
        (_demarche(nth, size) for nth in range(size.demarches)),
    )
    _sheet(folder / "agents.csv", "email;name", (f"{agent(nth)};Agent {nth}" for nth in range(size.agents)))
    _sheet(
        folder / "dossiers.csv",
        "number;demarche;usager;followers",
        (
            f"{FIRST + nth};{FIRST + nth % size.demarches};usager.{nth}@usager.example.net;"
            for nth in range(size.dossiers)
        ),
    )


def _sheet(path: Path, head: str, rows: Iterable[str]) -> None:
    with path.open("w") as file:
        file.write(head + "\n")
        file.writelines(row + "\n" for row in rows)


def _organisation(nth: int) -> str:
    return f"{siret(nth)};Mairie {nth};accueil.{nth}@mairie.example.org"


def _demarche(nth: int, size: Size) -> str:
    places = (range(first % size.demarches, size.agents, size.demarches) for first in (nth, nth - 1))
    people = dict.fromkeys(agent(place) for each in places for place in each)
    organisation = siret(nth // _OF_AN_ORGANISATION)
    return f"{FIRST + nth};Démarche {nth};{organisation};{agent(nth % size.agents)};{' '.join(people)}"


def agent(nth: int) -> str:
    return f"agent.{nth}@mairie.example.org"


def siret(nth: int) -> str:
    """A number with the check digit that makes its Luhn sum a multiple of ten."""
    digits = [int(digit) for digit in f"{nth + 1:013d}"]
    doubled = sum(digit // 5 + digit * 2 % 10 for digit in digits[::-2])
    return "".join(map(str, digits)) + str(-(doubled + sum(digits[-2::-2])) % 10)
