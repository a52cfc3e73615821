"""The runner of `make conformance` itself, on figures made up for it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import corpora
from tests.conformance import __main__ as command
from tests.conformance import judges, report
from tests.conformance.figure import Case, Figure
from tests.conformance.judges import Judge
from tests.measured import BEGIN, END

CASES = (Case("a", True), Case("b", False, "stated 1\nread 2"), Case("c", False), Case("d", True))


def made(cases: tuple[Case, ...] = CASES, **values: Any) -> Figure:
    given = {"key": "C9-x", "title": "things", "target": 0.75, "listed": {"c": "ours is right:\n  a | b"}, **values}
    return Figure(cases=cases, **given)


def test_a_listed_difference_is_not_wrong() -> None:
    figure = made()
    assert (figure.right, [c.name for c in figure.wrong], [c.name for c in figure.kept]) == (2, ["b"], ["c"])
    assert (figure.reached, figure.met) == (0.75, True)
    assert not made(target=0.76).met
    assert made(listed={"a": "x"}).kept == ()


def test_the_table_has_a_row_for_each_figure_with_its_counts() -> None:
    head, row = report.table([made()])
    assert head.split() == ["key", "kind", "cases", "right", "wrong", "listed", "reached", "target", "met"]
    assert row.split() == ["C9-x", "things", "4", "2", "1", "1", "75", "%", "75", "%", "yes"]
    assert report.table([made(target=0.8)])[1].endswith("NO")


@pytest.mark.parametrize(
    ("value", "printed"), [(1.0, "100 %"), (0.99999, "99.99 %"), (0.9, "90 %"), (0.28, "28 %"), (0.0, "0 %")]
)
def test_a_share_is_rounded_down(value: float, printed: str) -> None:
    assert report.share(value) == printed


def test_wrong_cases_are_printed_with_their_details() -> None:
    assert list(report.wrong(made())) == ["b", "    stated 1", "    read 2"]


def test_the_document_keeps_what_stands_around_the_marks() -> None:
    document = f"# Title\n\n{BEGIN}\nold\n{END}\n\nBelow.\n"
    written = report.written(document, [Judge("odd_things", "The truth: from nowhere.", (made(),))])
    assert written.startswith(f"# Title\n\n{BEGIN}\n\n### Odd things\n\nThe truth: from nowhere.\n\n| key |")
    assert written.endswith(f"- ours is right: a | b: `c`\n\n{END}\n\nBelow.\n")
    assert "| C9-x | things | 4 | 2 | 1 | 1 | 75 % | 75 % | yes |" in written
    assert "old" not in written
    again = report.written(written, [Judge("odd_things", "The truth: from nowhere.", (made(),))])
    assert again == written


def test_differences_of_one_reason_stand_on_one_line_and_judges_in_the_order_of_their_keys() -> None:
    cases = tuple(Case(name, False) for name in "abc")
    last = Judge("alpha", "x", (made(cases, key="C9-z", listed={"a": "rare", "b": "often", "c": "often"}),))
    first = Judge("omega", "y", (made(key="C1-a", listed={}),))
    text = report.markdown([last, first])
    assert text.index("### Omega") < text.index("### Alpha")
    assert text.endswith("Differences listed under C9-z:\n\n- often: `b`, `c`\n- rare: `a`")
    keys = [line.split()[0] for line in report.table([*last.figures, *first.figures])]
    assert keys == ["key", "C1-a", "C9-z"]


def test_a_document_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lacks"):
        report.written("# Title\n", [])


# --- faults --------------------------------------------------------------------------------------------------


def test_a_figure_where_it_stood_is_at_no_fault() -> None:
    assert list(judges.faults(made(), {"C9-x": 0.75})) == []


@pytest.mark.parametrize(
    ("figure", "floors", "words"),
    [
        (made(), {"C9-x": 0.76}, "less than its floor of 0.76"),
        (made(), {}, "has no floor"),
        (made(()), {"C9-x": 0.0}, "has no cases"),
        (made((*CASES, CASES[0])), {"C9-x": 0.0}, "2 cases called 'a'"),
        (made(listed={"a": "x"}), {"C9-x": 0.0}, "lists 'a', which is right now"),
        (made(listed={"z": "x"}), {"C9-x": 0.0}, "lists 'z', which is no case"),
    ],
)
def test_what_is_a_fault(figure: Figure, floors: dict[str, float], words: str) -> None:
    assert words in "\n".join(judges.faults(figure, floors))


def test_floors_are_rounded_down_and_only_rise() -> None:
    figures = [made(tuple(Case(str(n), n > 0) for n in range(3)), key="C9-y", listed={}), made()]
    assert report.raised({"C9-x": 0.9, "C9-gone": 1.0}, figures).splitlines()[1:] == [
        '"C9-x" = 0.9',
        '"C9-y" = 0.6666',
    ]


# --- the command ---------------------------------------------------------------------------------------------


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Figure]:
    """Figures for the command to measure, and a document and floors of its own to write."""
    judges.measured.cache_clear()
    figures: list[Figure] = []
    monkeypatch.setattr(corpora, "folder", lambda: tmp_path)
    monkeypatch.setattr(judges, "names", lambda: ("one",))
    monkeypatch.setattr(judges, "judge", lambda name: Judge(name, "It is so.", tuple(figures)))
    monkeypatch.setattr(judges, "FLOORS", tmp_path / "floors.toml")
    monkeypatch.setattr(report, "DOCUMENT", tmp_path / "conformance.md")
    report.DOCUMENT.write_text(f"{BEGIN}{END}", "utf-8")
    return figures


def test_it_prints_the_table(measured: list[Figure], capsys: pytest.CaptureFixture[str]) -> None:
    measured.append(made())
    assert command.main([]) == 0
    assert capsys.readouterr().out.splitlines() == report.table([made()])
    assert report.DOCUMENT.read_text("utf-8") == f"{BEGIN}{END}"


@pytest.mark.parametrize(
    ("figure", "words"),
    [(made(target=0.9), "C9-x misses its target"), (made(listed={"a": "x"}, target=0), "which is right now")],
)
def test_it_fails(measured: list[Figure], capsys: pytest.CaptureFixture[str], figure: Figure, words: str) -> None:
    measured.append(figure)
    assert command.main(["one"]) == 1
    assert words in capsys.readouterr().err


def test_it_prints_what_is_wrong(measured: list[Figure], capsys: pytest.CaptureFixture[str]) -> None:
    measured.append(made())
    assert command.main(["--wrong", "C9-x"]) == 0
    assert capsys.readouterr().out == "b\n    stated 1\n    read 2\n"
    assert command.main(["--wrong", "C9-z"]) == 1
    assert "C9-x" in capsys.readouterr().err


def test_it_writes_document_and_floors(measured: list[Figure]) -> None:
    measured.append(made())
    assert command.main(["--write"]) == 0
    assert "| C9-x |" in report.DOCUMENT.read_text("utf-8")
    assert judges.floors() == {"C9-x": 0.75}


@pytest.mark.parametrize("arguments", [["two"], ["--write", "one"]])
def test_what_it_does_not_take(measured: list[Figure], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2


def test_without_corpora_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(corpora, "folder", corpora.folder.__wrapped__)
    monkeypatch.setenv("GATEWAY_CORPORA", str(tmp_path))
    assert command.main([]) == 1
    assert "no corpora" in capsys.readouterr().err


# --- finding the judges --------------------------------------------------------------------------------------


def test_judges_are_the_modules_with_figures() -> None:
    found = judges.names()
    assert "forwards" in found
    assert not {"figure", "judges", "report", "__init__", "__main__"} & set(found)


def test_a_judge_is_measured_by_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(__doc__="\nThe truth.\n", figures=lambda: [made()])
    monkeypatch.setattr(judges.importlib, "import_module", lambda name: module if name.endswith(".one") else None)
    assert judges.judge("one") == Judge("one", "The truth.", (made(),))


def test_several_are_measured_in_the_order_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In processes of their own, which find nothing in an empty archive."""
    (tmp_path / "INDEX.json").write_text('{"index": []}')
    monkeypatch.setenv("GATEWAY_CORPORA", str(tmp_path))
    judges.measured.cache_clear()
    assert [judge.name for judge in judges.measured(("threads", "notices"))] == ["threads", "notices"]
