"""A program behind a filter of system calls, as systemd makes one: all others are answered with EPERM.

python -m tests.servers.filtered FILE PROGRAM …      FILE holds the names of those that are allowed
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from pathlib import Path

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM): seccomp_init(3)
LIBRARY = ctypes.util.find_library("seccomp")


def main(allowed: Path, program: list[str]) -> None:
    library = ctypes.CDLL(LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    made = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_REFUSE)))
    for name in allowed.read_text("ascii").split():
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # there is one of this name here
            library.seccomp_rule_add(made, ctypes.c_uint32(_ALLOW), number, 0)
    failed = library.seccomp_load(made)
    assert failed == 0, os.strerror(-failed)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
