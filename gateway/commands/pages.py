"""A conversation as one page of HTML, for whoever must see mails as they were laid out, or print them.

Whatever the mails hold, the page runs nothing and fetches nothing: their HTML is cleaned to a closed list, and a
browser is told so beside (Content-Security-Policy). Every link shows where it leads.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any

from gateway.commands.output import harmless, when
from gateway.mail import bodies
from gateway.mail.contents import opened
from gateway.mail.headers import split
from gateway.mail.html.clean import clean
from gateway.mail.parts import tree, with_lines
from gateway.store import views

_STYLE = """
body{margin:1em auto;max-width:50em;font:16px/1.5 Arial,Helvetica,sans-serif;overflow-wrap:anywhere}
article{margin:1.5em 0;border-top:1px solid #8a8a8a}
article>header{color:#595959}
pre{white-space:pre-wrap;font:inherit}
.mail{position:relative;overflow:hidden}
.mail a[href]::after{content:" <" attr(href) ">"}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def page(document: Mapping[str, Any], markup: Mapping[int, str]) -> str:
    """A whole page. `document` as `show` has it; `markup`: cleaned HTML, by the id of its message."""
    title = escape(harmless(f"{document['reference']} {document['subject']}"))
    articles = "\n".join(_article(message, markup.get(message["id"])) for message in document["messages"])
    return (
        f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="referrer" content="no-referrer">\n<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n<h1>{title}</h1>\n{articles}\n</body>\n</html>"
    )


def _article(message: Mapping[str, Any], markup: str | None) -> str:
    if views.is_receipt(message):
        told = f"{message['author'] or '–'} · {when(message['received_at'])} · a receipt"
        return f"<article>\n<header>{escape(harmless(told))}</header>\n</article>"
    facts = (message["author"] or "–", when(message["received_at"]), message["kind"], message["proof"] or "–")
    marks = (f"caution: {mark['code']} {mark['what']}" for mark in message["marks"])
    files = (f"attached: {a['name']} ({a['type']}, {a['size']} octets)" for a in message["attachments"])
    head = "<br>\n".join(escape(harmless(line)) for line in (" · ".join(facts), message["subject"], *marks, *files))
    text = f'<div class="mail">{markup}</div>' if markup is not None else f"<pre>{escape(_plain(message))}</pre>"
    return f"<article>\n<header>{head}</header>\n{text}\n</article>"


def _plain(message: Mapping[str, Any]) -> str:
    return harmless(f"{message['text']}\n\n{message['quoted']}".strip())


def markup(raw: bytes) -> str | None:
    """The HTML of a mail, cleaned; None where it has none, or too much."""
    raw = with_lines(raw)
    pieces = [clean(source) for source in bodies.sources(raw, opened(raw, tree(raw, split(raw))).parts)]
    kept = [piece for piece in pieces if piece is not None]
    return "\n<hr>\n".join(kept) if kept and len(kept) == len(pieces) else None
