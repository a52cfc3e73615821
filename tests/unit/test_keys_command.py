"""`gateway keys`: what is told of keys, what is refused, and what goes to the audit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.commands import keys as command
from gateway.config import Settings
from gateway.context import Context, rekeyed
from gateway.errors import ConfigError, NotFound, Refused
from gateway.store import audit, keys
from gateway.store.database import Store
from tests.builders import DOMAIN, NOW, OPERATOR, make_context, opened, raw_mail, settings, take


@pytest.fixture
def known(tmp_path: Path) -> Settings:
    return settings(tmp_path, desk={"bundle": "0s"})


@pytest.fixture
def context(tmp_path: Path, known: Settings) -> Context:
    return make_context(tmp_path, keys.load_or_make(known.store.token_keys_file), desk={"bundle": "0s"})


@pytest.fixture
def store(tmp_path: Path, context: Context) -> Iterator[Store]:
    """One conversation: its usager was acknowledged, its agents notified."""
    with opened(tmp_path) as store:
        take(store, context, raw_mail(to=f"dossier+123@{DOMAIN}"), recipients=(f"dossier+123@{DOMAIN}",))
        yield store


def addresses(store: Store, known: Settings, days: int = 0) -> dict[int, int]:
    document = command.listed(store, known, NOW + timedelta(days=days)).document
    assert [key["signs"] for key in document] == [True] + [False] * (len(document) - 1)
    return {key["id"]: key["addresses"] for key in document}


def test_what_hangs_on_each_key(store: Store, known: Settings, context: Context) -> None:
    (before,) = addresses(store, known).values()
    assert before > 1
    assert command.rotated(store, known, OPERATOR, NOW).document == {"id": 2, "signs": True}
    assert addresses(store, known) == {2: 0, 1: before}
    new = rekeyed(context, keys.load(known.store.token_keys_file))
    take(store, new, raw_mail("vera@x.example", identifier="v1@x.example"), envelope_sender="vera@x.example")
    after = addresses(store, known)
    assert after[2] > 0
    assert after[1] == before
    assert addresses(store, known, days=181) == {2: 0, 1: 0}


def test_without_an_end_all_of_them_count(store: Store, tmp_path: Path) -> None:
    for_ever = settings(tmp_path, trust={"token_life": "never"})
    assert addresses(store, for_ever, days=5000)[1] > 1


def test_retiring_says_first_what_it_ends(store: Store, known: Settings) -> None:
    (held,) = addresses(store, known).values()
    command.rotated(store, known, OPERATOR, NOW)
    with pytest.raises(Refused, match=f"mail to {held} valid reply addresses .*--yes"):
        command.retired(store, known, 1, OPERATOR, NOW, yes=False)
    assert list(addresses(store, known)) == [2, 1]
    done = command.retired(store, known, 1, OPERATOR, NOW, yes=True)
    assert done.document == {"id": 1, "addresses": held}
    assert list(addresses(store, known)) == [2]


def test_an_old_file_brings_no_retired_key_back(store: Store, known: Settings) -> None:
    path = known.store.token_keys_file
    command.rotated(store, known, OPERATOR, NOW)
    old = path.read_bytes()
    command.retired(store, known, 1, OPERATOR, NOW, yes=True)
    path.write_bytes(old)  # as on another machine
    with pytest.raises(Refused, match="still holds key 1, which was retired on another machine"):
        command.rotated(store, known, OPERATOR, NOW)
    assert path.read_bytes() == old
    command.retired(store, known, 1, OPERATOR, NOW, yes=True)
    assert command.rotated(store, known, OPERATOR, NOW).document == {"id": 3, "signs": True}


def test_what_signs_stays_even_with_yes(store: Store, known: Settings) -> None:
    with pytest.raises(Refused, match="signs"):
        command.retired(store, known, 1, OPERATOR, NOW, yes=True)
    with pytest.raises(NotFound):
        command.retired(store, known, 9, OPERATOR, NOW, yes=True)
    assert store.read_now(audit.listed) == []


def test_the_audit_tells_of_it_and_no_octet_is_shown(store: Store, known: Settings) -> None:
    shown = [command.rotated(store, known, OPERATOR, NOW), command.retired(store, known, 1, OPERATOR, NOW, yes=True)]
    shown.append(command.listed(store, known, NOW))
    acts = [(act["by"], act["what"], act["proof"]) for act in store.read_now(audit.listed)]
    assert acts == [
        (OPERATOR.name, "put token key 2 in front", OPERATOR.proof),
        (OPERATOR.name, "retired token key 1", OPERATOR.proof),
    ]
    octets = known.store.token_keys_file.read_text().split()[1]
    assert octets not in f"{[each.document for each in shown]} {[each.lines for each in shown]} {acts}"


def test_a_file_that_cannot_be_replaced_leaves_no_act(store: Store, known: Settings) -> None:
    known.store.token_keys_file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod"):
        command.rotated(store, known, OPERATOR, NOW)
    assert store.read_now(audit.listed) == []


def test_a_file_that_lacks_a_key_of_the_store_gets_no_second_one_of_its_id(store: Store, known: Settings) -> None:
    path = known.store.token_keys_file
    before = path.read_bytes()
    command.rotated(store, known, OPERATOR, NOW)
    path.write_bytes(before)  # as on a machine that it wasn't copied to
    with pytest.raises(Refused, match="lacks key 2, which belongs to this store: take the file from"):
        command.rotated(store, known, OPERATOR, NOW)
    command.retired(store, known, 2, OPERATOR, NOW, yes=True)
    assert path.read_bytes() == before
    assert command.rotated(store, known, OPERATOR, NOW).document["id"] == 2


def test_keys_that_are_lost_are_forgotten_when_somebody_says_so(store: Store, known: Settings) -> None:
    path = known.store.token_keys_file
    addresses(store, known)
    path.unlink()
    with pytest.raises(ConfigError, match="gateway keys forget"):
        command.rotated(store, known, OPERATOR, NOW)
    with pytest.raises(Refused, match="--yes"):
        command.forgotten(store, OPERATOR, NOW, yes=False)
    command.forgotten(store, OPERATOR, NOW, yes=True)
    assert set(addresses(store, known)) == {1}
    (act,) = store.read_now(lambda connection: audit.listed(connection, None))
    assert act["what"] == "forgot which token keys belong to the store"
