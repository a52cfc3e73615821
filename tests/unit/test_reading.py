"""Processes that read: they answer what reading finds, and nothing that a mail does to one gets any further."""

from __future__ import annotations

import asyncio
import base64
import codecs
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from encodings.aliases import aliases
from pathlib import Path

import pytest
import uvloop
from pydantic import ValidationError

from gateway.errors import Temporary
from gateway.reading import frames, readers
from gateway.reading.answering import answered
from gateway.reading.question import Question, Search, Suspects
from gateway.reading.readers import Readers, Unreadable
from gateway.reading.searching import searched
from tests import corpora
from tests.builders import mail, raw_mail
from tests.fuzz.bombs import bombs
from tests.servers.poisoned import COMMAND

ASKED = Question(authserv_id="mx.example.org", domain="support.example.org", envelope_sender="")


def _encodes(codec: str) -> bool:
    return codecs.lookup(codec)._is_text_encoding


CODECS = sorted(codec for codec in set(aliases.values()) if codec not in {"mbcs", "oem"} and _encodes(codec))


@pytest.fixture
async def real() -> AsyncIterator[Readers]:
    async with Readers() as found:
        yield found


@pytest.fixture
async def poisoned() -> AsyncIterator[Readers]:
    async with Readers(COMMAND) as found:
        yield found


def small() -> Iterator[bytes]:
    """Mails of every kind that is made by hand here, and real ones where they are."""
    yield from (raw for _, raw in bombs() if len(raw) < 30_000)
    yield from (path.read_bytes() for path in corpora.mails()[::800])
    # What is only read when a mail takes it: the list of look-alikes, codecs that the second opinion decodes by.
    yield "From: Иван <иван@почта.example>\r\n\r\nBonjour\r\n".encode()
    yield b"From: a@xn--80ak6aa92e.com\r\n\r\nBonjour\r\n"
    words = (base64.b64encode("Здравствуйте".encode(codec, "ignore")).decode() for codec in CODECS)
    for codec, word in zip(CODECS, words, strict=True):
        yield f"From: =?{codec}?b?{word}?= <a@b.example>\r\nSubject: x\r\n\r\nBonjour\r\n".encode()


async def test_what_is_answered_is_what_reading_finds(real: Readers) -> None:
    """Confined as it is, it lacks nothing that reading takes."""
    for raw in small():
        assert await real.read(raw, ASKED) == answered(raw, ASKED)


async def test_a_mail_by_its_header_alone(real: Readers) -> None:
    raw = raw_mail(subject="Mon dossier", text="un secret")
    found = await real.read(raw, Question(whole=False))
    assert (found.subject, found.author.address, found.text) == ("Mon dossier", "ulysse@usager.example.net", "")
    other = await real.read(raw.replace(b"un secret", b"autre"), Question(whole=False))
    assert other.fingerprint != found.fingerprint


LIST = (
    b"From: a@b.example\r\nContent-Type: text/csv\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"reponse+x=40support.example.org;\r\n<b>ines</b>@mairie.example;" + "\u00e9@poste.example".encode()
)
SEARCH = Search((0,), "support.example.org", ("reponse+",), (1,), frozenset({"mairie.example", "poste.example"}))


async def test_what_is_found_in_files_is_what_searching_finds(real: Readers) -> None:
    found = await real.search(LIST, SEARCH)
    assert found == searched(LIST, SEARCH)
    assert "reponse+x@support.example.org" in found[0].signed
    assert {"ines@mairie.example", "é@poste.example"} <= set(found[0].addresses)


ANSWERS = {
    "another number of files": frames.found([Suspects(), Suspects()]),
    "no list": frames.ANSWER.pack(11) + b'{"found":1}',
    "no words": frames.ANSWER.pack(26) + b'{"found":[{"signed":[12]}]}'[:26],
    "a mail": frames.answer(mail()),
}


def answering(answer: bytes, folder: Path) -> Readers:
    """Workers that answer the same to every question."""
    said = folder / "answer"
    said.write_bytes(frames.READY + answer)
    program = (
        f"import sys; sys.stdout.buffer.write(open({str(said)!r}, 'rb').read()); sys.stdout.flush(); sys.stdin.read()"
    )
    return Readers((sys.executable, "-I", "-c", program))


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_what_is_found_is_not_believed(answer: bytes, tmp_path: Path) -> None:
    async with answering(answer, tmp_path) as lying:
        with pytest.raises(Unreadable):
            await lying.search(LIST, SEARCH)


async def test_it_answers_in_no_language_that_we_do_not_write(tmp_path: Path) -> None:
    async with answering(frames.answer(mail(language="en")), tmp_path) as honest:
        assert (await honest.read(b"", ASKED)).language == "en"
    async with answering(frames.answer(mail(language="de")), tmp_path) as lying:
        with pytest.raises(Unreadable):
            await lying.read(b"", ASKED)


FAILURES = {
    "raise": "raised ZeroDivisionError",
    "recurse": "raised RecursionError",
    "open": "raised OSError",
    "write": "raised OSError",
    "connect": "raised OSError",
    "run": "raised OSError",
    "loop": "took more than 0.5 s",
    "abort": "died: it was ended by SIGABRT",
    "leave": "died: it said no more",
    "exit": "died: it ended with status 0",
    "grow": "died: it ended with status 70",
    "lie": "answered nonsense",
    "flood": "more than there can be",
}


async def test_what_a_mail_does_to_its_reader_is_that_mails_failure(poisoned: Readers) -> None:
    for poison, reason in FAILURES.items():
        question = Question(seconds=0.5 if poison == "loop" else 20)
        with pytest.raises(Unreadable, match=reason):
            await poisoned.read(raw_mail(subject=f"poison {poison}"), question)
        assert (await poisoned.read(raw_mail(subject="et moi ?"), Question())).subject == "et moi ?"


async def test_what_is_printed_by_mistake_is_no_answer(poisoned: Readers) -> None:
    assert (await poisoned.read(raw_mail(subject="poison print"), Question())).subject == "poison print"


def test_it_holds_none_of_our_files_and_nothing_of_our_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The daemon's own event loop passes on whatever file is inheritable, as sockets of systemd are."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/gateway")

    async def looked_at() -> tuple[bytes, list[str]]:
        async with Readers() as found:
            await found.prepare()
            return _of_process(found._idle[0]._process.pid)

    with (tmp_path / "token.keys").open("wb") as keys:
        os.set_inheritable(keys.fileno(), True)
        environment, files = uvloop.run(looked_at())
    assert b"CREDENTIALS" not in environment
    assert files == ["0", "1", "2", "3"]


def test_it_reads_where_it_may_not_make_way_for_others() -> None:
    """The filter of system calls in `gateway.service` answers so."""
    denied = "os.nice = lambda _: exec('raise PermissionError')"
    program = f"import os; from gateway.reading import worker; {denied}; worker.main()"
    done = subprocess.run([sys.executable, "-c", program], input=b"", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, frames.READY)


def _of_process(pid: int) -> tuple[bytes, list[str]]:
    """Its environment, and its open files."""
    process = Path(f"/proc/{pid}")
    if not process.exists():
        pytest.skip("there is no /proc")
    return (process / "environ").read_bytes(), sorted(path.name for path in (process / "fd").iterdir())


async def test_two_mails_are_read_at_once_and_no_more(poisoned: Readers) -> None:
    slow = [
        asyncio.create_task(poisoned.read(raw_mail(subject="poison loop"), Question(seconds=1))) for _ in range(3)
    ]
    done, _ = await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
    assert all(isinstance(task.exception(), Unreadable) for task in done)
    assert len(done) <= readers.MOST_READERS < len(slow)
    ends = await asyncio.gather(*slow, return_exceptions=True)
    assert all(isinstance(end, Unreadable) for end in ends)


async def test_whoever_stops_waiting_leaves_no_process_behind(poisoned: Readers) -> None:
    await poisoned.prepare()
    process = poisoned._idle[0]._process
    task = asyncio.create_task(poisoned.read(raw_mail(subject="poison loop"), Question(seconds=60)))
    await asyncio.sleep(0)  # it has begun
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert process.returncode == -9


async def test_a_reader_ends_after_its_number_of_mails(real: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_MOST_MAILS", 2)
    seen = set()
    for _ in range(4):
        await real.read(raw_mail(), Question())
        seen.add(real._idle[0]._process.pid)
    assert len(seen) == 2


@pytest.mark.parametrize("command", [("/nonexistent",), ("/bin/false",)])
async def test_a_reader_that_does_not_start_is_not_the_mails_fault(command: tuple[str, ...]) -> None:
    async with Readers(command) as found:
        await found.prepare()
        with pytest.raises(Temporary):
            await found.read(raw_mail(), Question())


@pytest.mark.parametrize(
    "answer",
    [
        b"{}x",
        b'{"mail": {"subject": "x"}}',
        frames.answer(mail())[4:].replace(b'"person"', b'"king"'),
        frames.answer(mail())[4:].replace(b'"sure":true', b'"sure":"yes"'),
        frames.answer(mail())[4:].replace(b'"attachments":[]', b'"attachments":[{}]'),
    ],
)
def test_an_answer_is_not_believed(answer: bytes) -> None:
    with pytest.raises(ValidationError):
        readers._ANSWER.validate_json(answer, strict=True)
