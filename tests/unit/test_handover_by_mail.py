"""A request that is handed over by mail leaves whole, whether by an agent's mail or from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from gateway.commands.acts import act
from gateway.desk.commands import parse
from gateway.store.database import Store
from tests.builders import DOMAIN, MANON, NOW, ULYSSE, make_context, opened, settings
from tests.unit.test_repair import bring, mails

ELSEWHERE = {"siret": "21330063500017", "name": "Mairie d’Ailleurs", "email": "accueil@ailleurs.example"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@pytest.mark.parametrize("by_mail", [True, False])
def test_all_that_the_usager_wrote_is_handed_over(store: Store, tmp_path: Path, by_mail: bool) -> None:
    organisations = [*map(asdict, settings().organisations), ELSEWHERE]
    context = make_context(tmp_path, desk={"bundle": "0s"}, organisations=organisations)
    reference = bring(store, context, "la demande même", f"contact@{DOMAIN}")
    act(store, context, reference, MANON, parse("Laquelle ?"), NOW)
    bring(store, context, "la seconde", mails(store, ULYSSE, "answer")[0].reply_to)
    told = mails(store, MANON, "notification")[-1]
    if by_mail:
        bring(store, context, "@transmettre 21330063500017", told.reply_to, MANON, answers=told.message_id)
    else:
        act(store, context, reference, MANON, parse("@transmettre 21330063500017"), NOW)
    (letter,) = mails(store, ELSEWHERE["email"])
    assert letter.draft.text.index("la demande même") < letter.draft.text.index("la seconde")
