"""Copies of notices that no program marked: what is cut, and what stays the author's."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.notices import by_platform, copies
from gateway.mail.notices.words import WORDS, Kind, kind, mentioned
from gateway.relay import samples, texts
from gateway.relay.templating import LANGUAGES

LINK = "https://demarches.example.org/dossiers/123/messagerie"
NEW_MESSAGE = f"""\
[Logo Démarches d’exemple]

Bonjour,

Vous avez reçu un nouveau message de la part du service en charge de votre dossier.

Pour consulter le message et y répondre, cliquez ici :

Lire le message <{LINK}>

Cordialement,
Mairie d’Exemple"""
FOOT = f"""\
—

Merci de ne pas répondre à cet email. Pour vous adresser à votre administration, passez directement par la
messagerie du dossier <{LINK}>.

Cette démarche est gérée par :
Mairie d’Exemple
1 rue de la Mairie

Cet email a été envoyé à l’adresse :
ulysse@usager.example.net

Une question sur votre dossier ?
Messagerie du dossier <{LINK}>
Téléphone : 05 00 00 00 00
Horaires : du lundi au vendredi

Démarches d’exemple est un service fourni par Exemple"""
SUBMITTED = f"""\
Bonjour,

Votre dossier n° 13 266 855 a bien été déposé. Si besoin est, vous pouvez encore y apporter une pièce.

Bonne journée,
Mairie d’Exemple

Consulter mon dossier <{LINK}>
J’ai une question <{LINK}>"""
REFUSED = """\
Bonjour,

Votre dossier n° 123 a été refusé le 3 mars 2025.

Le motif est le suivant :
Il manque une pièce.

Cordialement,
Mairie d’Exemple"""
ENGLISH = f"""\
New message on your file no. 123 « Permit »

Hello,

You received a new message from the service in charge of reviewing your file on « Permit ».

To read the message and answer it, select this:

Read the message <{LINK}>

Best regards,
The team

Please do not reply to this email. To contact your administration, go directly to the file mailbox.
This procedure is managed by: Mairie d’Exemple
This email has been sent to :
ulysse@usager.example.net"""
# Nothing tells these from an answer between the lines.
REASON = """\
Le motif est le suivant :
Il manque une pièce.
Cordialement,
Mairie d’Exemple"""
NOTICES = [f"{NEW_MESSAGE}\n\n{FOOT}", f"{SUBMITTED}\n\n{FOOT}", ENGLISH]
OWN = "Bonjour,\n\nVoici la pièce demandée.\n\nCordialement,\nUlysse Laërtiade\nTéléphone : 06 00 00 00 00"


def parted(text: str) -> tuple[str, str]:
    """The author's lines, and those that are cut, without the blank ones."""
    lines = text.split("\n")
    cut = {index for span in copies(lines) for index in range(span.start, span.stop)}
    own = [line for index, line in enumerate(lines) if index not in cut and line.strip()]
    return "\n".join(own), "\n".join(lines[index] for index in sorted(cut) if lines[index].strip())


def dense(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if line.strip())


@pytest.mark.parametrize("notice", NOTICES)
def test_a_copy_below_the_answer(notice: str) -> None:
    assert parted(f"{OWN}\n\n{notice}") == (dense(OWN), dense(notice))
    assert parted(f"{OWN}\n{dense(notice)}") == (dense(OWN), dense(notice))


@pytest.mark.parametrize("notice", NOTICES)
def test_what_stands_below_the_copy_is_the_authors(notice: str) -> None:
    below = "Et ceci encore.\nUlysse"
    assert parted(f"{OWN}\n\n{notice}\n\n{below}") == (f"{dense(OWN)}\n{below}", dense(notice))


def test_of_a_refusal_the_reason_stays() -> None:
    own, cut = parted(f"{OWN}\n\n{REFUSED}\n\n{FOOT}")
    assert own == f"{dense(OWN)}\n{REASON}"
    assert cut == f"{dense(REFUSED).removesuffix(REASON)}{dense(FOOT)}"


ANSWER = "J'ai déjà envoyé ce plan le 2 mars.\n\nCordialement,\nUlysse"


@pytest.mark.parametrize("place", ["\n\nBonne journée,", "\n\nConsulter mon dossier"])
@pytest.mark.parametrize("above", ["Voir plus bas.\n\n", ""])
def test_an_answer_between_the_lines_of_a_notice_is_the_authors(place: str, above: str) -> None:
    text = f"{above}{SUBMITTED}\n\n{FOOT}".replace(place, f"\n\n{ANSWER}{place}", 1)
    own, cut = parted(text)
    assert dense(ANSWER) in own
    assert cut.endswith(dense(FOOT))
    assert "Cordialement" not in cut


def test_below_a_line_of_one_value_stands_no_more() -> None:
    short = FOOT[: FOOT.index("\n\nUne question")]
    assert parted(f"{OWN}\n\n{short}\nEt ceci encore.")[0] == f"{dense(OWN)}\nEt ceci encore."


def test_the_authors_telephone_right_above_a_foot_is_hers() -> None:
    foot = FOOT[FOOT.index("Merci") :]
    assert parted(f"{OWN}\n\n{foot}") == (dense(OWN), dense(foot))


def test_a_sentence_that_was_wrapped() -> None:
    wrapped = NOTICES[0].replace("en charge de votre", "en charge de\nvotre")
    wrapped = wrapped[wrapped.index("Vous") :]  # no greeting says that it begins
    assert parted(f"{OWN}\n\n{wrapped}") == (dense(OWN), dense(wrapped))


def test_two_copies() -> None:
    first, second = NOTICES[0], NOTICES[1]
    assert parted(f"{OWN}\n\n{first}\n\nEt donc ?\n\n{second}") == (
        f"{dense(OWN)}\nEt donc ?",
        f"{dense(first)}\n{dense(second)}",
    )


def test_of_a_notice_with_words_of_its_own_the_foot_is_cut() -> None:
    custom = "Bonjour,\n\nLa commission a bien travaillé et vous attend mardi.\n\nCordialement,\nMairie"
    assert parted(f"{OWN}\n\n{custom}\n\n{FOOT}") == (f"{dense(OWN)}\n{dense(custom)}", dense(FOOT))


def test_above_the_answer_only_what_is_sure_is_cut() -> None:
    own, cut = parted(f"{NOTICES[0]}\n\nMa réponse.")
    assert own.endswith("\nMa réponse.")
    assert cut.endswith(dense(FOOT))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["acknowledgement", "transferred"])
def test_our_own_mails_below_the_answer(name: str, language: str) -> None:
    place, values = next(iter(samples.situations(name)))
    words = texts.render(name, replace(place, locale=language), **values).text
    own, cut = parted(f"{OWN}\n\n{words}")
    assert own.startswith(dense(OWN))
    assert place.reference in cut
    assert place.reference not in own


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_an_agents_answer_the_foot_is_cut_and_her_words_stay(language: str) -> None:
    place, values = next(iter(samples.situations("answer")))
    words = texts.render("answer", replace(place, locale=language), **values).text
    own, cut = parted(f"{OWN}\n\n{words}")
    assert own.startswith(f"{dense(OWN)}\n{str(values['text']).splitlines()[0]}")
    assert place.organisation is not None
    assert place.organisation.siret in cut


# --- in doubt, nothing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        OWN,
        "Bonjour,\n\nVotre dossier n° 123 a été accepté.\n\nCordialement,\nAlice",
        "Bonjour,\n\nVotre dossier n° 123 a été accepté, m’écrit-on.\n\nMerci de ne pas répondre à cet email.",
        "Je reçois : « Vous avez reçu un nouveau message de la part du service en charge de votre dossier »",
        "Une question sur votre dossier ?\n\nCordialement",
        "J’ai une question\n\nTéléphone : 06 00 00 00 00\nHoraires : le soir\n\n--\nUlysse",
        f"Consulter mon dossier <{LINK}>\n\nne marche pas",
        "\n".join(f"> {line}" for line in NOTICES[0].split("\n")),
    ],
)
def test_nothing_is_cut(text: str) -> None:
    assert copies(text.split("\n")) == ()


def test_an_agents_answer_is_never_taken_for_a_notice() -> None:
    """She may write as the platform does; below it stands our notification, whose foot is ours."""
    answer = "@close\n\nBonjour,\n\nVotre dossier n° 123 a été accepté.\n\nCordialement,\nAlice"
    ours = "Organisme : Mairie d’Exemple (SIRET 21310555400017)\nDémarche : Permis (n° 42)\nDossier : n° 123"
    assert parted(f"{answer}\n\n{ours}") == (dense(answer), ours)


words = st.text(st.sampled_from("abcdeéàz ,.'"), min_size=1, max_size=60).filter(lambda line: bool(line.strip()))


@given(st.lists(words, min_size=1, max_size=8), st.lists(words, max_size=8), st.sampled_from(NOTICES))
def test_the_authors_words_above_and_below_always_stay(above: list[str], below: list[str], notice: str) -> None:
    own, _ = parted("\n".join([*above, "", notice, "", *below]))
    assert own == "\n".join([*above, *below])


@given(st.lists(st.sampled_from([*NOTICES[0].split("\n"), *REFUSED.split("\n"), "> x", "mot", "", "a" * 300])))
def test_spans_are_apart_and_in_order(lines: list[str]) -> None:
    found = copies(lines)
    assert all(0 <= span.start < span.stop <= len(lines) for span in found)
    assert all(a.stop <= b.start for a, b in pairwise(found))


_SIGNS = {Kind.BUTTON, Kind.FOOT, Kind.OUR_FOOT}
_LINES = re.compile("|".join(pattern for found, pattern in WORDS if found in _SIGNS))


@settings(max_examples=300)
@given(st.from_regex(_LINES, fullmatch=True))
def test_no_sign_of_a_notice_is_passed_over(line: str) -> None:
    assert mentioned(("Bonjour,", line.upper())) or kind(line.upper()) not in _SIGNS


@pytest.mark.parametrize(
    "lines",
    [
        NOTICES[0].split("\n") * 2_000,
        ["Votre dossier n° 1 a été accepté"] * 50_000,
        ["Cette démarche est gérée par :", "x"] * 25_000,
        ["Bonjour,"] * 50_000,
        ["organisme : " + "x" * 200_000],
    ],
)
def test_time_is_linear(lines: list[str]) -> None:
    started = time.process_time()
    copies(lines)
    assert time.process_time() - started < 3


# --- the platform's mail itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["x-dn-mailer", "bypass_unverified_mail_protection", "x-deliver-with"])
def test_its_header_fields(field: str) -> None:
    assert field in by_platform({"from", field}, "contact@demarches.example.org", "")


@pytest.mark.parametrize(
    "author", ["ne-pas-repondre@demarches.example.org", "nepasrepondre@x.example", "no-reply@x.example"]
)
def test_its_address_and_its_words(author: str) -> None:
    assert by_platform({"from"}, author, NOTICES[0])
    assert not by_platform({"from"}, author, OWN)
    assert not by_platform({"from"}, author, "Merci de ne pas répondre à cet email.")


def test_a_person_who_passes_a_notice_on_is_a_person() -> None:
    assert by_platform({"from", "x-critical"}, "ulysse@usager.example.net", NOTICES[0]) == ""
    assert by_platform({"from"}, "norepliers@usager.example.net", NOTICES[0]) == ""
