"""Who is let in by SMTP: relaying, guessing addresses, and claiming to be somebody else."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiosmtpd.smtp import SMTP

from gateway.intake.smtp_limits import Limits
from tests.builders import DOMAIN, make_context
from tests.dialogue import OURS, running
from tests.patience import PATIENCE
from tests.trials.case import Case, Counted, When
from tests.unit.test_smtp_syntax import DISGUISES

_LIMITS = Limits(unknown=10**6, errors=10**6, commands=10**6)
_START = b"EHLO c\r\nMAIL FROM:<a@example.org>\r\n"


async def said(port: int, *pieces: bytes) -> bytes:
    """All that a server says to this, until it or we have nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            heard = await reader.read()
    writer.close()
    return heard


class _Naive:
    """A handler that takes whatever ends with our domain."""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if not address.endswith(f"@{DOMAIN}"):
            return "550 5.7.1 Relaying denied"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        return "250 2.0.0 kept"


@asynccontextmanager
async def library(handler: object, **options: Any) -> AsyncIterator[int]:
    """aiosmtpd as it comes; its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop, **options), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def ours(limits: Limits = _LIMITS, accepts: Callable[[str], bool] | None = None) -> AsyncIterator[int]:
    """The gateway's listener with the addresses of the shipped configuration, trusting nobody; its port."""
    recognise = make_context().recognise
    accepts = accepts or (lambda address: recognise(address).ours)
    async with running(accepts=accepts, limits=limits, trusted_peers=["192.0.2.1"]) as server:
        yield int(server.listener.address.rpartition(":")[2])


# --- relaying --------------------------------------------------------------------------------------------

_FORMS = [form for address in DISGUISES for form in (f"TO:<{address}>", f"TO:{address}")]
_FORMS += [
    f"to: <victim@{host}>" for host in ("elsewhere.example", f"sub.{DOMAIN}", f"x{DOMAIN}", "localhost", "127.0.0.1")
]
_FORMS += [f"TO:<victim@elsewhere.example>{more}" for more in (f" <{OURS}>", f",<{OURS}>", f" ORCPT=rfc822;{OURS}")]


async def _relayed(port: int) -> Counted:
    """RCPT commands that were granted."""
    granted = 0
    for form in _FORMS:
        heard = await said(port, _START + f"RCPT {form}\r\n".encode() + b"QUIT\r\n")
        granted += heard.count(b"250 2.1.5")
    return Counted(len(_FORMS), granted, "recipients")


async def _relayed_by_us() -> Counted:
    async with ours() as port:
        return await _relayed(port)


async def _relayed_naively() -> Counted:
    async with library(_Naive(), enable_SMTPUTF8=True) as port:
        return await _relayed(port)


# --- guessing --------------------------------------------------------------------------------------------

_UNKNOWN = (
    f"nobody@{DOMAIN}",
    f"reponse+{'a' * 32}@{DOMAIN}",
    f"reponse+x@{DOMAIN}",
    f"dossier+0@{DOMAIN}",
    f"dossier+99999999999@{DOMAIN}",
    f"contact%x.fr@{DOMAIN}",
    "contact@elsewhere.example",
    f'"contact"@{DOMAIN}',
)
_PAIRS = (  # of the same form: one is somebody's in the shipped configuration, the other nobody's
    (f"dossier+123@{DOMAIN}", f"dossier+987@{DOMAIN}"),
    (f"demarche+42@{DOMAIN}", f"demarche+97@{DOMAIN}"),
    (f"ines.instruit@{DOMAIN}", f"ines.instruif@{DOMAIN}"),
)
_ROUNDS = 400
_SURE = 4.5  # standard deviations: one in 150,000 by chance alone
_GUESSES = 40


async def _told(port: int) -> Counted:
    """Signs that tell an address that exists from one that doesn't: other words, a name, the time it takes."""
    heard = [await said(port, _START + f"RCPT TO:<{address}>\r\n".encode() + b"QUIT\r\n") for address in _UNKNOWN]
    words = len({replies.splitlines()[-2] for replies in heard}) - 1
    asked = await said(port, b"EHLO c\r\nVRFY contact\r\nEXPN contact\r\nVRFY nobody\r\nEXPN nobody\r\nQUIT\r\n")
    *_, known, list_of, unknown, no_list, _ = asked.splitlines()
    names = (known != unknown) + (list_of != no_list)
    slow = [pair for pair in _PAIRS if await _tells(port, *pair)]
    return Counted(len(_UNKNOWN) + 2 + len(_PAIRS), words + names + len(slow), "signs")


async def _tells(port: int, first: str, second: str) -> bool:
    """Does the time tell them apart? Then it does so again; what else the machine did meanwhile doesn't."""
    return abs(await _apart(port, first, second)) > _SURE and abs(await _apart(port, first, second)) > _SURE


async def _apart(port: int, first: str, second: str) -> float:
    """How far apart the times of two addresses' answers lie (Mann–Whitney), in standard deviations."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times: dict[str, list[float]] = {first: [], second: []}
    writer.write(_START)
    for _ in range(2):
        while (await reader.readline())[3:4] == b"-":
            pass
    await reader.readline()
    for number in range(_ROUNDS):
        for address in (first, second) if number % 2 else (second, first):
            if number % 40 == 0:  # a mail has a hundred recipients
                writer.write(b"RSET\r\nMAIL FROM:<>\r\n")
                await reader.readline()
                await reader.readline()
            begun = time.perf_counter()
            writer.write(f"RCPT TO:<{address}>\r\n".encode())
            await reader.readline()
            times[address].append(time.perf_counter() - begun)
    writer.close()
    return rank_test(times[first], times[second])


def rank_test(one: Sequence[float], other: Sequence[float]) -> float:
    """Mann and Whitney's U, as standard deviations from what chance alone would give."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks = sum(rank for rank, (_, whose) in enumerate(ranked, 1) if whose == 0)
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    return (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


async def _told_by_us() -> Counted:
    async with ours() as port:
        return await _told(port)


class _Telling(_Naive):
    """A handler that looks into its table of dossiers, and is of help."""

    def __init__(self) -> None:
        self.dossiers = [f"dossier+{number}@{DOMAIN}" for number in range(200, 30_000)]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if not address.endswith(f"@{DOMAIN}"):
            return "554 5.7.1 Relaying denied"
        if address.startswith("dossier") and address in self.dossiers:
            return "250 2.1.5 OK"
        return "550 5.1.1 No such dossier" if "dossier" in address else "250 2.1.5 OK"

    async def handle_VRFY(self, server: Any, session: Any, envelope: Any, address: str) -> str:  # noqa: N802
        return f"250 <{address}@{DOMAIN}>" if address == "contact" else "550 5.1.1 No such user"


async def _told_by_another() -> Counted:
    async with library(_Telling(), command_call_limit=10**6) as port:
        return await _told(port)


async def _guessed(limits: Limits) -> Counted:
    """Guesses that were answered in one session, beyond the ten that a person may mistype."""
    guesses = b"".join(f"RCPT TO:<nobody{number}@{DOMAIN}>\r\n".encode() for number in range(_GUESSES))
    async with ours(limits) as port:
        heard = await said(port, _START + guesses + b"QUIT\r\n")
    return Counted(_GUESSES, max(heard.count(b"550 5.1.1") - 10, 0), "guesses")


# --- claiming to be somebody else ------------------------------------------------------------------------

_MAIL = _START + f"RCPT TO:<{OURS}>\r\nDATA\r\n".encode() + b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"
_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((127, 0, 0, 1, 127, 0, 0, 1, 0, 99, 0, 25))
_CLAIMS = (
    b"PROXY TCP4 127.0.0.1 127.0.0.1 99 25\r\n",
    b"PROXY TCP6 ::1 ::1 99 25\r\n",
    b"PROXY UNKNOWN\r\n",
    b"proxy TCP4 192.0.2.1 127.0.0.1 99 25\r\n",
    _V2,
    b"EHLO c\r\nPROXY TCP4 192.0.2.1 127.0.0.1 99 25\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n",
    b"CONNECT mx:25 HTTP/1.1\r\n\r\n",
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
)


async def _taken(port: int) -> Counted:
    """Sessions that began as another protocol's, and whose mail was taken."""
    taken = [(await said(port, claim + _MAIL)).count(b"\r\n250 2.0.0 ") for claim in _CLAIMS]
    return Counted(len(_CLAIMS), sum(taken), "mails")


async def _claimed_to_us() -> Counted:
    async with ours(accepts=OURS.__eq__) as port:
        return await _taken(port)


class _Proxied(_Naive):
    """A handler that believes a PROXY line of anybody."""

    async def handle_PROXY(self, server: Any, session: Any, envelope: Any, proxy_data: Any) -> bool:  # noqa: N802
        return True


async def _claimed_to_another() -> Counted:
    async with library(_Proxied(), proxy_protocol_timeout=5) as port:
        return await _taken(port)


async def _claimed_to_the_library() -> Counted:
    async with library(_Naive()) as port:
        return await _taken(port)


CASES = (
    Case(
        "S3-relay",
        f"{len(_FORMS)} forms of addresses elsewhere: detours by % and !, routes, quotes, literals, look-alikes",
        "none is taken, and none is compared with our addresses",
        lambda: asyncio.run(_relayed_by_us()),
        lambda: asyncio.run(_relayed_naively()),
        "a server that takes what ends with @ and our domain",
        when=When.TEST,
    ),
    Case(
        "S3-enumeration",
        "asking for addresses: eight that are nobody's, VRFY and EXPN, and the time of answers to pairs of one form, "
        "of which one exists (rank test over 400 questions each)",
        "the same words, no names, no difference in time beyond 4.5 standard deviations",
        lambda: asyncio.run(_told_by_us()),
        lambda: asyncio.run(_told_by_another()),
        "a server that looks dossiers up, and helps with names",
    ),
    Case(
        "S3-guessing",
        f"{_GUESSES} guesses at addresses in one session",
        "ten are answered, then 421 and the end",
        lambda: asyncio.run(_guessed(Limits())),
        lambda: asyncio.run(_guessed(_LIMITS)),
        "no limit of unknown recipients",
        when=When.TEST,
    ),
    Case(
        "S1-proxy",
        "sessions that begin as another protocol's: PROXY lines from strangers (also the binary form), HTTP, RTSP",
        "the session ends, and no mail in it is taken",
        lambda: asyncio.run(_claimed_to_us()),
        lambda: asyncio.run(_claimed_to_another()),
        "a server that believes PROXY lines of anybody",
        when=When.TEST,
    ),
    Case(
        "S1-proxy-http",
        "the same",
        "the same",
        lambda: asyncio.run(_claimed_to_us()),
        lambda: asyncio.run(_claimed_to_the_library()),
        "aiosmtpd as it comes, which reads on after each error",
        when=When.TEST,
    ),
)
