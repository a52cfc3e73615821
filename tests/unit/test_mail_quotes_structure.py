"""What the markup of the HTML part says of the lines of the plain one."""

from __future__ import annotations

import time
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.html import Kind, page
from gateway.mail.quotes.structure import kinds
from gateway.mail.read import read

PAGE = (
    "<div>Bonjour,</div><div>Oui, voir <a href='https://e.example/a'>le site</a>.</div><div class='gmail_quote'>"
    "<div class='gmail_attr'>S, tiistaina 3.2.</div><blockquote class='gmail_quote'><div>Votre nom ?</div>"
    "<div>Votre ville, et votre adresse complète ?</div></blockquote></div><div>Claire</div>"
)
# No mark tells the quote from the answer.
PLAIN = """Bonjour,
Oui, voir le site<https://e.example/a>.

S, tiistaina 3.2.

Votre nom ?
Votre ville,
 et votre adresse complète ?

Claire
"""
OWN = "Bonjour,\nOui, voir le site<https://e.example/a>.\n\nClaire"


def mail(plain: str, source: str) -> bytes:
    message = EmailMessage()
    message["From"] = "claire@example.net"
    message["Subject"] = "Re: x"
    message.set_content(plain)
    message.add_alternative(source, subtype="html")
    return message.as_bytes()


def test_markup_tells_the_quote_from_the_answer() -> None:
    found = read(mail(PLAIN, PAGE))
    assert found.text == PLAIN.strip("\n")
    assert [line for line in found.own.split("\n") if line] == [line for line in OWN.split("\n") if line]
    assert "tiistaina" in found.quoted
    assert "Votre ville,\n et votre adresse" in found.quoted


def test_html_alone() -> None:
    message = EmailMessage()
    message["From"] = "claire@example.net"
    message.set_content(PAGE, subtype="html")
    found = read(message.as_bytes())
    assert found.own.split() == ["Bonjour,", "Oui,", "voir", "le", "site", "<https://e.example/a>.", "Claire"]
    assert "> Votre nom ?" in found.quoted


def test_a_page_that_is_another_text_says_nothing() -> None:
    other = "<blockquote type=cite>Votre nom ?</blockquote><p>" + "Tout autre chose, et plus long. " * 10
    assert kinds(PLAIN, [page(other)]) == [Kind.OWN] * 11
    assert read(mail(PLAIN, other)).own == PLAIN.strip("\n")


def test_what_the_page_lacks_is_the_authors() -> None:
    text = f"{PLAIN}\n____\nliste de diffusion"
    assert kinds(text, [page(PAGE)])[-3:] == [Kind.OWN] * 3


def test_what_the_text_lacks_is_passed_over() -> None:
    text = "mot " * 50 + "\n" + PLAIN.replace("S, tiistaina 3.2.\n", "")
    found = kinds(text, [page("mot " * 50 + PAGE)])
    assert found[text.split("\n").index(" et votre adresse complète ?")] is Kind.QUOTED


def test_a_line_of_both_is_the_authors() -> None:
    source = "<div>Oui, merci beaucoup.</div><blockquote type=cite>Votre nom ? Votre ville ?</blockquote>"
    assert kinds("Oui, merci beaucoup.Votre nom ?\nVotre ville ?", [page(source)]) == [Kind.OWN, Kind.QUOTED]
    source = "<blockquote type=cite>Votre nom ? Votre ville ?</blockquote><div>Oui, merci beaucoup.</div>"
    assert kinds("Votre nom ?\nVotre ville ?Oui, merci beaucoup.", [page(source)]) == [Kind.QUOTED, Kind.OWN]


def test_below_a_separator() -> None:
    source = "<div>Oui.</div><hr><div id=divRplyFwdMsg><b>Od:</b> S<br><b>Komu:</b> C</div><div>Votre nom ?</div>"
    plain = "Oui.\n________________________________\nOd: S\nKomu: C\n\nVotre nom ?\n"
    assert read(mail(plain, source)).own == "Oui."


def test_an_answer_in_the_quote_stays() -> None:
    source = (
        "<blockquote type=cite>Oui, merci.</blockquote><hr><div id=divRplyFwdMsg>Od: S</div><div>Votre nom ?</div>"
    )
    plain = f"Oui, merci.\n{'_' * 32}\nDe : S <s@example.org>\nDate : lundi\nObjet : x\n\nVotre nom ?"
    assert read(mail(plain, source)).own == "Oui, merci."


@given(
    st.lists(st.sampled_from(PLAIN.split("\n")), max_size=20).map("\n".join),
    st.lists(
        st.sampled_from(["<blockquote type=cite>", "</blockquote>", "Votre nom ?", "<br>", "Claire", "<hr id=zwchr>"])
    ),
)
def test_each_line_has_a_kind(text: str, pieces: list[str]) -> None:
    assert len(kinds(text, [page("".join(pieces))])) == text.count("\n") + 1


@pytest.mark.parametrize("line", ["x", "", ":", "une ligne assez longue", "une ligne assez longue, et une autre"])
def test_hostile_texts_cost_little(line: str) -> None:
    text = f"{line}\n" * (1_000_000 // (len(line) + 1))
    pages = [page("<blockquote type=cite>q</blockquote>" + "une ligne assez longue " * 40_000)]
    begun = time.process_time()
    kinds(text, pages)
    assert time.process_time() - begun < 6
