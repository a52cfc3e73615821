"""An instance's own templates: which one is taken, what is refused with which line, and what none can do."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.settings import Demarche
from gateway.errors import ConfigError
from gateway.relay import grammar, samples, templating, texts
from gateway.relay.overrides import read
from gateway.relay.templating import texts_of
from gateway.relay.texts import ModeleFaulty, Place
from tests.builders import NOW
from tests.unit.test_config_include import closed

PERMIS = Demarche(number=42, title="Permis", organisation=samples.ORGANISATION.siret)
CONTACT = "{% include '_contact.txt' %}\n"
ANSWER = "{{ subject }}\n{{ text }}\n{{ first_name }}\n{% include '_place.txt' %}\n"
ASTRAY = "{% include '_misdirected.txt' %}\n"


def written(folder: Path, **files: str | bytes) -> Path:
    """The folder with these files; `__` in a name stands for `/`."""
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def told(folder: Path, **files: str | bytes) -> list[str]:
    """What is wrong with these files: `PATH:LINE: fault; remedy`."""
    with pytest.raises(ConfigError) as caught:
        read(written(folder, **files))
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def place(folder: Path | None, language: str = "fr", demarche: Demarche | None = PERMIS) -> Place:
    return replace(samples.PLACE, texts=texts.load(folder), locale=language, demarche=demarche)


def answered(where: Place) -> str:
    return texts.render("answer", where, **samples.MAILS["answer"]).text


# --- which one is taken ------------------------------------------------------------------------------------


def test_without_a_folder_there_are_ours() -> None:
    assert texts.load(None) is texts.load(None)
    assert texts.load(None).own == {}


def test_an_empty_folder_changes_nothing(tmp_path: Path) -> None:
    for language in templating.LANGUAGES:
        assert answered(place(tmp_path, language)) == answered(place(None, language))


def test_the_nearest_template_is_taken(tmp_path: Path) -> None:
    names = ["42__fr__answer", "42__answer", "fr__answer", "answer"]
    for taken in range(len(names)):
        folder = tmp_path / str(taken)
        for number, name in enumerate(names[taken:], taken):
            written(folder, **{name: f"{ANSWER}{ASTRAY}number {number}\n"})
        assert f"number {taken}" in answered(place(folder))
    everything = tmp_path / "0"
    assert "number 1" in answered(place(everything, "en"))
    other = replace(PERMIS, number=43)
    assert "number 2" in answered(place(everything, "fr", other))
    assert "number 3" in answered(place(everything, "en", other))
    assert "number 3" in answered(place(everything, "en", None))


def test_a_part_is_taken_from_where_its_mail_stands(tmp_path: Path) -> None:
    written(
        tmp_path,
        **{"42___misdirected": "Ce courriel est pour 42.\n", "en___misdirected": "This one is in English.\n"},
    )
    other = replace(PERMIS, number=43)
    assert "est pour 42." in answered(place(tmp_path, "en"))
    assert "is in English." in answered(place(tmp_path, "en", other))
    assert "merci de nous le signaler" in answered(place(tmp_path, "fr", other))


def test_sentences_that_we_have_are_translated(tmp_path: Path) -> None:
    source = f"{ANSWER}{ASTRAY}{{% trans %}}Hello,{{% endtrans %}}\n{{% trans %}}New.{{% endtrans %}}\n"
    text = answered(place(written(tmp_path, answer=source)))
    assert "\nBonjour,\nNew.\n" in text


def test_line_ends_and_byte_order_marks_are_forgiven(tmp_path: Path) -> None:
    source = "\ufeff" + f"{ANSWER}{ASTRAY}".replace("\n", "\r\n")
    words = texts.render("answer", place(written(tmp_path, answer=source)), **samples.MAILS["answer"])
    assert words.subject == "Re: Ma question"
    assert "\r" not in words.text


def test_what_is_no_template_is_left_alone(tmp_path: Path) -> None:
    for name in (".git/config", "..data/x", "README.md", "answer.txt~", "fr/.answer.txt.swp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff")
    assert read(tmp_path).own == {}


# --- what is refused, and how it is told -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"anwser": "x"}, ["anwser.txt:1: it overrides nothing; did you mean answer.txt?"]),
        ({"42__zzzz": "x"}, ["42/zzzz.txt:1: it overrides nothing; `gateway template list` names all"]),
        ({"de__answer": "x"}, ["de/answer.txt:1: the folder de means nothing here; use a démarche's number, fr, en"]),
        ({"042__answer": "x"}, ["042/answer.txt:1: the folder 042 means nothing here"]),
        ({"fr__42__answer": "x"}, ["fr/42/answer.txt:1: the folder 42 means nothing here"]),
        ({"42__digest": "x"}, ["42/digest.txt:1: it belongs to no démarche; put it in the folder itself"]),
        ({"42__fr___problem": "x"}, ["42/fr/_problem.txt:1: it belongs to no démarche; put it in the folder itself"]),
        ({"help": b"a\n\n\xe9\n"}, ["help.txt:3: it isn't UTF-8; save it in that encoding"]),
        ({"help": "x" * 100_001}, ["help.txt:1: it has more than 100000 octets; a template is a page"]),
        ({"help": "a\n{% if %}\n"}, ["help.txt:2: Expected an expression, got 'end of statement block'; mend it"]),
        ({"help": "a\nb\n{% if asked %}\n"}, ["help.txt:3: Unexpected end of template."]),
        ({"help": "a\n{{ subjct }}"}, ["help.txt:2: there is no subjct here; did you mean subject?"]),
        ({"help": "a\n\n{{ organisation.nme }}"}, ["help.txt:3: there is no organisation.nme; did you mean name?"]),
        (
            {"help": "a\n{{ subject|upper }}"},
            ["help.txt:2: there is no filter upper here; use join, length, or none"],
        ),
        (
            {"help": "{% include 'xyzw.txt' %}"},
            ["help.txt:1: only our parts can be included; known: _authenticity.txt"],
        ),
        ({"help": '{% include "../../etc/passwd" %}'}, ["help.txt:1: only our parts can be included; known: "]),
        ({"help": "{{ 1 + 1 }}"}, ["help.txt:1: « add » can't be used in these templates; say it with if, for"]),
        ({"help": "{{ text }}"}, ["help.txt:1: there is no text here; "]),
        ({"_place": "{% include '_place.txt' %}"}, ["_place.txt:1: it includes itself; take that out"]),
        ({"42___matter": "{% include '_place.txt' %}"}, ["42/_matter.txt:1: it includes itself; take that out"]),
        ({"modeles__a": "{{ usagr }}"}, ["modeles/a.txt:1: there is no usagr here; did you mean usager?"]),
        ({"modeles__a": "{{ marker.x }}"}, ["modeles/a.txt:1: there is no marker.x; known: nothing"]),
        ({"modeles__a": "\n\n"}, ["modeles/a.txt:1: it says nothing; write the answer, or take the file out"]),
        (
            {"modeles__Été": "x", "modeles__ete": "x"},
            ["modeles/Été.txt:1: agents can't tell its name from modeles/ete.txt; rename one of them"],
        ),
    ],
)
def test_faults(tmp_path: Path, files: dict[str, str | bytes], expected: list[str]) -> None:
    lines = told(tmp_path, **files)
    assert len(lines) == len(expected)
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning)
        assert "; " in line.partition(": ")[2]


def test_every_fault_is_told_in_one_go(tmp_path: Path) -> None:
    files: dict[str, Any] = {"anwser": "x", "help": "{{ a }}\n{{ b }}", "fr__digest": b"\xff", "42__refused": "{%"}
    lines = told(tmp_path, **files)
    assert [line.partition(" ")[0] for line in lines] == [
        *("42/refused.txt:1:", "anwser.txt:1:", "fr/digest.txt:1:", "help.txt:1:", "help.txt:2:")
    ]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder; make it, or set templates"):
        texts.load(tmp_path / "nowhere")


def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "help.txt").symlink_to(tmp_path / "gone.txt")
    assert told(tmp_path) == ["help.txt:1: it can't be read (it is no file); let the gateway's user read it"]


def test_folders_that_are_linked_are_read_too(tmp_path: Path) -> None:
    """A link to a démarche's folder makes two of one; what leads in a circle ends it."""
    written(tmp_path / "own", **{"42__fr___misdirected": "Ce courriel est pour 42.\n", "modeles__a": "x"})
    written(tmp_path / "elsewhere", help=templating.sources()["help.txt"])
    (tmp_path / "own/43").symlink_to("42")
    (tmp_path / "own/en").symlink_to(tmp_path / "elsewhere")
    assert sorted(read(tmp_path / "own").own) == [
        *("42/fr/_misdirected.txt", "43/fr/_misdirected.txt", "en/help.txt", "modeles/a.txt")
    ]
    (tmp_path / "own/modeles/fr").symlink_to("..")
    (tmp_path / "elsewhere/x").symlink_to("../own/en")
    assert [line.partition(";")[0] for line in told(tmp_path / "own")] == [
        "en/x:1: it leads in a circle",
        "modeles/fr:1: it leads in a circle",
    ]


def test_a_folder_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    written(tmp_path, **{"42__fr___misdirected": "Ce courriel est pour 42.\n"})
    with closed(tmp_path, "42", 0):
        assert told(tmp_path) == ["42:1: it can't be read (Permission denied); let the gateway's user read it"]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "answer.html").write_text("x")
    assert told(tmp_path)[0].startswith("answer.html:1: it is no template; give it a name that ends with .txt")


# --- what a mail must tell ---------------------------------------------------------------------------------

MARKER = "{{ marker }}\n"


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        (
            {"answer": f"{ANSWER}"},
            'answer.txt:1: it must say in words what to do if it went astray; add {% include "_mis',
        ),
        ({"answer": f"\n{ANSWER}{ASTRAY}"}, "answer.txt:1: its first line, the subject, is empty; write one"),
        ({"answer": f"s\n{CONTACT}{ASTRAY}"}, "answer.txt:1: it doesn't tell demarche.number in every case"),
        (
            {"answer": f"s\n{{{{ text }}}}\n{ASTRAY}"},
            "answer.txt:1: it doesn't tell organisation.siret in every case",
        ),
        (
            {"answer": f"{ANSWER}{ASTRAY}".replace("{{ text }}", "{% if first_name %}{{ text }}{% endif %}")},
            "answer.txt:1: it doesn't tell text in every case; write {{ text }}, or include a part that does",
        ),
        ({"_misdirected": "\n"}, "_misdirected.txt:1: it must say in words what to do if it went astray"),
        ({"_matter": "{{ reference }}\n"}, "_matter.txt:1: it doesn't tell demarche.title in every case"),
        ({"42___contact": "{{ organisation.name }}\n"}, "42/_contact.txt:1: it doesn't tell organisation.telephone"),
        ({"help": f"s\nHello\n{MARKER}{{{{ reference }}}}"}, "help.txt:2: its text doesn't begin with {{ marker }}"),
        ({"help": f"s\n{MARKER}"}, "help.txt:1: it doesn't tell reference in every case"),
        ({"fr__digest": "s\n"}, "fr/digest.txt:1: it doesn't tell fresh.answer_to in every case"),
        ({"_problem": "{% if code == 'empty' %}x{% endif %}"}, "_problem.txt:1: it has no words for the reason bad_"),
        ({"_authenticity": "proof\n"}, "_authenticity.txt:1: it must tell whether the sender is proven"),
        (
            {"answer": f"{ANSWER}{ASTRAY}\n{{{{ demarche.title }}}}\n"},
            "answer.txt:7: 'None' has no attribute 'title': it may be missing; put {% if … %} … {% endif %} around",
        ),
        (
            {"answer": f"{ANSWER}{ASTRAY}\n{{% trans %}}n° {{{{ dossier }}}}{{% endtrans %}}\n"},
            "answer.txt:7: a value of the kind NoneType is no text: it may be missing",
        ),
    ],
)
def test_what_a_mail_lacks(tmp_path: Path, files: dict[str, str | bytes], fault: str) -> None:
    lines = told(tmp_path, **files)
    assert any(line.startswith(fault) for line in lines), lines


@pytest.mark.parametrize("dropped", [name for name in samples.NEEDED["acknowledgement"] if "." in name])
def test_an_acknowledgement_must_tell_each_of_them(tmp_path: Path, dropped: str) -> None:
    lines = [f"{{{{ {name} }}}}" for name in ("received", "delay", "dossier", "reference")]
    owned = [name for name in samples.NEEDED["acknowledgement"] if name.startswith(("organisation.", "demarche."))]
    for name in owned:
        lines.append(f"{{% if {name.partition('.')[0]} %}}{{{{ {name} }}}}{{% endif %}}")
    lines.append("{% for faq in suggestions %}{{ faq.title }} {{ faq.url }}{% endfor %}")
    lines.append("{% for choice in choices %}{{ choice.number }}{% endfor %}")
    source = "\n".join(("s", *lines, ASTRAY)).replace("{{ dossier }}", "{% if dossier %}{{ dossier }}{% endif %}")
    read(written(tmp_path, acknowledgement=source))
    short = dropped.replace("suggestions.", "faq.").replace("choices.", "choice.")
    assert f"{{{{ {short} }}}}" in source
    lines = told(tmp_path, acknowledgement=source.replace(f"{{{{ {short} }}}}", ""))
    assert f"acknowledgement.txt:1: it doesn't tell {dropped} in every case" in lines[0]


@pytest.mark.parametrize("name", samples.MAILS)
def test_ours_can_be_taken_as_a_beginning(tmp_path: Path, name: str) -> None:
    folder = "fr" if name == "digest" else "42__fr"
    read(written(tmp_path, **{f"{folder}__{name}": templating.sources()[f"{name}.txt"]}))


@pytest.mark.parametrize("name", [*samples.MAILS, "_misdirected", "_authenticity", "_marks"])
def test_a_mail_can_not_be_emptied(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, **{name: "x\n"})


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (
            {"answer": f"{ANSWER}{ASTRAY}{{% if organisation %}}{{{{ demarche.title }}}}{{% endif %}}\n"},
            "answer.txt:6",
        ),
        ({"answer": f"{ANSWER}{ASTRAY}{{% if dossier %}}{{{{ demarche.title }}}}{{% endif %}}\n"}, "answer.txt:6"),
        ({"answer": f"{ANSWER}{ASTRAY}{{% if demarche %}}n° {{{{ dossier }}}}{{% endif %}}\n"}, "answer.txt:6"),
        (
            {
                "_entry": "{{ entry.reference }} {{ entry.answer_to }}\n"
                "{% if entry.title %}{{ entry.title }} n° {{ entry.dossier }}{% endif %}\n"
            },
            "_entry.txt:2",
        ),
        (
            {
                "_entry": "{{ entry.reference }} {{ entry.answer_to }}\n"
                "{% if entry.section == 'closing' %}n° {{ entry.dossier }}{% endif %}\n"
            },
            "_entry.txt:2",
        ),
    ],
)
def test_what_a_place_may_lack_is_found(tmp_path: Path, files: dict[str, str | bytes], line: str) -> None:
    """An organisation without a démarche, a dossier that the directory doesn't know any more."""
    lines = told(tmp_path, **files)
    assert all(one.startswith(f"{line}: ") for one in lines)
    assert all("it may be missing; put {% if … %} … {% endif %} around it" in one for one in lines)


@pytest.mark.parametrize(
    ("source", "line", "fault"),
    [
        (f"a\n{{% if {'subject or ' * 3000} subject %}}x{{% endif %}}", 1, "nested too deeply; take some apart"),
        ("a\n\n{{ 1e400 }}", 3, "only whole numbers"),
        ("a\n{% if 1e400 %}{% endif %}", 2, "only whole numbers"),
        ("a\n\n{{ gettext('%(a)s', a=subject, a=subject) }}", 3, "this can't be translated"),
        (f"a\n{{{{ {'9' * 5000} }}}}", 1, "it can't be understood"),
        ("a\n{{ gettext('%(a)50000000s', a=subject) }}", 2, "this can't be translated"),
        ("a\n{{ gettext('%(a)r', a=subject) }}", 2, "this can't be translated"),
        ("a\n{{ ngettext('%(a)s', '%(a).9s', 3, a=subject) }}", 2, "this can't be translated"),
        ("a\n{% for x in (subject or reference) %}{% endfor %}", 2, "loop over a list by its name"),
        ("a\n{% for x in 'abc' %}{% endfor %}", 2, "loop over a list by its name"),
    ],
)
def test_what_would_fail_otherwise_than_jinja_does(tmp_path: Path, source: str, line: int, fault: str) -> None:
    """As a mail, and as a part that a mail of the folder includes."""
    lines = told(
        tmp_path, help=source, _place=source.replace("subject", "reference"), refused="{% include '_place.txt' %}"
    )
    for name in ("help", "_place"):
        assert any(one.startswith(f"{name}.txt:{line}: ") and fault in one for one in lines), lines


# --- prepared answers --------------------------------------------------------------------------------------


def test_prepared_answers(tmp_path: Path) -> None:
    written(
        tmp_path,
        modeles__Accueil="Bonjour {{ usager }}, merci du {{ received }}.",
        modeles__fr__horaires="En français.",
        modeles__horaires="In any language.",
        **{
            "42__modeles__accueil": "Pour 42, dossier {{ dossier }}.",
            "42__modeles__en__hours": "English.",
            "42__modeles__Pièces_manquantes": "{% include '_place.txt' %}",
        },
    )
    here, elsewhere = place(tmp_path), place(tmp_path, demarche=None)
    assert texts.modeles(here) == ("accueil", "horaires", "Pièces_manquantes")
    assert texts.modeles(elsewhere) == ("Accueil", "horaires")
    assert texts.modeles(replace(here, locale="en")) == ("accueil", "horaires", "hours", "Pièces_manquantes")
    assert texts.modele("ACCUEIL", here) == "Pour 42, dossier 1234567.\n"
    assert texts.modele("accueil", elsewhere, usager="u@x", received=NOW) == (
        "Bonjour u@x, merci du 1er mars 2025 à 10\u00a0h\u00a030.\n"
    )
    assert texts.modele("horaires", here) == "En français.\n"
    assert texts.modele("horaires", replace(here, locale="en")) == "In any language.\n"
    assert "Démarche\u00a0: Permis (n° 42)" in (texts.modele("pieces  manquantes", here) or "")
    assert texts.modele("rien", here) is None
    assert texts.modele("../answer", here) is None
    assert texts.modele("hours", here) is None
    assert texts.modeles(place(None)) == ()


def test_a_prepared_answer_that_names_what_is_not_there(tmp_path: Path) -> None:
    folder = written(tmp_path, modeles__a="{{ organisation.name }}")
    assert texts.modele("a", place(folder)) == "Mairie d’Exemple\n"
    with pytest.raises(ModeleFaulty, match=r"modeles/a\.txt: 'None' has no attribute 'name'"):
        texts.modele("a", replace(place(folder), organisation=None))


# --- what none can do --------------------------------------------------------------------------------------

FORBIDDEN = r"""
{{ ''.__class__ }}
{{ instance.__init__.__globals__ }}
{{ organisation.model_config }}
{{ organisation.model_copy() }}
{{ messages[0] }}
{{ messages }}
{{ messages|join }}
{{ stranger }}
{{ not subject }}
{{ organisation or subject }}
{{ subject if dossier }}
{{ subject ~ subject }}
{{ 'a' * 99 }}
{{ -1 }}
{{ (1, 2) }}
{{ {} }}
{{ self }}
{{ loop.index }}
{{ lipsum() }}
{{ range(9) }}
{{ subject.upper() }}
{{ organisation|attr('name') }}
{{ dossier|length }}
{{ notes|join(subject) }}
{{ notes|join(attribute='x') }}
{{ gettext(subject) }}
{{ gettext('100 %') }}
{{ gettext('%(x)s') }}
{{ gettext('a', 'b') }}
{{ gettext() }}
{{ gettext(*notes) }}
{{ _('x') }}
{% include subject %}
{% include ['_place.txt', 'x'] %}
{% include '/etc/passwd' %}
{% include '_place.txt' without context %}
{% import '_place.txt' as x %}
{% from '_place.txt' import x %}
{% extends '_place.txt' %}
{% block a %}{% endblock %}
{% macro a() %}{% endmacro %}
{% call a() %}{% endcall %}
{% filter join %}{% endfilter %}
{% set a = 1 %}
{% with a = 1 %}{% endwith %}
{% autoescape true %}{% endautoescape %}
{% for a in range(9) %}{% endfor %}
{% for a in subject %}{% endfor %}
{% for a, b in messages %}{% endfor %}
{% for a in messages recursive %}{% endfor %}
{% for a in messages %}{% for b in messages %}{% for c in messages %}{% endfor %}{% endfor %}{% endfor %}
{% for m in messages %}{{ m }}{% endfor %}
{% for m in messages if m.txt %}{% endfor %}
{% if dossier > 3 %}{% endif %}
{% if 'x' in subject %}{% endif %}
{% if subject is string %}{% endif %}
{% trans x=subject.upper() %}a {{ x }}{% endtrans %}
{% trans x=organisation %}a {{ x }}{% endtrans %}
{% trans n=subject %}{{ n }}{% pluralize %}{{ n }}s{% endtrans %}
""".strip().split("\n")
KNOWN = {**templating.place_values(samples.PLACE), **samples.MAILS["notification"]}


def faults(source: str) -> list[grammar.Fault]:
    tree = templating.packaged().environments["fr"].parse(source)
    return list(grammar.faults(tree, KNOWN, samples.PARTS))


@pytest.mark.parametrize("source", FORBIDDEN)
def test_what_can_not_be_written(source: str) -> None:
    for hidden in (f"\n{source}", f"\n{{% if not subject %}}{source}{{% endif %}}"):
        found = faults(hidden)
        assert found
        assert {fault.line for fault in found} == {2}


@pytest.mark.parametrize(
    "source",
    [
        "100 % {{ subject }} {# a comment #} {% raw %}{{ x }}{% endraw %}",
        "{% trans %}100 % of {{ subject }}{% endtrans %}",
        "{% for m in messages %}{{ loop.index }} {{ m.text }}{% else %}none{% endfor %}",
        "{% if messages|length > 1 and not stranger %}{{ notes|join(', ') }}{% endif %}",
        "{{ dossier if dossier else 'no' }} {{ by or answered_to }}",
        "{% if organisation is none or reason != 'message' %}x{% elif reason == 'moved' %}y{% endif %}",
        "{% for m in messages %}{% for n in notes %}{{ n }}{% endfor %}{% endfor %}",
    ],
)
def test_what_can_be_written(source: str) -> None:
    assert faults(source) == []


pieces = st.sampled_from(
    [
        *FORBIDDEN,
        *("{% if subject %}", "{% endif %}", "{% for m in messages %}", "{% endfor %}", "{{ m.text }}", "{% else %}"),
        *(
            "{% trans %}",
            "{% endtrans %}",
            "{% pluralize %}",
            "{{ subject }}",
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "\n",
        ),
        *("{% include '_place.txt' %}", "{% include '_entry.txt' %}", "{{ marker }}", "%", "%(x)s", "é", "\ufeff"),
    ]
)


@given(st.lists(pieces, max_size=8).map("".join))
@settings(max_examples=150)
def test_whatever_is_written_it_can_be_used_or_is_told(tmp_path: Path, source: str) -> None:
    """Nothing but ConfigError, with a line for each fault; what is taken renders in every situation."""
    path = tmp_path / "notification.txt"
    path.write_text(f"s\n{MARKER}{source}", "utf-8")
    try:
        taken = read(tmp_path)
    except ConfigError as error:
        report = str(error).splitlines()
    else:
        report = []
    assert all(re.match(r".+notification\.txt:\d+: .+; .+", line) for line in report), report
    if report:
        return
    for where, values in samples.situations("notification"):
        templating.render("notification", replace(where, texts=taken), **values)


def test_many_templates_are_read_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a démarche only those mails are rendered that it has something of."""
    written(tmp_path, **{name: templating.sources()[f"{name}.txt"] for name in samples.MAILS})
    for number in range(1, 61):
        written(tmp_path, **{f"{number}__fr__answer": templating.sources()["answer.txt"]})
    rendered: list[tuple[str, ...]] = []
    worded = templating.worded

    def counted(texts: templating.Texts, language: str, name: str, values: samples.Values) -> templating.Words:
        rendered.append((language, *name.split("/")))
        return worded(texts, language, name, values)

    monkeypatch.setattr(templating, "worded", counted)
    started = time.process_time()
    assert len(read(tmp_path).own) == 60 + len(samples.MAILS)
    assert time.process_time() - started < 10
    assert {one for one in rendered if one[1]} == {("fr", str(number), "answer.txt") for number in range(1, 61)}


def test_own_templates_stay_out_of_ours() -> None:
    mine = texts_of({"answer.txt": "s\nmine\n"})
    assert answered(replace(samples.PLACE, texts=mine)) == "mine\n"
    assert answered(samples.PLACE).startswith("Bonjour,\n")
