"""`gateway init`: a few questions, and the `gateway.toml` that follows from the answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from jinja2 import Environment, StrictUndefined

from gateway.config import values
from gateway.config.rules import is_loopback
from gateway.errors import ConfigError

Ask = Callable[[str, str], str]  # (question, default) → answer
PASSWORD_FILE = "var/imap.password"  # noqa: S105 (where it is, not what it is)
_PATIENCE = 5
_RESERVED = {"reponse", "dossier", "demarche"}


@dataclass(frozen=True, slots=True)
class Answers:
    """What `gateway init` has to know. `intake_host` is where to listen, or the IMAP server."""

    name: str
    url: str
    locale: Literal["fr", "en"]
    domain: str
    global_address: str
    intake: Literal["smtp", "lmtp", "imap"]
    intake_host: str
    intake_user: str
    relay: Literal["maildir", "smtp"]
    relay_host: str
    siret: str
    organisation: str
    manager: str


def ask(ask_one: Ask) -> Answers:
    """Ask for everything, each question again until its answer will do. `--yes` is `lambda _, default: default`.

    Raises ConfigError after five answers to one question that won't do.
    """
    name = _ask(ask_one, "How is the platform called in mails?", "Démarches d'exemple", values.filled)
    url = _ask(ask_one, "At which address is the platform?", "https://demarches.example.org", values.url)
    locale = _choose(ask_one, "In which language are our texts?", "fr", "en")
    host = urlsplit(url).hostname or ""
    domain = _ask(ask_one, "Which mail domain is the gateway's alone?", _support(host), _domain_beside(host))
    address = _ask(ask_one, "Which address is the global inbox?", f"contact@{domain}", _inbox_in(domain))
    intake = _choose(ask_one, "How does mail come in?", "smtp", "lmtp", "imap")
    intake_host, intake_user = _intake(ask_one, intake, address)
    relay = _choose(ask_one, "How does mail leave?", "maildir", "smtp")
    relay_host = _ask(ask_one, "Through which server?", "localhost", _host) if relay == "smtp" else "localhost"
    return Answers(
        name=name,
        url=url,
        locale=cast(Literal["fr", "en"], locale),
        domain=domain,
        global_address=address,
        intake=cast(Literal["smtp", "lmtp", "imap"], intake),
        intake_host=intake_host,
        intake_user=intake_user,
        relay=cast(Literal["maildir", "smtp"], relay),
        relay_host=relay_host,
        siret=_ask(ask_one, "SIRET of the first organisation?", "21310555400017", values.siret),
        organisation=_ask(ask_one, "Its name?", "Mairie d'Exemple", values.filled),
        manager=_ask(ask_one, "Which agent is the manager (address)?", "manager@example.org", _outside(domain)),
    )


def render(answers: Answers) -> str:
    """A commented `gateway.toml`. With IMAP, `PASSWORD_FILE` has to be written beside it before it loads."""
    template = files("gateway.config").joinpath("init.toml").read_text(encoding="utf-8")
    page = Environment(  # noqa: S701 (TOML, not HTML: `finalize` quotes every value)
        trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined, finalize=quoted
    )
    local = is_loopback(answers.intake_host.rpartition(":")[0].strip("[]"))
    return page.from_string(template).render(
        **asdict(answers),
        password_file=PASSWORD_FILE,
        local_mailbox=is_loopback(answers.intake_host),
        local_relay=is_loopback(answers.relay_host),
        agent_proof="token" if local or is_loopback(answers.intake_host) else "authenticated",
    )


def quoted(value: Any) -> str:
    """A TOML basic string (TOML 1.0, « String »): JSON's escapes are TOML's, once DEL is escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _ask(ask_one: Ask, question: str, default: str, check: Callable[[str], str]) -> str:
    asked = question
    for _ in range(_PATIENCE):
        try:
            return check(ask_one(asked, default).strip() or default)
        except ValueError as error:
            asked = f"{error}\n{question}"
    raise ConfigError(f"no usable answer to « {question} »; start `gateway init` again")


def _choose(ask_one: Ask, question: str, *choices: str) -> str:
    def check(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {values.shown(value)}")
        return value

    return _ask(ask_one, f"{question} ({' | '.join(choices)})", choices[0], check)


def _intake(ask_one: Ask, intake: str, address: str) -> tuple[str, str]:
    if intake == "imap":
        host = _ask(ask_one, "On which IMAP server?", "localhost", _host)
        return host, _ask(ask_one, "As which user?", address, values.filled)
    return _ask(ask_one, "Where to listen?", "127.0.0.1:2525", values.listen_form), ""


def _host(value: str) -> str:
    return value if is_loopback(value) else values.domain(value)


def _support(host: str) -> str:
    """A domain beside the platform's, under the same parent."""
    parent = host.partition(".")[2]
    return f"support.{parent if '.' in parent else host}"


def _domain_beside(host: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if values.domain(value) == host:
            raise ValueError(f"{host} is the platform's; take a subdomain, such as support.{host}")
        return values.domain(value)

    return check


def _inbox_in(domain: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        local, _, host = values.address(value).rpartition("@")
        if host != domain:
            raise ValueError(f"{value} is outside our domain {domain}; take an address @{domain}")
        if local.partition("+")[0] in _RESERVED:
            raise ValueError(f"{value} is taken for tokens and numbers; take another name")
        return values.address(value)

    return check


def _outside(domain: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if values.address(value).endswith(f"@{domain}"):
            raise ValueError(f"{value} is in the gateway's own domain; take an address elsewhere")
        return values.address(value)

    return check
