"""A DNS server on loopback whose zones are a dictionary: for SPF, DKIM and DMARC, and for what a hostile one does."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SILENT, BROKEN = "silent", "broken"

Zones = Mapping[tuple[str, str], list[str]]


@dataclass
class Dns:
    """`zones`: records by (name, type), TXT as plain text. `faults`: domains below which nothing is answered (SILENT)
    or SERVFAIL is (BROKEN). `asked` counts the questions by name."""

    zones: dict[tuple[str, str], list[str]]
    faults: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    address: str = ""

    def answer(self, wire: bytes) -> bytes | None:
        """The reply to a question, None where none is sent."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name] += 1
        fault = next((how for domain, how in self.faults.items() if f".{name}".endswith(f".{domain}")), "")
        if fault == SILENT:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if fault == BROKEN:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif found := self.zones.get((name, kind)):
            texts = [_text(value) for value in found] if kind == "TXT" else found
            reply.answer.append(dns.rrset.from_text_list(question.name, 300, "IN", kind, texts))
        elif not any(known == name for known, _ in self.zones):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()


def _text(value: str) -> str:
    """As a zone file has it: strings of up to 255 octets."""
    return " ".join(f'"{value[at : at + 250]}"' for at in range(0, max(len(value), 1), 250))


@contextmanager
def serving(zones: Zones, faults: Mapping[str, str] | None = None) -> Iterator[Dns]:
    """Answer on a free port of loopback, by UDP."""
    server = Dns(dict(zones), dict(faults or {}))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        server.address = f"127.0.0.1:{sock.getsockname()[1]}"
        thread = threading.Thread(target=_serve, args=(server, sock), name="dns", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", sock.getsockname())
            thread.join()


def _serve(server: Dns, sock: socket.socket) -> None:
    while True:
        wire, asker = sock.recvfrom(4096)
        if not wire:
            return
        try:
            reply = server.answer(wire)
        except dns.exception.DNSException:
            continue
        if reply is not None:
            sock.sendto(reply, asker)
