"""The door through which every mail leaves: the octets that go over the wire, looked at as they stand there. Pure.

Composing shapes a mail and transports carry it; what breaks a rule of the wire stays here, whole. No template,
address, interpreter or library can slip in a field, a recipient, or a second mail.
"""

from __future__ import annotations

import re

from gateway.errors import Permanent
from gateway.mail import mark

FIELDS = (
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Precedence",
    mark.FIELD,
    "Content-Language",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
)
"""All that a mail's header may hold, in this order, each once."""

_ANOTHER_HEADER = "the header of a composed mail isn't the one that was meant"
_NAME = re.compile(rb"\r\n(?![ \t])([^:\r\n]*)")
_MOST = 998  # octets in a line without its CRLF (RFC 5322 §2.1.1); a dot doubled on the way doesn't count
_END = b"\r\n.\r\n"
_LONGEST_PATH = 254  # RFC 5321 §4.5.3.1.3, without the brackets
_ATOM = r'[^\s"(),:;<>@\[\\\]]+'
_MAILBOX = re.compile(rf'(?:{_ATOM}|"[^"\\<>]*")@{_ATOM}')


class WireError(Permanent):
    """What was made isn't what may leave: a defect of ours, or an address that is none, stopped at the door."""


def assert_wire(mail: bytes, fields: tuple[str, ...]) -> None:
    """Check a whole mail: exactly these header fields, in this order; CRLF only; no NUL; lines ≤ 998.

    Raises:
        WireError: and nothing leaves.
    """
    _assert_lines(mail)
    if _names(mail) != fields or any(name not in FIELDS for name in fields):
        raise WireError(_ANOTHER_HEADER)


def path(address: str) -> str:
    """`<address>` as MAIL and RCPT carry it (RFC 5321 §4.1.2), `<>` for "".

    Raises:
        WireError: it isn't one plain mailbox, so a server might read a parameter, a route or a command in it.
    """
    plain = address.isprintable() and len(address) <= _LONGEST_PATH and _MAILBOX.fullmatch(address)
    if address and not plain:
        raise WireError("an address that can't stand in an SMTP command")
    return f"<{address}>"


def transmitted(mail: bytes) -> bytes:
    """What is written after 354: the mail, its dots doubled (RFC 5321 §4.5.2), and the one final dot.

    Raises:
        WireError: it breaks a rule of the wire, or holds a field that is none of ours.
    """
    _assert_lines(mail)
    names = _names(mail)
    if names != tuple(field for field in FIELDS if field in names):
        raise WireError(_ANOTHER_HEADER)
    whole = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
    octets = (b"\r\n" + whole).replace(b"\r\n.", b"\r\n..") + b".\r\n"
    if octets.find(_END) != len(octets) - len(_END):
        raise WireError("a mail that would end before its end")
    return octets[2:]


def enveloped(sender: str, recipient: str, mail: bytes) -> bytes:
    """The mail below its envelope, as a folder keeps it.

    Raises:
        WireError: an address that may not stand there.
    """
    return f"X-Envelope-From: {path(sender)}\r\nX-Envelope-To: {path(recipient)}\r\n".encode() + mail


def _assert_lines(mail: bytes) -> None:
    if not mail.count(b"\r") == mail.count(b"\n") == mail.count(b"\r\n") or b"\0" in mail:
        raise WireError("a bare CR, LF or NUL in a composed mail")
    if max(map(len, mail.split(b"\r\n"))) > _MOST:
        raise WireError("a line of more than 998 octets in a composed mail")


def _names(mail: bytes) -> tuple[str, ...]:
    """The names of the header's fields, in their order.

    Raises:
        WireError: no empty line ends the header.
    """
    header, separator, _ = mail.partition(b"\r\n\r\n")
    if not separator:
        raise WireError("a composed mail without the end of its header")
    return tuple(name.decode("ascii", "replace") for name in _NAME.findall(b"\r\n" + header))
