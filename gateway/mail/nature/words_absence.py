"""How absence messages are written, and how people write of themselves. Words of a language are a line here."""

from __future__ import annotations

from gateway.mail.nature.words import any_of

# How programs begin the subject of an absence message. A colon or the end must follow: people write the words too.
ABSENCE = any_of(
    r"r[ée]ponse automatique(?: d'absence)?|r[ée]pondeur(?: automatique)?",
    r"message (?:automatique|d'absence|automatique d'absence)|(?:message|notification) d'absence|absence du bureau",
    r"absente?(?:\(e\)|·e|\.e)? du bureau|auto-?r[ée]ponse|automatic re(?:ply|sponse)",
    r"auto(?:matic(?:ally)?)?[- ]?(?:generated )?(?:reply|response|respons)|autoreply|autoresponder",
    (
        r"out[- ]of[- ](?:the[- ])?office(?:[- ]auto(?:matic)?[- ]?reply| (?:reply|message|notification|response"
        r"|notice))?"
    ),
    r"vacation (?:auto)?(?:reply|response|message)|away from (?:my mail|the office)",
    r"automatische (?:antwort|r[üu]ckantwort|antwortmail)|abwesenheitsnotiz",
    r"abwesenheits(?:benachrichtigung|meldung|nachricht)|abwesenheitsassistent|autom\. antwort|abwesenheitsagent",
    r"automatisch antwoord|automatische (?:reactie|beantwoording)|afwezigheidsbericht|afwezigheidsmelding",
    r"respuesta autom[áa]tica|fuera de (?:la )?oficina|mensaje de ausencia|contestaci[óo]n autom[áa]tica",
    r"risposta automatica|fuori (?:ufficio|sede)|(?:assente|assenza) dall'ufficio|messaggio automatico",
    r"resposta autom[áa]tica|fora do escrit[óo]rio|aus[êe]ncia do escrit[óo]rio|aus[êe]ncia tempor[áa]ria|autosvar",
    r"automatisk(?:t)? svar|fr[åa]nvaro(?:meddelande)?|ikke til stede|automaattinen vastaus|poissaoloilmoitus",
    r"odpowied[źz] automatyczna|automatyczna odpowied[źz]|automatick[áa] odpov[ěe][ďd]|automatikus v[áa]lasz",
    r"r[ăa]spuns automat|автоматический ответ|автоответ|自動応答|自动答复|自动回复|otomatik yan[ıi]t",
    r"αυτόματη απάντηση",
    before=r"\W{0,3}",
    after=r"(?:\]\s|\)?\]?\s{0,3}(?:[:：]|$))",
)
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
    r"(?:je suis|nous sommes) (?:de retour|ferm[ée]s?)",
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
    r"ik ben .{0,60}(?:afwezig|niet aanwezig|niet bereikbaar|met (?:vakantie|verlof)|op vakantie)",
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
