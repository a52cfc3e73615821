"""CSV: whatever a spreadsheet makes of a table is the table; whatever else is told, never raised."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import load, reading, sheet
from gateway.config.init import quoted
from gateway.errors import ConfigError

BASE = (Path(__file__).parents[1] / "config" / "base.toml").read_text("utf-8")
SIRETS = ["21310555400017", "35600000000048"]


def told(text: str, table: str = "agents") -> list[tuple[int, str]]:
    return [(line, ".".join((*column, fault))) for line, column, fault in sheet.read(text, table).faults]


# --- the same table --------------------------------------------------------------------------------------

label = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
address = st.builds(lambda a, b: f"{a}@{b}.example", label, label)
addresses = st.lists(address, max_size=3)
# what a cell can't keep: space around it, and line ends as they are
text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12).map(str.strip)
filled = text.filter(bool)
organisation = st.fixed_dictionaries(
    {"siret": st.sampled_from(SIRETS), "name": filled, "adresse": text, "email": st.just("") | address}
)
demarche = st.fixed_dictionaries(
    {
        "number": st.integers(1, 9),
        "title": filled,
        "organisation": st.sampled_from(SIRETS),
        "administrateurs": addresses,
        "instructeurs": addresses,
        "first_name": st.booleans(),
        "delay": text,
        "locale": st.sampled_from(["fr", "en", ""]),
    }
)
agent = st.fixed_dictionaries(
    {
        "email": address,
        "name": text,
        "capacities": st.lists(st.sampled_from(["manager", "support"]), max_size=2),
        "notify": st.sampled_from(["all", "digest"]),
    }
)
directories = st.fixed_dictionaries(
    {
        "organisations": st.lists(organisation, min_size=1, max_size=3),
        "demarches": st.lists(demarche, min_size=1, max_size=4),
        "agents": st.lists(agent, min_size=1, max_size=4),
    }
)


def as_toml(directory: dict[str, list[dict[str, Any]]]) -> str:
    lines = []
    for table, entries in directory.items():
        for entry in entries:
            lines += [f"[[{table}]]", *(f"{key} = {quoted(value)}" for key, value in entry.items())]
    return "\n".join(lines)


def cell(value: Any, bar: str) -> str:
    if isinstance(value, bool):
        return "VRAI" if value else "non"
    return bar.join(value) if isinstance(value, list) else str(value)


def as_csv(entries: list[dict[str, Any]], delimiter: str, end: str, bar: str) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end)
    writer.writerow(entries[0])
    writer.writerows([cell(entry[key], bar) for key in entries[0]] for entry in entries)
    return stream.getvalue()


def outcome(main: Path) -> Any:
    try:
        return load(main, {}).model_copy(update={"include": ()})
    except ConfigError as error:
        return len(str(error).splitlines())


@given(
    directories,
    st.sampled_from(";,\t"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([" ", "|", " | ", "\u00a0"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_sheet_is_the_table_that_toml_would_be(
    directory: dict[str, list[dict[str, Any]]], delimiter: str, end: str, bar: str, encoding: str
) -> None:
    """The same settings where it is sound, as many faults where it isn't."""
    with tempfile.TemporaryDirectory() as folder:
        toml, sheets = Path(folder, "toml.toml"), Path(folder, "gateway.toml")
        toml.write_text(f"{BASE}\n{as_toml(directory)}", "utf-8")
        sheets.write_text(f'include = ["*.csv"]\n{BASE}', "utf-8")
        for table, entries in directory.items():
            content = as_csv(entries, delimiter, end, bar).encode(encoding)
            Path(folder, f"{table}.csv").write_bytes(content)
        assert outcome(sheets) == outcome(toml)


# --- what is told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "fault"),
    [
        ("", 1, "no header"),
        (";;\n", 1, "no header"),
        ("\n\nemail;nom\na;b\n", 3, "no such column"),
        ("nmae;email\n", 1, 'did you mean "name"'),
        ("name\n", 1, "email.the column is missing"),
        ("email;email\n", 1, "there twice"),
        ("email;;name\n", 1, "column 2 has no name"),
        ("email;name\na\n", 2, "there is 1 cell where the header has 2"),
        ("email;name\n\na;b;c\n", 3, "there are 3 cells where the header has 2"),
        ('email;name\n"a\nb";c\nd\n', 4, "there is 1 cell"),
        ('email\n"a"b\n', 2, "not CSV"),
        ('email;name\na;b\n\n"c;d\ne;f\n', 4, "not CSV"),
        ('sep=;\nemail;name\na;b\n"c;d\n', 4, "not CSV"),
        ("email\n" + "a" * csv.field_size_limit() + "a", 2, "not CSV"),
    ],
)
def test_faults_of_form(content: str, line: int, fault: str) -> None:
    found = told(content)
    assert len(found) == 1
    assert found[0][0] == line
    assert fault in found[0][1]


def test_groupes_have_their_own_sheet() -> None:
    head = "number;title;organisation;groupes\n"
    assert told(head, "demarches")[0][1].startswith("groupes.stands in a sheet of its own, groupes.csv")
    assert told("demarche;label;instructeurs\n1;Nord;a@b.fr\n", "groupes") == []


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("email,name\na@b.fr,\"Li; Lo\"\n", "Li; Lo"),
        ("sep=,\nemail,name\na@b.fr,Li\n", "Li"),
        ('"sep=;"\r\nemail;name\r\na@b.fr;Li\r\n', "Li"),
        ("EMAIL ;\u00a0Name\na@b.fr;\u00a0Li\u202f\n", "Li"),
        ("email;name;;\na@b.fr;Li;;\n;;;\n\n", "Li"),
        ("email;name\na@b.fr;Li;;;\n", "Li"),
        ('email;name\na@b.fr;Le "petit" Li\n', 'Le "petit" Li'),
        ('email;name\na@b.fr;"Le ""petit"" Li"\n', 'Le "petit" Li'),
    ],
)  # fmt: skip
def test_habits_of_spreadsheets(content: str, names: str) -> None:
    found = sheet.read(content, "agents")
    assert found.faults == []
    assert found.entries == [{"email": "a@b.fr", "name": names}]


def test_numbers_and_flags_that_are_none_stay_for_the_model_to_tell() -> None:
    head = "number;title;organisation;first_name\n"
    found = sheet.read(f"{head}1 042;t;s;faux\n²;t;s;peut-être\n{'9' * 5000};t;s;\n", "demarches").entries
    assert [(each["number"], each.get("first_name")) for each in found] == [
        (1042, False), ("²", "peut-être"), ("9" * 5000, None),
    ]  # fmt: skip


def test_lists() -> None:
    def cells(table: str, key: str, cell: str) -> object:
        required = {"faq": "title;url", "support_groups": "name"}[table]
        head = f"{required};{key}\n{';' * required.count(';')};"
        return sheet.read(f"{head}{cell}\n", table).entries[0][key]

    assert cells("faq", "words", "où en est") == ["où en est"]
    assert cells("faq", "words", "où en est | délai|") == ["où en est", "délai"]
    assert cells("faq", "demarches", "1 2 x") == [1, 2, "x"]
    assert cells("faq", "demarches", "1 042 | 3") == [1042, 3]
    assert cells("support_groups", "agents", "a@b.fr\u00a0 c@d.fr") == ["a@b.fr", "c@d.fr"]
    assert cells("support_groups", "agents", '"a@b.fr; c@d.fr,"') == ["a@b.fr", "c@d.fr"]
    assert cells("support_groups", "organisations", "213 105 |356") == ["213 105", "356"]


def test_lines_are_those_where_rows_start() -> None:
    text = 'email;name\na;"x\ny"\n\n;\nb;z\n'
    assert list(sheet.read(text, "agents").lines) == [2, 6]
    assert list(sheet.read("sep=;\n" + text, "agents").lines) == [3, 7]


@pytest.mark.parametrize(
    ("name", "table"),
    [("demarches-2026.csv", "demarches"), ("agents.csv", "agents"), ("FAQ.v2.csv", "faq"), ("x-agents.csv", "x")],
)
def test_the_name_tells_the_table(name: str, table: str) -> None:
    assert sheet.table_of(name) == table


@given(st.text(alphabet=";,\t\"'\r\n\0 aé|=" + "email") | st.text(), st.sampled_from(sheet.TABLES))
def test_never_raises(text: str, table: str) -> None:
    found = sheet.read(text, table)
    assert len(found.entries) == len(found.lines)
    assert all(1 <= line <= len(io.StringIO(text, newline="").readlines()) + 1 for line in found.lines)


# --- encodings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    assert reading.sheet("email;é".encode(encoding)) == "email;é"


@pytest.mark.parametrize(
    ("content", "line"),
    [("a\nb\né".encode("latin-1"), 3), ("a\nb".encode("utf-16-le"), 1), (b"\xff\xfea", 1), (b"a\n\0", 2)],
)
def test_other_encodings_are_told(content: bytes, line: int) -> None:
    with pytest.raises(reading.Unusable, match=r"CSV UTF-8.*LibreOffice") as caught:
        reading.sheet(content)
    assert caught.value.line == line
