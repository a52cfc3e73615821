"""The words that tell what is quoted: of attributions, our own mails, footers. Lower-case, matched on short text.

Those of separators and header blocks, which forwards have too, stand in `phrases`.
"""

from __future__ import annotations

from gateway.mail.phrases import any_of

# How an attribution begins: « Le lun. 3 … », and with the date alone.
ATTRIBUTION_OPENER = any_of(
    r"(?:(?:le|en date du|à la date du|on|at|am|el|il(?: giorno)?|in data|em|no dia|a|op|den|dne|dňa|w dniu|dnia)"
    r"|(?:pe|în|στις|на|v)) (?:[^\s\d]{1,14} ){0,3}",
    r"(?:lun|mar|mer|jeu|ven|sam|dim)\. |[^\W\d]{2,3}\.?, |",
    after=r"\d",
)
# What may follow the verb: the date.
ATTRIBUTION_DATE = any_of(r"le|on|at|am|el|il|em|op|den|dne|dnia|ce", before=r"[\s,]{0,3}", after=r"\s[^\d]{0,30}\d")
# « Quoting X <x@y>: ».
ATTRIBUTION_NOUNS = ("quoting ", "citation de ", "selon ", "zitat von ", "citando ", "citerar ", "citeren ")
# « a écrit »: at an attribution's end, or before the date or the name.
ATTRIBUTION_VERB = any_of(
    r"a (?:écrit|ecrit|\W{1,2}crit|Ã©crit|ã©crit)|écrivait|vous avez écrit|écrit",
    r"wrote(?: the following)?|writes|has written|said",
    r"schrieb|geschrieben|schreibt",
    r"escribi[óo]|ha escrito|escribe|va escriure|ha scritto|scrive|scriveva|escreveu|escribiu",
    r"schreef(?: het volgende)?|(?:het volgende )?geschreven",
    r"skrev|kirjoitti|napisał(?:\(a\)|a)?|napsal(?:\(a\)|a)?|napísal(?:\(a\)|a)?|написав|написал(?:\(а\)|а)?|пишет",
    r"a scris|[íi]rta|yazdı|έγραψε|je napisao(?:/la)?|写道|写到|寫道|작성|のメール",
    before=r"(?<!\w)",
    after=r"(?!\w)",
)
VERBS_BEFORE_NAMES = ("schrieb", "schreef", "skrev", "kirjoitti")
# What stands before the verb in a person's own sentence: « ce qu'il m'a écrit : ».
TO_SOMEONE = frozenset(
    (
        *(
            "m'",
            "m’",
            "t'",
            "t’",
            "s'",
            "s’",
            "l'",
            "l’",
            "n'",
            "n’",
            "j'",
            "j’",
            "nous",
            "vous",
            "lui",
            "leur",
            "me",
        ),
        *(
            "nos",
            "mi",
            "ci",
            "mir",
            "uns",
            "ihnen",
            "est",
            "bien",
            "déjà",
            "he",
            "she",
            "they",
            "i",
            "you",
            "we",
            "il",
        ),
        *("elle", "j'ai", "j’ai", "ont", "avons", "on", "qui", "who", "er", "sie", "ich", "él", "ella", "hij", "zij"),
    )
)
# What legal footers say, each in its way: that it's confidential, for whom, by mistake, forbidden, checked;
# and how data are protected.
LEGAL = (
    any_of(r"confiden[tcz]i\w{2,9}|privileged|vertraulich|riservat|vertrouwelijk|secret professionnel"),
    any_of(
        r"intended (?:solely |only |exclusively )?(?:for|recipient)|addressees?\b|destinataires?\b|destiné|empfänger",
        r"destinatari[ao]|destinatário|bestemd voor|geadresseerde",
    ),
    any_of(r"in error|par erreur|irrtümlich|por error|per errore|por engano|abusivement|ten onrechte"),
    any_of(r"prohibited|unlawful|unauthori[sz]ed|interdite?|verboten|prohibid|proibid|vietat|verboden|liability"),
    any_of(r"virus|monitor(?:ed|s\b)|scanned|malware|logiciel malveillant"),
    any_of(r"data protection|personal (?:data|information)|données (?:à caractère )?personnel|rgpd|gdpr|datenschutz"),
)
# And they speak of themselves.
THIS_MAIL = any_of(
    r"(?:this|these|the|all|any) (?:e-?mails?|messages?|communications?|transmission)|attachments",
    r"(?:ce|cet|le présent|présent) (?:e-?mail|message|courriel|mail|courrier électronique)|pièces jointes",
    r"dieser? (?:e-?mail|nachricht)|(?:este|esta|el presente) (?:mensaje|correo|e-?mail|mensagem)",
    r"(?:questo|questa|presente) (?:messaggio|e-?mail)|(?:dit|deze) (?:bericht|e-?mail)",
)
# What the footers of mailing lists say.
LISTED = (
    any_of(r"mailing list|mailingliste?\b|liste de diffusion|lista de correo|lista di distribuzione"),
    any_of(r"listinfo|unsubscribe|désabonn|désinscri|\blistes?@|\blists?\.\w|abmelden|darse de baja|disiscriv"),
)
# And what nobody but a person writes there: of themselves, a greeting, a question.
PERSONAL = any_of(
    r"je|j['’]\w{1,20}|mon|ma|mes|moi|i|i['’]m|i['’]ve|my|ich|mein\w{0,2}|yo|mío|mia|mio|eu|ik|mijn",
    r"(?<!de )(?<!à )(?<!pour )(?<!en )nous (?:avons|sommes|étions|voudrions|souhaitons|n['’]avons|ne sommes)",
    r"bonjour|bonsoir|cordialement|hello|dear|hallo|guten tag|sehr geehrte\w?|hola|buenos d[ií]as|buongiorno",
    before=r"(?<![\w'’.@/-])",
    after=r"(?![\w.@/-]\w)(?!\w)",
)
QUESTION = any_of(r"\w ?\?", after=r"(?:\s|$)")
# « ## Répondez au-dessus de cette ligne ## » of other help desks, its rules taken off.
REPLY_ABOVE = any_of(
    r"[^#\-]{0,60}(?:above this line|au[- ]dessus de cette ligne|(?:oberhalb|über) dieser (?:zeile|linie))[^#]{0,20}",
    r"[^#\-]{0,60}(?:(?:encima|arriba) de esta línea|sopra (?:a )?questa (?:linea|riga)|acima desta linha)[^#]{0,20}",
    r"[^#\-]{0,60}boven deze (?:lijn|regel)[^#]{0,20}",
)
# Our own mails, as `relay/templates` writes them.
OUR_MESSAGE = any_of(r".{1,200} (?:a écrit le|wrote on)\s.{6,60}\s?:")
OUR_SENDER = any_of(r"(?:expéditeur|expéditrice|sender)\s?:", before="(?i:", after=")")
OUR_ORGANISATION = any_of(r"(?:Organisme|Organisation)\s?:\s.{1,200} \(SIRET [\d ]{9,20}\)")
OUR_REFERENCE = any_of(r"(?:Référence|Reference)\s?:\s\S{3,60}")
