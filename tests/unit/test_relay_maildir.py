"""Delivery to a Maildir, and when to try again."""

from __future__ import annotations

import errno
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.config.settings import RelaySettings
from gateway.model import DeliveryState
from gateway.relay import maildir, schedule
from gateway.relay.compose import compose
from gateway.relay.maildir import MaildirTransport
from gateway.relay.smtp import SmtpTransport
from gateway.relay.transport import transport_for
from tests.builders import NOW, outgoing, settings


async def nothing() -> None:
    return


async def test_one_file_however_often(tmp_path: Path) -> None:
    by = MaildirTransport(tmp_path / "sent")
    wire = compose(outgoing(), ())
    for _ in range(3):
        assert (await by.deliver(outgoing(), wire, nothing)).state is DeliveryState.SENT
    (file,) = (tmp_path / "sent" / "new").iterdir()
    envelope = (
        b"X-Envelope-From: <reponse+bounce@support.example.org>\r\nX-Envelope-To: <ulysse@usager.example.net>\r\n"
    )
    assert file.read_bytes() == envelope + wire
    assert list((tmp_path / "sent" / "tmp").iterdir()) == []


async def test_one_that_was_read_meanwhile_is_there(tmp_path: Path) -> None:
    by = MaildirTransport(tmp_path)
    await by.deliver(outgoing(), b"x\r\n", nothing)
    (file,) = (tmp_path / "new").iterdir()
    file.rename(tmp_path / "cur" / f"{file.name}:2,S")
    await by.deliver(outgoing(), b"x\r\n", nothing)
    assert list((tmp_path / "new").iterdir()) == []
    await by.deliver(outgoing(2), b"x\r\n", nothing)
    assert len(list((tmp_path / "new").iterdir())) == 1


async def test_what_a_crash_left_half_written_is_written_anew(tmp_path: Path) -> None:
    by = MaildirTransport(tmp_path)
    await by.deliver(outgoing(), b"x\r\n", nothing)
    (file,) = (tmp_path / "new").iterdir()
    file.unlink()
    (tmp_path / "tmp" / file.name).write_bytes(b"a longer half of something that was never finished" * 20)
    await by.deliver(outgoing(), b"x\r\n", nothing)
    assert file.read_bytes().endswith(b">\r\nx\r\n")


async def test_trouble_of_the_disk_is_for_later(tmp_path: Path) -> None:
    (tmp_path / "sent").write_text("a file")
    found = await MaildirTransport(tmp_path / "sent").deliver(outgoing(), b"x", nothing)
    assert found.state is DeliveryState.DEFERRED
    assert str(tmp_path) in found.reply


async def test_a_name_that_wasnt_synced_is_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is in place, and a power cut could take it away again."""
    synced: list[Path] = []
    by = MaildirTransport(tmp_path)
    with monkeypatch.context() as failing:
        failing.setattr(maildir, "sync_folder", _failing)
        assert (await by.deliver(outgoing(), b"x\r\n", nothing)).state is DeliveryState.DEFERRED
    assert len(list((tmp_path / "new").iterdir())) == 1
    monkeypatch.setattr(maildir, "sync_folder", synced.append)
    assert (await by.deliver(outgoing(), b"x\r\n", nothing)).state is DeliveryState.SENT
    assert synced == [tmp_path / "new"]


def _failing(_: Path) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_the_transport_that_is_configured(tmp_path: Path) -> None:
    relay = settings(tmp_path).relay
    assert isinstance(transport_for(relay, "x"), MaildirTransport)
    assert isinstance(transport_for(relay.model_copy(update={"transport": "smtp"}), "x"), SmtpTransport)


# --- when to try again -----------------------------------------------------------------------------------


def test_intervals_grow_and_end_where_the_rfc_wants_them() -> None:
    waits = [(schedule.next_try(n, NOW, 0) - NOW).total_seconds() for n in range(1, 40)]
    assert waits == sorted(waits)
    assert waits[0] <= 60
    assert max(waits) <= 4 * 3600
    assert all(wait >= 1800 for wait in waits[5:])  # RFC 5321 §4.5.4.1


@pytest.mark.parametrize("attempts", [1, 5, 100])
def test_jitter_adds_at_most_a_quarter(attempts: int) -> None:
    plain, late = schedule.next_try(attempts, NOW, 0), schedule.next_try(attempts, NOW, 1)
    assert plain < schedule.next_try(attempts, NOW, 0.5) < late
    assert late - NOW == (plain - NOW) * 1.25


def test_giving_up() -> None:
    days = RelaySettings.model_fields["give_up_after"].default
    assert not schedule.given_up(NOW, 30, NOW + days - timedelta(seconds=1), days)
    assert not schedule.given_up(NOW, 2, NOW + days, days)
    assert schedule.given_up(NOW, 3, NOW + days, days)
