"""Real mail, read: nothing raises, nothing is lost, and the parts are those that the standard library finds."""

from __future__ import annotations

import email
import json
import random
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.mail.contents import content
from gateway.mail.headers import split
from gateway.mail.parts import decoded, tree
from gateway.mail.read import read
from tests import corpora


def test_every_mail_is_read_whole() -> None:
    for path in corpora.sample(1_500):
        raw = path.read_bytes()
        mail = read(raw, authserv_id="mx.example.org", domain="example.org")
        lines = Counter(line for line in mail.text.split("\n") if line.strip())
        assert lines == Counter(line for line in f"{mail.own}\n{mail.quoted}".split("\n") if line.strip()), path
        assert mail.own.strip() or mail.quoted.strip() or not mail.text.strip(), path
        for attachment in mail.attachments[:3]:
            assert len(content(raw, attachment.part)) == attachment.size, path


def test_mutations_of_real_mails_are_read_quickly() -> None:
    chance = random.Random(4)
    for path in corpora.sample(400):
        raw = bytearray(path.read_bytes()[:60_000])
        for _ in range(chance.randrange(1, 30)):
            at = chance.randrange(len(raw) + 1)
            raw[at : at + chance.choice((0, 1, 1, 40))] = chance.choice(
                (b"", b"\n", b"\xff", b"=", b'"', b"--", b"\x00", raw[:20])
            )
        begun = time.process_time()
        read(bytes(raw), authserv_id="mx.example.org", domain="example.org")
        assert time.process_time() - begun < 2, path


def leaves(message: Any) -> list[tuple[str, bytes | None]]:
    """The standard library's leaves, in order; an attached mail's bytes aren't compared."""
    found: list[tuple[str, bytes | None]] = []
    waiting = [message]
    while waiting:
        part = waiting.pop()
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            waiting.extend(reversed(part.get_payload()))
        elif part.get_content_maintype() == "message":
            found.append((part.get_content_type(), None))
        else:
            found.append((part.get_content_type(), part.get_payload(decode=True)))
    return found


def same(raw: bytes) -> bool:
    """Are the leaves, and their decoded bytes but for line ends, the same in both readings?"""
    theirs = leaves(email.message_from_bytes(raw))
    ours = [(part.type, decoded(raw, part)) for part in tree(raw, split(raw)).parts if not part.multipart]
    return len(theirs) == len(ours) and all(
        a[0] == b[0] and (a[1] is None or stripped(a[1]) == stripped(b[1])) for a, b in zip(theirs, ours, strict=True)
    )


def stripped(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").strip()


def test_the_tree_of_parts_is_the_standard_librarys() -> None:
    """But for broken mails (a multipart without parts, junk as a type), at most one in a hundred."""
    raws = [path.read_bytes() for path in corpora.sample(1_000)]
    wellformed = [raw for raw in raws if b"\n" in raw and raw.count(b"boundary=") < 50]
    different = sum(not same(raw) for raw in wellformed)
    assert different <= len(wellformed) // 100


@pytest.mark.parametrize("path", ["client_a2", "server_a13", "server_a14", "server_a16", "server_a17"])
def test_spoofed_authors_are_not_sure(path: str) -> None:
    raw = (corpora.folder() / "espoofer" / "eml" / f"{path}.eml").read_bytes()
    assert not read(raw).author.sure


@pytest.mark.parametrize("path", ["client_a3", "server_a1"])
def test_a_spoofed_mail_with_one_author_is_read_alike(path: str) -> None:
    raw = (corpora.folder() / "espoofer" / "eml" / f"{path}.eml").read_bytes()
    assert read(raw).author.sure


# --- own text against the markup of the senders' clients -----------------------------------------------------

LIST = "list-usrp-2019-2021"
FOOTER = re.compile(
    r"_{20,}|USRP-users mailing list(?: -- usrp-users@lists\.ettus\.com)?|USRP-users@lists\.ettus\.com"
    r"|http://lists\.ettus\.com/mailman/listinfo/usrp-users_lists\.ettus\.com|To unsubscribe send an email to \S+"
)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def truths() -> list[tuple[Path, str]]:
    stated = json.loads((corpora.folder() / LIST / "html-reply-truth.json").read_text())["replies"]
    return [(corpora.folder() / name, entry["reply"]) for name, entry in stated.items() if entry["has_plain"]]


def test_own_text_agrees_with_the_markup() -> None:
    """Compared by words, without the list's footer. The truth itself keeps some attributions and quotes."""
    found = truths()[::3]
    exact = sum(
        "".join(words(FOOTER.sub("", read(path.read_bytes()).own))) == "".join(words(reply.replace("[...]", " ")))
        for path, reply in found
    )
    assert exact >= len(found) * 0.83
