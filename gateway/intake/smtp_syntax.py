"""What MAIL and RCPT carry, read strictly (RFC 5321 §4.1.2). Pure; each refusal is the reply that says so.

A recipient is either a plain `local@domain` or a disguise. Source routes, `%` and `!` detours, quoted local
parts, address literals and look-alike characters all say « relay this » to some mail server, so none of
them is ever compared with our addresses: they are nobody's.
"""

from __future__ import annotations

import re
import unicodedata

NOT_OURS = "550 5.1.1 No such recipient here"
BAD_SENDER = "501 5.1.7 Bad sender address: expected MAIL FROM:<address>"
BAD_PARAMETERS = "501 5.5.4 Bad parameters"
UNKNOWN_PARAMETERS = "555 5.5.4 Parameters not recognised"
TOO_BIG = "552 5.3.4 Message too big"

MAX_LOCAL = 64  # RFC 5321 §4.5.3.1.1
MAX_PATH = 254  # RFC 5321 §4.5.3.1.3, without the brackets
MAX_SENDER = 512  # rewritten senders (SRS, BATV) do exceed the limit

_PATH = re.compile(r'<((?:[^"\\>]|\\.|"(?:[^"\\]|\\.)*")*)>(?: (.*))?')
_BARE_PATH = re.compile(r"([^ <>]+)(?: (.*))?")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")
_SENDER = re.compile(
    r"(?:@[^\s:<>\"]+:)?"  # a source route may be ignored (RFC 5321 appendix C)
    r'((?:"(?:[^"\\]|\\.)*"|[^\s"<>@,;:\\()\[\]]+)'
    r"@(?:[\w.-]+|\[[0-9A-Za-z.:]+\]))"
)
_DETOURS = frozenset('%!"\\,:;<>()[]@ ')


class Refusal(Exception):
    """A command that is answered with `reply`, and has no other effect: not an error of ours."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


def read_mail(argument: str, max_size: int) -> str:
    """The reverse-path of MAIL, lower-case, "" for `<>`; parameters SIZE, BODY and SMTPUTF8 are checked."""
    path = _path(argument, "FROM:")
    if path is None:
        raise Refusal(BAD_SENDER)
    address, rest = path
    parameters = _parameters(rest)
    _check_parameters(parameters, max_size)
    if not address:
        return ""
    sender = _SENDER.fullmatch(address)
    if sender is None or len(address) > MAX_SENDER or not address.isprintable():
        raise Refusal(BAD_SENDER)
    if not address.isascii() and "SMTPUTF8" not in parameters:
        raise Refusal("553 5.6.7 This address needs SMTPUTF8")
    return sender[1].lower()


def read_rcpt(argument: str) -> str:
    """The forward-path of RCPT, lower-case: a plain address, or `postmaster` alone (RFC 5321 §4.5.1)."""
    path = _path(argument, "TO:")
    if path is None or is_disguise(path[0]):
        raise Refusal(NOT_OURS)
    if _parameters(path[1]):
        raise Refusal(UNKNOWN_PARAMETERS)
    return path[0].lower()


def is_disguise(address: str) -> bool:
    """Is this anything else than a plain `local@domain`?"""
    local, at, domain = address.rpartition("@")
    if not at:
        return address.lower() != "postmaster" or not address.isascii()
    return (
        len(local) > MAX_LOCAL
        or len(address) > MAX_PATH
        or not address.isprintable()
        or not _DETOURS.isdisjoint(local + domain)
        or "" in local.split(".")
        or "" in domain.split(".")
        # a sign that becomes another one (full-width @, Kelvin's K) mustn't become one of ours
        or unicodedata.normalize("NFKC", address) != address
    )


def _path(argument: str, keyword: str) -> tuple[str, str] | None:
    """The path after `FROM:` or `TO:`, and what follows it. Missing brackets, needless spaces are common."""
    if argument[: len(keyword)].upper() != keyword:
        return None
    text = argument[len(keyword) :].strip(" ")
    found = (_PATH if text.startswith("<") else _BARE_PATH).fullmatch(text)
    return (found[1], found[2] or "") if found else None


def _parameters(text: str) -> dict[str, str]:
    """`KEYWORD=value` pairs; keywords in capitals, each once (RFC 5321 §4.1.2)."""
    parameters: dict[str, str] = {}
    for word in text.split():
        found = _PARAMETER.fullmatch(word)
        if found is None or found[1].upper() in parameters:
            raise Refusal(BAD_PARAMETERS)
        parameters[found[1].upper()] = found[2] or ""
    return parameters


def _check_parameters(parameters: dict[str, str], max_size: int) -> None:
    """RFC 1870 §6 (SIZE), RFC 6152 §2 (BODY), RFC 6531 §3.4 (SMTPUTF8)."""
    if not parameters.keys() <= {"SIZE", "BODY", "SMTPUTF8"}:
        raise Refusal(UNKNOWN_PARAMETERS)
    size = parameters.get("SIZE", "0")
    if not re.fullmatch(r"[0-9]{1,20}", size):
        raise Refusal(BAD_PARAMETERS)
    if parameters.get("BODY", "7BIT").upper() not in {"7BIT", "8BITMIME"} or parameters.get("SMTPUTF8"):
        raise Refusal(BAD_PARAMETERS)
    if int(size) > max_size:
        raise Refusal(TOO_BIG)
