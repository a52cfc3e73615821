"""Header injection: whatever is written into a mail that leaves, its header on the wire is the one we built."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from gateway.model import Attachment, Enclosure, Outgoing, Role
from gateway.relay import samples, templating
from gateway.relay.compose import compose
from gateway.relay.wire import FIELDS, WireError, transmitted
from tests.builders import draft, outgoing
from tests.trials.case import Case, Counted, When

_VALUES, _AT_ONCE = 100_000, 25
_TEMPLATED = 50  # of so many values, one is put into every template
_PIECES = [
    *'\r\n\t\0 \x0b\x0c\x85\u2028\u2029\u202e\u200b\ufeffé€=?<>"\\,;:@.ab',
    "\r\n",
    "\n\r",
    "\r\n ",
    "\r\nBcc: evil@x",
    "\nBcc: evil@x",
    "\rBcc: evil@x",
    "\r\n\r\nbody",
    "\r\n.\r\nMAIL FROM:<a@b>\r\n",
    "=?utf-8?q?=0D=0ABcc:_evil@x?=",
    "=?utf-8?b?DQpCY2M6IGV2aWxAeA==?=",
    "%0d%0aBcc: evil@x",
    "\u560d\u560aBcc: evil@x",  # becomes CR LF where only the low octets are kept
    "\U0001f600",
    "x" * 300,
    "\ud800",
]
_ENCLOSED = b"x"
_ENDS = re.compile(rb"\r\n|\r|\n")

Compose = Callable[[Outgoing], bytes]


def _letters(value: str) -> Iterator[Outgoing]:
    """Mails with this value wherever a person, a configuration or another mail may put one."""
    attachment = Attachment(value, value, 1, hashlib.sha256(_ENCLOSED).hexdigest(), 1)
    letter = draft(
        subject=value,
        from_name=value,
        text=value,
        language="fr",
        role=Role.AGENT,
        enclosures=(Enclosure("0" * 64, attachment),),
    )
    yield outgoing(letter=letter, in_reply_to=(value,), references=("a@x", value, f"{value}@x"))
    yield outgoing(letter=draft(f"a{value}@x.fr", role=Role.AGENT), envelope_sender=f"b@x.fr{value}")


def _templated(value: str) -> Iterator[Outgoing]:
    """The subject and text of every template, whose values are all this one."""
    for name, values in samples.MAILS.items():
        said = {key: value if isinstance(old, str) else old for key, old in values.items()}
        words = templating.render(name, samples.PLACE, **said)
        yield outgoing(letter=draft(subject=words.subject, text=words.text, role=Role.AGENT))


def ours(mail: Outgoing) -> bytes:
    """What is written after 354; nothing where the mail stays here."""
    try:
        return transmitted(compose(mail, [_ENCLOSED] * len(mail.draft.enclosures)))
    except WireError:
        return b""


def naive(mail: Outgoing) -> bytes:
    """Fields as they come."""
    letter = mail.draft
    fields = {"From": f"{letter.from_name} <{mail.reply_to}>", "To": letter.to, "Subject": letter.subject}
    fields["References"] = " ".join(f"<{each}>" for each in mail.references)
    header = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{header}\r\n{letter.text}\r\n".encode("utf-8", "surrogatepass")


def _foreign(wire: bytes) -> bool:
    """Does its header hold a line that is no field of ours, or one once more? Lines end wherever they might."""
    names: list[str] = []
    for line in _ENDS.split(wire):
        if not line:
            break
        if line[:1] not in b" \t":
            names.append(line.partition(b":")[0].decode("utf-8", "replace"))
    return names != [field for field in FIELDS if field in names]


@cache
def _injected(write: Compose) -> Counted:
    """Mails on the wire with another header than the one that was meant."""
    tried = injected = 0

    @seed(9)
    @settings(
        max_examples=_VALUES // _AT_ONCE,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(st.lists(st.sampled_from(_PIECES), max_size=6).map("".join), min_size=_AT_ONCE, max_size=_AT_ONCE)
    )
    def some(values: list[str]) -> None:
        nonlocal tried, injected
        for value in values:
            mails: Iterable[Outgoing] = _letters(value) if tried % _TEMPLATED else _templated(value)
            injected += any(_foreign(wire) for mail in mails if (wire := write(mail)))
            tried += 1

    some()
    return Counted(tried, injected, "values")


CASES = (
    Case(
        "S9-headers",
        "values with line ends, encoded line ends, separators of Unicode and whole fields in them, as subject, name, "
        "address, id, name and type of an attachment, and value of every template",
        "the header on the wire is the one that was built",
        lambda: _injected(ours),
        lambda: _injected(naive),
        "fields written as they come",
        when=When.FULL,
    ),
)
