"""What goes into a backup beside the database and raw mail: all that the house wrote itself, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commands import backup as command
from gateway.commands import restore
from gateway.commands.operator import SOMEBODY
from tests.builders import NOW, opened, settings


def test_the_configuration_goes_in_with_what_it_includes_and_the_templates(tmp_path: Path) -> None:
    etc, backups = tmp_path / "etc" / "gateway", tmp_path / "backups"
    texts = {
        etc / "gateway.toml": 'include = ["directory/*.toml", "../../shared/*.toml"]\n',
        etc / "directory" / "a.toml": "",
        tmp_path / "shared" / "a.toml": "# another of this name\n",
        etc / "templates" / "fr" / "answer.txt": "Bonjour",
        etc / "templates" / "README.md": "not a template",
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (tmp_path / "token.keys").write_text("0 secret", "utf-8")
    with opened(tmp_path):
        found = settings(tmp_path, desk={"templates": str(etc / "templates")})
        for second in range(2):
            at = NOW.replace(second=second)
            made = Path(str(command.made(found, etc / "gateway.toml", backups, at, None).document["backup"]))
            outside = f"configuration{tmp_path}/shared/a.toml"
            assert (made / outside).read_text("utf-8") == "# another of this name\n"
            assert {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} == {
                "gateway.db",
                "manifest.json",
                "manifest.json.sha256",
                "token.keys",
                "configuration/gateway.toml",
                "configuration/directory/a.toml",
                "configuration/templates/fr/answer.txt",
                outside,
            }
    assert {path.name for path in backups.iterdir()} == {".lock", "packs", "20250301T093000Z", "20250301T093001Z"}


@pytest.mark.parametrize(
    ("there", "after", "aside"),
    [
        (None, "1 old\n", 0),
        ("1 old\n", "1 old\n", 0),
        ("2 new\n1 old\n", "2 new\n1 old\n", 0),  # it was rotated since, and signed mail that left
        ("1 another\n", "1 old\n", 1),
    ],
)
def test_keys_come_back_unless_they_are_there(tmp_path: Path, there: str | None, after: str, aside: int) -> None:
    keys, path = tmp_path / "token.keys", tmp_path / "gateway.toml"
    path.write_text("", "utf-8")
    keys.write_text("1 old\n", "utf-8")
    found = settings(tmp_path)
    with opened(tmp_path):
        command.made(found, path, tmp_path / "backups", NOW, None)
    keys.unlink()
    if there is not None:
        keys.write_text(there, "utf-8")
    restore.restored(found, tmp_path / "backups", SOMEBODY, NOW, replace=True, send=False, lost_at=NOW)
    assert keys.read_text("utf-8") == after
    assert len(list(tmp_path.glob("token.keys.before-*"))) == aside
