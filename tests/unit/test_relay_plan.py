"""Which mails a message causes, to whom and with what: acknowledgements, answers, notifications, digests, notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.config.settings import Demarche, Faq
from gateway.model import (
    Attachment,
    Direction,
    Draft,
    Kind,
    Message,
    Nature,
    Problem,
    Proof,
    Purpose,
    Role,
)
from gateway.relay import plan, samples, texts
from gateway.relay.plan import Entry, Reason
from gateway.relay.templating import LANGUAGES
from tests.builders import NOW, conversation

PLACE, NOWHERE, FORMER = samples.PLACE, samples.NOWHERE, samples.FORMER
FAQ = (Faq(title="Où en est mon dossier ?", url="https://faq.example.org/etat"),)
ULYSSE, INES = "ulysse@usager.example.net", "ines@mairie.example.org"
ENTRY = Entry("W3HN-8KTD", "Une question", "Permis", 9, ULYSSE, NOW, "Bonjour", 2, "reponse+t@x.example", NOW)


def message(text: str = "Bonjour.", *sizes: int, **values: Any) -> Message:
    files = tuple(Attachment(f"{text[:1]}{n}.pdf", "application/pdf", size, "", n) for n, size in enumerate(sizes))
    made = Message(
        *("", Direction.IN, Kind.EXTERNAL, Nature.PERSON, Proof.PLAUSIBLE, ULYSSE, (), NOW, "s", text, "", files)
    )
    return replace(made, **values)


def english(draft: Callable[[texts.Place], Draft]) -> Draft:
    return draft(replace(PLACE, locale="en"))


# --- acknowledgements --------------------------------------------------------------------------------------


def test_an_acknowledgement() -> None:
    letter = plan.acknowledgement("u@x", PLACE, NOW)
    assert (letter.purpose, letter.to, letter.role) == (Purpose.ACKNOWLEDGEMENT, "u@x", Role.USAGER)
    assert (letter.from_name, letter.automatic, letter.silent) == ("Mairie d’Exemple", True, True)
    assert texts.local_time(NOW, PLACE) in letter.text
    assert "Délai" not in letter.text
    assert "https://faq" not in letter.text
    assert "indiquant" not in letter.text
    assert plan.acknowledgement("u@x", NOWHERE, NOW).from_name == PLACE.instance.name


def test_an_acknowledgement_tells_the_delay_and_what_may_help() -> None:
    slow = Demarche(number=42, title="Permis", organisation=samples.ORGANISATION.siret, delay="10 jours ouvrés")
    letter = plan.acknowledgement("u@x", replace(PLACE, demarche=slow), NOW, suggestions=FAQ)
    assert "Délai de réponse habituel\u00a0: 10 jours ouvrés." in letter.text
    assert "– Où en est mon dossier ?\n  https://faq.example.org/etat\n" in letter.text


def test_an_acknowledgement_asks_for_a_dossier() -> None:
    letter = plan.acknowledgement("u@x", PLACE, NOW, choices=((123, "Permis de végétaliser"), (124, "")))
    assert "1. dossier n° 123 – Permis de végétaliser\n2. dossier n° 124\n" in letter.text
    assert "Quel dossier votre message concerne-t-il" in letter.text
    letter = plan.acknowledgement("u@x", PLACE, NOW, choices=())
    assert (
        "Si votre message concerne un dossier, merci de répondre à ce courriel en indiquant son numéro."
        in letter.text
    )
    assert "1." not in letter.text


# --- to the usager and other organisations -----------------------------------------------------------------


def test_an_answer_names_the_organisation_and_no_agent() -> None:
    letter = plan.answer(ULYSSE, Role.GUEST, PLACE, message(author=INES), subject="s")
    assert (letter.purpose, letter.role, letter.from_name) == (Purpose.ANSWER, Role.GUEST, "Mairie d’Exemple")
    assert INES not in letter.text + letter.from_name
    assert (letter.automatic, letter.silent, letter.subject) == (False, False, "Re: s")
    assert letter.text.startswith("Bonjour.\n\n-- \n")


def test_an_answer_tells_the_first_name_where_it_may() -> None:
    letter = plan.answer(ULYSSE, Role.USAGER, PLACE, message(), subject="s", first_name="Inès")
    assert "\nInès, Mairie d’Exemple\n\n-- \n" in letter.text
    assert letter.from_name == "Mairie d’Exemple"
    letter = plan.answer(ULYSSE, Role.USAGER, NOWHERE, message(), subject="s", first_name="Inès")
    assert "\nInès\n\n-- \n" in letter.text


def test_what_is_too_large_is_named_and_held_back() -> None:
    letter = notified(message("x", 10, PLACE.attachments.max_relayed, 20))
    assert [e.attachment.name for e in letter.enclosures] == ["x0.pdf", "x2.pdf"]
    assert "– x1.pdf\u00a0: trop volumineux pour un courriel" in letter.text


def test_a_transfer_tells_whom_the_request_was_handed_to() -> None:
    letter = plan.transferred(ULYSSE, Role.USAGER, PLACE, message("Voyez la mairie.", 10), subject="s", former=FORMER)
    assert (letter.purpose, letter.automatic, letter.from_name) == (Purpose.ANSWER, False, "Mairie d’Ailleurs")
    assert [enclosure.attachment.name for enclosure in letter.enclosures] == ["V0.pdf"]
    assert letter.text.startswith("Voyez la mairie.\n")
    for part in ("Mairie d’Ailleurs", "L. 114-2", "rien à faire", texts.local_time(NOW, PLACE), "05 00 00 00 00"):
        assert part in letter.text
    wordless = plan.transferred(ULYSSE, Role.USAGER, PLACE, message(""), subject="s", former=None)
    assert wordless.text.startswith("Bonjour,\n\nVotre demande a été transmise")
    assert wordless.from_name == PLACE.instance.name
    told = english(
        lambda place: plan.transferred(ULYSSE, Role.USAGER, place, message(""), subject="s", former=FORMER)
    )
    assert "L. 114" not in told.text
    assert "You do not have to do anything" in told.text


def test_a_transmission_holds_all_that_was_written() -> None:
    request = (message("Un.", 10), message("Deux.", 20))
    letter = plan.transmission("a@x", PLACE, request, subject="s", usager=ULYSSE, former=FORMER)
    assert (letter.purpose, letter.role, letter.automatic) == (Purpose.ANSWER, Role.GUEST, False)
    assert letter.from_name == "Mairie d’Ailleurs"
    assert [e.attachment.name for e in letter.enclosures] == ["U0.pdf", "D0.pdf"]
    assert letter.text.index("Un.") < letter.text.index("Deux.")
    assert f"lui répondre directement, à cette adresse\u00a0: {ULYSSE}" in letter.text
    assert "en a été avertie" in letter.text
    bare = plan.transmission("a@x", PLACE, request, subject="", usager=ULYSSE, former=None)
    assert bare.from_name == PLACE.instance.name
    assert "(sans objet)" in bare.subject


# --- to agents ---------------------------------------------------------------------------------------------


def notified(*messages: Message, **values: Any) -> Draft:
    about = {key: values.pop(key) for key in ("usager", "guests") if key in values}
    return plan.notification(INES, PLACE, messages or (message(),), conversation(subject="s", **about), **values)


def test_a_notification() -> None:
    letter = notified(message("Bonjour.", 10), author_name="Ulysse")
    assert (letter.purpose, letter.to, letter.role) == (Purpose.NOTIFICATION, INES, Role.AGENT)
    assert (letter.automatic, letter.silent) == (True, False)
    assert letter.from_name == f"Ulysse – {PLACE.instance.name}"
    assert letter.subject == "[K7MP-4QXZ] s"
    assert f"Ulysse <{ULYSSE}> a écrit le" in letter.text
    assert "Pièces jointes\u00a0: B0.pdf" in letter.text
    assert "Attention" not in letter.text
    assert letter.text.count("Organisme\u00a0:") == 1
    assert notified().from_name == PLACE.instance.name


def test_a_burst_is_one_notification_oldest_first() -> None:
    later = message("Deux.", 20, received_at=NOW + timedelta(minutes=1), proof=Proof.VERIFIED)
    letter = notified(message("Un.", 10), later, author_name="Ulysse")
    assert letter.text.count(f"Ulysse <{ULYSSE}> a écrit le") == 2
    assert letter.text.index("non vérifié") < letter.text.index("Un.")  # before words that might forge it
    assert letter.text.index("Un.") < letter.text.index("expéditeur vérifié") < letter.text.index("Deux.")
    assert texts.local_time(later.received_at, PLACE) in letter.text
    assert [e.attachment.name for e in letter.enclosures] == ["U0.pdf", "D0.pdf"]
    assert letter.text.count("Organisme\u00a0:") == 1


def test_the_name_is_that_of_the_latest_author_alone() -> None:
    letter = notified(message(author="v@x.example"), message(), author_name="Ulysse")
    assert "v@x.example a écrit" in letter.text
    assert "Ulysse <v@x" not in letter.text
    assert f"Ulysse <{ULYSSE}> a écrit" in letter.text


def test_the_enclosures_of_a_burst_share_the_room() -> None:
    half = PLACE.attachments.max_relayed // 2 + 1
    letter = notified(message("a", half), message("b", half), message("c", 5))
    assert [e.attachment.name for e in letter.enclosures] == ["a0.pdf", "c0.pdf"]
    assert "– b0.pdf\u00a0: trop volumineux pour un courriel" in letter.text


def test_a_mail_shows_the_latest_that_it_has_room_for_and_says_what_it_leaves_out() -> None:
    """Forty mails of 500,000 characters would be one of 20 MB."""
    burst = tuple(message(f"n{n} " + "x" * 500_000, 5) for n in range(40))
    for letter in (notified(*burst), plan.transmission("a@x", PLACE, burst, subject="s", usager="", former=None)):
        assert len(letter.text) < 250_000
        shown = [n for n in range(40) if f"n{n} " in letter.text]
        assert shown == list(range(40 - len(shown), 40))
        assert len(shown) >= 2
        assert f"{40 - len(shown)} messages plus anciens ne figurent pas ici" in letter.text
        assert letter.text.count("x […]\n(Le texte continue") == len(shown)
        assert len(letter.enclosures) == len(shown)
    assert "(7 messages plus anciens ne figurent pas ici\u00a0; la passerelle les conserve.)" in notified(more=7).text
    assert "Un message plus ancien ne figure pas ici" in notified(more=1).text
    short = notified(message("x" * 49_000), message("Deux."))
    assert "plus ancien" not in short.text
    assert "continue" not in short.text


def test_a_stranger_is_pointed_out() -> None:
    assert "ce message ne vient pas de l’usager" in notified(message(author="v@x")).text
    assert "certains de ces messages ne viennent pas" in notified(message(author="v@x"), message()).text
    assert f"Votre réponse sera envoyée à {ULYSSE}" in notified(message(author="v@x")).text
    assert "ne vient pas" not in notified(message(author="v@x"), guests=("v@x",)).text
    assert "n’est pas connue" in notified(usager="").text
    assert "le dossier n° 9" in notified(refused=9).text


@pytest.mark.parametrize(
    ("reason", "said", "unsaid"),
    [
        (Reason.MESSAGE, "", ""),
        (Reason.ASSIGNED, "Manon vous a confié", "vous a été confiée"),
        (Reason.MOVED, "Manon a déplacé", "a été déplacée"),
        (Reason.TRANSFERRED, "Manon a transmis", "a été transmise à votre organisme"),
        (Reason.WOKEN, "de nouveau à traiter", "de nouveau à traiter"),
        (Reason.UNSTAFFED, "elle vous revient", "elle vous revient"),
    ],
)
def test_a_notification_says_why(reason: Reason, said: str, unsaid: str) -> None:
    assert said in notified(reason=reason, by="Manon").text
    assert unsaid in notified(reason=reason).text
    others = {"vous a confié", "a déplacé", "a transmis", "de nouveau à traiter", "elle vous revient"}
    assert sum(other in notified(reason=reason, by="Manon").text for other in others) == (
        reason is not Reason.MESSAGE
    )


def test_notes_come_with_an_assignment() -> None:
    letter = notified(reason=Reason.ASSIGNED, by="Manon", notes=("Regarde.", "Vite."))
    assert "Note (Manon)\u00a0: Regarde.\n\nNote (Manon)\u00a0: Vite.\n" in letter.text


def test_a_mention_says_where_an_answer_goes() -> None:
    letter = plan.mention(INES, PLACE, "@ines regarde", subject="s", by="Manon", received_at=NOW)
    assert letter.purpose is Purpose.NOTIFICATION
    assert "Manon vous a mentionné dans une note" in letter.text
    assert "@ines regarde" in letter.text
    assert "est envoyée à l’usager" in letter.text
    assert "commencez votre réponse par @note" in letter.text


def test_a_digest() -> None:
    place = replace(NOWHERE, reference="")
    letter = plan.digest(INES, place, fresh=(ENTRY,), waiting=(replace(ENTRY, count=1, closes_at=None),))
    assert letter.purpose is Purpose.NOTIFICATION
    assert letter.subject.endswith("2 conversations vous attendent")
    assert letter.text.index("NOUVEAUX") < letter.text.index("2 messages") < letter.text.index("EN ATTENTE")
    assert letter.text.count("En attente depuis le ") == 1
    assert "Sera close" not in letter.text
    assert letter.text.count("Pour répondre\u00a0: reponse+t@x.example") == 2
    assert "BIENTÔT CLOSES" not in letter.text
    assert "Merci de ne pas répondre à ce courriel" in letter.text
    letter = plan.digest(
        INES, place, closing=(replace(ENTRY, answer_to="", usager="", subject="", excerpt="a\n\nb"),)
    )
    assert "BIENTÔT CLOSES" in letter.text
    assert letter.text.count("Sera close le ") == 1
    assert "Pour répondre" not in letter.text
    assert "[W3HN-8KTD] (sans objet)" in letter.text
    assert "> a b\n" in letter.text


def test_a_long_digest_counts_what_it_does_not_show() -> None:
    place = replace(NOWHERE, reference="")
    more = {"fresh": 2, "waiting": 1}
    letter = plan.digest(INES, place, fresh=(ENTRY,), waiting=(ENTRY,), closing=(ENTRY,), more=more)
    assert letter.text.count("[W3HN") == 3
    assert "\net 2 autres conversations\n" in letter.text
    assert letter.text.count("\net une autre conversation\n") == 1
    assert letter.subject.startswith(f"{PLACE.instance.name} : 6 conversations")


def test_a_refusal_gives_the_text_back() -> None:
    problems = [Problem("empty_note"), Problem("unknown_command", "@toto")]
    letter = plan.refusal(INES, PLACE, problems, subject="s", text="mon texte", hers=True, received_at=NOW)
    assert (letter.purpose, letter.silent) == (Purpose.NOTICE, True)
    assert "– la note est vide\n– @toto n’est pas une commande\n" in letter.text
    assert letter.text.endswith("mon texte\n")
    assert letter.subject.startswith("[K7MP-4QXZ] Votre message")
    letter = plan.refusal(INES, PLACE, problems, subject="s", text="", hers=False, received_at=NOW)
    assert letter.subject.startswith("[K7MP-4QXZ] Un message")
    assert "Voici votre texte" not in letter.text
    place = replace(PLACE, locale="en")
    letter = plan.refusal(INES, place, problems, subject="s", text="", hers=True, received_at=NOW)
    assert "– the note is empty\n– @toto is not a command\n" in letter.text


def asking(place: texts.Place, why: str = "no_proof", **values: Any) -> Draft:
    given: dict[str, Any] = {"author_name": "", "commands": ("@clore",), "goes_to": (ULYSSE,), **values}
    letter = message("Bonjour, c’est d’accord.", author=INES)
    return plan.confirmation("u@x", place, letter, subject="", why=Problem(why, INES), until=NOW, **given)


def test_a_question_whether_a_mail_is_hers_tells_all_that_would_come_of_it() -> None:
    letter = asking(PLACE)
    assert (letter.purpose.value, letter.confirms, letter.automatic, letter.silent) == ("confirmation", 0, True, True)
    for told in (
        f"Expéditeur annoncé : {INES}",
        "aucun serveur de messagerie n’atteste",
        f"Il serait envoyé à : {ULYSSE}",
        "Commandes qu’il contient : @clore",
        "\nBonjour, c’est d’accord.\n",
        "le mot « oui », seul sur la première ligne",
    ):
        assert told.replace(" :", "\u00a0:").replace("« ", "«\u00a0").replace(" »", "\u00a0»") in letter.text, told
    assert "Attention" not in letter.text


def test_a_question_warns_of_another_address_than_hers() -> None:
    letter = asking(PLACE, "other_author", goes_to=(), commands=())
    assert "cette adresse n’est pas la vôtre" in letter.text
    assert "à personne à l’extérieur" in letter.text
    assert "Commandes" not in letter.text


def test_how_to_answer_is_told_where_that_is_what_lacked() -> None:
    unclear, late = (
        plan.unconfirmed("u@x", PLACE, Problem(code), subject="s", received_at=NOW, confirms=7)
        for code in ("unclear_answer", "confirmed_late")
    )
    assert "Pour confirmer, répondez" in unclear.text
    assert "Pour confirmer, répondez" not in late.text
    assert "le délai pour le confirmer est passé" in late.text
    assert (unclear.confirms, unclear.silent) == (7, True)


def test_notices() -> None:
    asked, unasked = (plan.help_notice(INES, PLACE, subject="", asked=asked) for asked in (True, False))
    assert "que vous avez demandées" in asked.text
    assert "Pour mémoire" in unasked.text
    assert asked.subject == "[K7MP-4QXZ] Commandes par courriel : (sans objet)"
    assert "– accueil\n– pièces\n" in plan.modeles_notice(INES, PLACE, ("accueil", "pièces"), subject="s").text
    assert "Il n’y a pas de réponse préparée" in plan.modeles_notice(INES, PLACE, (), subject="s").text
    failed = plan.undelivered(INES, PLACE, subject="s", recipient=ULYSSE, reply="550 no", delivery=7)
    assert f"La réponse destinée à {ULYSSE} n’a pas pu" in failed.text
    assert "\n  550 no\n" in failed.text
    unknown = plan.undelivered(
        INES, PLACE, subject="s", recipient=ULYSSE, reply="x", delivery=7, answer=False, uncertain=True
    )
    assert "l’envoi de la notification" in unknown.text
    assert "Remise incertaine" in unknown.subject


# --- all of them -------------------------------------------------------------------------------------------

ALL: dict[str, Callable[[texts.Place], Draft]] = {
    "acknowledgement": lambda p: plan.acknowledgement("u@x", p, NOW, suggestions=FAQ, choices=((1, "a"),)),
    "answer": lambda p: plan.answer("u@x", Role.USAGER, p, message(), subject=""),
    "transferred": lambda p: plan.transferred("u@x", Role.USAGER, p, message(), subject="", former=FORMER),
    "transmission": lambda p: plan.transmission("u@x", p, (message(),), subject="", usager=ULYSSE, former=FORMER),
    "notification": lambda p: plan.notification("u@x", p, (message(),), conversation(subject="")),
    "checked": lambda p: plan.checked("u@x", p, message("x", 5, 20_000_000), subject=""),
    "mention": lambda p: plan.mention("u@x", p, "n", subject="", by="b", received_at=NOW),
    "digest": lambda p: plan.digest("u@x", p, fresh=(ENTRY,), waiting=(ENTRY,), closing=(ENTRY,)),
    "refused": lambda p: plan.refusal("u@x", p, [Problem("empty")], subject="", text="t", hers=True, received_at=NOW),
    "alarm": lambda p: plan.volume_alarm("u@x", p, 120),
    "confirmation": asking,
    "unconfirmed": lambda p: plan.unconfirmed(
        "u@x", p, Problem("unclear_answer"), subject="", received_at=NOW, confirms=7
    ),
    "help": lambda p: plan.help_notice("u@x", p, subject=""),
    "modeles": lambda p: plan.modeles_notice("u@x", p, ("a",), subject=""),
    "health": lambda p: plan.health_alarm("u@x", p, (("filing", 3, NOW),)),
    "arrived": lambda p: plan.arrived("u@x", p, subject="", recipient="u@x", reply="r"),
    "undelivered": lambda p: plan.undelivered("u@x", p, subject="", recipient="u@x", reply="r", delivery=7),
}


@pytest.mark.parametrize("name", samples.MAILS)
def test_the_samples_have_the_shape_of_what_templates_are_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an instance's template is checked with is what it will be rendered with."""
    given: dict[str, Any] = {}
    render = texts.render
    monkeypatch.setattr(
        texts, "render", lambda n, place, **values: (given.update(values), render(n, place, **values))[1]
    )
    ALL[name](PLACE)
    sample = samples.MAILS[name]
    assert given.keys() == sample.keys()
    for key, value in given.items():
        assert isinstance(sample[key], list) == isinstance(value, list | tuple), key
        pair: tuple[Any, Any] = (value, sample[key])
        real, shown = (one[0] if isinstance(one, list | tuple) and one else one for one in pair)
        if isinstance(shown, dict) and real:
            assert real.keys() == shown.keys(), key
        elif real is not None and real not in ([], ()):
            assert type(real) is type(shown), key


@pytest.mark.parametrize("name", samples.MAILS)
def test_every_mail_speaks_the_places_language(name: str) -> None:
    french, told = (ALL[name](replace(PLACE, locale=language)) for language in LANGUAGES)
    assert (french.language, told.language) == ("fr", "en")
    assert french.text != told.text
    assert "—" not in french.subject + told.subject
    if name not in {"acknowledgement", "alarm", "digest", "health"}:
        assert "(sans objet)" in french.subject
        assert "(no subject)" in told.subject


@pytest.mark.parametrize(
    ("subject", "expected"),
    [("x", "Re: x"), ("Re: x", "Re: x"), ("RE : x", "RE : x"), ("", "Re: (sans objet)"), ("Reçu", "Re: Reçu")],
)
def test_re_once(subject: str, expected: str) -> None:
    assert plan.reply_subject(subject) == expected
