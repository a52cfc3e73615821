"""The words by which programs are recognised, in the languages that come in. Lower-case, matched on short text.

One place, so that another language is a line here and nothing else.
"""

from __future__ import annotations

import re


def _any(*alternatives: str, before: str = "", after: str = "") -> re.Pattern[str]:
    return re.compile(f"{before}(?:{'|'.join(alternatives)}){after}")


# --- subjects of reports ------------------------------------------------------------------------------

UNDELIVERED = _any(
    r"undeliver|not be delivered|non[- ]?delivery|delivery (?:status|failure|failed|has failed|incomplete|report)",
    r"delivery problem|failure notice|mail (?:delivery|system error|failure)|returned mail|returned to sender",
    r"returning to sender|delivery.{0,20}(?:fail|delay|warning)|message (?:status|not delivered)",
    r"could ?n[o']t be delivered|mail failed|processing error",
    r"n['’]a pas pu [êe]tre (?:remis|d[ée]livr)|non[- ]?remis|non[- ]distribu|[ée]chec (?:de|d['’])",
    r"rapport de non|avis de non",
    r"unzustellbar|nicht zugestellt|zustellung",
    r"no se (?:pudo|ha podido) entregar|devuelto",
    r"mancata consegna",
    r"onbestelbaar|onbezorgbaar",
    r"n[ãa]o (?:entregue|foi poss[ií]vel entregar)",
)
DELAYED = _any(
    r"delay|warning: (?:could not send|message)|not yet been delivered|still being retried",
    r"retard[ée]|diff[ée]r[ée]",
    r"verz[öo]gert|retrasad|in ritardo|vertraagd|atrasad",
)
FAILED = _any(r"fail", r"[ée]chec", r"undeliver")

# --- texts of reports -----------------------------------------------------------------------------------

REASON = _any(
    r"user unknown|unknown user|no such user|user not found|mailbox (?:is )?(?:full|unavailable)|over quota",
    r"quota exceeded|host unknown|unknown host|unknown recipient|recipient(?: address)? rejected|not listed in",
    r"undeliverable to|qmail-send",
    r"utilisateur inconnu|bo[iî]te pleine",
)
LATER = _any(
    r"delay|will (?:continue to|be retried|keep trying)|has not yet been|not been able to deliver.{0,40} yet",
    r"warning message only|do not need to resend",
    r"sera retent|nouvelle tentative",
)

# --- subjects of automatic answers ------------------------------------------------------------------------

# How programs begin the subject of an absence message. A colon or the end must follow: people write the words too.
ABSENCE = _any(
    r"r[ée]ponse automatique|r[ée]pondeur automatique|message d['’]absence|absence du bureau",
    r"notification d['’]absence",
    r"automatic re(?:ply|sponse)|auto(?:matic)?[- ]?(?:reply|response)|autoreply",
    r"out of (?:the )?office(?: auto(?:matic)?[- ]?reply)?",
    r"automatische antwort|abwesenheitsnotiz|abwesenheitsbenachrichtigung",
    r"automatisch antwoord|automatische reactie|afwezigheidsbericht",
    r"respuesta autom[áa]tica|fuera de (?:la )?oficina",
    r"risposta automatica|fuori ufficio|assente dall['’]ufficio",
    r"resposta autom[áa]tica|fora do escrit[óo]rio",
    after=r"\s*(?:[:：]|$)",
)
LOTUS_ABSENCE = _any(
    r"out of (?:the )?office", r"absen", r"is away", r"on (?:vacation|leave)", before=r"auto: .{0,120}\b"
)
TICKET = _any(
    r"\bticket\b|\[[^\]]{0,30}#\s?\d{3,}\]|request received|we(?:'ve| have) received",
    r"accus[ée] de r[ée]ception|demande (?:n°|re[çc]ue|enregistr[ée]e)",
    r"vorgang|anfrage erhalten|solicitud recibida|richiesta ricevuta",
)

# --- quotes -----------------------------------------------------------------------------------------------

# How an attribution begins and ends (its colon taken off): « Le …, X a écrit : ».
ATTRIBUTION_OPENERS = (
    *("le ", "on ", "at ", "am ", "el ", "il ", "il giorno ", "in data ", "em ", "no dia ", "a ", "op "),
    *("den ", "dne ", "w dniu "),
)
ATTRIBUTION_ENDINGS = (
    *("a écrit", "a ecrit", "a ?crit", "a e\u0301crit", "écrivait", "vous avez écrit"),
    *("wrote", "writes", "has written"),
    *("schrieb", "geschrieben", "escribió", "escribio", "ha escrito", "ha scritto", "scrive", "escreveu"),
    *("schreef", "schreef het volgende", "het volgende geschreven", "skrev", "napisał", "napisał(a)"),
)
# « -----Message d'origine----- », its rules taken off.
SEPARATOR = _any(
    r"message (?:d'origine|original|transf[ée]r[ée]|initial|d'origine transf[ée]r[ée])",
    r"d[ée]but du message (?:transf[ée]r[ée]|r[ée]exp[ée]di[ée])|(?:e-mail|courriel) d'origine",
    r"original message|(?:begin )?forwarded message",
    r"urspr(?:ü|ue?)ngliche nachricht|weitergeleitete nachricht",
    r"mensaje original|mensaje reenviado|messaggio originale|messaggio inoltrato",
    r"mensagem original|mensagem encaminhada|oorspronkelijk bericht|doorgestuurd bericht",
)
# The labels of a header block: the sender's, and the others.
FROM_LABELS = frozenset(
    (
        *("de", "expéditeur", "expediteur", "from", "von", "da", "van", "remitente", "mittente", "afzender"),
        *("fra", "från", "od", "发件人", "寄件者"),
    )
)
OTHER_LABELS = frozenset(
    (
        *("envoyé", "envoye", "envoyé le", "date", "à", "a", "pour", "destinataire", "destinataires", "cc", "cci"),
        *("copie à", "objet", "sujet", "répondre à"),
        *("sent", "to", "bcc", "subject", "reply-to", "importance", "received", "attachments"),
        *("gesendet", "datum", "an", "betreff"),
        *("enviado", "enviado el", "enviado em", "fecha", "para", "asunto", "assunto"),
        *("inviato", "data", "per", "oggetto"),
        *("verzonden", "verstuurd", "aan", "onderwerp"),
        *("sendt", "til", "kopi", "emne", "skickat", "till", "ämne", "wysłano", "do", "temat"),
        *("发送时间", "收件人", "抄送", "主题"),
    )
)
