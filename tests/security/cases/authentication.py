"""Nobody speaks in another's name: forged results, spoofed authors, replayed seals (S6, S8)."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes

import dkim

from gateway.inspection.examine import examine
from gateway.inspection.questions import Questions
from gateway.inspection.resolver import resolver
from gateway.mail.read import read
from gateway.model import Envelope, Verdict
from tests.security import forgeries
from tests.security.spoofs import ATTACKER, Spoof, spoofs
from tests.servers.dns import Zones, serving
from tests.servers.gateway import CONTACT, DOMAIN, INES, ULYSSE, Gateway, configuration
from tests.signing import key, letter, published, sealed, signed
from tests.trials.case import Case, Counted, When, scratch

# --- S8: forged fields -----------------------------------------------------------------------------------


def _believed(raw: bytes) -> bool:
    """Does the gateway take the forged mail for authentic: by a trusted server's fields, or beside its own checks?"""
    by_field = read(raw, authserv_id=forgeries.TRUSTED)
    by_checks = read(raw, authserv_id=forgeries.TRUSTED, results=())
    return Verdict.PASS in {by_field.authentication.verdict, by_checks.authentication.verdict}


_ANY = re.compile(
    rb"^[\w-]*(?:authentication-results|received-spf|x-spam[\w-]*|x-gateway[\w-]*)\s*:(.*)$", re.I | re.M
)


def _believed_by_a_naive_reader(raw: bytes) -> bool:
    """Any field that has to do with it, a pass and the author's domain in it."""
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", raw)
    fields = _ANY.findall(unfolded)
    return any(b"=pass" in field and b"example.org" in field for field in fields)


def _forged(believed: Callable[[bytes], bool]) -> Counted:
    forms = forgeries.forms()
    return Counted(len(forms), sum(map(believed, forms)), "believed")


# --- S6: spoofed authors, on a running gateway -----------------------------------------------------------

USAGERS, MAIRIE = ULYSSE.rpartition("@")[2], INES.rpartition("@")[2]
STRICT = "v=DMARC1; p=reject"
ZONES: Zones = {
    **published(USAGERS),
    **published(MAIRIE),
    **published(ATTACKER, record=key(2048, ATTACKER)[1]),
    **{(f"_dmarc.{domain}", "TXT"): [STRICT] for domain in (USAGERS, MAIRIE)},
    **{(domain, "TXT"): ["v=spf1 ip4:192.0.2.1 -all"] for domain in (USAGERS, MAIRIE)},
    **{
        (domain, "TXT"): ["v=spf1 ip4:127.0.0.1 -all"] for domain in (ATTACKER, f"helo.{ATTACKER}", f"any.{ATTACKER}")
    },
}
_PROVEN = ("token_authenticated", "authenticated", "authenticated_new")
_COMMAND = "@clore\r\n\r\nVotre demande est refusée."
_NAIVE = "mx.naive.example"


@dataclass(frozen=True, slots=True)
class _Stage:
    """A gateway with one conversation, honestly opened; `to_agent`, `to_usager`: their own reply addresses."""

    gateway: Gateway
    reference: str
    to_agent: str
    to_usager: str


@contextmanager
def _staged(*, checks: bool) -> Iterator[_Stage]:
    """`checks` False: a server in front is believed instead, which takes any valid signature for the author's."""
    with scratch() as folder, serving(ZONES) as dns:
        config = configuration(authserv_id=_NAIVE, agent_proof="authenticated")
        if checks:
            config = config.replace('trusted_peers = ["127.0.0.1"]', "trusted_peers = []\nverify = true")
            config = config.replace("[trust]\n", f'[trust]\nresolver = "{dns.address}"\n')
        gateway = Gateway(folder, config)
        gateway.start()
        try:
            gateway.post(
                _honest(letter(ULYSSE, to=f"dossier+123@{DOMAIN}"), checks=checks), to=f"dossier+123@{DOMAIN}"
            )
            told = gateway.latest(INES)
            yield _Stage(gateway, told.reference, told.answer_to, gateway.latest(ULYSSE).answer_to)
        finally:
            gateway.stop()


def _honest(raw: bytes, *, checks: bool) -> bytes:
    domain = str(message_from_bytes(raw)["From"]).rpartition("@")[2]
    mail = signed(raw, domain)
    return mail if checks else _passed_on(mail)


def _passed_on(raw: bytes) -> bytes:
    """What the naive server in front hands on: whoever signed it, it is the first author's."""
    author = re.search(rb"(?im)^from\s*:.*?@([a-z0-9.-]+)", raw)
    domain = author[1].decode() if author else "unknown"
    good = b"DKIM-Signature:" in raw
    outcome = f"dmarc={'pass' if good else 'none'} header.from={domain}"
    return f"Authentication-Results: {_NAIVE}; {outcome}\r\n".encode() + raw


def _handed_in(stage: _Stage, spoof: Spoof, to: str, *, checks: bool) -> bool:
    """Say it all to the gateway; False where it refused the envelope."""
    raw = spoof.raw if checks else _passed_on(spoof.raw)
    with smtplib.SMTP("127.0.0.1", stage.gateway.port, timeout=30) as client:
        client.ehlo(spoof.helo)
        if client.docmd(f"MAIL FROM:<{spoof.sender}>")[0] != 250:
            client.docmd("MAIL FROM:<>")
        client.rcpt(to)
        return client.data(raw)[0] == 250


def _spoofed(*, checks: bool) -> Counted:
    """How many of the spoofed mails acted as the agent, or stand as proven in a victim's name."""
    with _staged(checks=checks) as stage:
        gateway = stage.gateway
        before = len(gateway.sent(ULYSSE))
        victims = ((INES, stage.to_agent, _COMMAND), (ULYSSE, stage.to_usager, "Voici mon nouveau RIB."))
        forms = [(to, spoof) for victim, to, text in victims for spoof in spoofs(victim, to, text)]
        done = 1 + sum(_handed_in(stage, spoof, to, checks=checks) for to, spoof in forms)
        gateway.taken_in(done)
        shown = [message for c in gateway.conversations() for message in gateway.show(c["reference"])["messages"]]
        spoofed = [m for m in shown if m["direction"] == "in" and m["message_id"].endswith(ATTACKER)]
        proven = [
            m
            for m in spoofed
            if m["author"] in (INES, ULYSSE) and (m["proof"] == "verified" or m["proof_code"] in _PROVEN)
        ]
        acted = [m for m in gateway.sent(ULYSSE)[before:] if "Votre demande est refusée" in m.text]
        closed = gateway.show(stage.reference)["status"] == "closed"
        return Counted(len(forms), len(proven) + len(acted) + closed, "proven or acted on")


def _honest_ones(*, signs: bool) -> Counted:
    """How many of the usager's two mails and the agent's answer aren't proven, and whether that doesn't leave."""
    with _staged(checks=True) as stage:
        gateway = stage.gateway
        for sender, to, text in ((ULYSSE, stage.to_usager, "Merci."), (INES, stage.to_agent, "Oui, volontiers.")):
            raw = letter(sender, to=to, text=text, identifier=f"honest@{sender.rpartition('@')[2]}")
            gateway.post(signed(raw, sender.rpartition("@")[2]) if signs else raw, to=to)
        messages = gateway.show(stage.reference)["messages"]
        verified = [m for m in messages if m["proof_code"] in _PROVEN]
        answered = [m for m in gateway.sent(ULYSSE) if "Oui, volontiers." in m.text]
        return Counted(4, 4 - len(verified) - len(answered), "not proven")


# --- S6: ARC ---------------------------------------------------------------------------------------------

_LIST = "lists.example"
_SEALED = sealed(letter(INES), _LIST, f"dmarc=pass header.from={MAIRIE}")


def _replays() -> tuple[bytes, ...]:
    """A sealed mail as it was, in another's name, with another text; seals of anybody, of nobody."""
    claims = f"dmarc=pass header.from={MAIRIE}"
    return (
        _SEALED,
        _SEALED.replace(b"une question", b"une commande"),
        _SEALED.replace(INES.encode(), b"alice.admin@" + MAIRIE.encode()),
        _SEALED.replace(b"Subject: Une", b"Subject: @clore"),
        sealed(letter(INES, text="@clore"), ATTACKER, claims, pem=key(2048, ATTACKER)[0]),
        sealed(letter(INES, text="@clore"), _LIST, claims, pem=key(2048, ATTACKER)[0]),
        sealed(_SEALED, ATTACKER, f"arc=pass; {claims}", pem=key(2048, ATTACKER)[0]),
        b"ARC-Seal: i=1; cv=pass; d=lists.example\r\n" + letter(INES),
        f"ARC-Authentication-Results: i=1; {_LIST}; {claims}\r\n".encode() + letter(INES),
    )


def _replayed(*, by_seal: bool) -> Counted:
    """How many count as the author's. `by_seal`: as a reader has it that takes any valid seal for proof."""
    replays = _replays()
    with serving({**ZONES, **published(_LIST)}) as dns:
        believed = [_sealed_is_believed(raw, dns.address, by_seal=by_seal) for raw in replays]
    return Counted(len(replays), sum(believed), "believed")


def _sealed_is_believed(raw: bytes, address: str, *, by_seal: bool) -> bool:
    questions = Questions(resolver(address))
    if by_seal:
        verdict, _, _ = dkim.arc_verify(raw, dnsfunc=lambda name, timeout=5: _key(questions, name))
        return bool(verdict == dkim.CV_Pass)
    examined = examine(raw, Envelope(f"x@{_LIST}", (CONTACT,), "192.0.2.7", _LIST), questions, frozenset({_LIST}))
    return read(raw, results=examined.results).authentication.verdict is Verdict.PASS


def _key(questions: Questions, name: bytes) -> bytes | None:
    return next(iter(questions.texts(name.decode().removesuffix("."))), None)


CASES = (
    Case(
        "S6-arc",
        "a mail with a forwarder's ARC seal is replayed, changed, sealed by anybody",
        "a seal informs, and proves nobody",
        lambda: _replayed(by_seal=False),
        lambda: _replayed(by_seal=True),
        "a reader that takes a valid seal for proof",
        when=When.TEST,
    ),
    Case(
        "S6-honest",
        "none: honest mail of an usager and an agent, signed by their domains",
        "all of it is proven, and the agent's answer leaves",
        lambda: _honest_ones(signs=True),
        lambda: _honest_ones(signs=False),
        "the same mail without its signatures",
    ),
    Case(
        "S6-spoof",
        "the 19 forms of « espoofer » in an agent's and an usager's name, to their own reply addresses",
        "none is proven, or acts",
        lambda: _spoofed(checks=True),
        lambda: _spoofed(checks=False),
        "alignment: a server in front that takes any good signature for the author's",
    ),
    Case(
        "S8-forged",
        "Authentication-Results, ARC, Received-SPF and X- fields that anyone can write",
        "none is believed",
        lambda: _forged(_believed),
        lambda: _forged(_believed_by_a_naive_reader),
        "a reader that believes any such field",
        when=When.TEST,
    ),
)
