"""The HTML alternative of a mail, made from its plain text: the same words, a little easier to read.

Nothing but what the text says: no images, no script, nothing to fetch. A line of dashes is a rule; lines of the form
« key : value » that follow one another are a table; web addresses and mail addresses are links, and show where they
lead. Everything else is paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

_STYLE = """\
:root{color-scheme:light dark}
body{margin:0 auto;padding:16px;max-width:40em;font:16px/1.5 Arial,Helvetica,sans-serif;overflow-wrap:anywhere}
p,table{margin:0 0 1em}
table{border-collapse:collapse}
th,td{padding:2px 0;vertical-align:top;text-align:left}
th{padding-right:1em;font-weight:normal;color:#595959;overflow-wrap:normal}
hr{margin:1.5em 0 1em;border:0;border-top:1px solid #8a8a8a}
@media(prefers-color-scheme:dark){th{color:#b0b0b0}a{color:#8ab4f8}}
@media(max-width:480px){th,td{display:block}th{padding:4px 0 0}td{padding:0}}"""
_RULE = re.compile(r"[-_]{2,80} ?")
_PAIR = re.compile(r"([^\W\d_][^:\n]{0,40}?[  ]?:)[  ](?!\s)(.+)")
_LINK = re.compile(
    r"https?://[\w\[][^\s<>\"\\^`{|}]{0,2000}"
    r"|(?<![\w.!#$%&'*+/=?^`{|}~@-])[A-Za-z0-9][A-Za-z0-9._+=-]{0,63}"
    r"@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}(?![\w@-])"
)
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # categories Cc and Cs
_TRAILING = ".,;:!?'\")]»’”…"


def page(text: str, subject: str, language: str) -> str:
    """A whole HTML document with the words of `text`; `subject` is its title."""
    body = "\n".join(_block(lines) for lines in _blocks(visible(text)))
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(visible(subject))}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def visible(text: str) -> str:
    """Without control characters, which have no place in a mail; but for line ends and tabs."""
    return _UNSEEN.sub("", text)


def _blocks(text: str) -> Iterator[list[str]]:
    """Lines that stand together: what blank lines and rules keep apart."""
    for blank, lines in groupby(text.split("\n"), lambda line: not line.strip()):
        if not blank:
            for _, together in groupby(lines, _kind):
                yield list(together)


def _kind(line: str) -> str:
    if _RULE.fullmatch(line):
        return "rule"
    return "pair" if _PAIR.fullmatch(line) else "words"


def _block(lines: Sequence[str]) -> str:
    kind = _kind(lines[0])
    if kind == "rule":
        return "<hr>" * len(lines)
    if kind == "pair" and len(lines) > 1:
        return "<table>\n" + "\n".join(_row(line) for line in lines) + "\n</table>"
    return "<p>" + "<br>\n".join(_linked(line.strip()) for line in lines) + "</p>"


def _row(line: str) -> str:
    pair = _PAIR.fullmatch(line)
    assert pair is not None
    return f'<tr><th scope="row">{escape(pair[1])}</th><td>{_linked(pair[2])}</td></tr>'


def _linked(line: str) -> str:
    """The line with its addresses as links that show exactly where they lead."""
    if "@" not in line and "://" not in line:
        return escape(line)
    pieces: list[str] = []
    copied = 0
    for found in _LINK.finditer(line):
        address = _bare(found[0])
        pieces.append(escape(line[copied : found.start()]))
        target = address if "://" in address else f"mailto:{address}"
        pieces.append(f'<a href="{escape(target)}">{escape(address)}</a>')
        copied = found.start() + len(address)
    return "".join((*pieces, escape(line[copied:])))


def _bare(address: str) -> str:
    """Without the end of the sentence that it stands in; a bracket stays that was opened in it."""
    while address[-1] in _TRAILING and not (address[-1] == ")" and address.count("(") >= address.count(")")):
        address = address[:-1]
    return address
