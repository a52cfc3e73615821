"""What an agent's answer says to the question whether a mail is hers. In doubt it says nothing, and nothing happens.

Only the first line of her own words counts: « oui », « yes » or their like; « non » or « no » takes the mail back. A
yes with a doubt in its line (a negation, a question, an alarm, a delay) is none. Nor is a mail without words of her
own: what she said may be encrypted, an image, or written inside what it quotes.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from gateway.desk.commands import unsigned
from gateway.mail.language import plain


class Consent(StrEnum):
    GIVEN = "given"
    WITHHELD = "withheld"
    UNCLEAR = "unclear"


# As `plain` leaves them: lower case, without accents, one kind of apostrophe.
_YES = re.compile(r"(oui|yes|ok|okay|d'accord|je (le )?confirme|confirme[rsz]?|i confirm|confirm(ed)?)\b")
_NO = re.compile(r"(non|no|ce n'est pas moi|pas moi|it (was|is)n't me|it (was|is) not me|not me)\b")
_DOUBT = re.compile(
    r"\b(ne|pas|non|no|not|never|jamais|aucun|rien|nothing|but|mais|sauf|except"
    r"|attende[rz]|attends|wait|later|demain|tomorrow|stop"
    r"|(annul|supprim|effac|cancel|delet|discard|phish|hameconn|arnaqu|frau|usurp|pirat|hack|spam|scam|fake|faux)\w*)\b"
    r"|\bn'|n't\b|\?"
)


def consent(own: str) -> Consent:
    """What her own words say, those that stand apart from what is quoted and from her signature."""
    first = next((line for line in map(_words, unsigned(own.split("\n"))) if line), "")
    yes = _YES.match(first)
    if yes:
        return Consent.UNCLEAR if _DOUBT.search(first, yes.end()) else Consent.GIVEN
    return Consent.WITHHELD if _NO.match(first) else Consent.UNCLEAR


def _words(line: str) -> str:
    visible = "".join(c for c in plain(line) if unicodedata.category(c) != "Cf")
    return " ".join(visible.split()).strip("«»\"'*_.,;:!-–— ")
