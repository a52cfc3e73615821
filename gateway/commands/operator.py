"""Who typed a command: what the audit says of an act from the command line."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operator:
    """`name`: who acts where it is in no agent's name; `proof`: what an act of the command line rests on."""

    name: str
    proof: str


SOMEBODY = Operator("operator", "command line")


def operator(command: str, environment: Mapping[str, str]) -> Operator:
    """Whom the system has run `gateway command` for. Arguments aren't told: they may be what somebody wrote."""
    user = _user(os.getuid())
    sudo = environment.get("SUDO_USER", "")
    behind = f", by sudo of {sudo}" if sudo else ""
    return Operator(f"operator {sudo or user}", f"command line: gateway {command}, system user {user}{behind}")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
