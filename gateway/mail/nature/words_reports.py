"""How reports are written: of mail that wasn't delivered, or is late, and what postmasters are sent."""

from __future__ import annotations

import re

from gateway.mail.phrases import any_of

UNDELIVERED = any_of(
    r"undeliver|not be delivered|non[- ]?delivery|delivery (?:status|failure|failed|has failed|incomplete|report)",
    r"delivery problem|failure notice|mail (?:delivery|system error|failure)|returned mail|returned to sender",
    r"returning to sender|delivery.{0,20}(?:fail|delay|warning)|message (?:status|not delivered)",
    r"could ?n[o']t be delivered|mail failed|processing error|fail(?:ed|ure) delivery|delivery notification",
    r"delivery has failed|failed to deliver|error sending your mail|bounce notification|mail (?:delivery )?error",
    r"error mail report|rejected (?:mail|message)|(?:mail|message) (?:was |has been )?(?:rejected|bounced)",
    r"n'a pas pu [êe]tre (?:remis|d[ée]livr|distribu|achemin|envoy)|non[- ]?remis|non[- ]?(?:distribu|d[ée]livr)",
    r"[ée]chec (?:de|d'|lors)|rapport de non|avis de non|notification d'[ée]tat de remise|courrier (?:retourn|non)",
    r"message (?:refus|rejet|retourn)|destinataire inconnu|utilisateur (?:inconnu|non recens)|unzustellbar",
    r"nicht zugestellt|zustellung|mail-?zustell|no se (?:pudo|ha podido) entregar|devuelto|no entregad",
    r"error de entrega|mancata consegna|mancato recapito|impossibile recapitare",
    r"non (?:recapitato|consegnato|recapitabile)|onbestelbaar|onbezorgbaar|niet bezorgd|kan niet worden bezorgd",
    r"n[ãa]o (?:entregue|foi poss[ií]vel entregar)|falha na entrega|não pôde ser entregue|nie mog[łl]",
    r"niedostarczon|zwrot wiadomo|не (?:может быть )?доставлен|недоставленн|配信できません|配信不能|配送エラー",
    r"エラー通知|不達|投递失败|退信|无法投递",
)
DELAYED = any_of(
    r"delay|warning: (?:could not send|message)|not yet been delivered|still being retried|temporary failure",
    r"retard[ée]|diff[ée]r[ée]|remise en attente|verz[öo]gert|verzögerung|retrasad|in ritardo|ritardo nella",
    r"vertraagd|atrasad",
)
FAILED = any_of(
    r"fail|[ée]chec|undeliver|unzustellbar",
)
# What the text of a report says of the mail, above all in its first sentences.
NOT_DELIVERED = any_of(
    (
        r"(?:could not|couldn't|cannot|can't|can not|was not|wasn't|has not been|have not been"
        r"|not) (?:able to )?(?:be )?(?:\bbeen )?deliver"
    ),
    r"unable to (?:be )?deliver|failed to (?:be )?deliver|deliver(?:y|ing) .{0,60}(?:failed|failure|errors?\b)",
    r"did not reach|undeliverable|non-?delivery report|has been returned|(?:is|was) being returned",
    r"returned to (?:the )?sender",
    r"following (?:address|recipient)(?:es|s|\(es\)|\(s\))?,? (?:had|have|has|failed|was|were|could|did|are)",
    r"(?:permanent|transient non-)fatal errors|had delivery errors|transcript of session|failed addresses",
    r"trouble (?:in )?delivering|problems? (?:in )?(?:delivering|with its delivery)",
    r"error .{0,40}(?:deliver|process)ing",
    (
        r"(?:your|the|this) (?:message|mail|e-?mail).{0,80}(?:was|has been|is) (?:automatically )?(?:rejected"
        r"|refused|bounced)"
    ),
    r"rejected (?:your|the|recipient)|was rejected by|have been rejected",
    r"recipients? (?:was|were) (?:rejected|refused)",
    r"(?:user'?s? )?mailbox (?:is |was )?(?:full|unavailable|exceeds)|exceeds allowed size|over (?:disk )?quota",
    r"user unknown|unknown (?:user|recipient|address)|no such (?:user|recipient)|invalid (?:user|final delivery)",
    r"not a valid (?:user|address)|undeliverable address|failed recipient|message not delivered to",
    r"intended recipient|error-for:|not yet been delivered",
    r"n'a(?:i)? pas pu (?:vous )?[êe]tre (?:remis|d[ée]livr|distribu|achemin|envoy|transmis)|n'ont pas pu [êe]tre",
    r"impossible de (?:remettre|d[ée]livrer|distribuer|transmettre|livrer)",
    r"[ée]chec de (?:la )?(?:remise|distribution|livr)|n'a pas [ée]t[ée] (?:remis|d[ée]livr|distribu)",
    r"(?:message|courrier|mail) .{0,60}(?:a [ée]t[ée]|est) (?:rejet|refus|retourn)",
    r"bo[iî]te (?:aux lettres )?.{0,40}(?:est )?(?:pleine|satur)|(?:utilisateur|destinataire) inconnu",
    r"adresse .{0,60}n'existe|konnten? .{0,80}nicht|unzustellbar|nicht zugestellt|zustellung .{0,60}fehlgeschlagen",
    r"postfach .{0,20}voll|empf[äa]nger (?:ist )?unbekannt|zustellfehler|no se (?:pudo|ha podido) entregar",
    r"no (?:pudo|ha podido) ser entregad|buz[óo]n .{0,30}llen|usuario desconocido",
    r"(?:non [èe] stato|non [èe]) possibile (?:consegnare|recapitare)",
    r"impossibile (?:consegnare|recapitare|recapito)|non [èe] stato (?:consegnato|recapitato)|casella .{0,30}piena",
    r"utente sconosciuto|n[ãa]o (?:foi|p[ôo]de) .{0,30}entreg|kon(?:den)? niet worden (?:bezorgd|afgeleverd)",
    r"niet (?:worden )?bezorgd|onbestelbaar|nie (?:m[óo]g[łl]|zosta[łl]).{0,20}dostarczon",
    r"не (?:может быть )?доставлен|не удалось доставить|kunde inte levereras|kunne ikke leveres|配信できません",
    r"送信できません|配信に失敗|配送できません|届けることができ|宛先.{0,10}不明|无法投递|投递失败|退信",
)
REASON = any_of(
    r"user unknown|unknown user|no such user|user not found|mailbox (?:is )?(?:full|unavailable)|over quota",
    r"quota exceeded|host unknown|unknown host|unknown recipient|recipient(?: address)? rejected|not listed in",
    r"undeliverable to|qmail-send|utilisateur inconnu|bo[iî]te pleine",
)
LATER = any_of(
    r"(?:deliver|message|mail|recipient).{0,60}delayed|delayed.{0,40}(?:deliver|message|mail)|delivery delay",
    r"will (?:continue to (?:try|attempt)|be retried|keep trying)|has not yet been deliver",
    r"not been able to deliver.{0,40} yet|warning message only|do not need to resend|sera retent",
    r"nouvelle tentative|tentera de nouveau|erneut versuch|wird weiter versucht|se volver[áa] a intentar",
)
REJECTED = any_of(
    r"reject|refus|rejet|abgelehnt|zur[üu]ckgewiesen|rechazad|rifiutat",
)
# How reports begin, whoever seems to send them.
FIRST_WORDS = any_of(
    r"this message was created automatically by (?:the )?mail|this is the (?:mail|postfix|qmail|exim|sendmail)",
    r"this is an automatically generated delivery status|hi\. this is the|message from interscan",
    r"--- non-delivery report|this report relates to a message you sent|this is a delivery (?:status|failure)",
    r"the original message was received at|ceci est (?:le|un message du) syst[èe]me de (?:messagerie|courrier)",
    r"ce message a [ée]t[ée] cr[ée]{2} automatiquement par",
    r"dies ist eine automatisch erstellte (?:unzustellbarkeits|benachrichtigung)",
    r"diese nachricht wurde automatisch vom mail",
    before=r"[\W_]{0,40}",
)
# The names that the programs write under who aren't called MAILER-DAEMON.
OFFICE = any_of(
    r"post_?master|sys(?:tem)?[-_. ]?admin\w{0,14}|administrat\w{1,6}(?: .{1,26})?|no-?_?reply|ne-?pas-?repondre",
    r"mail(?:er)?[-_. ]?(?:admin\w{0,12}|system|server|gateway)|imss\w{0,6}|interscan\b.{0,20}",
    r"mail(?:marshal|sweeper).{0,20}|ndr|mimesweeper.{0,20}|\w{0,8} ?ndr administrat\w{1,6}|bounces?",
    r"(?:mail )?delivery(?: .{1,26})?|admin",
)
DMARC_SUBJECT = re.compile(
    r"(?:\[[^\]]{1,30}\] )?(?:dmarc (?:aggregate )?)?report[- ]domain:\s{0,3}\S{1,253}[\s;,]{1,4}"
    r"submitter:\s{0,3}\S{1,253}"
    r""
)
COMPLAINT_SUBJECT = re.compile(r"complaint about message from [\d.:a-f]{3,45}$|e?-?mail feedback report for ip ")
