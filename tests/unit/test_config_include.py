"""Files that include files: in which order, each once, and every fault where it stands."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config import load, notes
from gateway.errors import ConfigError

BASE = (Path(__file__).parents[1] / "config" / "base.toml").read_text("utf-8")


def written(folder: Path, files: dict[str, str], include: str = '["d/*"]', more: str = "") -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    main = folder / "gateway.toml"
    main.write_text(f"include = {include}\n{BASE}\n{more}", "utf-8")
    return main


def agents(*names: str) -> str:
    return "".join(f'[[agents]]\nemail = "{name}@mairie.example.org"\n' for name in names)


def emails(main: Path) -> list[str]:
    return [agent.email.partition("@")[0] for agent in load(main, {}).agents]


def report(main: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(main, {})
    return str(caught.value).replace(f"{main.parent}/", "").splitlines()


# --- order -----------------------------------------------------------------------------------------------


def test_by_name_and_what_one_includes_right_after_it(tmp_path: Path) -> None:
    files = {
        "d/b.toml": agents("b"),
        "d/a.toml": 'include = ["../e/*"]\n' + agents("a"),
        "d/agents-c.csv": "email\nc@mairie.example.org\n",
        "e/z.toml": agents("z1", "z2"),
    }
    assert emails(written(tmp_path, files, more=agents("main"))) == ["main", "a", "z1", "z2", "c", "b"]


def test_the_order_of_patterns_changes_nothing(tmp_path: Path) -> None:
    files = {"d/a.toml": agents("a"), "d/b.toml": agents("b")}
    for include in ('["d/b.toml", "d/a.toml"]', '["d/a.toml", "d/b.toml"]', '["d/*", "**/b.toml"]'):
        assert emails(written(tmp_path, files, include)) == ["a", "b"]


def test_each_file_once(tmp_path: Path) -> None:
    files = {"d/a.toml": 'include = ["../e.toml"]', "d/b.toml": 'include = ["../e.toml"]', "e.toml": agents("e")}
    main = written(tmp_path, files)
    (tmp_path / "d/link.toml").symlink_to(tmp_path / "e.toml")
    assert emails(main) == ["e"]


def test_patterns_count_from_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    written(tmp_path / "etc", {"d/a.toml": 'include = ["sub/*.toml"]', "d/sub/b.toml": agents("b")})
    monkeypatch.chdir(tmp_path)
    assert emails(Path("etc/gateway.toml")) == ["b"]
    absolute = written(tmp_path / "etc", {}, f'["{tmp_path}/etc/d/sub/*"]')
    assert emails(absolute) == ["b"]


# --- what is told ----------------------------------------------------------------------------------------


def test_a_circle_of_links(tmp_path: Path) -> None:
    main = written(tmp_path, {"d/a.toml": agents("a")})
    (tmp_path / "d/loop.toml").symlink_to("loop.toml")
    assert [one.partition(";")[0] for one in report(main)] == [
        f"gateway.toml:1: include[0]: can't read d/loop.toml: {os.strerror(errno.ELOOP)}"
    ]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    main = written(tmp_path, {"d/a.toml": agents("a")}, '[\n"d/*.toml",\n"d/*.csv"]')
    (tmp_path / "d/gone.csv").symlink_to("nowhere")
    os.mkfifo(tmp_path / "d/pipe.toml")
    assert [one.partition(";")[0] for one in report(main)] == [
        "gateway.toml:2: include[0]: can't read d/pipe.toml: not a file",
        "gateway.toml:3: include[1]: can't read d/gone.csv: No such file or directory",
    ]


@contextmanager
def closed(root: Path, name: str, mode: int) -> Iterator[None]:
    """A folder whose mode counts: for the superuser it wouldn't, who becomes nobody for so long."""
    before = os.geteuid()
    try:
        for path in (*root.rglob("*"), root, *root.parents) if before == 0 else ():
            if (found := path.stat().st_mode) & 0o55 != 0o55:
                path.chmod(found | 0o55)
        (root / name).chmod(mode)
        if before == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(before)
        (root / name).chmod(0o755)


@pytest.mark.parametrize(
    "pattern", ["d/*", "d/*.toml", "d*/*.toml", "**/*.toml", "**", "*/a.toml", "*/sub/*.toml", "**/d/sub/*"]
)
@pytest.mark.parametrize("mode", [0o000, 0o644])
def test_a_folder_that_cannot_be_read_takes_nothing_away(tmp_path: Path, pattern: str, mode: int) -> None:
    names = ("t/d/a.toml", "t/d/sub/a.toml", "t/o/a.toml", "t/o/sub/a.toml")
    main = written(tmp_path, {name: agents(f"n{nth}") for nth, name in enumerate(names)}, f'["t/{pattern}"]')
    with closed(tmp_path, "t/d", mode):
        faults = report(main)
    fault = f"gateway.toml:1: include[0]: can't read t/d: {os.strerror(errno.EACCES)}; let the daemon's user "
    assert any(line.startswith(fault) for line in faults), faults


def test_a_folder_that_only_lets_through_is_enough_where_no_name_is_sought(tmp_path: Path) -> None:
    main = written(tmp_path, {"d/a.toml": agents("a"), "e/a.toml": agents("b")}, '["?/a.toml"]')
    with closed(tmp_path, "d", 0o711):
        assert emails(main) == ["a", "b"]


def test_no_depth_is_too_much(tmp_path: Path) -> None:
    files = {f"d/{n}.toml": f'include = ["{n + 1}.toml"]' for n in range(1000)}
    main = written(tmp_path, files, '["d/0.toml"]')
    fault = "more than 20 files include each other; name the files in gateway.toml"
    assert report(main) == [f"d/19.toml:1: include[0]: {fault}"]


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    main = written(tmp_path, {"d/a.toml": agents("a")})
    Path(os.fsdecode(bytes(tmp_path / "d") + b"/agents-\xe9.csv")).write_text("nom\n")
    report(main)[0].encode()


def test_faults_that_stand_far_in(tmp_path: Path) -> None:
    """Entries are told with their line whether or not their neighbours were settled before."""
    rows = [f"a{n}@mairie.example.org" for n in range(2500)]
    rows[1500], rows[2400] = "b@@mairie.example.org", rows[3]
    main = written(tmp_path, {"d/agents.csv": "email\n" + "\n".join(rows), "d/b.toml": agents("z") * 2})
    remedy = 'write it bare, like "name@example.org"'
    assert report(main) == [
        f'd/agents.csv:1502: email: "b@@mairie.example.org" is not an e-mail address; {remedy}',
        "d/agents.csv:2402: email: a3@mairie.example.org is there twice; keep one of the two (first on line 5)",
        "d/b.toml:4: agents[1].email: z@mairie.example.org is there twice; keep one of the two (first on line 2)",
    ]


@pytest.mark.parametrize("broken", ["siret;nmae\n", "siret;name\n21310555400017\n", '"', "\udce9"])
def test_references_to_what_could_not_be_read_are_no_faults(tmp_path: Path, broken: str) -> None:
    demarche = "number;title;organisation\n1;Permis;21310555400017\n"
    main = written(tmp_path, {"d/demarches.csv": demarche})
    (tmp_path / "d/organisations.csv").write_bytes(broken.encode("latin-1", "surrogateescape"))
    assert all(one.startswith("d/organisations.csv:") for one in report(main))


ORGANISATION = '[[organisations]]\nsiret = "21310555400017"\nname = "Mairie"\n'
DEMARCHES = "number;title;organisation\n1;Permis;21310555400017\n2;Carte;21310555400017\n"


def test_groupes_of_demarches_that_could_not_be_read_are_no_faults(tmp_path: Path) -> None:
    sheets = {"d/demarches.csv": DEMARCHES + "3\n", "d/groupes.csv": "demarche;label\n3;Nord\n"}
    assert [one.partition(": ")[0] for one in report(written(tmp_path, sheets, more=ORGANISATION))] == [
        "d/demarches.csv:4"
    ]


def test_each_groupe_keeps_its_line(tmp_path: Path) -> None:
    """Beside others of its démarche, of its own table too."""
    sheets = {
        "d/demarches.csv": DEMARCHES,
        "d/groupes-a.csv": "demarche;label;instructeurs\n1;Nord;a@b.fr\n2;Nord;\n1;Sud;a@b.fr c@@d.fr\n",
        "d/groupes-b.csv": "demarche;label\n2;Nord\n9;Est\n7;Est\n",
        "d/more.toml": '[[demarches]]\nnumber = 7\ntitle = "T"\norganisation = "21310555400017"\n'
        'groupes = [\n{ label = "Est" }\n]\n',
    }
    assert [one.partition("; ")[0] for one in report(written(tmp_path, sheets, more=ORGANISATION))] == [
        'd/groupes-a.csv:4: instructeurs[1]: "c@@d.fr" is not an e-mail address',
        'd/groupes-b.csv:2: label: "Nord" names two groupes',
        "d/groupes-b.csv:3: demarche: there is no démarche 9",
        'd/groupes-b.csv:4: label: "Est" names two groupes',
    ]


def test_notes_on_rows(tmp_path: Path) -> None:
    main = written(tmp_path, {"d/demarches.csv": DEMARCHES}, more=ORGANISATION)
    told = [note.where.removeprefix(f"{tmp_path}/") for note in notes(load(main, {}), main)]
    assert told[-2:] == ["d/demarches.csv:2: demarches", "d/demarches.csv:3: demarches"]


@pytest.mark.parametrize(
    ("table", "written_as"),
    [
        ("demarches = 1", "a number"),
        ("demarches = [1]", "a number"),
        ("[demarches]", "a table"),
        ("[[demarches]]\nnumber = 1\ngroupes = true", "true or false"),
    ],
)
def test_what_the_main_file_has_wrong_is_told_beside_sheets(tmp_path: Path, table: str, written_as: str) -> None:
    sheets = {
        "d/demarches.csv": "number;title;organisation\n1;Permis;21310555400017\n",
        "d/groupes.csv": "demarche;label\n1;Nord\n",
    }
    main = written(tmp_path, sheets)
    main.write_text(
        f"{table}\n{main.read_text('utf-8')}" if table[0] != "[" else f"{main.read_text('utf-8')}\n{table}"
    )
    assert any(one.startswith("gateway.toml:") and written_as in one for one in report(main))


@given(
    st.sampled_from(["a.toml", "agents.csv", "demarches.csv", "groupes.csv", "x.csv"]),
    st.binary(max_size=60)
    | st.text(alphabet='[]{}="\n;,|@.#1é demarchlbits', max_size=60).map(lambda text: text.encode())
    | st.lists(st.sampled_from([b"demarche;label\n", b"number;title;organisation\n", b"1;", b"x;y\n", b'"', b"\n"]))
    .map(b"".join),
    st.sampled_from(['["d/*"]', '["d/*", "\\u0000*"]', '["**"]', '["d/[!a]*", ""]', "[1]", '["d/*", "g*.toml"]']),
)  # fmt: skip
@example("a.toml", b"[[demarches]]\nnumber = 1\ngroupes = 1\n", '["d/*"]')
@example("a.toml", b"demarches = [1]\nagents = [[]]\n", '["d/*"]')
@example("a.toml", b"[" * 100_000, '["d/*"]')
@example("a.toml", b"a = " + b"[" * 100_000, '["d/*"]')
def test_whatever_is_included_is_settled_or_told(name: str, content: bytes, include: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        main = written(Path(folder), {"d/z-a.toml": 'include = ["*.csv"]\n'}, include)
        (main.parent / "d" / name).write_bytes(content)
        faults = []
        try:
            settings = load(main, {})
        except ConfigError as error:
            faults = str(error).splitlines()
        else:
            faults = [note.where for note in notes(settings, main)]
        assert all(one.startswith(folder) for one in faults)
        assert faults
