"""Faulty configurations, each told whole: file, line, remedy. `bad/NAME.expected` stands beside `bad/NAME.toml`."""

from pathlib import Path

import pytest

from gateway.config import load
from gateway.errors import ConfigError

BAD = Path(__file__).parent / "bad"


def report(monkeypatch: pytest.MonkeyPatch, name: str) -> str:
    monkeypatch.chdir(BAD)
    with pytest.raises(ConfigError) as caught:
        load(Path(name), environ={})
    return str(caught.value).replace(str(BAD), "FOLDER")


@pytest.mark.parametrize("name", sorted(file.name for file in BAD.glob("*.toml")))
def test_told_with_file_line_and_remedy(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    expected = (BAD / name).with_suffix(".expected").read_text(encoding="utf-8")
    assert report(monkeypatch, name) + "\n" == expected


def test_there_are_enough_of_them() -> None:
    assert len(list(BAD.glob("*.toml"))) >= 10


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (Path(__file__).parent / "base.toml").read_text(encoding="utf-8")
    (tmp_path / "gateway.toml").write_text(
        text + '[relay]\nuser = "u"\npassword = "canary-1"\npassword_file = "x"\nport = "z"\n'
        '[[intake.imap]]\nname = "a"\nhost = "h"\nuser = "u"\npassword = ["canary-2"]\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "gateway.toml", environ={})
    assert "password" in str(caught.value)
    assert "canary" not in str(caught.value)
