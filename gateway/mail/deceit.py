"""What about a mail could make a person take it for what it isn't: marks that whoever reads it is shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from gateway.mail import lookalikes
from gateway.model import Author, Mark

_ADDRESS = re.compile(r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")


def marks(author: Author, anomalies: Iterable[str]) -> tuple[Mark, ...]:
    """Of the author's name and address, and of what was odd about the mail."""
    return tuple(dict.fromkeys((*_unclear(anomalies), *_named(author), *_written(author.address))))


def _unclear(anomalies: Iterable[str]) -> Iterable[Mark]:
    """Two programs may see two different mails in it: a virus scanner this one, the reader that one."""
    if any(anomaly.startswith("ambiguous") for anomaly in anomalies):
        yield Mark("ambiguous")


def _named(author: Author) -> Iterable[Mark]:
    """Another address in the place of a name: many programs show the name alone."""
    for shown in _ADDRESS.findall(unicodedata.normalize("NFKC", author.name)):
        if shown.casefold() != author.address:
            yield Mark("address", shown)
            return


def _written(address: str) -> Iterable[Mark]:
    """An address whose letters come from several scripts, or all look like others."""
    local, _, domain = address.rpartition("@")
    labels = [_label(label) for label in domain.split(".")]
    if any(map(lookalikes.deceptive, (local, *labels))):
        yield Mark("script", f"{local}@{'.'.join(labels)}")


def _label(label: str) -> str:
    """A U-label (RFC 5890 §2.3.2.1), as it would be shown."""
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label
