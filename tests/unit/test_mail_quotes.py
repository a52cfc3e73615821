"""What the author wrote, apart from what they quoted."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.forwards import inline
from gateway.mail.html import Kind
from gateway.mail.mark import REPLY_MARKER
from gateway.mail.quotes import cut, quotes
from gateway.mail.quotes.separators import beginnings, boundary

OWN = "Bonjour,\n\nVoici la pièce demandée.\n\nClaire"
QUOTE = "> Merci d'envoyer\n> votre RIB."

ATTRIBUTIONS = [
    "Le lun. 3 févr. 2025 à 10:12, Support <support@example.org> a écrit :",
    "Le lun. 3 févr. 2025 à 10:12, Support <support@example.org> a écrit\xa0:",
    "Le lun. 3 févr. 2025 à 10:12, Support <support@example.org> a écrit\u202f:",
    "Le lun. 3 févr. 2025 à 10:12, Service des aides aux\nentreprises <support@example.org> a\nécrit :",
    "Le 03/02/2025 à 10:12, Support a écrit\xa0:",
    "Le lundi 23 septembre 2024 à 13:22 +0000, Support a écrit :",
    "On Mon, Feb 3, 2025 at 10:12 AM Support <support@example.org> wrote:",
    "On Mon, Feb 3, 2025 at 10:12 AM Support\n<support@example.org> wrote:",
    "Am 03.02.25 um 10:12 schrieb Support:",
    "Am Mo., 3. Feb. 2025 um 10:12 Uhr schrieb Support <\nsupport@example.org>:",
    "El lun, 3 feb 2025 a las 10:12, Support (<support@example.org>) escribió:",
    "Il giorno lun 3 feb 2025 alle ore 10:12 Support <support@example.org> ha scritto:",
    "Em seg., 3 de fev. de 2025 às 10:12, Support <support@example.org> escreveu:",
    "Op ma 3 feb 2025 om 10:12 schreef Support <support@example.org>:",
    "ср, 29 мая 2019 г. в 22:56, Support <support@example.org>:",
    "Le lun. 3 févr. 2025, 10:12, Support <support@example.org> a\nécrit\u202f:",
    "Le 03/02/2025 à 10:12, Support (par l’intermédiaire de la liste aides) a écrit :",
    "Le 2025-02-03 10:12, Support a écrit :",
    "Le 3 févr. 2025 à 10:12 +0100, Support <support@example.org>, a écrit :",
    "Le ven. 12 juin 2020 à 19:37, Service des aides <aides.de.la.region@example.org>\na écrit :",
    "Support a écrit le 03/02/2025 à 10:12 :",
    "Support <support@example.org> a écrit :",
    "Support a e\u0301crit :",
    "Quoting Support <support@example.org>:",
    "3 févr. 2025, 10:12 de support@example.org:",
    "* Support <support@example.org> [2025-02-03 10:12]:",
    "Am Montag, dem 03.02.2025 um 10:12 +0100 schrieb Support:",
    "Support <support@example.org> schrieb am Mo., 3. Feb. 2025, 10:12:",
    "Il giorno lun 3 feb 2025 alle ore 10:12 Support <support@example.org> ha\nscritto:",
    "Op 3 feb. 2025, om 10:12 heeft Support <support@example.org> het volgende geschreven:",
    "Support <support@example.org> escreveu (segunda, 3/02/2025 à(s) 10:12):",
    "pon., 3 lut 2025 o 10:12 Support <support@example.org> napisał(a):",
    "2020年7月22日(水) 15:51 Support <support@example.org\n>:",
    "\u202bבתאריך יום ג׳, 11 באוג׳ 2020 ב-21:06 מאת \u202aSupport\u202c <\u202a\nsupport@example.org\u202c>:\u202c",
]

SEPARATORS = [
    "-----Message d'origine-----",
    "-----Message d’origine-----",
    "----- Message original -----",
    "-----Original Message-----",
    "---------- Forwarded message ---------",
    "---------- Message transféré ---------",
    "-----Ursprüngliche Nachricht-----",
    "-----Mensaje original-----",
    "-----Messaggio originale-----",
    "-----Mensagem original-----",
    "-----Oorspronkelijk bericht-----",
    "De : Support <support@example.org>\nEnvoyé : lundi 3 février 2025 10:12\nÀ : Claire\nObjet : Votre dossier",
    "De\xa0: Support\nEnvoyé\xa0: lundi 3 février 2025 10:12\nÀ\xa0: Claire\nObjet\xa0: Votre dossier",
    "*De :* Support\n*Envoyé :* lundi 3 février 2025 10:12\n*À :* Claire\n*Objet :* Votre dossier",
    "From: Support\nSent: Monday, February 3, 2025 10:12 AM\nTo: Claire\nSubject: Your file",
    "Von: Support\nGesendet: Montag, 3. Februar 2025 10:12\nAn: Claire\nBetreff: Ihr Antrag",
    "________________________________\nDe : Support\nEnvoyé : lundi\nÀ : Claire\nObjet : x",
    "De : Support\nEnvoyé : 03/02/2025 10:12\nÀ : Claire\nCc : X <x@example.org>;\n Y <y@example.org>\nObjet : x",
    "De : Support <s@example.org>\nDate : lundi, 3 février 2025 à 10:12\nÀ : Claire\nObjet : x",
    "**De :** Support\n**Envoyé :** lundi 3 février 2025 10:12\n**À :** Claire\n**Objet :** x",
    '----- Mail original -----\nDe: "Support" <s@example.org>\nÀ: "Claire"\nEnvoyé: Lundi 3 Février 2025\nObjet: x',
    'De: "Support" <s@example.org>\nÀ: "Claire"\nEnvoyé: Lundi 3 Février 2025\nObjet: x',
    "----- Le 3 Fév 25, à 10:12, Support <s@example.org> a écrit :",
    "envoyé : 3 février 2025 à 10:12\nde : Support <s@example.org>\nà : c@orange.example\nobjet : x",
    'Message du 03/02/25 10:12\nDe : "Support" <s@example.org>\nA : c@orange.example\nCopie à : \nObjet : x',
    "‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐\nLe lundi 3 février 2025 10:12, Support <s@example.org> a écrit :",
    "*-------- Message d'origine --------*\nDe : Support <s@example.org> \nDate : 03/02/2025  10:12  (GMT+01:00) ",
    '------ Message d\'origine ------\nDe "Support" <s@example.org>\nÀ c@example.net\nDate 03/02/2025\nObjet x',
    "De :\tSupport/SERVICE/ORG\nA :\tClaire <c@example.net>\nDate :\t03/02/2025 10:12\nObjet :\tx",
    "-------- Courriel original --------\nObjet: x\nDate: 2025-02-03\nDe: Support <s@example.org>\nÀ: c@example.net",
    "    Le lundi 3 février 2025 à 10:12:13 UTC+1, Support <s@example.org> a écrit :  \n ",
    "    Στις Δευτέρα, 3 Φεβρουαρίου 2025, 10:12:13 μ.μ. EET, ο χρήστης S <s@example.org> έστειλε:  \n ",
    "Le 2025-02-03T10:12:13.000+01:00, Support <s@example.org> a écrit :",
    "Le Lundi, Février 03, 2025 10:12 CET, Support <s@example.org> a écrit:",
    "Gesendet: Montag, 3. Februar 2025 um 10:12 Uhr\nVon: S <s@example.org>\nAn: c@example.net\nBetreff: Antrag",
    "De: S <s@example.org>\nEnviado el: lunes, 3 de febrero de 2025\nPara: Claire\nAsunto: RE: x",
    "Da: S <s@example.org>\nInviato: lunedì 3 febbraio 2025\nA: Claire\nOggetto: R: x",
    "De: S <s@example.org>\nEnviada em: segunda-feira, 3 de fevereiro de 2025\nPara: Claire\nAssunto: RES: x",
    "Van: S <s@example.org>\nVerzonden: maandag 3 februari 2025\nAan: Claire\nOnderwerp: RE: x",
    "## Bitte gib deine Antwort oberhalb dieser Zeile ein. ##",
    "##- Please type your reply above this line -##",
    "---- Merci de répondre au-dessus de cette ligne ----",
    # Our own mails, whose quote bears no marks.
    "Claire Petit a écrit le 3 février 2025 à 10:12\xa0:\n\nExpéditeur\xa0: Claire Petit <c@example.net>",
    "Claire Petit wrote on 3 February 2025, 10:12:\n\nSender: Claire Petit <c@example.net>",
    "-- \nOrganisme : Région (SIRET 123 456 789 00012)\nDémarche : Aides (n° 12)\nDossier : n° 3\nRéférence : AB-12",
    "-- \nOrganisation: Région (SIRET 12345678900012)\nReference: AB-12",
    REPLY_MARKER,
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_a_reply_above(attribution: str, gap: str) -> None:
    found = cut(f"{OWN}\n\n{attribution}{gap}{QUOTE}\n")
    assert found.own == OWN
    assert found.quoted.startswith(attribution.split("\n", maxsplit=1)[0])


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_a_reply_below(attribution: str) -> None:
    assert cut(f"{attribution}\n{QUOTE}\n\n{OWN}").own == OWN


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_separator(separator: str) -> None:
    found = cut(f"{OWN}\n\n{separator}\n\nMerci d'envoyer votre RIB.\n")
    assert found.own == OWN
    assert found.quoted.endswith("votre RIB.")


@pytest.mark.parametrize("attribution", ATTRIBUTIONS[:4])
def test_a_quote_without_its_marks(attribution: str) -> None:
    assert cut(f"{OWN}\n\n{attribution}\n\nMerci d'envoyer votre RIB.").own == OWN


def test_answers_between_quotes() -> None:
    text = "Le 03/02/2025 à 10:12, Support a écrit :\n> Votre nom ?\n\nPetit\n\n> Votre ville ?\n\nÉvry\n"
    found = cut(text)
    assert [line for line in found.own.split("\n") if line] == ["Petit", "Évry"]
    assert "Votre nom" in found.quoted
    assert "Votre ville" in found.quoted


@pytest.mark.parametrize(
    "marker",
    [
        REPLY_MARKER,
        f"> {REPLY_MARKER}",
        f"> > {REPLY_MARKER}",
        "? ---- R?pondez au-dessus de cette ligne / Reply above this line ----",
        "âœ‚ ---- RÃ©pondez au-dessus de cette ligne / Reply above this line ----",
        "> ✂ ---- Répondez au-dessus de cette ligne /\n> Reply above this line ----",
        "✂ —— Répondez au-dessus de cette\nligne / Reply above this line ——",
        "*✂ ---- Répondez au-dessus de cette ligne / Reply above this line ----*",
    ],
)
@pytest.mark.parametrize(
    "attribution", ["", "Le 03/02/2025 à 10:12, Support <reponse+abc@example.org> a écrit :\n\n"]
)
def test_our_marker_ends_what_is_relayed(marker: str, attribution: str) -> None:
    found = cut(f"{OWN}\n\n{attribution}{marker}\nNotre notification\n> et sa suite")
    assert found.own == OWN
    assert "reponse+abc" not in found.own


def test_our_marker_at_the_top_leaves_nothing_to_relay() -> None:
    assert cut(f"{REPLY_MARKER}\nNotre notification").own == ""


def test_an_answer_below_our_quoted_notification() -> None:
    assert cut(f"> {REPLY_MARKER}\n> Notre notification\n\n{OWN}").own == OWN


@pytest.mark.parametrize(
    "text",
    [
        OWN,
        "Le maire m'a écrit : il refuse.\nQue faire ?",
        "Le 3 février, le maire a écrit :\nje refuse.\nQue faire ?".replace("Le 3 février", "Le maire"),
        "Bonjour,\nDe : voici mon nom\nmerci",
        "Objet : demande\nBonjour",
        "Je transmets le message original demain.",
        "Please reply above this line of the form.",
        "Il faut répondre au-dessus de cette ligne :\nje n'y arrive pas.",
        "-- \nClaire\nEnvoyé de mon iPhone",
        "____________\nmention légale",
        "Bonjour,\nOn dit que le maire m'a écrit :\nje refuse.",
        "Bonjour,\nDe : Claire\nObjet : demande\nmerci",
        "Comme il est écrit :\n- un\n- deux",
        "Le 3 février 2025 à 10h12, M. Durand m'a écrit :\nle dossier est complet.\nOr c'est faux.",
        "Le 3 février 2025 à 10:12, j'ai écrit :\nle dossier est complet.",
        "Le 3 février 2025 à 10:12, votre collègue Paul Martin a écrit :\nle dossier est complet.",
        "Mon collègue a écrit le 3 février 2025 :\nle dossier est complet.",
        "Mon trajet :\nDe : Paris\nÀ : Lyon\nDate : 12 mars 2025 à 10:12\nMerci de le rembourser.",
        "Objet : demande\nDate : lundi\nDe : Claire Petit\nÀ : la mairie\n\nMonsieur,",
        "Voir <https://example.org/une/tres/longue/page\n>. Merci d'avance.",
        "Voir <\nhttps://example.org/une/tres/longue/page\n>, et répondre.",
        "Organisation : Région (SIRET 12345678900012)\nnous a répondu.",
        "Claire Petit a écrit le 3 février 2025 :\nmon dossier est complet.",
        "On a reçu 3 pièces le 3 février 2025 à 10:12 de vous.\nMerci",
    ],
)
def test_in_doubt_nothing_is_cut(text: str) -> None:
    assert cut(text).own == text


@pytest.mark.parametrize(
    "sentence",
    [
        "Je réponds à ce que votre collègue m'a écrit :",
        "Voici ce que le service des aides de la région nous a écrit :",
        "Pour être clair, voici ma question :",
    ],
)
def test_a_sentence_above_a_quote_stays(sentence: str) -> None:
    assert cut(f"{sentence}\n{QUOTE}\n\n{OWN}").own == f"{sentence}\n{OWN}"


def test_what_stands_above_an_attribution_stays() -> None:
    text = f"Oui.\nSupport <support@example.org> wrote:\n{QUOTE}"
    assert cut(text).own == "Oui."


@pytest.mark.parametrize(
    "signature", ["Envoyé de mon iPhone", "Télécharger Outlook pour Android<https://aka.ms/x>", "-- \nClaire"]
)
@pytest.mark.parametrize("quoted", [f"> {ATTRIBUTIONS[0]}\n{QUOTE}", f"{'_' * 32}\n{SEPARATORS[11]}\n\nLe texte."])
def test_signatures_stay(signature: str, quoted: str) -> None:
    assert cut(f"{OWN}\n\n{signature}\n\n{quoted}").own == f"{OWN}\n\n{signature}"


def test_an_attribution_that_lost_its_line_break() -> None:
    """Yahoo's plain text: the line is the author's, what is below isn't."""
    glued = "Claire    Le lundi 3 février 2025 à 10:12:13 UTC+1, S <s@example.org> a écrit :  "
    for quote in ("Merci d'envoyer votre RIB.", QUOTE):
        found = cut(f"Bonjour,\n{glued}\n \n{quote}")
        assert found.own == f"Bonjour,\n{glued}"
        assert found.quoted.endswith("votre RIB.")


def test_an_answer_below_a_separator_and_marked_lines() -> None:
    text = f"-----Message d'origine-----\nDe : S\nEnvoyé : lundi\nÀ : C\nObjet : x\n\n{QUOTE}\n\n{OWN}"
    assert cut(text).own == OWN


def test_an_older_answer_between_quotes_is_not_the_authors() -> None:
    text = f"{OWN}\n\n{SEPARATORS[11]}\n\n> Question ?\n\nRéponse d'un autre.\n"
    assert cut(text).own == OWN


LEGAL = [
    "Ce message et ses pièces jointes sont confidentiels et établis à l'attention de leurs destinataires.\nMerci.",
    "This e-mail is intended for the addressee only.\nIf you got it in error, please delete it.",
    "Diese Nachricht ist vertraulich. Sind Sie nicht der Empfänger, löschen Sie sie bitte.",
    "Aides mailing list\naides@lists.example.org\nhttps://lists.example.org/mailman/listinfo/aides",
]


@pytest.mark.parametrize("footer", LEGAL)
@pytest.mark.parametrize(
    "rule", ["**********", "_______________________________________________", "* * * * * * * * * * *"]
)
@pytest.mark.parametrize("end", ["", "\n\n{rule}"])
def test_a_footer_behind_a_rule(footer: str, rule: str, end: str) -> None:
    text = f"{OWN}\n\n{rule}\n{footer}{end.format(rule=rule)}"
    assert cut(text).own == OWN
    after = cut(f"{text}\n\nAprès.").own
    assert after.split() == [*OWN.split(), "Après."]
    assert not quotes(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{OWN}\n\n{LEGAL[0]}",
        f"**********\n{LEGAL[0]}",
        f"{OWN}\n\n**********\nMon dossier est confidentiel.",
        f"{OWN}\n\n-- \n{LEGAL[0]}",
        f"{OWN}\n\n----------\nLe destinataire est confidentiel, il est interdit de le dire, par erreur.",
        f"{OWN}\n\n**********\n" + "mot\n" * 60 + LEGAL[0],
    ],
)
def test_what_is_no_footer_stays(text: str) -> None:
    assert cut(text).own == text


def test_a_footer_above_a_forward_is_no_quote() -> None:
    forward = "---------- Forwarded message ---------\nDe : S <s@example.org>\nDate : lundi\nObjet : x\n\nLe texte."
    found = inline(f"{OWN}\n\n**********\n{LEGAL[0]}\n\n{forward}", "Pour toi")
    assert found is not None
    assert found.text == "Le texte."


def test_an_attribution_at_the_top_is_nobodys() -> None:
    """Below it, nothing tells the quote from the answer."""
    assert (
        cut(f"{ATTRIBUTIONS[1]}\n\nMerci d'envoyer votre RIB.\n\n{OWN}").own == f"Merci d'envoyer votre RIB.\n\n{OWN}"
    )


def test_does_it_quote() -> None:
    assert quotes(f"{OWN}\n\n{QUOTE}")
    assert quotes(f"{OWN}\n\n{SEPARATORS[11]}\n\nLe texte.")
    assert not quotes(f"{OWN}\n>\n> ---\n")


def test_markup_is_believed() -> None:
    lines = ["Oui.", "", "Merci d'envoyer", "votre RIB.", "", "Après."]
    kinds = [Kind.OWN, Kind.OWN, Kind.QUOTED, Kind.QUOTED, Kind.QUOTED, Kind.OWN]
    found = cut("\n".join(lines), kinds)
    assert (found.own, found.quoted) == ("Oui.\n\nAprès.", "Merci d'envoyer\nvotre RIB.")
    below = cut("\n".join(lines), [Kind.OWN, Kind.OWN, *[Kind.BELOW] * 4])
    assert (below.own, below.quoted) == ("Oui.", "Merci d'envoyer\nvotre RIB.\n\nAprès.")


def test_markup_that_leaves_nothing_is_taken_back() -> None:
    """The author wrote into the quote."""
    text = f"Oui, merci.\n\n{'_' * 32}\n{SEPARATORS[11]}\n\nLe texte.\n-- \nliste"
    kinds = [Kind.QUOTED] * (text.count("\n") - 1) + [Kind.OWN] * 2
    assert cut(text, kinds).own == "Oui, merci."
    assert cut("Oui, merci.", [Kind.QUOTED]).own == "Oui, merci."


def test_a_bare_forward_keeps_its_text() -> None:
    text = "---------- Forwarded message ---------\nDe : Marie\nDate: lundi\nÀ : Claire\nObjet : x\n\nLe texte."
    assert cut(text).own == text


def test_quotes_alone_are_nobodys_words() -> None:
    assert cut(QUOTE).own == ""


LINES = st.sampled_from(
    [
     "", " ", "mot", "> cité", ">", "Le 3/2/2025 à 10:12, X <x@y> a", "écrit :", "a écrit :", "De : x",
     "À : y", "Objet : z", "-----Message d'origine-----", REPLY_MARKER, "> " + REPLY_MARKER, "____________",
     "On 3/2 X wrote:", "\xa0"
    ]
)  # fmt: skip


@given(
    st.lists(st.one_of(LINES, st.text(max_size=30)), max_size=25).map("\n".join),
    st.lists(st.sampled_from(Kind), max_size=30),
)
def test_no_line_is_lost(text: str, kinds: list[Kind]) -> None:
    count = text.count("\n") + 1
    found = cut(text, (kinds * count)[:count])
    lines = [line for line in (*found.own.split("\n"), *found.quoted.split("\n")) if line.strip()]
    assert Counter(lines) == Counter(line for line in text.split("\n") if line.strip())


WRAPPED = "Le lun. 3 févr. 2025 à 10h12,\nService des\naides aux entreprises\n<support@example.org>\na écrit :"

PIECES = st.one_of(st.sampled_from([*ATTRIBUTIONS, *SEPARATORS, WRAPPED]), LINES, st.text(max_size=30))


@given(st.lists(PIECES, max_size=12))
def test_no_beginning_is_passed_over(pieces: list[str]) -> None:
    lines = "\n".join(pieces).split("\n")
    begins = beginnings(lines)
    for index, line in enumerate(lines):
        if line.strip():
            assert begins(index) == boundary(lines, index)


HOSTILE = {
    "an attribution without an end": "On Mon, Jan 1, 2024 at 1:00 PM, Alice " * 3_000,
    "lines of it": "On Mon, Jan 1, 2024 at 1:00 PM, Alice\n" * 25_000,
    "attributions": "On Mon, Jan 1, 2024 at 1:00 PM, Alice <a@b.example> wrote:\n> x\n" * 15_000,
    "verbs": "a écrit " * 100_000 + ":",
    "blank lines": "\n" * 50_000,
    "quote marks": ">" * 1_000_000,
    "quoted lines": ">\n" * 500_000,
    "headers": "X-A: b\n" * 100_000,
    "senders": "De : x\n" * 100_000,
    "half blocks": ("De : x\n" + "a\n" * 13) * 7_000,
    "fields": "Organisation : x (SIRET 123456789)\n" * 25_000,
    "separators": "-----Message d'origine-----\n> x\n" * 30_000,
    "colons": ":\n" * 400_000,
    "spaces": "\xa0 " * 500_000,
    "open links": "<https://a\n>b\n" * 60_000,
    "rules": "_____\n" * 150_000,
    "footers": "__________\nconfidentiel\n" * 40_000,
    "glued": "x    Le 3 3 3:\n" * 60_000,
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_texts_cost_little(name: str) -> None:
    begun = time.process_time()
    cut(HOSTILE[name])
    assert time.process_time() - begun < 3


# --- what tells them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("Oui.\n\n> Bonjour", "lines marked with « > »"),
        (
            "Oui.\n\n-----Message d'origine-----\nDe : a@b.fr\nEnvoyé : lundi\nObjet : x\n\nBonjour",
            "Message d'origine",
        ),
        ("Oui.", ""),
    ],
)
def test_what_tells_them_is_said(text: str, because: str) -> None:
    found = cut(text).because
    assert because in found
    assert bool(found) == bool(because)


def test_markup_is_named_where_it_alone_tells() -> None:
    assert "HTML" in cut("Oui.\nBonjour", [Kind.OWN, Kind.QUOTED]).because
