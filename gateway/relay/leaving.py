"""Which attachments of an agent's mail leave with her answer."""

from __future__ import annotations

from gateway.model import Attachment

# Attachments that tell who the agent is, or hold mail to her: they stay with the message. Programs often send them as
# mere octets, so their names count as well.
_TELLING = frozenset(
    {
        "application/pkcs7-mime",
        "application/x-pkcs7-mime",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/pgp-signature",
        "application/pgp-keys",
        "application/ms-tnef",
        "application/vnd.ms-tnef",
        "text/vcard",
        "text/x-vcard",
        "text/directory",
    }
)
_TELLING_ENDINGS = (".vcf", ".vcard", ".p7m", ".p7s", ".p7c", ".p7b", ".asc", ".sig", "winmail.dat")
_MAILS = frozenset({"application/vnd.ms-outlook", "application/x-msg", "text/rfc822-headers"})
_MAIL_ENDINGS = (".eml", ".msg")


def leaving(attachments: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
    """What of an agent's attachments leaves: nothing that tells of her, no mail, and nothing that one holds."""
    mails = {a.name for a in attachments if _is_mail(a)}
    return tuple(a for a in attachments if not (_is_mail(a) or _tells(a) or a.inside in mails))


def _is_mail(attachment: Attachment) -> bool:
    kind = attachment.type.lower()
    return kind.startswith("message/") or kind in _MAILS or _ending(attachment).endswith(_MAIL_ENDINGS)


def _tells(attachment: Attachment) -> bool:
    return attachment.type.lower() in _TELLING or _ending(attachment).endswith(_TELLING_ENDINGS)


def _ending(attachment: Attachment) -> str:
    """A name as programs that open it read it."""
    return attachment.name.lower().rstrip(". ")
