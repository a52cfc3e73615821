"""Memory of large mails, given back to the system once they are done with."""

from __future__ import annotations

import ctypes

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD (mallopt(3))
_LARGE = 256 << 10  # octets


def give_back_large() -> None:
    """Have what is large taken from the system by itself, and given back as soon as it is freed.

    The GNU C library does so up to the first large block that is freed, and from then on keeps such blocks in its
    heaps: a mail of 25 MB would stay there, once in each thread's. To set the bound keeps it where it is. Other
    libraries have no such bound, and nothing to set.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
