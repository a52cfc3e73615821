"""HTML of strangers in a browser: in the page that `show --html` writes, and in the HTML of our own mails (S11)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.commands import pages
from gateway.relay import html
from tests.builders import raw_mail
from tests.security.vectors import vectors
from tests.servers.chromium import CHROMIUM, Chromium
from tests.trials.case import Case, Counted, When, scratch

_AT = datetime(2025, 3, 1, tzinfo=UTC)
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def _document() -> dict[str, object]:
    facts = {"author": "a@b.example", "received_at": _AT, "kind": "external", "proof": None, "marks": []}
    messages = [
        {"id": number, "subject": vector, "text": vector, "quoted": vector, "attachments": [], **facts}
        for number, vector in enumerate(vectors())
    ]
    return {"reference": "K7M2-4QXA", "subject": next(vectors()), "messages": messages}


def _fired(written: Iterator[str]) -> Counted:
    """How often something ran in a browser that was shown these pages, and how much they asked for."""
    hits = tries = 0
    if CHROMIUM is None:
        return Counted(0, 0)
    with scratch() as folder:
        browser = Chromium(folder / "profile")
        try:
            browser.open()
            for page in written:
                hits += _shown(browser, folder / "page.html", page)
                tries += len(list(vectors()))
        finally:
            browser.close()
    return Counted(tries, hits, "scripts and requests")


def _shown(browser: Chromium, file: Path, page: str) -> int:
    file.write_text(page, "utf-8")
    browser.show(file)
    ran = browser.evaluate("new Promise(r => setTimeout(() => r(window.fired || 0), 300))", wait=True)
    away = [url for url in browser.requests if not url.startswith(("file:", "data:", "about:"))]
    return int(ran or 0) + len(away)


def _ours() -> Iterator[str]:
    """The page as it is, and with nothing but the cleaning: each must do alone. Then a mail of ours."""
    cleaned: dict[int, str] = {}
    for number, vector in enumerate(vectors()):
        found = pages.markup(raw_mail(text=vector, Content_Type="text/html; charset=utf-8"))
        assert found is not None
        cleaned[number] = found
    page = pages.page(_document(), cleaned)
    yield page
    yield _POLICY.sub("", page)
    yield html.page("\n\n".join(vectors()), next(vectors()), "fr")


def _unclean() -> Iterator[str]:
    yield _POLICY.sub("", pages.page(_document(), dict(enumerate(vectors()))))


CASES: tuple[Case, ...] = (
    Case(
        key="S11-html",
        trial="280 pieces of HTML that run or fetch something, in a browser",
        promise="nothing runs, nothing is fetched",
        defended=lambda: _fired(_ours()),
        control=lambda: _fired(_unclean()),
        removed="a page with the HTML as it came",
        when=When.SHORT,
    ),
)
