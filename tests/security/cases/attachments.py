"""Files that harm whoever opens them: viruses however they are hidden, an antivirus that says nothing, types."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable
from pathlib import Path

from gateway.config.settings import Attachments
from gateway.inspection import clamd
from gateway.mail.read import read
from gateway.model import Enclosure, Finding, Scan
from gateway.relay import withheld
from tests.builders import ALICE, DOMAIN, ULYSSE, make_context, opened, settings
from tests.security.forms import Disguised, disguised
from tests.security.viruses import Ask, Passage, mails
from tests.servers.clamd import MANNERS, Clamd, pretended
from tests.trials.case import Case, Counted, When, scratch

_UNSPOKEN = sorted(MANNERS.keys() - {"honest"})


# --- viruses --------------------------------------------------------------------------------------------------


def _passed(folder: Path, socket: str, ask: Ask, *, agent: bool = False) -> Counted:
    """How many of the mails that bring a virus leave with it: of an usager to agents, or of an agent to an usager."""

    async def play(passage: Passage) -> int:
        if agent:
            to = await passage.answer_to()
            await passage.take(mails(ALICE, to).values(), ALICE, to)
        else:
            await passage.take(mails().values())
        return passage.relayed()

    with opened(folder) as store:
        context = make_context(folder, antivirus={"socket": socket})
        tries = len(mails()) * (1 if agent else 2)  # two agents are told of an usager's mail
        return Counted(tries, asyncio.run(play(Passage(store, context, folder / "sent", ask))), "mails")


def _real(*, on: bool, agent: bool) -> Counted:
    with scratch() as folder:
        server = Clamd(folder)
        try:
            return _passed(folder, server.socket if on else "", clamd.scan, agent=agent)
        finally:
            server.close()


def _decoding(ask: Ask) -> Counted:
    """By an antivirus that finds the virus where it stands as it is, and decodes nothing."""
    with scratch() as folder, pretended(folder) as server:
        return _passed(folder, server.socket, ask)


async def _raw_alone(socket: str, pieces: Iterable[bytes], patience: float) -> Scan:
    return await clamd.scan(socket, tuple(pieces)[:1], patience)


# --- no answer ------------------------------------------------------------------------------------------------


def _unanswered(verdict: Callable[[Scan], Scan]) -> Counted:
    """How many of an usager's mails with a virus leave with it while clamd misbehaves, in every manner."""

    async def ask(socket: str, pieces: Iterable[bytes], _: float) -> Scan:
        return verdict(await clamd.scan(socket, pieces, 0.2))

    through = tries = 0
    for manner in _UNSPOKEN:
        with scratch() as folder, pretended(folder, manner) as server, opened(folder) as store:
            passage = Passage(store, make_context(folder, antivirus={"socket": server.socket}), folder / "sent", ask)
            asyncio.run(passage.take([mails()["base64"]]))
            tries, through = tries + 2, through + passage.relayed()
    return Counted(tries, through, "mails")


def _trusting(scan: Scan) -> Scan:
    return Scan(Finding.CLEAN) if scan.finding is Finding.HELD else scan


# --- types ----------------------------------------------------------------------------------------------------


def _types(leaves: Callable[[Disguised], bool]) -> Counted:
    files = tuple(disguised())
    return Counted(len(files), sum(leaves(file) for file in files), "files")


def _sent_on(file: Disguised) -> bool:
    found = withheld.marked(read(_carrying(file), domain=DOMAIN), None, settings())
    assert len(found.attachments) == 1, file
    going, _ = withheld.parted((Enclosure("", each) for each in found.attachments), Attachments())
    return bool(going)


def _carrying(file: Disguised) -> bytes:
    name = f"=?utf-8?b?{base64.b64encode(file.name.encode()).decode()}?="
    lines = (
        *(f"From: {ULYSSE}", f"To: contact@{DOMAIN}", "MIME-Version: 1.0"),
        *("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "Voici.", "--b"),
        *(f'Content-Type: {file.type}; name="{name}"', f'Content-Disposition: attachment; filename="{name}"'),
        *("Content-Transfer-Encoding: base64", "", ""),
    )
    return "\r\n".join(lines).encode() + base64.encodebytes(file.data) + b"\r\n--b--\r\n"


def _by_extension(file: Disguised) -> bool:
    return not file.name.endswith(tuple(each for each in Attachments().withheld if each.startswith(".")))


CASES = (
    Case(
        "S12-decoded",
        "EICAR in 19 forms of mail, before an antivirus that decodes nothing itself",
        "what is asked about is each attachment as it would leave",
        lambda: _decoding(clamd.scan),
        lambda: _decoding(_raw_alone),
        "asking about each attachment beside the raw mail",
        when=When.TEST,
    ),
    Case(
        "S12-eicar",
        "EICAR in 19 forms of mail from an usager, before a real ClamAV",
        "sent on to nobody",
        lambda: _real(on=True, agent=False),
        lambda: _real(on=False, agent=False),
        "the antivirus",
    ),
    Case(
        "S12-eicar-agent",
        "the same 19 forms in an agent's answers",
        "sent on to nobody",
        lambda: _real(on=True, agent=True),
        lambda: _real(on=False, agent=True),
        "the antivirus",
    ),
    Case(
        "S12-timeout",
        f"an antivirus that hangs, dies, lies or talks nonsense, in {len(_UNSPOKEN)} manners",
        "none of it is taken for « clean »",
        lambda: _unanswered(lambda scan: scan),
        lambda: _unanswered(_trusting),
        "« held » for whatever isn't the one answer",
    ),
    Case(
        "S12-types",
        f"files of {len({file.form for file in disguised()})} types that harm, under other names and types",
        "none is sent on",
        lambda: _types(_sent_on),
        lambda: _types(_by_extension),
        "looking at declared types and octets, and at names as programs read them",
        when=When.TEST,
    ),
)
