"""What stands in a mail's header: fields, ids, addresses, dates, results, tokens, subjects, names."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.mail import addresses, dates, ids, names, params, subjects, thread_index, tokens
from gateway.mail.authentication import parse
from gateway.mail.headers import decoded, one_line, split
from gateway.mail.tokens import Token, TokenKind
from gateway.model import Result
from tests.builders import DOMAIN, KEYS
from tests.fuzz import seeds
from tests.fuzz.target import Target

_RESULTS = (
    b"mx.example.org; dmarc=pass header.from=b.fr; spf=fail smtp.mailfrom=a@b.fr",
    b'"mx" 1; dkim/1=pass (good; key) header.d="b.fr" header.i=@b.fr',
    b"mx; none",
)
_DATES = (b"Mon, 3 Feb 2025 10:12:00 +0100", b"3 Feb 25 10:12 EST (x)", b"2025-02-03T10:12:00Z", b"99", b"")
_SUBJECTS = (
    b"Re: [liste] TR: Dossier n\xc2\xb0 123",
    b"=?utf-8?b?w6k=?= =?iso-8859-1?q?=E9?=",
    b"(fwd) Re[2]: AW: x (fwd)",
)
_NAMES = (b"../../etc/passwd", b"a\xe2\x80\xaefdp.exe", b"\xe2\x80\x8b.htaccess", b"CON.txt", b"a" * 200 + b".pdf")
_TOKENS = tuple(tokens.sign(Token(kind, 7, 1), KEYS) for kind in TokenKind)


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def plain(value: str) -> None:
    """Can be stored and shown: no half characters, no NUL."""
    value.encode()
    assert "\0" not in value


def headers(data: bytes) -> None:
    head = split(data)
    assert 0 <= head.body <= len(data)
    assert len(head.fields) <= 1_000
    assert not any(b"\n" in field.value for field in head.fields)
    plain(head.text("subject"))
    line = one_line(text(data))
    assert one_line(line) == line
    assert "\n" not in line
    decoded(text(data)).encode()


def identifiers(data: bytes) -> None:
    head = split(b"Message-ID: " + data + b"\nReferences: " + data + b"\nIn-Reply-To: " + data + b"\n\n")
    cited = (*ids.in_reply_to(head), *ids.references(head))
    for identifier in (*cited, ids.message_id(head), *ids.loose(cited, head)):
        plain(identifier)
        assert not set(identifier) & set("<> \t\r\n"), identifier
    assert len(ids.references(head)) <= 200
    thread_index.conversation(text(data)).encode()


def people(data: bytes) -> None:
    head = split(b"From: " + data + b"\nTo: " + data + b"\nDelivered-To: " + data + b"\n\n")
    reading = addresses.author(head)
    one_from = sum(field.name == "from" for field in head.fields) == 1
    assert one_from or not reading.author.sure
    assert not reading.author.sure or addresses.normal(reading.author.address) == reading.author.address
    people = [(one.address, one.name) for one in addresses.recipients(head, "to")]
    for address, name in (*people, (reading.author.address, reading.author.name)):
        plain(address)
        plain(name)
    for delivered in addresses.delivered_to(head):
        plain(delivered)
    once = addresses.normal(text(data))
    assert once in {"", addresses.normal(once)}


def results(data: bytes) -> None:
    """What was understood is understood the same when it is written anew (RFC 8601 §2.2)."""
    found = parse(text(data))
    if found is None:
        return
    identifier, statements = found
    assert identifier == identifier.lower()
    assert len(statements) <= 50
    if not identifier.startswith("\0"):
        assert parse("; ".join((_quoted(identifier), *map(_statement, statements)))) is not None


def _statement(result: Result) -> str:
    properties = " ".join(f"x={_quoted(value)}" for value in result.properties.values())
    return f"{result.method} = {result.result} {properties}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def signed(data: bytes) -> None:
    """Nothing that we didn't sign is a token; capitals don't matter."""
    said = text(data)
    for candidate in (said, said.strip(), said.partition("+")[2].partition("@")[0]):
        assert tokens.verify(candidate, KEYS) is None or candidate.lower() in _TOKENS
    bare = said.strip().rpartition("@")[0].partition(".")[2]
    assert tokens.in_message_id(said.strip(), DOMAIN, KEYS) is None or bare.lower() in _TOKENS


def when(data: bytes) -> None:
    found = dates.date(split(b"Date: " + data + b"\n\n"))
    assert found is None or found.tzinfo is not None


def matters(data: bytes) -> None:
    once = subjects.base(one_line(text(data)))
    plain(once.text)
    assert subjects.base(once.text).text == once.text


def titles(data: bytes) -> None:
    said = text(data)
    shown = names.visible(said)
    assert names.visible(shown) == shown
    assert len(names.display(said)) <= names.MAX_DISPLAY
    name = names.attachment(said, "application/pdf", 1)
    assert 0 < len(name) <= names.MAX_ATTACHMENT
    assert not set(name) & set("/\\\r\n\0")
    assert not name.startswith(".")
    kind, parameters = params.parse(said)
    for value in (kind, *parameters, *parameters.values()):
        value.encode()


def _tokens() -> Iterator[bytes]:
    for token in _TOKENS:
        yield from (token.encode(), f"reponse+{token}@{DOMAIN}".encode(), f"12.{token}@{DOMAIN}".encode())


TARGETS = (
    Target("headers", headers, lambda: [*seeds.mails(), *_SUBJECTS]),
    Target(
        "ids", identifiers, lambda: [b"<a@x> <b@x>", b"<<<<", b"AdABCDEFGHIJKLMNOPQRSTUVWXYZab==", b"a@b <c d@e>"]
    ),
    Target("addresses", people, lambda: [*seeds.fields(), b"a@b.fr\nFrom: c@d.fr"]),
    Target("authentication", results, lambda: _RESULTS),
    Target("tokens", signed, _tokens),
    Target("dates", when, lambda: _DATES),
    Target("subjects", matters, lambda: _SUBJECTS),
    Target("names", titles, lambda: _NAMES),
)
