"""Which FAQ entries are offered: measured on mails as people write them, and rule by rule."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import Faq
from gateway.desk.faq import Suggestion, index, suggest


def faq(title: str, *words: str, demarches: tuple[int, ...] = (), locale: str = "") -> Faq:
    slug = "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower())
    url = f"https://demarches.example.org/faq/{slug}"
    return Faq(title=title, url=url, words=words, demarches=demarches, locale=locale)  # type: ignore[arg-type]


STATE = faq(
    "Où en est mon dossier ?", "où en est", "avancement", "délai", "sans réponse", "sans nouvelles", locale="fr"
)
STATE_EN = faq("Where does my file stand?", "progress", "how long", "status of my", "still waiting", locale="en")
PASSWORD = faq(
    "J'ai oublié mon mot de passe", "mot de passe", "me connecter", "connexion", "password", "log in", "sign in"
)
NO_MAIL = faq("Je ne reçois pas d'e-mail", "pas reçu d'e-mail", "courriel de confirmation", "spam", "indésirable")
EDIT = faq(
    "Modifier un dossier déposé", "modifier", "corriger", "rectifier", "erreur de saisie", "change my file", "edit"
)
ATTACH = faq(
    "Joindre une pièce justificative", "pièce jointe", "justificatif", "joindre", "téléverser", "upload", "attachment"
)
DELETE = faq(
    "Supprimer mon dossier ou mon compte",
    "supprimer",
    "retirer ma demande",
    "annuler ma demande",
    "withdraw",
    "delete",
)
GUEST = faq(
    "Inviter une personne sur mon dossier", "inviter", "invité", "à plusieurs", "mandataire", "invite", "co-applicant"
)
CERTIFICATE = faq("Télécharger mon attestation", "attestation", "récépissé", "certificat", "certificate", "receipt")
CONTACT = faq(
    "Contacter le service instructeur", "numéro de téléphone", "joindre le service", "rendez-vous", "appointment"
)
PERMIT = faq("Que puis-je planter ?", "planter", "espèces", "arbustes", "plants", demarches=(42,))
ENTRIES = (STATE, STATE_EN, PASSWORD, NO_MAIL, EDIT, ATTACH, DELETE, GUEST, CERTIFICATE, CONTACT, PERMIT)
INDEX = index(ENTRIES)

FITTING = [
    ("fr", "Dossier 123", "Bonjour,\n\nPouvez-vous me dire où en est ma demande ?\n\nCordialement", STATE),
    ("fr", "Avancement de mon dossier", "Bonjour, j'ai déposé un dossier en mars. Merci", STATE),
    ("fr", "Demande déposée il y a deux mois", "Je suis toujours sans reponse. Quels sont les delais ?", STATE),
    (
        "fr",
        "(aucun objet)",
        "bonjour je suis sans nouvelle de mon dossier depuis le 12 juin, que dois-je faire",
        STATE,
    ),
    ("en", "My application", "Hello, how long will it take? I am still waiting. Regards", STATE_EN),
    ("en", "Status of my application", "Dear Sir, is there any news?", STATE_EN),
    ("fr", "Mot de passe oublié", "Je n’arrive plus à me connecter sur le site.", PASSWORD),
    ("fr", "Problème de connexion", "Bonjour, le site refuse mes identifiants.", PASSWORD),
    ("en", "Can't log in", "I forgot my password and the link has expired.", PASSWORD),
    ("fr", "Confirmation", "Je n'ai pas reçu d’email après le dépôt, j'ai regardé dans les indésirables.", NO_MAIL),
    ("fr", "pas de mail", "Je n'ai jamais eu le courriel de confirmation de mon inscription", NO_MAIL),
    ("fr", "Erreur dans mon dossier", "J'ai fait une erreur de saisie dans mon adresse, comment la corriger ?", EDIT),
    ("fr", "Changement d'adresse", "Je souhaite modifier mon adresse dans le dossier que j'ai déposé hier", EDIT),
    ("en", "Wrong date of birth", "How can I change my file? I typed the wrong date.", EDIT),
    ("fr", "Pièces jointes", "Le site n'accepte pas mes documents, ils font 30 Mo.", ATTACH),
    ("fr", "RE: votre demande", "Je n’arrive pas à téléverser les justificatifs de domicile demandés.", ATTACH),
    ("en", "Error message", "The upload of the attachments fails every time at 90%.", ATTACH),
    ("fr", "Annulation", "Je voudrais annuler ma demande, le projet ne se fera pas.", DELETE),
    ("fr", "Suppression", "Merci de supprimer mon compte et toutes mes données.", DELETE),
    ("en", "Application no longer needed", "I would like to withdraw my application, please.", DELETE),
    (
        "fr",
        "Dossier en commun",
        "Comment remplir le dossier à plusieurs avec mon épouse ? Puis-je l’inviter ?",
        GUEST,
    ),
    ("fr", "Mandataires", "Je suis le mandataire de ma mère, qui n'a pas d'ordinateur.", GUEST),
    ("en", "Application with my wife", "Can I invite her as a co-applicant?", GUEST),
    ("fr", "Attestations", "Où puis-je trouver l'attestation d'acceptation ?", CERTIFICATE),
    ("fr", "Document perdu", "J'ai perdu le récépissé de dépôt. Pouvez-vous me le renvoyer ?", CERTIFICATE),
    ("en", "Missing document", "Where can I find the certificates of acceptance?", CERTIFICATE),
    ("fr", "Vous rencontrer", "Je voudrais un rendez vous avec la personne qui suit mon affaire.", CONTACT),
    ("fr", "Vous joindre", "Quel est le numéro de téléphone de la mairie ?", CONTACT),
    (
        "fr",
        "Question sur le permis",
        "Quelles espèces d'arbustes ai-je le droit de planter devant chez moi ?",
        PERMIT,
    ),
    ("en", "Permit", "Which plant species are allowed on the pavement?", PERMIT),
]
FITTING_NOTHING = [
    ("fr", "Merci", "Bonjour,\n\nMerci beaucoup pour votre aide, tout est en ordre.\n\nBonne journée"),
    ("fr", "Réponse", "Voici le document que vous m'avez demandé. Cordialement, Ulysse"),
    ("fr", "Re: dossier 123", "D'accord, je passerai à la mairie jeudi matin."),
    (
        "fr",
        "Travaux",
        "Le trottoir devant le 12 rue des Lilas sera refait en mai, est-ce que le permis reste valable ?",
    ),
    ("fr", "Facture", "Veuillez trouver la facture n° 2026-118 d'un montant de 240 euros."),
    ("fr", "Voisinage", "Mon voisin fait du bruit le soir, à qui dois-je m'adresser ?"),
    ("fr", "Horaires", "À quelle heure ouvre la bibliothèque le samedi ?"),
    ("fr", "Mon dossier", "Bonjour, mon dossier concerne une maison et non un appartement. Merci de me confirmer."),
    ("fr", "Congés", "Je serai absente du 3 au 14 août."),
    ("fr", "", ""),
    ("en", "Thanks", "Thank you very much for your help. Kind regards"),
    ("en", "Re: your question", "Yes, the house was built in 1972 and has two floors."),
    ("en", "Street lamp", "The lamp in front of our building has been broken for a week."),
    ("en", "Question", "Is a tenant allowed to apply, or must the owner do it?"),
]


def first(locale: str, subject: str, text: str) -> Faq | None:
    found = suggest(INDEX, subject, text, demarche=42, language=locale)
    assert len(found) <= 3
    return found[0].entry if found else None


def test_the_right_entry_comes_first() -> None:
    missed = [text for locale, subject, text, right in FITTING if first(locale, subject, text) != right]
    assert len(missed) <= len(FITTING) // 10, missed


def test_mails_that_fit_nothing_are_offered_nothing() -> None:
    offered = [mail for mail in FITTING_NOTHING if first(*mail) is not None]
    assert len(offered) <= len(FITTING_NOTHING) // 10, offered


# --- the rules ----------------------------------------------------------------------------------------

ONE = faq("Un", "avancement", "mot de passe")


def weights(
    entries: tuple[Faq, ...], subject: str, text: str = "", demarche: int | None = None
) -> list[tuple[str, float]]:
    found = suggest(index(entries), subject, text, demarche=demarche, language="")
    return [(suggestion.entry.title, suggestion.weight) for suggestion in found]


def test_the_subject_counts_double_a_phrase_half_more_and_each_once() -> None:
    assert weights((ONE,), "", "Avancement, avancement !") == [("Un", 1.0)]
    assert weights((ONE,), "avancement", "avancement") == [("Un", 2.0)]
    assert weights((ONE,), "", "mot de passe") == [("Un", 1.5)]
    assert weights((ONE,), "avancement", "mot de passe") == [("Un", 3.5)]
    assert weights((ONE,), "le mot", "de passe") == []


def test_it_is_told_why() -> None:
    found = suggest(index((ONE,)), "Mon mot de passe", "l'avancement", demarche=None, language="fr")
    assert found == (
        Suggestion(ONE, 4.0, '"mot de passe" stands in the subject (3.0), "avancement" stands in the text (1.0)'),
    )
    many = faq("Deux", *(f"mot{n}" for n in range(9)))
    (suggestion,) = suggest(index((many,)), "", " ".join(many.words), demarche=None, language="")
    assert suggestion.weight == 9
    assert suggestion.because.count("stands") == 5


def test_a_word_that_several_share_counts_the_less() -> None:
    two, three = faq("Deux", "avancement"), faq("Trois", "avancement")
    assert weights((ONE, two), "", "avancement") == [("Un", 0.59), ("Deux", 0.59)]
    assert weights((ONE, two, three), "", "avancement") == []
    assert weights((ONE, two, three), "avancement") == [("Un", 0.95), ("Deux", 0.95), ("Trois", 0.95)]
    assert weights((two, three, ONE), "avancement", "mot de passe") == [("Un", 2.45), ("Deux", 0.95), ("Trois", 0.95)]


def test_a_word_that_stands_everywhere_chooses_nothing() -> None:
    entries = tuple(faq(f"{n}", "pièce jointe") for n in range(26))
    assert len(weights(entries[:25], "pièces jointes")) == 3
    assert weights(entries, "pièces jointes") == []


def test_those_that_fit_alike_come_as_they_are_configured() -> None:
    assert weights((faq("A", "récépissé"), faq("B", "avancement")), "", "avancement, récépissé") == [
        ("A", 1.0),
        ("B", 1.0),
    ]


def test_the_titles_words_count_a_little() -> None:
    entry = faq("Comment supprimer une pièce de mon dossier ?", "effacer")
    assert weights((entry,), "", "comment, mon, une, de") == []
    assert weights((entry,), "", "supprimer une pièce") == []
    assert weights((entry,), "", "Je veux supprimer une pièce de mon dossier") == [(entry.title, 0.6)]
    assert weights((entry,), "", "Effacer une pièce") == [(entry.title, 1.2)]
    assert weights((faq("Avancement", "avancement"),), "", "avancement") == [("Avancement", 1.0)]


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("délai", "DELAIS"),
        ("pièce jointe", "pièces jointes"),
        ("attestations", "une attestation"),
        ("niveau", "niveaux"),
        ("déposé", "la demande déposée"),
        ("déposées", "déposer"),
        ("ancien", "anciennes"),
        ("e-mail", "email"),
        ("email", "vos e-mails"),
        ("rendez-vous", "un rendez vous"),
        ("carte d'identité", "carte d’identité"),
        ("carte d'identité", "carte identité"),
        ("entry", "entries"),
        ("change", "changed"),
        ("uploading", "I can't upload"),
        ("où en est", "ou en est"),
        ("où\u00a0en est", "où\nen  est"),
        ("deleted", "delete"),
        ("process", "processes"),
    ],
)
def test_forgiven(word: str, written: str) -> None:
    assert weights((faq("Un", word),), "", f"Bonjour, {written}.") != []


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("mot de passe", "le mot que je passe"),
        ("passe", "je ne peux pas"),
        ("est", "et"),
        ("note", "non, notre"),
        ("plan", "la plante"),
        ("avis", "avion"),
        ("cours", "courrier"),
    ],
)
def test_not_the_same(word: str, written: str) -> None:
    assert weights((faq("Un", word),), written, written) == []


def test_entries_of_a_demarche_and_of_a_language() -> None:
    general, ours = faq("Partout", "planter"), faq("Ici", "planter", demarches=(42, 43))
    assert [title for title, _ in weights((general, ours), "planter", demarche=42)] == ["Partout", "Ici"]
    assert (
        weights((general, ours), "planter", demarche=7) == weights((general, ours), "planter") == [("Partout", 2.0)]
    )
    french, english, both = faq("F", "permis", locale="fr"), faq("E", "permis", locale="en"), faq("B", "permis")
    entries = index((french, english, both))
    for language, titles in (("fr", "FB"), ("en", "EB"), ("", "FEB")):
        found = suggest(entries, "permis", "", demarche=None, language=language)
        assert "".join(suggestion.entry.title for suggestion in found) == titles
    assert found[0].weight < suggest(entries, "permis", "", demarche=None, language="fr")[0].weight


def test_only_the_beginning_of_a_long_mail_is_read() -> None:
    assert weights((ONE,), "", "x" * 19_000 + " avancement") != []
    assert weights((ONE,), "", "x" * 20_000 + " avancement") == []
    assert weights((ONE,), "x" * 1_000 + " avancement") == []


def test_long_phrases_and_empty_words() -> None:
    phrase = "un deux trois quatre cinq six sept huit neuf dix"
    assert weights((faq("P", phrase, "!?"),), "", f"zéro {phrase}") == [("P", 1.5)]
    assert weights((faq("P", phrase),), "", phrase.removesuffix(" neuf dix")) == [("P", 1.5)]
    assert weights((faq("P", phrase),), "", phrase.removesuffix(" huit neuf dix")) == []
    assert weights((faq("!?"),), "!?", "") == []


def test_a_thousand_entries_cost_a_mail_no_more() -> None:
    """The mail's own words are looked up; the entries aren't gone through."""
    entries = [faq(f"Titre {n}", f"mot{n}", f"où en est le {n}", "dossier", "demande") for n in range(1_000)]
    found_in = index(entries)
    mail = "Bonjour, où en est le dossier de ma demande mot500 ? " * 370
    begun = time.process_time()
    found = suggest(found_in, "Dossier", mail, demarche=None, language="fr")
    assert time.process_time() - begun < 2
    assert [suggestion.entry.title for suggestion in found] == ["Titre 500"]


WORDS = "dossier demande où en est mot de passe délais piece jointe 42 e-mail l'avancement"
TEXTS = st.text(max_size=60) | st.lists(st.sampled_from(WORDS.split()), max_size=8).map(" ".join)


@given(
    st.lists(
        st.builds(
            faq,
            TEXTS.filter(str.strip),
            TEXTS.filter(str.strip),
            demarches=st.sampled_from([(), (42,), (7, 42)]),
            locale=st.sampled_from(["", "fr", "en"]),
        ),
        max_size=8,
    ),
    TEXTS,
    TEXTS,
    st.sampled_from([None, 7, 42]),
    st.sampled_from(["", "fr", "en"]),
)
def test_whatever_is_written(
    entries: list[Faq], subject: str, text: str, demarche: int | None, language: str
) -> None:
    found = suggest(index(entries), subject, text, demarche=demarche, language=language)
    assert len(found) <= 3
    order = [(-suggestion.weight, entries.index(suggestion.entry)) for suggestion in found]
    assert [weight for weight, _ in order] == sorted(weight for weight, _ in order)
    for suggestion in found:
        assert suggestion.because
        assert suggestion.weight >= 0.5
        assert not suggestion.entry.demarches or demarche in suggestion.entry.demarches
        assert not language or suggestion.entry.locale in {"", language}
