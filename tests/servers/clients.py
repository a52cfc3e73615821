"""Mail as people's programs write it: a letter, and replies with the quotes that Gmail and Outlook put under them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from html import escape

from tests.servers.gateway import CONTACT, Sent

Client = Callable[..., EmailMessage]  # how one of them replies: `outlook`, `gmail` …


def letter(
    author: str,
    text: str,
    *,
    to: str = CONTACT,
    subject: str = "Une question",
    name: str = "",
    **fields: str,
) -> EmailMessage:
    """A mail of a person. `fields` are further ones, with `_` for `-`."""
    mail = EmailMessage()
    mail["From"] = Address(name, addr_spec=author)
    mail["To"] = to
    mail["Subject"] = subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = make_msgid(domain=author.partition("@")[2])
    for field, value in fields.items():
        mail[field.replace("_", "-")] = value
    mail.set_content(text, cte="8bit")
    return mail


def gmail(to: Sent, author: str, text: str, *, name: str = "", recipient: str = "") -> EmailMessage:
    """A reply as Gmail writes it in French: the attribution, then the quote, in both alternatives."""
    who, address = _author(to)
    mail = _reply(to, author, name, recipient, f"Re: {_bare(to)}")
    attribution = f"Le lun. 23 nov. 2026 à 10:30, {who} <\n{address}> a écrit :"
    quote = "".join(f"> {line}\n" if line else ">\n" for line in to.text.splitlines())
    mail.set_content(f"{text}\n\n{attribution}\n\n{quote}")
    mail.add_alternative(
        f'<div dir="ltr">{_html(text)}</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
        f'Le lun. 23 nov. 2026 à 10:30, {escape(who)} &lt;<a href="mailto:{address}">{address}</a>&gt; a écrit :<br>'
        f'</div><blockquote class="gmail_quote">{_html(to.text)}</blockquote></div>',
        subtype="html",
    )
    return mail


def outlook(to: Sent, author: str, text: str, *, name: str = "", recipient: str = "") -> EmailMessage:
    """A reply as Outlook writes it in French: a rule, a block De/Envoyé/À/Objet, and the bare quote."""
    who, address = _author(to)
    mail = _reply(to, author, name, recipient, f"RE: {_bare(to)}")
    block = f"De : {who} <{address}>\nEnvoyé : lundi 23 novembre 2026 10:30\nÀ : {author}\nObjet : {_subject(to)}"
    mail.set_content(f"{text}\n\n{'_' * 32}\n{block}\n\n{to.text}")
    mail.add_alternative(
        f"<html><body><div>{_html(text)}</div><hr style='display:inline-block;width:98%'><div id='divRplyFwdMsg'"
        f" dir='ltr'><font>{_html(block)}</font></div><div>{_html(to.text)}</div></body></html>",
        subtype="html",
    )
    return mail


def thunderbird(to: Sent, author: str, text: str, *, name: str = "", recipient: str = "") -> EmailMessage:
    """A reply as Thunderbird writes it in French: plain text, the quote below, and a signature."""
    who, _ = _author(to)
    mail = _reply(to, author, name, recipient, f"Re: {_bare(to)}")
    quote = "".join(f"> {line}\n" if line else ">\n" for line in to.text.splitlines())
    mail.set_content(f"{text}\n\nLe 23/11/2026 à 10:30, {who} a écrit :\n{quote}\n-- \n{name or author}\n{author}\n")
    return mail


def telephone(to: Sent, author: str, text: str, *, name: str = "", recipient: str = "") -> EmailMessage:
    """A reply from a telephone: its own signature, then the quote."""
    who, address = _author(to)
    mail = _reply(to, author, name, recipient, f"Re: {_bare(to)}")
    quote = "".join(f"> {line}\n" if line else "> \n" for line in to.text.splitlines())
    attribution = f"> Le 23 nov. 2026 à 10:30, {who} <{address}> a écrit :\n> "
    mail.set_content(f"{text}\n\nEnvoyé de mon iPhone\n\n{attribution}\n{quote}")
    return mail


def outlook_forward(original: EmailMessage, agent: str, text: str, *, to: str = CONTACT) -> EmailMessage:
    """What Outlook makes of a mail that is forwarded in French: a rule, a block, the text."""
    author = original["From"].addresses[0]
    block = (
        f"De : {author.display_name} <{author.addr_spec}>\nEnvoyé : lundi 23 novembre 2026 09:12\nÀ : {agent}\n"
        f"Objet : {original['Subject']}"
    )
    body = original.get_content()
    mail = letter(agent, "", to=to, subject=f"TR: {original['Subject']}")
    mail.set_content(f"{text}\n\n{'_' * 32}\n{block}\n\n{body}")
    mail.add_alternative(
        f"<html><body><div>{_html(text)}</div><hr style='display:inline-block;width:98%'><div id='divRplyFwdMsg'"
        f" dir='ltr'><font>{_html(block)}</font></div><div>{_html(body)}</div></body></html>",
        subtype="html",
    )
    return mail


def gmail_forward(original: EmailMessage, agent: str, text: str, *, to: str = CONTACT) -> EmailMessage:
    """What Gmail makes of it: a separator, « De : », « Date : », « Subject: », « To: »."""
    author = original["From"].addresses[0]
    block = (
        f"---------- Forwarded message ---------\nDe : {author.display_name} <{author.addr_spec}>\n"
        f"Date: lun. 23 nov. 2026 à 09:12\nSubject: {original['Subject']}\nTo: <{agent}>"
    )
    body = original.get_content()
    mail = letter(agent, "", to=to, subject=f"Fwd: {original['Subject']}")
    mail.set_content(f"{text}\n\n{block}\n\n\n{body}")
    mail.add_alternative(
        f'<div dir="ltr">{_html(text)}<br><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
        f"{_html(block)}<br></div><br><br>{_html(body)}</div></div>",
        subtype="html",
    )
    return mail


def _reply(to: Sent, author: str, name: str, recipient: str, subject: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = Address(name, addr_spec=author)
    mail["To"] = recipient or str((to.message["Reply-To"] or to.message["From"]).addresses[0].addr_spec)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = make_msgid(domain=author.partition("@")[2])
    mail["In-Reply-To"] = to.id
    mail["References"] = f"{to.message['References'] or ''} {to.id}".strip()
    return mail


def _author(mail: Sent) -> tuple[str, str]:
    address = mail.message["From"].addresses[0]
    return address.display_name, address.addr_spec


def _subject(mail: Sent) -> str:
    return str(mail.message["Subject"])


def _bare(mail: Sent) -> str:
    subject = _subject(mail)
    return subject[4:] if subject.lower().startswith("re: ") else subject


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>\n")
