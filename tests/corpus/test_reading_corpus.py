"""Real mail with wrapped, signed, encrypted and attached content; and what other projects state of their own."""

from __future__ import annotations

import hashlib

import pytest

from gateway.mail.contents import content
from gateway.mail.read import read
from gateway.model import Mail, Protection
from tests import corpora
from tests.conformance import reading


def mail(path: str) -> tuple[bytes, Mail]:
    raw = (corpora.folder() / path).read_bytes()
    return raw, read(raw)


def test_stated_readings_are_reached() -> None:
    """And every difference that is listed is still one."""
    for figure in reading.figures():
        assert figure.met, figure.wrong[:5]
        assert set(figure.listed) == {case.name for case in figure.kept}, figure.key


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (
            "alaveteli/spec/fixtures/files/incoming-request-tnef-attachments.eml",
            ["FOI 09-02976i.doc", "FOI 09-02976iii.doc"],
        ),
        ("james-mime4j/core/src/test/resources/mimetools-testmsgs/uu-zeegee.msg", ["up.gif", "zeegee.gif"]),
        ("notmuch/test/corpora/protected-headers/smime-onepart-signed.eml", ["smime.p7m"]),
    ],
)
def test_what_is_inside_is_found(path: str, names: list[str]) -> None:
    raw, found = mail(path)
    assert [a.name for a in found.attachments] == names
    assert found.text
    for attachment in found.attachments:
        assert hashlib.sha256(content(raw, attachment.part)).hexdigest() == attachment.sha256


def test_every_attachment_of_the_fixtures_is_found_again() -> None:
    for path in (
        *corpora.mails("mimekit"),
        *corpora.mails("zbateson"),
        *corpora.mails("enmime"),
        *corpora.mails("rt/"),
    ):
        raw = path.read_bytes()
        for attachment in read(raw).attachments:
            assert len(content(raw, attachment.part)) == attachment.size, path


@pytest.mark.parametrize(
    ("path", "protection"),
    [
        ("notmuch/test/corpora/protected-headers/smime-sign+enc.eml", Protection.ENCRYPTED),
        ("notmuch/test/corpora/protected-headers/encrypted-signed.eml", Protection.ENCRYPTED),
        ("notmuch/test/corpora/protected-headers/smime-onepart-signed.eml", Protection.SIGNED),
        ("nextcloud-mail/tests/data/signed-opaque-message.txt", Protection.SIGNED),
        ("zammad/test/data/mail/mail041.box", Protection.ENCRYPTED),
        ("zammad/test/data/mail/mail040.box", Protection.SIGNED),
        ("rt/t/data/gnupg/emails/12-encrypted-inline-binary.txt", Protection.ENCRYPTED),
        ("zammad/test/data/mail/mail001.box", Protection.NONE),
    ],
)
def test_what_protects_a_mail(path: str, protection: Protection) -> None:
    assert mail(path)[1].protection is protection
