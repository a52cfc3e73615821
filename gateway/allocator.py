"""Memory is given back to the system, or to whichever thread asks next, once it is done with."""

from __future__ import annotations

import ctypes

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # M_MMAP_THRESHOLD, M_ARENA_MAX (mallopt(3))
_LARGE = 256 << 10  # octets


def hold_little() -> None:
    """Have what is large given back as soon as it is freed, and what is small shared. To be called before any thread.

    The GNU C library takes what is large from the system by itself, but only up to the first such block that is
    freed, and from then on keeps them in its heaps: a mail of 25 MB would stay there. To set the bound keeps it.
    It has a heap for each thread besides, so that none waits for another's: those of ours take turns anyway, and what
    one of them has freed is of use to all. Other libraries have no such bounds, and nothing to set.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_ARENA_MAX, 1)
