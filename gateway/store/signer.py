"""The ids and addresses of a delivery, all signed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gateway.mail import tokens
from gateway.mail.tokens import Keys, Token, TokenKind


@dataclass(frozen=True, slots=True)
class Signer:
    """Gives a delivery its ids and addresses, all signed. `reply` "" where the mailbox has no plus-addressing.

    `life`: how long after our last mail to somebody their reply address counts, None for ever.
    """

    keys: Keys
    domain: str
    reply: str
    separator: str
    plain: str
    life: timedelta | None = None

    def reply_to(self, participation: int, epoch: int) -> str:
        return self._address(Token(TokenKind.REPLY, participation, epoch))

    def confirm_to(self, delivery: int) -> str:
        return self._address(Token(TokenKind.CONFIRM, delivery, 0))

    def canary_to(self, second: int, leg: int) -> str:
        return self._address(Token(TokenKind.CANARY, second, leg))

    def envelope_sender(self, delivery: int) -> str:
        return self._address(Token(TokenKind.BOUNCE, delivery, 0))

    def message_id(self, delivery: int, participation: int, epoch: int) -> str:
        token = tokens.sign(Token(TokenKind.MESSAGE, participation, epoch), self.keys)
        return tokens.message_id(delivery, token, self.domain)

    def confirm_id(self, delivery: int, asked: int) -> str:
        token = tokens.sign(Token(TokenKind.CONFIRM, asked, 0), self.keys)
        return tokens.message_id(delivery, token, self.domain)

    def _address(self, token: Token) -> str:
        if not self.reply:
            return self.plain
        return f"{self.reply}{self.separator}{tokens.sign(token, self.keys)}@{self.domain}"
