"""The words by which machines' mail is recognised, in the languages that come in.

Lower-case, with plain spaces and apostrophes (`Evidence.title`, `Evidence.opening`). Another language is a line and
nothing else. Repeats are bounded. Reports have theirs in `words_reports`, absences in `words_absence`.
"""

from __future__ import annotations

import re

from gateway.mail.phrases import any_of

ANSWERED = any_of(
    *(
        r"re",
        r"r[ée]f?",
        r"r[ée]p",
        r"aw",
        r"antw(?:ort)?",
        r"sv",
        r"tr",
        r"transf[ée]?r?[ée]?",
        r"fwd?",
        r"wg",
        r"rv",
    ),
    *(r"i", r"r", r"rif", r"enc", r"doorst", r"vb", r"odp", r"vs"),
    after=r"\s?(?:\[\d{1,2}\])?\s?:",
)
# How people begin a letter.
GREETING = any_of(
    r"bonjour|bonsoir|madame|monsieur|mesdames|messieurs|cher|ch[èe]re|salut|hello|hi\b|dear",
    r"good (?:morning|afternoon)|guten tag|hallo|sehr geehrte|liebe|hola|buenos|estimad|buongiorno|gentile|ciao",
    r"bom dia|boa tarde|prezad|ol[áa]|beste|geachte|goedemorgen|goedemiddag",
)
# Where a quote, a forward or a returned mail begins.
BOUNDARY = any_of(
    r"(?:de|from|von|da|van|exp[ée]diteur|absender|mittente|remitente)\s?:\s?\S",
    r"(?:le|on|am|el|il|em|op) .{1,150}(?:a [ée]crit|wrote|schrieb|escribi[óo]|ha scritto|escreveu|schreef)\s?:?$",
    r"(?:begin )?forwarded message|message (?:transf[ée]r[ée]|d'origine|original)|original (?:message|mail)",
    r"weitergeleitete nachricht|urspr(?:ü|ue)ngliche nachricht|mensaje (?:reenviado|original)",
    r"messaggio (?:inoltrato|originale)|mensagem (?:encaminhada|original)|doorgestuurd bericht",
    r"oorspronkelijk bericht|below this line is a copy|(?:received|return-path)\s?:",
)
# A machine says of itself what it is.
SAYS_AUTOMATIC = any_of(
    (
        r"(?:message|mail|e-?mail|courriel|r[ée]ponse|notification|envoi) (?:est |a [ée]t[ée] "
        r"|vous est )?(?:envoy[ée]e? |g[ée]n[ée]r[ée]e? |adress[ée]e? )?automatique"
    ),
    (
        r"(?:merci de |veuillez |pri[èe]re de )?ne (?:pas )?(?:y )?r[ée]pond(?:re"
        r"|ez) (?:pas )?(?:directement )?(?:à|a) (?:ce|cet|cette)"
    ),
    r"merci de ne pas (?:y )?r[ée]pondre",
    r"(?:this is an|this) (?:is )?(?:automat(?:ic|ed)|auto-?generated|system[- ]generated)",
    r"automatically (?:generated|sent|created)|(?:please )?do not (?:reply|respond) (?:directly )?to this",
    r"(?:automatisch|maschinell) (?:generiert|erstellt|erzeugt|versandt)|mensaje (?:es )?autom[áa]tico",
    r"no responda a este|messaggio (?:[èe] stato )?(?:generato )?automatic|non rispondere a questo",
    r"mensagem autom[áa]tica|n[ãa]o responda a este|automatisch (?:gegenereerd|verzonden)|niet op deze",
)
ROBOT_ADDRESS = any_of(
    r"no[-_.]?reply|do[-_.]?not[-_.]?reply|ne[-_.]?pas[-_.]?re(?:pondre|spondre)|nepasrepondre|noresponse",
    r"nao-?responda|no[-_.]?responder|nicht-?antworten|auto(?:matique|mailer|reply|responder)|robot|notifications?",
    after=r"(?:[-_.+][^@]{0,80})?@",
)
TICKET = any_of(
    r"\bticket\b|\[[^\]]{0,30}#\s?\d{3,}\]|request received|we(?:'ve| have) received|accus[ée] de r[ée]ception",
    r"demande (?:n°|re[çc]ue|enregistr[ée]e)|vorgang|anfrage erhalten|solicitud recibida|richiesta ricevuta",
)
# Subjects that only desks write, whatever else there is: at the beginning, so never under « Re: ».
DESK_SUBJECT = any_of(
    r"\[[^\]]{1,80}#\s?\d{1,12}\] (?:autoreply|r[ée]ponse automatique)\b",
    r"\[glpi #\d{1,12}\] (?:nouve|new|ouverture|cr[ée]ation|accus)|\[request received\]",
    r"\[(?:demande|requ[êe]te) re[çc]ue\]|\[anfrage erhalten\]|\[solicitud recibida\]|\[richiesta ricevuta\]",
    r"(?:\[[^\]]{1,60}\] )?ticket (?:received|created|re[çc]u|cr[ée]{2})\b.{0,4}[-:–#]",
)
# « Votre demande a bien été enregistrée sous le n° 123 »: with a machine's address or words only.
REGISTERED = any_of(
    (
        r"votre (?:demande|message|mail|e-?mail|courriel|ticket|requ[êe]te|sollicitation|incident"
        r"|signalement)\b.{0,80}(?:a bien [ée]t[ée]|a [ée]t[ée]|est bien|est) (?:bien )?(?:enregistr|re[çc]u|pris"
        r"|cr[ée]{2}|transmis|arriv)"
    ),
    (
        r"nous (?:accusons|avons bien re[çc]u|vous confirmons|confirmons) .{0,60}(?:r[ée]ception|demande|message"
        r"|mail|courriel|ticket)"
    ),
    (
        r"your (?:request|ticket|message|e-?mail|enquiry|inquiry|case|query).{0,80}(?:has been|was"
        r"|is) (?:successfully )?(?:received|created|logged|registered|opened|being reviewed)"
    ),
    r"your (?:request|ticket) has been (?:given|assigned)",
    r"(?:we have|we've) received your|thank you for contacting|a (?:support )?ticket has been (?:created|opened)",
    r"ihre (?:anfrage|nachricht|e-?mail|meldung).{0,80}(?:erhalten|eingegangen|registriert|erfasst)",
    r"(?:hemos|se ha) recib|su (?:solicitud|mensaje).{0,60}(?:recibid|registrad)",
    r"la (?:sua|vostra) richiesta.{0,60}(?:ricevut|registrat)|(?:recebemos|foi recebid)",
    r"o seu pedido.{0,60}(?:recebid|registad)",
    r"uw (?:bericht|vraag|aanvraag|verzoek).{0,60}(?:ontvangen|geregistreerd)",
)
# Services whose mail is nothing else; in the sender's address, or in a link.
CHALLENGERS = any_of(
    r"mailinblack\.(?:com|fr|net)|boxbe\.com|spamarrest\.com|mail-?in-?black|knowspam\.net|bitbounce\.(?:com|io)",
    r"0spam\.(?:com|fr)|spamblocker-challenge|mailblocks\.com|digiportal\.com|choicemail\.com|uolantispam",
    r"antispamuol|spamenmoins\.com|sendio\.com|cleanmail\.|spam-?stopshere",
    r"altospam\.(?:com|fr)/.{0,20}(?:valid|confirm)|vadesecure\.com/.{0,20}(?:valid|challenge)",
)
HELD = any_of(
    (
        r"(?:message|mail|e-?mail|courriel|courrier)s? .{0,80}(?:en attente|mis en quarantaine|retenu|bloqu[ée]"
        r"|pas encore [ée]t[ée])"
    ),
    (
        r"(?:pour|afin) que (?:votre|vos|ce|le) (?:message|mail|e-?mail|courriel|courrier)s?.{0,60}(?:soi(?:t|ent)"
        r"|puisse|parvien|arriv)"
    ),
    (
        r"(?:votre|vos) (?:message|mail|e-?mail|courriel)s? (?:me |lui |nous )?(?:sera|seront) (?:alors |ensuite "
        r"|automatiquement )?(?:d[ée]livr|remis|transmis|distribu|achemin)"
    ),
    (
        r"(?:message|mail|e-?mail).{0,80}(?:on hold|being held|is held|was held|held (?:until|pending)|quarantine"
        r"|waiting|pending|not yet)"
    ),
    (
        r"(?:in order |so )?(?:for|that) (?:your|this) (?:message|mail|e-?mail).{0,40}(?:to be delivered|delivered"
        r"|reach|can be|gets? through)"
    ),
    r"(?:your|this) (?:message|mail|e-?mail) will (?:then )?be delivered",
    r"before (?:your|this) (?:message|mail|e-?mail)",
    r"(?:nachricht|mail).{0,80}(?:zur[üu]ckgehalten|zugestellt wird|wartet|quarant[äa]ne)",
    r"(?:mensaje|correo).{0,80}(?:retenid|en espera|pendiente|cuarentena)",
    r"(?:messaggio|mail).{0,80}(?:in attesa|quarantena)",
    r"(?:mensagem|e-?mail).{0,80}(?:retid|aguarda|pendente|quarentena)",
    r"(?:bericht|mail).{0,80}(?:wacht|vastgehouden|quarantaine)",
)
PROVE = any_of(
    r"to (?:release|deliver|free) (?:your|this|the) (?:message|mail|e-?mail)",
    r"pour (?:lib[ée]rer|d[ée]bloquer|autoriser|valider) (?:votre|ce|le) (?:message|mail|e-?mail|courriel|envoi)",
    (
        r"(?:v[ée]rifi|prouv|confirm|atteste)\w{0,6} que vous (?:n')?[êe]tes (?:bien )?(?:pas )?(?:une? )?(?:humain"
        r"|robot|personne|[êe]tre|machine)"
    ),
    r"vous (?:authentifier|identifier|faire reconna[îi]tre)",
    r"(?:cliqu|rend)\w{0,5} .{0,60}(?:authentifi|valider votre|confirmer votre)",
    r"(?:authentifi|valid|confirm)\w{0,5} .{0,60}(?:en cliquant|cliqu(?:ez|er))",
    r"recopi\w{1,4} .{0,60}(?:lettres|caract[èe]res|code)",
    (
        r"(?:confirm|verify|prove|certify|check) (?:that )?(?:you are|you're) (?:not )?(?:an? )?(?:real "
        r"|legitimate )?(?:human|person|robot|machine|sender|spammer|being)"
    ),
    r"(?:verify|confirm|authenticate) (?:your(?:self)?|this|the) (?:e-?mail|identity|address|message|sender)",
    r"one-time (?:verification|confirmation|process)",
    r"(?:click|reply|respond|visit|follow).{0,80}(?:verif|confirm|approv|authenticat|be added to|guest list)",
    r"add(?:ed)? (?:yourself )?to (?:my|the) (?:approved|guest|allowed|safe)",
    r"best[äa]tigen sie.{0,80}(?:mensch|absender|klick|link)|klicken sie.{0,80}(?:best[äa]tig|verifi)",
    r"(?:confirme|verifique|demuestre) .{0,60}(?:humano|persona|remitente|clic|robot)",
    r"confermare .{0,60}(?:persona|mittente|clic)|confirme .{0,60}(?:humano|pessoa|remetente|clique)",
    r"bevestig .{0,60}(?:mens|afzender|klik)|klik .{0,60}bevestig",
)
# People who write of such a thing.
TELLS_OF_IT = any_of(
    r"\?(?!\S)|j'ai re[çc]u|je (?:re[çc]ois|n'arrive|ne (?:peux|parviens|comprends))",
    r"nous (?:avons re[çc]u|recevons)|votre (?:site|filtre|serveur|formulaire|plateforme)|que faire",
    r"mon (?:dossier|message|mail|compte)|ma demande|i(?:'ve| have)? (?:just )?(?:received|got)\b",
    r"i (?:can't|cannot|could not|couldn't)|your (?:website|filter|form|portal)",
    r"my (?:message|mail|e-?mail|file|application|account) (?:is|was|has)|ich habe .{0,40}(?:erhalten|bekommen)",
    r"he recibido|ho ricevuto",
)
# A machine has no « je »; a service says « nous ».
IN_FIRST_PERSON = any_of(
    r"je|j'\w{1,20}|moi|m'\w{1,20}|mon|ma|mes|i|i'm|i've|my|me|ich|mir|mich|meine?[nrs]?|yo|mi|mis|io|mio|mia",
    r"eu|meu|minha|ik|mijn",
    before=r"(?<![\w'])",
    after=r"(?![\w'])",
)
LINK = re.compile(r"https?://[^\s/]{3,}")
