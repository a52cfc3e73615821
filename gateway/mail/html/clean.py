"""HTML of strangers, cleaned to a closed list: nothing is run, and nothing is fetched.

What stays says how words stand to each other: paragraphs, lists, tables, links with their targets. A picture leaves
its alternative text, never an address to fetch it from.
"""

from __future__ import annotations

import nh3

MAX_HTML = 1_000_000
MAX_TAGS = 10_000  # a page of more takes seconds to clean: it isn't cleaned at all
_TAGS = frozenset(
    {"a", "abbr", "address", "article", "aside", "b", "big", "blockquote", "br", "caption", "center", "cite", "code"}
    | {"col", "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "footer", "header"}
    | {
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "main",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
    }
    | {"s", "samp", "section", "small", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody", "td"}
    | {"tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var"}
)
_CELL = {"colspan", "rowspan"}
_ATTRIBUTES = {"a": {"href"}, "img": {"alt"}, "ol": {"start"}, "td": _CELL, "th": _CELL}
# What is between these tags was never meant to be read.
_SILENT = frozenset(
    {"applet", "canvas", "embed", "frameset", "iframe", "math", "noembed", "noframes", "noscript", "object", "script"}
    | {"select", "style", "svg", "template", "textarea", "title", "xml"}
)


def clean(source: str) -> str | None:
    """A fragment that may stand in a page of ours; None where there is too much markup to look at."""
    source = source[:MAX_HTML]
    if source.count("<") > MAX_TAGS:
        return None
    return nh3.clean(
        source,
        tags=set(_TAGS),
        clean_content_tags=set(_SILENT),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
