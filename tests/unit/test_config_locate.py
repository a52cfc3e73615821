"""The locator knows every path that tomllib finds, on the right line, and never raises."""

import time
import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config.locate import Path, line_of, locate

FORMS = '''\
top = 1 # [no]
"a b".'c.d'.e = [1, [2,
  3], { x = 1, "y" = [4] } , # comment ] }
  5,
]
s = """
[no]
x = \\""" 3
"""
l = \'\'\'
y = 4
\'\'\'
[t."q\\u00e9"]
k = 1.5
[[arr]]
n = "a ] # ="
[[arr]]
n = 'b'
[arr.sub]
z = 2026-01-01 10:00:00
[[arr.deep]]
w = -inf
  [[ arr . deep ]]
  w = true
[t.later]
inline = { a.b = 1, c = {}, d = [] }
last = 9'''

EXPECTED: dict[Path, int] = {
    ("top",): 1,
    ("a b", "c.d", "e"): 2,
    ("a b", "c.d", "e", 1, 1): 3,
    ("a b", "c.d", "e", 2, "y", 0): 3,
    ("a b", "c.d", "e", 3): 4,
    ("s",): 6,
    ("l",): 10,
    ("t", "qé"): 13,
    ("t", "qé", "k"): 14,
    ("arr", 0, "n"): 16,
    ("arr", 1): 17,
    ("arr", 1, "n"): 18,
    ("arr", 1, "sub", "z"): 20,
    ("arr", 1, "deep", 0, "w"): 22,
    ("arr", 1, "deep", 1): 23,
    ("arr", 1, "deep", 1, "w"): 24,
    ("t", "later", "inline", "a", "b"): 26,
    ("t", "later", "last"): 27,
}


def paths(value: Any, path: Path = ()) -> set[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path}.union(*(paths(one, (*path, step)) for step, one in inner))


@pytest.mark.parametrize(("path", "line"), EXPECTED.items())
def test_every_form(path: Path, line: int) -> None:
    assert locate(FORMS)[path] == line


def test_exactly_the_paths_that_tomllib_finds() -> None:
    assert set(locate(FORMS)) == paths(tomllib.loads(FORMS))


def test_carriage_returns_don_t_count() -> None:
    assert locate("a = 1\r\n[t]\r\nb = 2\r\n")[("t", "b")] == 3


# --- TOML made by hypothesis -----------------------------------------------------------------------------

filler = st.sampled_from(["", "# [x] = {", "  ", "\t# \"\"\" '''"])
scalar = st.sampled_from(
    ["1", "1.5e3", "true", "2026-01-01", "2026-01-01 10:00:00Z", '"[a] # = {"', "'\\'", '"\\""', '""', "''"]
) | st.sampled_from(['"""\n[a]\nk = "1"\n"""', "'''\n]\n'''", '"""a\\\n  b""""', '"""\\""""'])
gap = st.sampled_from([" ", "\n", "\n # ,]\n", ""])


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda ones, space, comma: "[" + space + f",{space}".join(ones) + (comma if ones else "") + space + "]",
        st.lists(inner, max_size=3),
        gap,
        st.sampled_from(["", ","]),
    )


def tables(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=3).map(
        lambda ones: "{ " + ", ".join(f"i{n} = {one}" for n, one in enumerate(ones)) + " }"
    )


value = st.recursive(scalar, lambda inner: arrays(inner) | tables(inner), max_leaves=6)
quote = st.sampled_from(["{}", '"{}"', "'{}'", '"\\u0078{}"', '"a.b {}"', "p{}.q", 'p{} . "q r"'])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A text in which the name of each key holds its number, so that its line can be told."""
    lines: list[str] = []
    for number in range(draw(st.integers(0, 8))):
        lines.append(draw(filler))
        header = draw(
            st.sampled_from(["", "", f"[t{number}]", "[[many]]", f"[ u.t{number} ]", f'[["b c".m{number}]]'])
        )
        lines.append(f"{header} {draw(filler)}")
        lines.append(f"{draw(quote).format(f'k{number}')} = {draw(value)}")
    return "\n".join(lines)


def key_number(path: Path) -> int | None:
    last = next((str(step) for step in reversed(path) if isinstance(step, str) and "k" in step), "")
    digits = last.rpartition("k")[2]
    return int(digits) if digits.isdigit() else None


@given(documents())
def test_knows_whatever_tomllib_reads(text: str) -> None:
    found = locate(text)
    assert set(found) == paths(tomllib.loads(text))
    lines = text.split("\n")
    for path, line in found.items():
        if path and isinstance(path[-1], str) and (number := key_number(path[-1:])) is not None:
            assert f"k{number}" in lines[line - 1]


@given(st.text(alphabet="[]{}\"'=.,#\\\n ab1\r\u00e9"))
@example("[" * 5000)
@example("a." * 5000)
@example("[" + "a." * 5000)
@example('a = """')
@example("'")
@example('"\\')
def test_never_raises(text: str) -> None:
    last = text.count("\n") + 1
    assert all(1 <= line <= last for line in locate(text).values())
    assert all(1 <= line <= last for line in locate(text, [("a", "b")]).values())


PLAIN = """\
[[d]]
n = 1
t = "x # ["  # and so on
[[d]]

l = ["a", 'b', "c"]
l2 = [ "a", 1 ]
[[e]]
n = 1
s = '''
[[d]]
n = 3
'''
[[d]]
n = 4
a = [
  [[1]],
[[2]]
]
[[d]]
b.c = true
[x]
y = 1
[[d.e]]
f = 1
"""


@given(documents() | st.just(PLAIN), st.data())
def test_what_is_wanted_stands_where_it_stood(text: str, data: st.DataObject) -> None:
    """Whatever is skipped in between."""
    whole = locate(text)
    wanted = set(data.draw(st.lists(st.sampled_from(sorted({path[:2] for path in whole}, key=repr)))))
    expected = {path: line for path, line in whole.items() if len(path) < 2 or path[:2] in wanted}
    assert locate(text, wanted) == expected


def test_falls_back_to_the_table() -> None:
    lines = locate("\n[a]\nb = 1\n")
    assert line_of(lines, ("a", "missing", 3)) == 2
    assert line_of(lines, ("nowhere",)) == 1


@pytest.mark.parametrize("wanted", [None, [], [("d", 900)]])
def test_not_quadratic(wanted: list[Path] | None) -> None:
    def seconds(entries: int) -> float:
        text = "".join(f'[[d]]\nn = {n}\nt = """x"""\nl = ["a", "b"]\n' for n in range(entries))
        before = time.process_time()
        locate(text, wanted)
        return time.process_time() - before

    assert seconds(16_000) < 40 * seconds(1_000) + 0.5  # quadratic would be 256 times as long
