"""Mails that were written for the figures, where the corpora have few: `automatic_written.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "automatic_written.toml"


@dataclass(frozen=True, slots=True)
class Written:
    name: str
    raw: bytes


@cache
def mails(kind: str, *fields: str) -> tuple[Written, ...]:
    """All of a kind (absent, desk, challenge, person), with further header fields."""
    entries: list[dict[str, str]] = tomllib.loads(_FILE.read_text("utf-8"))[kind]
    return tuple(Written(f"written/{kind}/{entry['name']}", _mail(entry, fields)) for entry in entries)


def _mail(entry: dict[str, str], fields: tuple[str, ...]) -> bytes:
    header = (
        f"From: Claire Petit <{entry['sender']}>",
        "To: contact@support.example.org",
        f"Subject: {entry['subject']}",
        "Message-ID: <written@example.org>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        *fields,
    )
    return "\n".join((*header, "", entry["text"])).encode()
