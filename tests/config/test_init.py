"""`gateway init`: whatever the answers, what it writes loads, and says what was answered."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import load, notes
from gateway.config.init import PASSWORD_FILE, Answers, ask, quoted, render
from gateway.config.settings import Settings
from gateway.errors import ConfigError

label = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(lambda s: s.strip())
local = label.map(lambda name: f"x{name}")


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    domain = f"gw.{draw(label)}.example"
    intake: Any = draw(st.sampled_from(["smtp", "lmtp", "imap"]))
    listens = ["127.0.0.1:2525", "0.0.0.0:25", "[::1]:0", "unix:/run/gateway/lmtp", "systemd"]
    hosts = st.sampled_from(["localhost", "imap.example.org", "127.0.0.1"])
    return Answers(
        name=draw(text),
        url=f"https://{draw(label)}.example/",
        locale=draw(st.sampled_from(["fr", "en"])),
        domain=domain,
        global_address=f"{draw(local)}@{domain}",
        intake=intake,
        intake_host=draw(hosts if intake == "imap" else st.sampled_from(listens)),
        intake_user=draw(text) if intake == "imap" else "",
        relay=draw(st.sampled_from(["maildir", "smtp"])),
        relay_host=draw(hosts),
        siret=draw(st.sampled_from(["21310555400017", "35600000000048"])),
        organisation=draw(text),
        manager=f"{draw(local)}@{draw(label)}.org",
    )


def loaded(page: str) -> tuple[Settings, Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "gateway.toml")
        file.write_text(page, encoding="utf-8")
        (file.parent / PASSWORD_FILE).parent.mkdir()
        (file.parent / PASSWORD_FILE).write_text("secret")
        settings = load(file, environ={})
        notes(settings, file)
        return settings, file


@given(answers())
def test_what_it_writes_loads_and_says_what_was_answered(given_answers: Answers) -> None:
    settings, _ = loaded(render(given_answers))
    assert settings.instance.name == given_answers.name
    assert settings.organisations[0].name == given_answers.organisation
    assert settings.addresses.global_ == given_answers.global_address
    assert settings.agents[0].email == given_answers.manager
    assert settings.relay.transport == given_answers.relay
    if given_answers.intake == "imap":
        assert settings.intake.imap[0].user == given_answers.intake_user
        assert settings.intake.imap[0].host == given_answers.intake_host
    else:
        assert settings.intake.smtp[0].listen == given_answers.intake_host
        assert settings.intake.smtp[0].protocol == given_answers.intake


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quoted_is_toml(value: str) -> None:
    import tomllib

    assert tomllib.loads(f"x = {quoted(value)}") == {"x": value}


def test_yes_takes_the_defaults_and_they_load() -> None:
    settings, _ = loaded(render(ask(lambda _, default: default)))
    assert settings.trust.agent_proof == "token"
    assert settings.addresses.domain == "support.example.org"


def test_defaults_follow_from_earlier_answers() -> None:
    def reply(question: str, default: str) -> str:
        return "https://demarches.ville.fr" if "platform?" in question else default

    assert ask(reply).global_address == "contact@support.ville.fr"


def test_a_wrong_answer_is_asked_again_with_its_reason() -> None:
    asked: list[str] = []

    def reply(question: str, default: str) -> str:
        asked.append(question)
        return "123" if "SIRET" in question and sum("SIRET" in one for one in asked) == 1 else default

    assert ask(reply).siret == "21310555400017"
    assert any("14 digits" in question for question in asked)


@pytest.mark.parametrize(
    ("about", "answer"),
    [("SIRET", "1"), ("domain", "demarches.example.org"), ("global", "reponse@support.example.org"),
     ("global", "contact@example.org"), ("manager", "m@support.example.org"), ("mail come", "pigeon"),
     ("listen", "2525")],
)  # fmt: skip
def test_an_answer_that_never_does_ends(about: str, answer: str) -> None:
    with pytest.raises(ConfigError, match="no usable answer"):
        ask(lambda question, default: answer if about in question.splitlines()[-1] else default)


def test_beyond_one_machine_agents_have_to_be_authenticated() -> None:
    page = render(ask(lambda question, default: "0.0.0.0:25" if "listen" in question else default))
    assert loaded(page)[0].trust.agent_proof == "authenticated"
