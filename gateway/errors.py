"""What can go wrong, drawn as a tree.

GatewayError
├── Temporary          try again later; nobody is told « no »
│   └── StoreError     our disk or database: stop accepting, keep trying
├── Permanent          trying again changes nothing
│   ├── Refused        an agent or a command asked for what may not be
│   └── NotFound       no such conversation, delivery, mail
└── ConfigError        gateway.toml: every problem, with its line (gateway.config)
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of all errors that the gateway raises on purpose."""


class Temporary(GatewayError):
    """Trouble that passes: SMTP 4xx, exit status 75."""


class StoreError(Temporary):
    """The disk or the database doesn't take what we give it. Never the mail's fault."""


class Permanent(GatewayError):
    """Trouble that stays: SMTP 5xx, exit status 1."""


class Refused(Permanent):
    """Not allowed, or not possible; the message says why, for a person to read."""


class NotFound(Permanent):
    """What was named isn't there."""


class ConfigError(GatewayError):
    """The configuration can't be used. `str()` is the whole report, a line per problem; exit status 78."""
