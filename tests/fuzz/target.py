"""A target: one of our parsers, and what must hold of it whatever octets come.

Here is what hunting (`hunt`) and the tests share. Nothing of the gateway is imported here: the hunter instruments it
while it is imported.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

FOUND = Path(__file__).resolve().parent / "found"
MOST = 16_384  # octets of an input: enough for what is quadratic to be seen, and for a million tries
SECONDS, PER_OCTET = 0.5, 20e-6  # what an input may take; the shared machine is slow at times
_JUNK = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xc3",
    b" ",
    b"\t",
    b"<",
    b">",
    b'"',
    b"(",
    b")",
    b"@",
    b":",
    b";",
    b"=",
)


@dataclass(frozen=True, slots=True)
class Target:
    """`holds` raises where an invariant doesn't hold; `seeds` are inputs to begin with."""

    name: str
    holds: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


def judge(target: Target, data: bytes, patience: float = 1.0) -> None:
    """Try one input. `patience`: how much slower than usual we are, being watched.

    Raises:
        AssertionError: an invariant doesn't hold, or it took more than an input of that length may.
    """
    begun = time.thread_time()
    target.holds(data[:MOST])
    spent = time.thread_time() - begun
    assert spent < (SECONDS + len(data) * PER_OCTET) * patience, f"{spent:.1f} s for {len(data)} octets"


def found(target: Target) -> tuple[Path, ...]:
    """Inputs that once broke it."""
    return tuple(sorted((FOUND / target.name).glob("*")))


def keep(target: Target, data: bytes) -> Path:
    """Keep an input that breaks it, so that every run of the tests tries it again."""
    path = FOUND / target.name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def inputs(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Seeds, cut and joined and with odd things in them; and octets out of nowhere."""
    piece = st.sampled_from(_JUNK) | st.binary(max_size=8) | st.sampled_from(seeds).map(lambda seed: seed[:60])
    edit = st.tuples(st.integers(0, 2_000), st.integers(0, 40), piece, st.sampled_from((1, 1, 1, 2, 300, 9_000)))
    edited = st.builds(_edited, st.sampled_from(seeds), st.lists(edit, max_size=5))
    joined = st.builds(lambda a, b, at: a[:at] + b[at:], edited, st.sampled_from(seeds), st.integers(0, 2_000))
    return edited | joined | st.binary(max_size=200)


def _edited(seed: bytes, edits: Iterable[tuple[int, int, bytes, int]]) -> bytes:
    for where, length, piece, times in edits:
        at = where % (len(seed) + 1)
        seed = (seed[:at] + piece * times + seed[at + length :])[:MOST]
    return seed
