"""Tokens that we never signed, that were changed, and what the time of a refusal tells."""

from __future__ import annotations

import base64
import hmac
import random
from collections.abc import Callable, Iterable, Iterator
from statistics import median

from gateway.mail import tokens
from gateway.mail.tokens import Keys, Token, TokenKind
from tests.builders import KEYS
from tests.security import timing
from tests.trials.case import Case, Counted

Verify = Callable[[str], object]
_FIRST, _LAST = 8, 19  # octets of a token: the first and the last of its signature
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_FORGED, _MUTATED, _TIMED = 1_000_000, 100_000, 100_000
_OTHER = Keys(((1, b"o" * 32),))  # another instance's, of the same id
_LOOK_ALIKE = {
    "a": "а",
    "o": "о",
    "e": "е",
    "k": "\u212a",
    "s": "ſ",
    "i": "ı",
    "c": "с",
    "x": "х",
    "2": "２",
    "b": "ｂ",
}


# --- what is sent ----------------------------------------------------------------------------------------


def _some(chance: random.Random) -> Token:
    return Token(chance.choice(list(TokenKind)), chance.randrange(1, 2000), chance.randrange(3))


def forged(count: int) -> Iterator[str]:
    """By chance; with all right but the signature, for subjects that exist; and of another instance."""
    chance = random.Random(5)
    for n in range(count):
        if n % 3 == 0:
            yield "".join(chance.choices(_ALPHABET, k=tokens.LENGTH))
        elif n % 3 == 1:
            head = bytes([chance.choice(list(TokenKind)), 1, 0, 0, 0, 0, chance.randrange(255), 0])
            yield _text(head + chance.randbytes(12))
        else:
            yield tokens.sign(_some(chance), _OTHER)


def mutated(count: int) -> Iterator[str]:
    """Real ones, each changed in one way; never such that only its case differs, which means nothing."""
    chance = random.Random(6)
    ways = (_bit, _cut, _look_alike, _kind, _key_id, _subject, _epoch, _other_instance, _padded, _spliced, _long)
    for n in range(count):
        token = _some(chance)
        real = tokens.sign(token, KEYS)
        changed = ways[n % len(ways)](real, token, chance)
        assert changed.isascii() is False or changed.lower() != real
        yield changed


def _text(octets: bytes) -> str:
    return base64.b32encode(octets).decode("ascii").lower()


def _octets(real: str) -> bytearray:
    return bytearray(base64.b32decode(real.upper()))


def _bit(real: str, _: Token, chance: random.Random) -> str:
    octets = _octets(real)
    octets[chance.randrange(20)] ^= 1 << chance.randrange(8)
    return _text(bytes(octets))


def _cut(real: str, _: Token, chance: random.Random) -> str:
    start, end = sorted(chance.sample(range(33), 2))
    return real[start:end] if end - start < tokens.LENGTH else real[1:]


def _look_alike(real: str, _: Token, chance: random.Random) -> str:
    places = [place for place, letter in enumerate(real) if letter in _LOOK_ALIKE]
    place = chance.choice(places or [0])
    return real[:place] + _LOOK_ALIKE.get(real[place], "é") + real[place + 1 :]


def _kind(real: str, token: Token, chance: random.Random) -> str:
    octets = _octets(real)
    octets[0] = chance.choice([kind for kind in range(256) if kind != token.kind])
    return _text(bytes(octets))


def _key_id(real: str, _: Token, chance: random.Random) -> str:
    octets = _octets(real)
    octets[1] = chance.choice([0, *range(2, 256)])
    return _text(bytes(octets))


def _subject(real: str, token: Token, chance: random.Random) -> str:
    """The likeliest: whoever has a token for one conversation would like to read in another."""
    octets = _octets(real)
    octets[2:7] = (token.subject + chance.choice((-1, 1, 7, 2**16, 2**32))).to_bytes(5, "big")
    return _text(bytes(octets))


def _epoch(real: str, token: Token, chance: random.Random) -> str:
    octets = _octets(real)
    octets[7] = (token.epoch + chance.randrange(1, 256)) % 256
    return _text(bytes(octets))


def _other_instance(real: str, token: Token, _: random.Random) -> str:
    return tokens.sign(token, _OTHER)


def _padded(real: str, _: Token, chance: random.Random) -> str:
    """Forms in which a lenient decoder would find the same octets."""
    place = chance.randrange(33)
    added = chance.choice((" ", "\t", "\r\n", "=", "-", "_", ".", "\0", "\u200b", "%00", "\u00ad"))
    return real[:place] + added + real[place:]


def _spliced(real: str, _: Token, chance: random.Random) -> str:
    """The head of one, the signature of another."""
    other = tokens.sign(Token(TokenKind.REPLY, 2000 + chance.randrange(2000), 0), KEYS)
    return _text(bytes(_octets(real)[:8] + _octets(other)[8:]))


def _long(real: str, _: Token, chance: random.Random) -> str:
    """More than 20 octets, or bits behind the last that are no octet."""
    return chance.choice((real + chance.choice(_ALPHABET), real + "=" * 8, real + real, real + "a"))


# --- what is counted -------------------------------------------------------------------------------------


def _accepted(texts: Iterable[str], verify: Verify) -> Counted:
    tries, through = 0, 0
    for text in texts:
        tries += 1
        through += bool(verify(text))
    return Counted(tries, through, "accepted")


def _ours(text: str) -> object:
    return tokens.verify(text, KEYS)


def _eight_bits(text: str) -> object:
    """A gateway that compares one octet of the signature."""
    octets = tokens._decoded(text)
    if octets is None or octets[1] != 1:
        return None
    return tokens._mac(octets[:8], KEYS.by_id[0][1])[:1] == octets[8:9]


def _lenient(text: str) -> object:
    """A gateway that decodes what it can: without look-alikes, signs and spaces, and what is too much."""
    plain = "".join(c for c in text.casefold() if c in _ALPHABET)[: tokens.LENGTH]
    octets = tokens._decoded(plain)
    return octets and hmac.compare_digest(tokens._mac(octets[:8], KEYS.by_id[0][1]), octets[8:])


# --- what the time tells ---------------------------------------------------------------------------------


def _by_octet(text: str) -> object:
    """A gateway that stops comparing at the first octet that is wrong."""
    octets = tokens._decoded(text)
    assert octets is not None
    right = tokens._mac(octets[:8], KEYS.verifying[octets[1]])
    for ours, theirs in zip(right, octets[8:], strict=True):
        if ours != theirs:
            return None
    return octets


def _told(verify: Verify) -> Counted:
    """abs(t) between signatures that are right up to the last octet, and such that are wrong from the first.

    The median of three runs: a leak is in all of them, a neighbour on the machine is not.
    """
    chance = random.Random(8)
    reals = [_octets(tokens.sign(_some(chance), KEYS)) for _ in range(500)]
    one, two = ([_text(_wrong_at(real, at)) for real in reals] for at in (_LAST, _FIRST))
    told = median(abs(timing.welch(verify, one, two, _TIMED)) for _ in range(3))
    return Counted(3 * _TIMED, round(told, 1), "abs(t)")


def _wrong_at(real: bytearray, place: int) -> bytes:
    return bytes([*real[:place], real[place] ^ 1, *real[place + 1 :]])


CASES = (
    Case(
        key="S5-forged",
        trial="tokens by chance, of another instance, and with all right but the signature",
        promise="none is accepted",
        defended=lambda: _accepted(forged(_FORGED), _ours),
        control=lambda: _accepted(forged(_FORGED), _eight_bits),
        removed="a signature of 8 bits",
    ),
    Case(
        key="S5-mutated",
        trial="real tokens with a bit, kind, key, subject or epoch changed; cut, spliced, padded; in look-alikes",
        promise="none is accepted",
        defended=lambda: _accepted(mutated(_MUTATED), _ours),
        control=lambda: _accepted(mutated(_MUTATED), _lenient),
        removed="a decoder that takes what it can read",
    ),
    Case(
        key="S5-timing",
        trial="the time of a refusal, measured for signatures nearly right and all wrong",
        promise="Welch's t stays below 4.5",
        defended=lambda: _told(_ours),
        control=lambda: _told(_by_octet),
        removed="a comparison octet by octet",
        allowed=timing.LEAK,
    ),
)
