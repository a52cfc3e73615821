"""How absence messages are written, and how people write of themselves. Words of a language are a line here.

How programs begin the subject is in `gateway.mail.phrases`.
"""

from __future__ import annotations

from gateway.mail.phrases import any_of

# The same at the end, in brackets: « Re: x (Automatic Response) »; and with a name: « X is out of the office ».
ABSENCE_AFTER = any_of(
    r"\((?:automatic|auto)[ -]?(?:response|reply)\)$|\[(?:automatic|auto)[ -]?(?:response|reply)\]",
    r"\((?:r[ée]ponse automatique|automatische antwort|respuesta autom[áa]tica|risposta automatica)\)$",
    r"\bis (?:out of (?:the )?office|away from (?:the|his|her) (?:office|mail))\.?(?: \(.{1,60}\))?$",
    r"\best absente?(?:\(e\))? du bureau\.?(?: \(.{1,60}\))?$",
)
LOTUS_ABSENCE = any_of(
    r"out of (?:the )?office|absen|abwesen|assen|ausen|afwezig|is away|on (?:vacation|leave)|(?:re|aw|tr|sv)\s?:",
    before=r"auto\s?: (?:.{0,120}\b)?",
)
# Words that an absence message's subject has, and people's subjects too: they count with such a text alone.
MAYBE_ABSENT = any_of(
    r"absen[tc]|cong[ée]s?\b|vacances|hors (?:du )?bureau|indisponib|out of office|vacation|on leave|annual leave",
    r"holiday|away|abwesen|urlaub|nicht im (?:b[üu]ro|haus|dienst)|ausen[tc]|vacaciones|assen|ferie|f[ée]rias",
    r"afwezig|vakantie|verlof",
)
# How such a text begins: the writer is away.
AWAY = any_of(
    (
        r"je (?:suis|serai) (?:actuellement |absolument |en ce moment )?(?:absente?(?:\(e\)|·e|\.e)?|en (?:cong"
        r"|vacances|arr[êe]t)|hors du bureau|indisponible|en d[ée]placement)"
    ),
    r"(?:actuellement|[ée]tant) (?:absente?(?:\(e\)|·e)?|en cong[ée]s?|en vacances|en d[ée]placement)",
    r"je ne suis pas au bureau|(?:je suis|nous sommes) (?:de retour|ferm[ée]s?)",
    (
        r"(?:nos bureaux|le service|la mairie|le secr[ée]tariat) (?:sera|seront|est"
        r"|sont) (?:exceptionnellement )?ferm[ée]"
    ),
    (
        r"i(?:'m| am| will be|'ll be) (?:currently |now )?(?:out of (?:the |my )?office|away|on (?:annual "
        r"|maternity |parental |sick |study )?leave|on (?:vacation|holiday|holidays)|not in the office|travell?ing"
        r"|unavailable)"
    ),
    r"(?:i|we) (?:am|are) (?:out of office|closed)|the office (?:is|will be) closed",
    (
        r"ich bin .{0,80}(?:nicht (?:im (?:b[üu]ro|haus|dienst)|erreichbar|am arbeitsplatz)|abwesend|im urlaub"
        r"|au(?:ß|ss)er haus)"
    ),
    r"ich befinde mich .{0,40}(?:urlaub|elternzeit)",
    r"(?:estoy|estar[ée]|me encuentro) .{0,40}(?:fuera de (?:la )?oficina|ausente|de vacaciones)",
    r"(?:sono|sar[òo]) .{0,40}(?:assente|fuori (?:ufficio|sede)|in ferie)",
    r"(?:estou|estarei|encontro-me) .{0,40}(?:ausente|fora do escrit[óo]rio|de f[ée]rias)",
    r"ik ben er niet|ik ben .{0,60}(?:afwezig|niet aanwezig|niet bereikbaar|met (?:vakantie|verlof)|op vakantie)",
)
# … and what follows: what becomes of the mail meanwhile, or whom to turn to instead. Never « call me ».
MEANWHILE = any_of(
    (
        r"(?:votre|vos|mes) (?:messages?|mails?|e-?mails?|courriels?|courriers?)\b.{0,60}(?:retour|transf[ée]r"
        r"|ne ser|sera (?:lu|trait)|seront (?:lu|trait)|pas (?:lus?|consult))"
    ),
    r"(?:acc[èe]s|consult\w{0,4}) .{0,30}(?:messagerie|mes (?:mails|messages|courriels))",
    (
        r"(?:r[ée]pondrai|prendrai connaissance|traiterai|consulterai|lirai|r[ée]pondrons"
        r"|traiterons) .{0,30}(?:messages?|mails?|e-?mails?|courriels?|votre demande)\b"
    ),
    (
        r"(?:contacter|contactez|adresser [àa]|adresser vos .{1,30}[àa]|adressez-vous [àa]|joindre|appeler"
        r"|rapprocher de|tourner vers|[ée]crire [àa]) (?:mon |ma |mes |le |la |les |l'|m\. |mme |notre "
        r"|nos )(?:coll[èe]gue|secr[ée]t|accueil|service|standard|assistant|rempla|adjoint|num[ée]ro|adresse|mairie"
        r"|bureau|[ée]quipe|permanence|responsable|\w{1,20} (?:au \d|@))"
    ),
    (
        r"(?:urgen|absence|int[ée]rim|assistance).{0,80}(?:\S{1,64}@\S{4}|(?:m\.|mme|monsieur|madame) \w"
        r"|\d\d[ .]\d\d[ .]\d\d)"
    ),
    r"(?:respond|reply|get back|answer).{0,60}(?:return|when i|as soon as|back in)",
    r"(?:limited|intermittent|no|without) access to (?:my )?(?:e-?mails?|mail|messages|inbox)",
    r"will not be (?:read|forwarded|monitor)|not be checking (?:my )?(?:e-?mails?|messages)",
    (
        r"(?:urgent|immediate|urgency|emergency|assistance|absence).{0,80}(?:contact|call|e-?mail|write|ring|phone"
        r"|reach|speak)[a-z]{0,3} (?!me\b|you\b)"
    ),
    r"(?:nachricht|mail|e-mail)s? (?:wird|werden) .{0,40}(?:weitergeleitet|gelesen|bearbeitet|beantwortet)",
    r"(?:dringend|eilig|notf[äa]ll|vertretung|zwischenzeit).{0,80}(?:wenden|kontakt|erreich)",
    r"wenden sie sich .{0,60}(?:kolleg|sekretariat|vertretung|an \S{1,64}@)",
    (
        r"(?:urg[êe]n|ausencia|aus[êe]ncia|urgenz|assenza|dringend|spoed|afwezigheid).{0,80}(?:contact(?:ar|e|o)?\b"
        r"|contatt|dirig|dirij|rivolg|opnemen|mailen|bellen|escrib)(?!-)"
    ),
    (
        r"(?:responder[ée]i?|risponder[òo]|antworte|melde mich).{0,60}(?:regreso|vuelta|rientro|ritorno|retorno"
        r"|r[üu]ckkehr|zur[üu]ck)"
    ),
    r"(?:mail|e-mail|bericht) wordt .{0,40}(?:beantwoord|gelezen|doorgestuurd)",
)
# Said by programs and people alike: it counts where the subject speaks of an absence too.
BACK = any_of(
    r"r[ée]pondrai .{0,60}retour|[àa] mon retour|d[èe]s mon retour|when i (?:return|am back|get back)",
    r"(?:up)?on my return|nach meiner r[üu]ckkehr|wieder (?:im b[üu]ro|erreichbar|da)|a mi (?:regreso|vuelta)",
    r"al mio (?:rientro|ritorno)|no meu (?:regresso|retorno)|na mijn (?:terugkomst|vakantie)",
    r"weer (?:aanwezig|bereikbaar)",
)
# What a person asks or tells besides.
PERSONAL = any_of(
    r"\?(?!\S)|pourr(?:i|ait|ais|ons)|pouvez-vous|si vous pouvez|vous pouvez m|puis-je|peut-on|est-ce que",
    r"serait-il|j'aimerais|je (?:voudrais|souhaite|sollicite|demande)",
    (
        r"(?:mon|ma|mes) (?:dossier|demande|rendez|fils|fille|enfant|pi[èe]ce|permis|attestation|justificatif"
        r"|conjoint|mari|femme|m[èe]re|p[èe]re|m[ée]decin|avocat)"
    ),
    r"merci d'envoyer|ci-joint|pi[èe]ce jointe|en annexe",
    r"je vous (?:envoie|informe|transmets|enverrai|[ée]cris|fais)|reporter|d[ée]caler|repousser",
    r"(?:joindre|appeler|contacter|rappeler)(?:-| )?moi|me (?:joindre|contacter|rappeler|appeler|t[ée]l[ée]phoner)",
    r"could you|can you|would you|please (?:send|let me|change|move|note|find|advise|confirm|hold|wait)",
    r"my (?:application|file|request|case|son|daughter|child|doctor|lawyer|husband|wife)|attached",
    r"i (?:would|want|need|have a)|reschedul|postpone|k[öo]nn(?:t)?en sie (?:mir|uns|das|die|den|bitte)",
    r"bitte (?:senden|teilen|schicken)|mein(?:e|en)? (?:antrag|akte)|anbei|im anhang",
    r"podr[íi]an? (?:me|ust|env|dec)|puede usted|mi (?:solicitud|expediente)|adjunto|potreste|potrebbe",
    r"la mia (?:domanda|pratica)|in allegato|poderia|o meu (?:pedido|processo)|em anexo",
    r"kunt u (?:mij|ons|het|de|dit)|mijn (?:aanvraag|dossier)|bijlage",
)
# How a letter ends; a name and an address may follow.
CLOSING = any_of(
    r"(?:bien |tr[èe]s )?cordialement|(?:bonne|belle|excellente) (?:journ[ée]e|r[ée]ception)|bonnes f[êe]tes",
    r"(?:sinc[èe]res |meilleures )?salutations|bien à vous|(?:kind|best|warm) regards|regards|sincerely",
    r"mit freundlichen gr[üu](?:ß|ss)en|(?:viele|freundliche|beste) gr[üu](?:ß|ss)e|(?:un )?(?:cordial )?saludos?",
    r"cordiali saluti|distinti saluti|cumprimentos|met vriendelijke groet(?:en)?",
    before=r"\b(?:",
    after=r")\b",
)
# What surrounds it.
POLITE = any_of(
    r"bonjour|bonsoir|madame|monsieur|mesdames|messieurs|merci (?:de|pour) votre (?:message|mail|e-mail|courriel)",
    r"hello|dear (?:sir|madam|all|sender)|(?:thank you|thanks) for your (?:e-?mail|message|mail)",
    r"sehr geehrte damen und herren|guten tag|hallo|vielen dank f[üu]r ihre (?:nachricht|e-?mail)",
    r"buenos d[íi]as|estimados? se[ñn]ore?s?|gracias por su (?:mensaje|correo)|buongiorno",
    r"grazie per (?:la sua|il suo) (?:mail|messaggio)|bom dia",
    r"obrigad[oa] pel[oa] su?a mensagem|geachte (?:heer|mevrouw)",
    r"this is an automat\w{1,4} (?:reply|response|message)|ceci est une? (?:r[ée]ponse|message) automatique",
)
# The words of a period, and of the grammar around it. Anything longer than three letters has to be here.
PERIOD = any_of(
    r"jusqu|inclus|compris|depuis|pour|avec|actuel|retour|cong|bureau|matin|soir|apr[èe]s|midi|semaine|mois|prochain",
    r"annuel|maternit|parental|maladie|formation|vacances|[ée]t[ée]s?$|limit[ée]$",
    r"absent|correspondant|votre|merci|serai|suis|p[ée]riode|pendant|durant",
    r"janv|f[ée]vr|mars|avri|juin|juil|ao[ûu]t|sept|octo|nove|d[ée]ce|lundi|mardi|mercr|jeudi|vendr|samed|diman",
    r"until|from|through|starting|inclusive|back|week|next|return|will|with|office|currently|annual|leave|today",
    r"janu|febr|marc|april|june|july|augu|mond|tues|wedn|thur|frid|satu|sund|vacation|holiday|this|tomorrow",
    r"nicht|wieder|erreichbar|derzeit|einschlie|woche|n[äa]chste|urlaub|b[üu]ro|m[äa]rz",
    r"juni|juli|okto|deze|montag",
    r"sich|bitte|frau|herr|dienst|mittw|donner|freit|samst|sonnt|zur[üu]ck",
    r"hasta|desde|mayo|enero|abril|agos|lunes|martes|mi[ée]rc|jueves|viern|s[áa]ba|domin|fino|dall|ufficio|gen|magg",
    r"giugn|lugl|otto|marted|mercol|gioved|vener|luned|escrit|maio|feverei|outub",
    r"segunda|ter[çc]a|quarta|quinta|sexta",
    r"vuelv|ritorn|sar[òo]$|please|vanaf|maan|dins|woens|dond|vrij|zater|zond|maart|augustus|terug|aanwezig|oficina",
)
# What the writer does, or wants done, though away; and whoever can be reached after all.
HANDLES = any_of(
    r"(?:enverrai|transmettrai|apporterai|passerai|viendrai|fournirai|d[ée]poserai|compl[èe]terai|appellerai)",
    r"(?:i will|i'll) (?:send|bring|come|provide|call)|will follow|nehme ich|schicke ich|bringe ich|komme ich",
    r"sie mich|(?:joindre|reach|contact|call|appele[rz]|contacte[rz]) me\b",
    r"joignable|reachable|on my mobile|mon portable",
    before=r"\b(?:",
    after=r")",
)
