"""Whatever is written, revoked, waited for: a token counts until it is revoked, or a life has passed without mail."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.decision import Hints, valid
from gateway.mail import tokens
from gateway.mail.tokens import Token
from gateway.model import Clues, Filing, Role
from gateway.store import filing, leads, outbox, recall, sending
from gateway.store.database import Store, Tx
from gateway.store.signer import Signer
from tests.builders import DOMAIN, KEYS, NOW, ULYSSE, conversation, draft, mail

LIFE = timedelta(days=10)
SIGNER = Signer(KEYS, DOMAIN, "reponse", "+", f"contact@{DOMAIN}", LIFE)
ACTS = st.lists(st.sampled_from(["write", "write", "revoke", 6, 11]), min_size=3, max_size=12)  # and days that pass


def written(tx: Tx, home: int, at: datetime) -> Token:
    """The token of a mail that she is written."""
    letter = draft(ULYSSE, role=Role.USAGER)
    outbox.enqueue(tx, home, 0, letter, SIGNER, at)
    (sent,) = [each for each in sending.due(tx.connection, at, 10_000) if each.conversation == home][-1:]
    found = tokens.verify(sent.reply_to.partition("+")[2].partition("@")[0], KEYS)
    assert found is not None
    return found


def counts(tx: Tx, token: Token, at: datetime) -> bool:
    clues = Clues("ff" * 32, "", (), (token.subject,), (), ULYSSE)
    left = valid(recall.recall(tx.connection, clues, at), mail(), Hints((), (token,)), LIFE, at)
    assert bool(left.participations) != bool(left.outdated)
    return bool(left.participations)


@settings(max_examples=40)
@given(ACTS)
def test_a_token_counts_until_it_is_revoked_or_left_alone(store: Store, acts: list[str | int]) -> None:
    def scene(tx: Tx) -> None:
        fresh = conversation(0, reference="")
        filing.file(tx, Filing(fresh), SIGNER, NOW)
        home, at = _latest(tx), NOW
        good: set[Token] = set()
        ended: set[Token] = set()
        last = at
        for act in acts:
            if isinstance(act, int):
                at += timedelta(days=act)
            elif act == "revoke":
                leads.revoke(tx, {home}, ULYSSE)
                ended, good = ended | good, set()
            else:
                if at - last > LIFE:
                    ended, good = ended | good, set()
                good.add(written(tx, home, at))
                last = at
            alive = at - last <= LIFE
            assert all(counts(tx, token, at) is alive for token in good)
            assert not any(counts(tx, token, at) for token in ended)
            assert not good & ended

    store.write_now(scene)


def _latest(tx: Tx) -> int:
    found = tx.connection.exec_driver_sql("SELECT max(id) FROM conversations").scalar()
    assert isinstance(found, int)
    return found
