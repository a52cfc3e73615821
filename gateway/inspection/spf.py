"""SPF (RFC 7208): may this peer send for the domain of the envelope's sender? pyspf judges; we ask the DNS for it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import spf

from gateway.inspection.questions import Questions, Unanswered
from gateway.mail.addresses import normal
from gateway.model import Envelope, Result


def check(envelope: Envelope, related: Callable[[str], bool], questions: Questions) -> tuple[Result, ...]:
    """What SPF says of the envelope's sender; () where that says nothing of the author: only `related` domains count.

    Nor is it asked where the sender is missing or can be read in several ways, or the peer isn't known.
    """
    sender = normal(envelope.sender or "")
    local, _, domain = sender.rpartition("@")
    # pyspf looks for the domain behind the first @, which may be a quoted one.
    if not sender or '"' in local or not _is_address(envelope.peer) or not related(domain):
        return ()
    return (Result("spf", _judged(envelope, sender, questions), {"smtp.mailfrom": domain}),)


def _is_address(peer: str) -> bool:
    try:
        ip_address(peer)
    except ValueError:
        return False
    return True


def _judged(envelope: Envelope, sender: str, questions: Questions) -> str:
    try:
        result, _, _ = _Query(questions, i=envelope.peer, s=sender, h=envelope.helo).check()
    except Exception:  # noqa: BLE001 (records are anybody's; pyspf raises what it likes on odd ones)
        return "permerror"
    return str(result)


class _Query(spf.query):  # type: ignore[misc]  # pyspf has no types
    """pyspf's evaluation, its look-ups bounded by ours beside its own (RFC 7208 §4.6.4)."""

    def __init__(self, questions: Questions, **values: str) -> None:
        super().__init__(**values)
        self._questions = questions

    def dns(self, name: str, qtype: str, cnames: Any = None, ignore_void: bool = False) -> list[Any]:
        """The records in pyspf's shapes.

        Raises:
            spf.TempError: the DNS didn't answer.
            spf.PermError: too many names have no records.
        """
        try:
            found = [_shaped(record, qtype) for record in self._questions.records(str(name), qtype)]
        except Unanswered as error:
            raise spf.TempError(str(error)) from error
        if not found and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} names without records")
        return found


def _shaped(record: Any, kind: str) -> Any:
    """TXT: its strings; MX: (preference, host); PTR: the name; addresses as text."""
    if kind == "MX":
        return record.preference, record.exchange.to_text(omit_final_dot=True)
    if kind == "PTR":
        return record.target.to_text(omit_final_dot=True)
    return list(record.strings) if kind == "TXT" else record.address
