"""What six projects' own tests state of their test mails, in one form."""

from __future__ import annotations

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from tests import corpora

_PLACEHOLDERS = ("no visible content", "(no subject)")  # what is put where there is nothing


@dataclass(frozen=True, slots=True)
class File:
    """A stated attachment; None is what isn't stated. `text`: its characters, where it is a text."""

    name: str | None = None
    sha256: str | None = None
    size: int | None = None
    text: str | None = None
    type: str = ""


@dataclass(frozen=True, slots=True)
class Stated:
    """What is stated of one mail: None, or (), for nothing. `author` is an address and a display name.

    `texts` must each be there, in the text or in an attachment.
    """

    file: str
    subject: str | None = None
    author: tuple[str | None, str | None] | None = None
    texts: tuple[str, ...] = ()
    files: tuple[File, ...] = ()


def stated() -> Iterator[Stated]:
    """All of them, in the order of the files."""
    readers: dict[str, Callable[[str, Any], Stated]] = {
        "zammad": _zammad,
        "stalwart-mail-parser": _stalwart,
        "james-mime4j": _mime4j,
        "php-mime-mail-parser": _php,
        "redmine": _redmine,
        "alaveteli": _alaveteli,
    }
    for source, reader in readers.items():
        for name, entry in sorted(_json(f"expected/{source}.json")["expected"].items()):
            yield reader(name, entry)


def _json(path: str) -> Any:
    return json.loads((corpora.folder() / path).read_text())


class _Words(HTMLParser):
    """The text of a page, by the standard library: an independent reading."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("style", "script", "title")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "script", "title") and self.hidden > 0

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.pieces.append(data)


def words_of(page: str) -> str:
    parser = _Words()
    parser.feed(page)
    parser.close()
    return "".join(parser.pieces)


def _said(text: str | None) -> str | None:
    return "" if text and text.strip() in _PLACEHOLDERS else text


def _zammad(name: str, entry: dict[str, Any]) -> Stated:
    body = _said(entry["body"]) or ""
    text = words_of(body) if entry["content_type"] == "text/html" else body
    files = (
        File(a["filename"], a["sha256"], a["size"], type=a["mime"])
        for a in entry["attachments"]
        if not a["original_format"]
    )
    author = (entry["from_email"], entry["from_display_name"])
    return Stated(name, entry["subject"], author, (text,), files=tuple(files))


def _stalwart(name: str, entry: dict[str, str]) -> Stated:
    said = _json(f"stalwart-mail-parser/{entry['file']}")
    heads: dict[str, Any] = {}
    for field in said["parts"][0]["headers"]:
        heads.setdefault(str(field["name"]), field["value"])
    boxes = heads.get("from", {}).get("Address", {}).get("List", []) if "from" in heads else []
    author = (boxes[0]["address"], boxes[0]["name"]) if len(boxes) == 1 else None
    texts = (said["parts"][n]["body"] for n in said["text_body"])
    return Stated(
        name,
        heads.get("subject", {}).get("Text"),
        author,
        tuple(body["Text"] if "Text" in body else words_of(body.get("Html", "")) for body in texts),
        files=tuple(_stalwart_file(said["parts"][n]) for n in said["attachments"]),
    )


def _stalwart_file(part: dict[str, Any]) -> File:
    names = [
        a["value"]
        for field in part["headers"]
        if field["name"] in ("content_disposition", "content_type")
        for a in field["value"]["ContentType"]["attributes"] or ()
        if a["name"] in ("filename", "name")
    ]
    ((kind, body),) = part["body"].items()
    if kind == "Message":
        return File(names[0] if names else None, type="message/rfc822")
    if kind in ("Text", "Html"):
        return File(names[0] if names else None, text=body)
    return File(names[0] if names else None, hashlib.sha256(bytes(body)).hexdigest(), len(body))


def _mime4j(name: str, entry: dict[str, Any]) -> Stated:
    folder = corpora.folder() / "james-mime4j"
    kinds = {leaf.get("name"): leaf for leaf in ET.parse(folder / entry["decoded_xml"]).iter()}
    texts: list[str] = []
    files: list[File] = []
    for path in entry["decoded_parts"]:
        data = (folder / path).read_bytes()
        if (leaf := kinds.get(path.rsplit("/", 1)[1])) is None:
            continue  # a left-over of an older reading, which the present one doesn't name
        if leaf.tag == "text-body":
            texts.append(data.decode("utf-8", "replace"))
        else:
            files.append(File(None, hashlib.sha256(data).hexdigest(), len(data)))
    return Stated(name, texts=tuple(texts), files=tuple(files))


def _php(name: str, entries: list[dict[str, Any]]) -> Stated:
    (entry,) = entries
    box = entry["from_addresses"][0]
    display = box["display"] if box["display"] != box["address"] else ""
    texts = (str(entry[kind][-1]) for kind in ("text", "html") if entry[kind][0] == "COUNT" or kind == "text")
    files = (_php_file(a) for a in entry["attachments"])
    return Stated(name, entry["subject"], (box["address"], display), tuple(map(words_of, texts)), files=tuple(files))


def _php_file(entry: dict[str, Any]) -> File:
    size = entry["size_or_md5"][0]
    named = not re.fullmatch(r"noname\d*", entry["filename"])
    return File(
        entry["filename"] if named else None, size=size if isinstance(size, int) else None, type=entry["type"]
    )


def _redmine(name: str, entries: list[dict[str, Any]]) -> Stated:
    """Its tests set how mails are cut, so what they state of a body holds of part of it; `#{u}` is Ruby, no name.

    Where many texts are stated together, they're of several tests, run together by the machine that extracted them.
    """
    equal = {k: v for entry in entries for k, v in entry.get("equal", {}).items()}
    held = [texts[0] for entry in entries for texts in entry.get("contains", {}).values() if len(texts) == 1]
    said = [equal[key].replace("\\r\\n", "\n") for key in ("description", "content") if key in equal]
    author = (equal.get("mail"), " ".join((equal["firstname"], equal["lastname"]))) if "firstname" in equal else None
    files = (File(equal["filename"]),) if "#" not in equal.get("filename", "#") else ()
    return Stated(name, _said(equal.get("subject")), author, tuple(said + held), files=files)


def _alaveteli(name: str, entry: dict[str, str]) -> Stated:
    """What it shows of a text with what it folds away left out: pieces that must be there."""
    return Stated(name, texts=tuple(entry["folded"].split("FOLDED_QUOTED_SECTION")))
