"""What a daemon's log must not hold, whatever the test was about: looked at whenever one has ended."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email import message_from_bytes, policy

_MOST_WORDS = 100
_ADDRESS = re.compile(r"[^\s\"'<>:=]+@[\w-]+\.\w+")
_PSEUDONYM = re.compile(r"[0-9a-f]{8}@")
_TOKEN = re.compile(r"(?<![a-z2-7])[a-z2-7]{32}(?![a-z2-7])", re.IGNORECASE)
_PASSWORD = re.compile(r'^password = "([^"]{6,})"', re.MULTILINE)


def words(raw: bytes) -> set[str]:
    """What a person could recognise a mail by: its subject, and its lines."""
    mail = message_from_bytes(raw[:20_000], policy=policy.compat32)
    body = mail.get_payload()
    lines = body.splitlines() if isinstance(body, str) else ()
    told = (line.strip() for line in (str(mail["Subject"] or ""), *lines))
    return {line for line in told if len(line) >= 12}


def leaks(log: str, said: Iterable[str], configuration: str) -> list[str]:
    """What of it stands in the log: whole addresses, tokens, passwords of the configuration, words of mails."""
    found = [address for address in _ADDRESS.findall(log) if not _PSEUDONYM.match(address)]
    found += _TOKEN.findall(log)
    found += [secret for secret in _PASSWORD.findall(configuration) if secret in log]
    return found + [line for line in sorted(said)[:_MOST_WORDS] if line in log]
