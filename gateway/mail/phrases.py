"""The words by which programs are recognised, in the languages that come in. Lower-case, matched on short text.

One place, so that another language is a line here and nothing else.
"""

from __future__ import annotations

import re


def any_of(*alternatives: str, before: str = "", after: str = "") -> re.Pattern[str]:
    """A pattern of alternatives, with what must stand around them."""
    return re.compile(f"{before}(?:{'|'.join(alternatives)}){after}")


# --- subjects of automatic answers ------------------------------------------------------------------------

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

# --- quotes -----------------------------------------------------------------------------------------------

# « -----Message d'origine----- », its rules and colon taken off: of replies, and of some programs' forwards.
ORIGINAL = any_of(
    r"message (?:d'origine|original|initial)|(?:mail|e-mail|courriel) (?:d'origine|original)",
    r"message du \d[\d/. :àh]{5,24}",  # Orange, La Poste
    r"original (?:message|e-?mail|melding)",
    r"urspr(?:ü|ue?)ngliche (?:nachricht|e-?mail)|original-?nachricht",
    r"mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|origineel bericht",
    r"oprindelig (?:meddelelse|besked)|opprinnelig melding|ursprungligt meddelande|originalmeddelande",
    r"alkuperäinen viesti|wiadomość oryginalna|oryginalna wiadomość|původní (?:zpráva|e-mail)|pôvodná správa",
    r"eredeti (?:üzenet|levél)|mesaj(?:ul)? original|(?:izvorna|originalna) poruka|algne kiri",
    r"orijinal (?:ileti|mesaj)",
    r"(?:исходное|оригинальное) сообщение|оригінальне повідомлення|原始邮件|原始郵件|元のメッセージ|원본 메시지",
)
# « ---------- Forwarded message --------- », likewise: only of forwards.
FORWARDED = any_of(
    r"(?:d[ée]but du )?(?:message|mail|e-mail|courriel) (?:transf[ée]r[ée]|r[ée]exp[ée]di[ée]|r[ée]achemin[ée])",
    r"message d'origine transf[ée]r[ée]|message transmis",
    r"(?:begin |start of )?forwarded (?:message|mail|e-?mail)|forwarding messages?",
    r"(?:anfang der )?weitergeleiteten? (?:nachricht|e-?mail)",
    r"(?:(?:inicio|comienzo) del )?(?:mensaje|correo) reenviado",
    r"(?:inizio )?(?:del )?(?:messaggio|e-?mail) inoltrat[oa]|inoltra messaggio",
    r"(?:in[íi]cio da )?mensagem (?:re)?encaminhada",
    r"(?:begin )?doorgestuurde? (?:bericht|e-?mail)|begin van (?:het )?doorgestuurde? bericht",
    r"(?:(?:start|begyndelsen|begynnelsen) på )?videresendt (?:besked|meddelelse|melding|mail|e-?mail|e-?post)",
    r"(?:början på )?vidarebefordra[dt] (?:meddelande|brev|mejl|e-?post)",
    r"(?:välitetty|edelleenlähetetty|välitetyn|edelleenlähetetyn) viesti(?: alkaa|n alku)?(?: / fwd\.msg)?",
    r"(?:początek |treść )?prze(?:kaz|sł)\w{1,12} wiadomoś\w{1,4}|wiadomość prze(?:kaz|sł)\w{1,8}(?: dalej)?",
    r"(?:začátek )?přepos(?:lan|ílan)\w{1,2} (?:zpráv\w|e-mailu?)|předaná zpráva",
    r"(?:začiatok )?prepos(?:lan|ielan)\w{1,2} (?:správ\w|e-mailu?)",
    r"továbbított (?:levél|üzenet|e-mail)(?: kezdete)?",
    r"(?:începe |începutul )?mesaj(?:ul|ului)? (?:redirec[țţt]ionat|retransmis|înaintat)(?:ului)?",
    r"(?:početak |započni )?proslijeđen\w{1,2} poruk\w",
    r"(?:начало )?пере(?:сыл|сл|адрес|напр)\w{1,14} (?:сообщени\w|письм\w)",
    r"(?:початок )?пере(?:сл|сил|адрес|напр)\w{1,14} (?:повідомленн\w|лист\w?)|початок листа, що пересилається",
    r"(?:iletil|yönlendiril)\w{1,6} (?:ileti|mesaj|posta)(?: başlangıcı)?|ileti başlangıcı",
    r"edastatud (?:kiri|sõnum|kirja algus)",
    r"προωθημένο μήνυμα|препратено съобщение",
    r"メッセージを転送|転送(?:された)?メッセージ|轉寄的?郵件|전달된 (?:메시지|메일)",
    r"(?:以下是)?被?转发的?(?:邮件|消息)(?:信息)?",
)
# With a name, as Notes and Mutt write it; only between rules, for people write the words too.
FORWARDED_BY = any_of(
    r"(?:transf[ée]r[ée]|r[ée]exp[ée]di[ée]|transmis) par .{1,100}",
    r"forwarded (?:by|message from) .{1,100}|weitergeleitet von .{1,100}",
    r"reenviado por .{1,100}|inoltrato da .{1,100}|encaminhado por .{1,100}|doorgestuurd door .{1,100}",
)
SEPARATOR = any_of(ORIGINAL.pattern, FORWARDED.pattern)
# The labels of a header block, by the field that they mean.
LABELS = {
    label: field
    for field, labels in {
        "from": (
            *("de", "expéditeur", "expediteur", "auteur", "from", "sender", "von", "absender", "da", "mittente"),
            *("de la", "expeditor", "expeditorul", "remitente", "remetente", "van", "afzender", "fra", "från"),
            *("afsender", "avsender", "avsändare", "od", "nadawca", "odesílatel", "odosielateľ", "šalje"),
            *("pošiljatelj", "feladó", "lähettäjä", "saatja", "kellelt", "kimden", "gönderen", "от", "от кого"),
            *("отправитель", "від", "від кого", "відправник", "από", "差出人", "送信元", "送信者", "发件人"),
            *("寄件者", "寄件人", "보낸 사람", "보낸사람", "nuo", "من"),
        ),
        "date": (
            *("envoyé", "envoye", "envoyé le", "envoyée", "date", "date d'envoi", "sent", "received", "gesendet"),
            *("datum", "enviado", "enviado el", "enviado em", "enviada", "enviada em", "fecha", "data", "inviato"),
            *("inviata", "verzonden", "verstuurd", "dato", "sendt", "sendt den", "skickat", "wysłano", "wysłane"),
            *("odesláno", "odoslané", "odoslaná", "dátum", "poslano", "elküldve", "küldve", "päiväys"),
            *("päivämäärä", "lähetetty", "kuupäev", "saadetud", "tarih", "gönderildi", "gönderme tarihi"),
            *(
                "gönderilme tarihi",
                "gönderilen",
                "päivä",
                "送信日",
                "dată",
                "trimis",
                "дата",
                "отправлено",
                "надіслано",
                "відправлено",
            ),
            *("ημερομηνία", "日付", "日時", "送信日時", "发送时间", "日期", "寄件日期", "날짜", "보낸 날짜"),
            *("enviat", "išsiųsta", "التاريخ", "تاريخ الإرسال"),
        ),
        "to": (
            *("à", "a", "pour", "destinataire", "destinataires", "to", "an", "empfänger", "para", "destinatario"),
            *("destinatari", "destinatarios", "destinatário", "per", "aan", "ontvanger", "til", "till", "do"),
            *("mottaker", "modtager", "mottagare", "adresat", "komu", "pre", "prima", "za", "címzett"),
            *("vastaanottaja", "saaja", "kellele", "kime", "alıcı", "către", "destinatarul", "кому", "προς"),
            *("送信先", "宛先", "收件人", "받는 사람", "받는사람", "per a", "kam", "до", "إلى"),
        ),
        "cc": (
            *("cc", "copie", "copie à", "con copia", "con copia a", "copia", "com cópia", "cópia", "kopie"),
            *("kopie (cc)", "kopi", "kopia", "kópia", "kopio", "kopija", "koopia", "másolat", "dw"),
            *(
                "do wiadomości",
                "копия",
                "копія",
                "bilgi",
                "κοιν.",
                "κοινοποίηση",
                "抄送",
                "副本",
                "참조",
                "másolatot kap",
                "نسخة",
            ),
        ),
        "subject": (
            *("objet", "sujet", "subject", "betreff", "thema", "asunto", "assunto", "oggetto", "onderwerp"),
            *("emne", "ämne", "temat", "předmět", "predmet", "tárgy", "aihe", "teema", "konu", "subiect"),
            *("subiectul", "naslov", "тема", "θέμα", "件名", "主题", "主旨", "제목"),
            *("assumpte", "zadeva", "tema", "относно", "الموضوع"),
        ),
        "other": (
            *("cci", "bcc", "ccn", "cco", "udw", "reply-to", "reply to", "répondre à", "antwort an", "responder a"),
            *("rispondi a", "antwoord aan", "importance", "importante", "priorité", "priority", "wichtigkeit"),
            *("attachments", "pièces jointes", "anlagen", "message-id", "organization", "organisation"),
        ),
    }.items()
    for label in labels
}
# « De la part de » names the author after the address of who sent it for them.
ON_BEHALF = any_of(
    *("de la part de", "on behalf of", "im auftrag von", "en nombre de", "per conto di", "em nome de", "namens"),
    before=r"(?i:[\s\])>](?:",
    after=r")\s)",
)

# --- subjects ---------------------------------------------------------------------------------------------

FORWARD_PREFIXES = frozenset(
    (
        *("tr", "transf", "transfert", "transféré", "fw", "fwd", "wg", "weitergeleitet", "i", "inoltrato", "rv"),
        *("reenv", "reenviado", "enc", "encaminhado", "doorst", "vb", "vs", "vl", "pd"),
        *(
            "ilt",
            "i̇lt",
            "tov",
            "továbbítás",
            "redir",
            "redirecționat",
            "prosl",
            "пересл",
            "转发",
            "轉寄",
            "転送",
            "전달",
        ),
    )
)
REPLY_PREFIXES = frozenset(
    (
        *("re", "réf", "ref", "rép", "rep", "réponse", "aw", "antw", "antwort", "sv", "r", "rif", "ris", "res"),
        *(
            "resp",
            "odp",
            "ynt",
            "yan",
            "vá",
            "bls",
            "atb",
            "ad",
            "отв",
            "відп",
            "回复",
            "答复",
            "回覆",
            "返信",
            "답장",
        ),
    )
)
