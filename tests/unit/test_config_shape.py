"""Whatever stands in the tables: settings or problems, never an exception."""

import copy
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.passwords import fill_in
from gateway.config.problems import fields_at
from gateway.config.shape import settle
from gateway.config.sources import Source, Sources

TABLES = ["instance", "addresses", "store", "relay", "trust"]
ARRAYS = ["organisations", "demarches", "dossiers", "agents", "support_groups", "faq"]
odd = st.recursive(
    st.sampled_from(
        [0, 1, 42, True, 1.5, "", "x", "a@b.org", "21310555400017", "60s", "127.0.0.1:25", "smtp", "none"]
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["smtp", "imap", "label"]), inner),
    max_leaves=4,
)


def table(path: tuple[str | int, ...]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from([*fields_at(path), "odd"]), odd, max_size=6) | odd


files = st.fixed_dictionaries(
    {},
    optional={name: table((name,)) for name in TABLES}
    | {name: st.lists(table((name, 0)), max_size=3) | odd for name in ARRAYS}
    | {
        "intake": odd
        | st.fixed_dictionaries(
            {}, optional={kind: st.lists(table(("intake", kind, 0)), max_size=3) | odd for kind in ("smtp", "imap")}
        )
    },
)


@given(files)
def test_never_raises_and_always_says_why(raw: dict[str, Any]) -> None:
    folder = Path("/nowhere")
    problems = fill_in(raw, folder, {})
    before = copy.deepcopy(raw)
    settings, found = settle(raw, folder)
    assert raw == before
    assert settings is not None
    assert bool(found) or ("instance" in raw and "addresses" in raw)
    assert len(Sources(raw, [Source("gateway.toml")]).report(problems + found).splitlines()) == len(
        {(problem.path, problem.text, problem.first) for problem in problems + found}
    )
