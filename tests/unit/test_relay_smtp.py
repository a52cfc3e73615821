"""Delivery by SMTP: what each answer and each breakdown comes to. `unknown` only where nobody can know."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.config.settings import RelaySettings
from gateway.model import Attempt, DeliveryState, Draft, Outgoing, Purpose
from gateway.relay import smtp
from gateway.relay.compose import compose
from gateway.relay.dialogue import Dialogue, taken_over
from gateway.relay.smtp import SmtpTransport
from gateway.relay.wire import WireError
from tests.builders import draft, outgoing
from tests.dialogue import until
from tests.smarthost import HANG_UP, Smarthost, smarthost

SENT, DEFERRED = DeliveryState.SENT, DeliveryState.DEFERRED
REFUSED, UNKNOWN = DeliveryState.REFUSED, DeliveryState.UNKNOWN


def transport(host: Smarthost, **values: Any) -> SmtpTransport:
    relay = RelaySettings.model_validate(
        {"transport": "smtp", "host": "127.0.0.1", "port": host.port, **values},
        context={"folder": Path("/nonexistent")},
    )
    return SmtpTransport(relay, "support.example.org")


async def nothing() -> None:
    return


async def delivered(
    host: Smarthost, committing: Callable[[], Awaitable[None]] = nothing, letter: Any = None, **values: Any
) -> Attempt:
    by = transport(host, **values)
    mail = letter or outgoing()
    try:
        return await by.deliver(mail, compose(mail, ()), committing)
    finally:
        await by.close()


async def test_a_mail_is_taken() -> None:
    async with smarthost() as host:
        found = await delivered(host)
    assert (found.state, found.reply, found.host) == (SENT, "250 2.0.0 Ok: queued as 1", f"127.0.0.1:{host.port}")
    assert host.mails == [compose(outgoing(), ()) + b".\r\n"]
    assert host.lines[0] == "EHLO support.example.org"
    assert host.lines[1].startswith("MAIL FROM:<reponse+bounce@support.example.org>")
    assert host.lines[2] == "RCPT TO:<ulysse@usager.example.net>"


@pytest.mark.parametrize(
    ("letter", "wire"),
    [
        (outgoing(), b"Subject: x\r\n\r\none\n.\r\nMAIL FROM:<evil@x>\r\n"),
        (outgoing(), b"Bcc: evil@x\r\n\r\none\r\n"),
        (outgoing(envelope_sender="a@x> SIZE=1"), b"Subject: x\r\n\r\none\r\n"),
        (outgoing(letter=draft("a@x>\r\nRCPT TO:<evil@x")), b"Subject: x\r\n\r\none\r\n"),
    ],
)
async def test_what_may_not_leave_isnt_even_begun(letter: Outgoing, wire: bytes) -> None:
    async with smarthost() as host:
        by = transport(host)
        with pytest.raises(WireError):
            await by.deliver(letter, wire, nothing)
        assert host.connections == 0


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("stage", "answer", "state"),
    [
        ("MAIL", "220 what?", DEFERRED),
        ("RCPT", "354 what?", DEFERRED),
        ("DATA", "250 Ok", DEFERRED),
        (".", "354 more", UNKNOWN),
    ],
)
async def test_a_server_that_answers_something_else_is_left(
    stage: str, answer: str, state: DeliveryState, *, at_once: bool
) -> None:
    async with smarthost(at_once=at_once) as host:
        by = transport(host)
        host.answers[stage] = answer
        assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is state
        host.answers[stage] = "354 go on" if stage == "DATA" else "250 Ok"
        assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is SENT
        assert host.connections == 2
        await by.close()


async def test_whatever_begins_with_2_is_a_mail_taken() -> None:
    async with smarthost() as host:
        host.answers["."] = "251 will forward"
        assert (await delivered(host)).state is SENT


async def test_lines_that_begin_with_a_dot_arrive() -> None:
    letter = outgoing(letter=draft(text="un\n.\n..deux\n"))
    async with smarthost() as host:
        assert (await delivered(host, letter=letter)).state is SENT
    assert b"\r\n=2E\r\n...deux\r\n" in host.mails[0]


async def test_the_null_sender_and_letters_beyond_ascii() -> None:
    async with smarthost() as host:
        assert (await delivered(host, letter=outgoing(envelope_sender=""))).state is SENT
        assert host.lines[1].startswith("MAIL FROM:<>")
        assert (await delivered(host, letter=outgoing(letter=draft("é@usager.example.net")))).state is SENT
    assert "SMTPUTF8" in host.lines[-3] + host.lines[-4]
    assert any("é@usager.example.net" in line for line in host.lines)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("421 4.3.2 closing", DEFERRED),
        ("450 4.2.0 later", DEFERRED),
        ("452 4.2.2 full", DEFERRED),
        ("550 5.1.1 nobody", REFUSED),
        ("554 5.7.1 no", REFUSED),
        ("550-5.1.1 two\r\n550 5.1.1 lines", REFUSED),
    ],
)
async def test_answers(stage: str, answer: str, state: DeliveryState, *, at_once: bool) -> None:
    async with smarthost(at_once=at_once) as host:
        host.answers[stage] = answer
        found = await delivered(host)
    if stage == "MAIL":
        state = DEFERRED  # it's our sender whom they refuse: every mail has the same
    assert found.state is state
    assert found.problem is None, "it is the server's own word"
    assert found.reply.startswith(answer[:3])
    assert "\n" not in found.reply


@pytest.mark.parametrize(
    ("letter", "wanted"),
    [
        (draft(purpose=Purpose.ANSWER), "NOTIFY=SUCCESS,FAILURE,DELAY"),
        (draft(purpose=Purpose.NOTIFICATION), "NOTIFY=FAILURE,DELAY"),
        (draft(automatic=True, silent=True), "NOTIFY=NEVER"),
        (draft(purpose=Purpose.ACKNOWLEDGEMENT, automatic=True), "NOTIFY=FAILURE,DELAY"),
    ],
)
async def test_what_is_to_come_back_is_said_to_who_takes_it(letter: Draft, wanted: str) -> None:
    async with smarthost() as host:
        await delivered(host, letter=outgoing(7, letter))
        assert "NOTIFY" not in "".join(host.lines)
        host.answers["EHLO"] = "250-smarthost.example\r\n250 DSN"
        assert (await delivered(host, letter=outgoing(7, letter))).state is SENT
    said = {line.split(" ")[0]: line.partition("> ")[2] for line in host.lines}
    assert (said["MAIL"], said["RCPT"]) == ("RET=HDRS ENVID=7", wanted)


async def test_an_answer_in_another_charset_can_be_written_down() -> None:
    async with smarthost() as host:
        host.answers["RCPT"] = "550 boîte inconnue".encode("latin-1")
        found = await delivered(host)
    assert found.state is REFUSED
    assert found.reply == "550 bo\N{REPLACEMENT CHARACTER}te inconnue"


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("stage", "state"),
    [
        ("greeting", DEFERRED),
        ("EHLO", DEFERRED),
        ("MAIL", DEFERRED),
        ("RCPT", DEFERRED),
        ("DATA", DEFERRED),
        (".", UNKNOWN),
    ],
)
async def test_breakdowns(stage: str, state: DeliveryState, *, at_once: bool) -> None:
    async with smarthost(at_once=at_once) as host:
        host.answers[stage] = HANG_UP
        found = await delivered(host)
    assert found.state is state
    assert found.problem is not None, "no server said so: agents are told in our words"


async def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        found = await delivered(Smarthost(port=taken.getsockname()[1]))
    assert found.state is DEFERRED


@pytest.mark.parametrize("at_once", [False, True])
async def test_the_last_step_is_announced_before_it(*, at_once: bool) -> None:
    seen: list[str] = []

    async def committing() -> None:
        seen.append("committing")

    async with smarthost(at_once=at_once) as host:
        host.before = seen.append
        await delivered(host, committing)
    assert seen[-3:] == ["DATA", "committing", "."]


async def test_the_envelope_is_said_at_once_where_the_server_takes_that() -> None:
    """It answers nothing before it has heard all three: whoever waits for each answer would wait for ever."""
    async with smarthost(at_once=True) as host:
        host.held_back = frozenset({"MAIL", "RCPT"})
        assert (await delivered(host)).state is SENT


@pytest.mark.parametrize("stage", ["MAIL", "RCPT"])
async def test_a_server_that_waits_for_a_mail_to_nobody_gets_none(stage: str) -> None:
    """Some say 354 all the same (RFC 2920 §3.1). What would follow on this connection would be taken for the mail."""
    async with smarthost(at_once=True) as host:
        by = transport(host)
        taken, host.answers[stage] = host.answers[stage], "450 4.2.1 later"
        host.answers["DATA to nobody"] = "354 go on"
        assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is DEFERRED
        assert by._idle == [], "it isn't asked anything more"
        host.answers[stage] = taken
        assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is SENT
        assert (host.connections, len(host.mails)) == (2, 1)
        await by.close()


async def test_where_the_connection_ends_before_the_mail_is_said_nothing_is_uncertain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Dialogue] = []

    def noted(carrier: asyncio.BaseTransport) -> Dialogue:
        made.append(taken_over(carrier))
        return made[-1]

    monkeypatch.setattr(smtp, "taken_over", noted)
    async with smarthost() as host:

        async def committing() -> None:
            host.hang_up_all()
            await until(lambda: bool(made[0].broken))

        assert (await delivered(host, committing)).state is DEFERRED


async def test_an_unasked_word_is_no_answer_to_the_next_mail() -> None:
    """A server that stops says so whenever it likes (RFC 5321 §3.8): « 250 » said early is no receipt either."""
    async with smarthost() as host:
        by = transport(host)
        host.answers["."] = "250 Ok\r\n250 one more"
        assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is SENT
        host.answers["."] = "554 5.7.1 no"
        assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is REFUSED
        assert host.connections == 2
        await by.close()


async def test_where_it_cannot_be_announced_nothing_leaves() -> None:
    async def committing() -> None:
        raise RuntimeError("the store failed")

    async with smarthost() as host:
        with pytest.raises(RuntimeError):
            await delivered(host, committing)
    assert host.mails == []


# --- connections -----------------------------------------------------------------------------------------


async def test_a_connection_is_used_again() -> None:
    async with smarthost() as host:
        by = transport(host)
        for answer in ("250 Ok", "450 later", "550 no", "250 Ok"):
            host.answers["RCPT"] = answer
            await by.deliver(outgoing(), compose(outgoing(), ()), nothing)
        assert host.connections == 1
        assert len(host.mails) == 2
        await by.close()


async def test_a_connection_that_was_closed_meanwhile() -> None:
    async with smarthost() as host:
        by = transport(host)
        await by.deliver(outgoing(), compose(outgoing(), ()), nothing)
        host.hang_up_all()
        found = await by.deliver(outgoing(), compose(outgoing(), ()), nothing)
        assert (found.state, host.connections) == (SENT, 2)
        await by.close()


async def test_421_ends_the_connection() -> None:
    async with smarthost() as host:
        by = transport(host)
        host.answers["."] = "421 closing"
        await by.deliver(outgoing(), compose(outgoing(), ()), nothing)
        host.answers["."] = "250 Ok"
        await by.deliver(outgoing(), compose(outgoing(), ()), nothing)
        assert host.connections == 2
        await by.close()


async def test_as_many_connections_as_mails_at_a_time_and_then_none_more() -> None:
    async with smarthost() as host:
        by = transport(host)
        mails = [outgoing(n) for n in range(1, 11)]
        for pair in zip(mails[::2], mails[1::2], strict=True):
            found = await asyncio.gather(*(by.deliver(m, compose(m, ()), nothing) for m in pair))
            assert {attempt.state for attempt in found} == {SENT}
        assert host.connections == 2
        assert len(set(host.mails)) == 10
        await by.close()


async def test_a_connection_ends_after_so_many_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_MOST_MAILS", 3)
    async with smarthost() as host:
        by = transport(host)
        for _ in range(7):
            assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is SENT
        assert (host.connections, host.lines.count("QUIT")) == (3, 2)
        await by.close()


async def test_a_connection_is_asked_whether_it_lives_once_it_has_rested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_FRESH", 3600.0)
    async with smarthost() as host:
        by = transport(host)
        for _ in range(2):
            await by.deliver(outgoing(), compose(outgoing(), ()), nothing)
        assert "RSET" not in host.lines
        monkeypatch.setattr(smtp, "_FRESH", 0.0)
        await by.deliver(outgoing(), compose(outgoing(), ()), nothing)
        assert (host.lines.count("RSET"), host.connections) == (1, 1)
        await by.rest()
        assert "QUIT" not in host.lines
        monkeypatch.setattr(smtp, "_IDLE", 0.0)
        await by.rest()
        assert host.lines[-1] == "QUIT"
        await by.deliver(outgoing(), compose(outgoing(), ()), nothing)
        assert host.connections == 2
        await by.close()


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("stage", "answer", "comes_to"),
    [
        ("RCPT", "550 5.1.1 nobody", REFUSED),
        ("RCPT", "450 4.7.1 greylisted", DEFERRED),
        ("DATA", "451 4.3.0 later", DEFERRED),
        (".", "554 5.7.1 spam", REFUSED),
    ],
)
async def test_what_one_recipient_is_refused_is_not_the_next_one_s_trouble(
    stage: str, answer: str, comes_to: DeliveryState, *, at_once: bool
) -> None:
    """Servers answer 503 to a MAIL while another mail is begun: the next one would be refused for nothing."""
    async with smarthost(at_once=at_once) as host:
        by = transport(host)
        taken, host.answers[stage] = host.answers[stage], answer
        assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is comes_to
        host.answers[stage] = taken
        assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is SENT
        assert host.connections == 1
        await by.close()


async def test_a_server_that_ends_an_old_connection_in_words_is_greeted_anew() -> None:
    """421 to the first command is what many say to who was idle: it's no reason to hold mail up."""
    async with smarthost() as host:
        by = transport(host)
        await by.deliver(outgoing(), compose(outgoing(), ()), nothing)
        closing = ["421 4.4.2 idle for too long", "250 Ok"]

        def answer(word: str) -> None:
            if word == "MAIL":
                host.answers["MAIL"] = closing.pop(0)

        host.before = answer
        assert (await by.deliver(outgoing(), compose(outgoing(), ()), nothing)).state is SENT
        assert host.connections == 2
        await by.close()


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("stage", "answer", "wide"),
    [
        ("greeting", "421 too many connections", True),
        ("greeting", "554 go away", True),
        ("AUTH", "535 no", True),
        ("MAIL", "421 4.7.0 slow down", True),
        ("MAIL", "452 4.3.1 full", True),
        ("MAIL", "550 5.7.1 you may not", True),
        ("MAIL", "530 5.7.0 log in first", True),
        ("RCPT", "530 5.7.0 log in first", True),
        ("RCPT", "554 5.7.1 <ulysse@usager.example.net>: Relay access denied", True),
        ("RCPT", "553 5.7.1 <reponse@support.example.org>: Sender address rejected: not owned by user", True),
        ("RCPT", "550 5.1.1 Recipient address rejected: their server said: 554 Relay access denied", False),
        ("DATA", "530 5.7.0 log in first", True),
        ("RCPT", "450 4.7.1 greylisted", False),
        ("RCPT", "421 4.7.0 slow down", True),
        ("RCPT", "550 5.1.1 nobody", False),
        ("DATA", "451 4.3.0 later", True),
        (".", "451 4.7.0 too many mails", True),
        (".", "451 4.2.0 later", False),
        (".", "554 5.7.1 spam", False),
        (".", "250 Ok", False),
    ],
)
async def test_trouble_that_every_mail_would_meet(stage: str, answer: str, wide: bool, *, at_once: bool) -> None:
    async with smarthost(at_once=at_once) as host:
        host.answers[stage] = answer
        assert (await delivered(host, user="gateway", password="s3cret")).wide is wide


# --- TLS and authentication --------------------------------------------------------------------------------

AUTHORITY = trustme.CA()


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def certificate(name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


OFFERED = "250-smarthost.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"
LOGIN: dict[str, Any] = {"security": "starttls", "user": "gateway", "password": "s3cret"}


@pytest.mark.usefixtures("trusted")
async def test_starttls_then_authentication() -> None:
    async with smarthost(certificate()) as host:
        host.answers["EHLO"] = OFFERED
        found = await delivered(host, **LOGIN)
    assert found.state is SENT
    assert found.tls.startswith("TLSv1")
    assert host.in_clear == ["EHLO support.example.org", "STARTTLS"]
    assert any(line.startswith("AUTH") for line in host.lines)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("case", ["not offered", "refused", "another name", "unknown authority"])
async def test_without_sound_tls_nothing_is_sent(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with smarthost(certificate("elsewhere.example" if case == "another name" else "127.0.0.1")) as host:
        if case != "not offered":
            host.answers["EHLO"] = OFFERED
        if case == "refused":
            host.answers["STARTTLS"] = "454 not now"
        if case == "unknown authority":
            monkeypatch.delenv("SSL_CERT_FILE")
        found = await delivered(host, **LOGIN)
    assert found.state is DEFERRED
    assert host.mails == []
    assert not any(line.startswith(("AUTH", "MAIL")) for line in host.lines)
    assert "s3cret" not in found.reply


async def test_a_wrong_password_is_a_matter_for_the_operator() -> None:
    async with smarthost() as host:
        host.answers["AUTH"] = "535 5.7.8 no"
        found = await delivered(host, user="gateway", password="s3cret")
    assert (found.state, found.reply) == (DEFERRED, "authentication failed: 535")
    assert host.mails == []
