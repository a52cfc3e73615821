"""Finding the file, reading it, its passwords, and the notes on a usable one."""

from pathlib import Path

import pytest

from gateway.config import find, load, notes
from gateway.config.settings import Settings
from gateway.errors import ConfigError

BASE = (Path(__file__).parents[1] / "config" / "base.toml").read_text(encoding="utf-8")
RELAY = '[relay]\ntransport = "smtp"\nuser = "u"\n'
ORGANISATION = '[[organisations]]\nsiret = "21310555400017"\nname = "Mairie"\n'
DEMARCHE = ORGANISATION + '[[demarches]]\nnumber = 42\ntitle = "Permis"\norganisation = "21310555400017"\n'
SILENT = (
    DEMARCHE
    + 'administrateurs = ["a@mairie.fr"]\ngroupes = [{ label = "N", instructeurs = ["b@mairie.fr"] }]\n'
    + "".join(f'[[agents]]\nemail = "{name}@mairie.fr"\nnotify = "none"\n' for name in "ab")
)
TRIAL = '[trust]\nagent_proof = "token"\n'
MANAGER = '[[agents]]\nemail = "m@mairie.fr"\ncapacities = ["manager"]\n'
MAILBOX = '[[intake.imap]]\nname = "a"\nhost = "imap.example.org"\nuser = "u"\npassword = "p"\n'


def written(folder: Path, more: str = "", base: str = BASE) -> Path:
    file = folder / "gateway.toml"
    file.write_text(base + more, encoding="utf-8")
    return file


def loaded(folder: Path, more: str = "", **environ: str) -> Settings:
    return load(written(folder, more), environ)


def told(folder: Path, more: str) -> list[str]:
    file = written(folder, more)
    return [f"{note.severity} {note.where} {note.text}" for note in notes(load(file, {}), file)]


# --- finding ---------------------------------------------------------------------------------------------


def test_the_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("option.toml", "environ.toml", "gateway.toml"):
        (tmp_path / name).write_text("")
    environ = {"GATEWAY_CONFIG": "environ.toml"}
    assert find(Path("option.toml"), environ) == Path("option.toml")
    assert find(None, environ) == Path("environ.toml")
    assert find(None, {}) == Path("gateway.toml")


@pytest.mark.parametrize(("option", "environ"), [(Path("no.toml"), {}), (None, {"GATEWAY_CONFIG": "no.toml"})])
def test_a_named_file_that_is_missing_is_no_reason_to_take_another(
    option: Path | None, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.toml").write_text("")
    with pytest.raises(ConfigError, match=r"no\.toml: no such file"):
        find(option, environ)


def test_the_places_looked_at_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find(None, {})
    for place in ("--config", "$GATEWAY_CONFIG", str(tmp_path / "gateway.toml"), "/etc/gateway/gateway.toml"):
        assert place in str(caught.value)


# --- reading ---------------------------------------------------------------------------------------------


def test_paths_count_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    written(tmp_path / "etc", '[[intake.smtp]]\nlisten = "unix:run/lmtp"\n[store]\nraw = "/srv/raw"\n')
    monkeypatch.chdir(tmp_path)
    settings = load(Path("etc/gateway.toml"), {})
    assert settings.store.url == f"sqlite:///{tmp_path}/etc/var/gateway.db"
    assert settings.store.raw == Path("/srv/raw")
    assert settings.store.token_keys_file == tmp_path / "etc/var/token.keys"
    assert settings.relay.folder == tmp_path / "etc/var/sent"
    assert settings.intake.smtp[1].listen == f"unix:{tmp_path}/etc/run/lmtp"


def test_an_absolute_database_stays(tmp_path: Path) -> None:
    assert loaded(tmp_path, '[store]\nurl = "sqlite:////srv/x.db"\n').store.url == "sqlite:////srv/x.db"


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert load(file, {}).addresses.domain == "support.example.org"


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = [" * 3000])
def test_nested_without_end(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.toml:1: "):
        load(written(tmp_path, base=text), {})


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="correct the path"):
        load(tmp_path / "missing.toml", {})
    with pytest.raises(ConfigError, match="correct the path"):
        load(tmp_path, {})


def test_a_fault_is_one_line_whatever_it_quotes(tmp_path: Path) -> None:
    file = written(tmp_path, '"a\\nb\\u001b[2J" = 1\n[[agents]]\nemail = "a\\r\\u2028b"\n')
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert len(str(caught.value).splitlines()) == 2
    assert "\x1b" not in str(caught.value)


# --- passwords -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_password_of_its_own_file(tmp_path: Path, ending: str) -> None:
    (tmp_path / "secret").write_bytes(b" pa ss " + ending.encode())
    settings = loaded(tmp_path, RELAY + 'password_file = "secret"\n')
    assert settings.relay.password.get_secret_value() == " pa ss "
    assert "pa ss" not in repr(settings)


def test_a_credential(tmp_path: Path) -> None:
    (tmp_path / "imap").write_text("hidden\n")
    settings = loaded(tmp_path, RELAY + 'password_credential = "imap"\n', CREDENTIALS_DIRECTORY=str(tmp_path))
    assert settings.relay.password.get_secret_value() == "hidden"


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "No such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff", "UTF-8")]
)
def test_a_password_that_can_t_be_had(tmp_path: Path, content: bytes | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"gateway\.toml:13: relay\.password_file: .*{fault}"):
        loaded(tmp_path, RELAY + 'password_file = "secret"\n')


def test_a_credential_stays_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bare name"):
        loaded(tmp_path, RELAY + 'password_credential = "../imap"\n', CREDENTIALS_DIRECTORY=str(tmp_path))


def test_a_password_without_a_user(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no user; add user"):
        loaded(tmp_path, '[relay]\npassword = "p"\n')


# --- notes -----------------------------------------------------------------------------------------------


def test_nothing_to_say(tmp_path: Path) -> None:
    assert told(tmp_path, 'authserv_id = "mx"\n' + MANAGER) == []


@pytest.mark.parametrize(
    "more",
    [
        "verify = true\ntrusted_peers = []\n",
        '[[intake.smtp]]\nlisten = "systemd"\nverify = true\n[trust]\nresolver = "127.0.0.1:53"\n',
    ],
)
def test_checks_of_ours_where_somebody_may_come_are_not_noted(tmp_path: Path, more: str) -> None:
    assert not [one for one in told(tmp_path, more) if one.startswith("inert")]


@pytest.mark.parametrize(
    ("more", "severity", "where", "text"),
    [
        ("verify = true\n", "inert", "10: intake.smtp[0].verify", "trusted_peers"),
        ('[[intake.smtp]]\nlisten = "[::1]:25"\nverify = true\n', "inert", "12: intake.smtp[1].verify", "only"),
        ('[trust]\nresolver = "127.0.0.1:53"\n', "inert", "11: trust.resolver", "verify = true"),
        ('[trust]\narc_sealers = ["lists.example.org"]\n', "inert", "11: trust.arc_sealers", "verify = true"),
        (MANAGER + 'notify = "none"\n', "warning", "10: agents", "nobody is told of mail in the global inbox"),
        ('[[intake.smtp]]\nlisten = "0.0.0.0:25"\n[trust]\nagent_proof = "token"\n', "warning", "13: trust.", "[1]"),
        ('[trust]\nagent_proof = "token"\n' + MAILBOX, "warning", "11: trust.agent_proof", "intake.imap[0]"),
        ('[[intake.smtp]]\nlisten = "systemd"\n[trust]\nagent_proof = "token"\n', "warning", "13: trust.", "token"),
        ("", "warning", "8: intake.smtp[0].authserv_id", "proven"),
        ('[[intake.smtp]]\nlisten = "[::]:25"\n', "warning", "11: intake.smtp[1].listen", "unencrypted"),
        ('[relay]\ntransport = "smtp"\nhost = "mx.example.org"\n', "warning", "10: relay.security", "unencrypted"),
        (MAILBOX, "warning", "1: relay.transport", "nobody receives"),
        ("", "warning", "1: agents", "nobody reads the global inbox"),
        (DEMARCHE, "warning", "13: demarches[0]", "nobody is told"),
        (SILENT, "warning", "13: demarches[0]", 'notify = "none"'),
        ('[[support_groups]]\nname = "aide"\n', "warning", "10: support_groups[0]", "no agents"),
        ('[[agents]]\nemail = "a@mairie.fr"\n', "warning", "10: agents[0]", "sees nothing"),
        (TRIAL + '[[agents]]\nemail = "a@support.example.org"\n', "warning", "13: agents[0].email", "own domain"),
        (
            '[[agents]]\nemail = "a@x.support.example.org"\n',
            "warning",
            "6: addresses.domain",
            "x.support.example.org",
        ),
        (DEMARCHE + 'addresses = ["a+b@support.example.org"]\n', "warning", "17: demarches[0].addresses[0]", "cut"),
    ],
)
def test_what_is_noted(tmp_path: Path, more: str, severity: str, where: str, text: str) -> None:
    start = f"{severity} {tmp_path}/gateway.toml:{where}"
    assert [one for one in told(tmp_path, more) if one.startswith(start) and text in one]


@pytest.mark.parametrize(
    "more",
    [
        MANAGER + DEMARCHE + 'instructeurs = ["a@mairie.fr"]\n',
        MANAGER
        + SILENT
        + '[[support_groups]]\nname = "g"\norganisations = ["21310555400017"]\nagents = ["c@d.fr"]\n',
        MANAGER + SILENT.replace("none", "digest"),
        '[desk]\nglobal_agents = ["a@mairie.fr"]\n[[agents]]\nemail = "a@mairie.fr"\n',
    ],
)
def test_somebody_is_told(tmp_path: Path, more: str) -> None:
    assert told(tmp_path, 'authserv_id = "mx"\n' + more) == []


def test_the_global_agents_are_agents(tmp_path: Path) -> None:
    for address in ("contact@support.example.org", "reponse+x@support.example.org"):
        with pytest.raises(ConfigError, match=r"desk\.global_agents\[0\]: .* is read by the gateway itself"):
            loaded(tmp_path, f'[desk]\nglobal_agents = ["{address}"]\n')
    ours = '[desk]\nglobal_agents = ["a@support.example.org"]\n'
    assert any("own domain" in one for one in told(tmp_path, TRIAL + ours))
    with pytest.raises(ConfigError, match=r"desk\.global_agents\[0\]: .* own domain"):
        loaded(tmp_path, ours)


@pytest.mark.parametrize("host", ["support.example.org", "Support.Example.ORG.", "support.example.org:8443"])
def test_the_platform_has_another_domain(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match=r"instance\.url: support\.example\.org is addresses\.domain too"):
        load(written(tmp_path, base=BASE.replace("demarches.example.org", host)), {})


def test_a_password_that_everyone_can_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("p")
    for mode, noted in ((0o644, True), (0o600, False), (0o640, False)):
        secret.chmod(mode)
        found = told(tmp_path, RELAY + 'password_file = "secret"\n')
        assert any("relay.password_file" in one and "chmod" in one for one in found) is noted


def test_loopback_needs_no_proof(tmp_path: Path) -> None:
    for listen in ("127.0.0.1:25", "[::1]:25", "localhost:25"):
        more = f'[[intake.smtp]]\nlisten = "{listen}"\n[trust]\nagent_proof = "token"\n' + MANAGER
        assert told(tmp_path, more) == []


def test_commands_that_log_in_nowhere_need_no_password(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    text = (Path(__file__).parents[2] / "gateway.toml").read_text("utf-8")
    text = text.replace(
        "manon.manager@support", "manon.manager@plateforme"
    )  # refused where mail comes from elsewhere
    file.write_text(
        text + '\n[[intake.imap]]\nname = "c"\nhost = "h.example"\nuser = "u"\npassword_credential = "x"\n'
    )
    with pytest.raises(ConfigError, match="CREDENTIALS_DIRECTORY"):
        load(file, {})
    assert load(file, {}, passwords=False).intake.imap[0].password.get_secret_value() == ""


def test_a_number_that_is_too_long_to_be_one(tmp_path: Path) -> None:
    file = written(tmp_path, f"\n[[dossiers]]\nnumber = {'9' * 5000}\n")
    line = file.read_text("utf-8").splitlines().index("[[dossiers]]") + 2
    with pytest.raises(ConfigError, match=rf"gateway\.toml:{line}: not TOML: .*digits.*; "):
        load(file, {})


@pytest.mark.parametrize(
    ("peer", "warned"),
    [
        ("0.0.0.0/0", True),
        ("::/0", True),
        ("9.0.0.0/8", True),
        ("10.0.0.0/8", False),
        ("9.9.9.9", False),
        ("fd00::/8", False),
    ],
)
def test_a_network_of_strangers_is_not_to_be_trusted(tmp_path: Path, peer: str, warned: bool) -> None:
    base = BASE.replace("[[intake.smtp]]\n", f'[[intake.smtp]]\ntrusted_peers = ["127.0.0.1", "{peer}"]\n', 1)
    file = written(tmp_path, base=base)
    assert (
        any(
            "holds strangers" in note.text and note.where.endswith("trusted_peers[1]")
            for note in notes(load(file, {}), file)
        )
        is warned
    )
