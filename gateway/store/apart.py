"""Work that is done once, in a process of its own: what it loads is gone with it."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from gateway.errors import GatewayError

_PDEATHSIG = 1  # PR_SET_PDEATHSIG (prctl(2))


def apart(work: Callable[[], object]) -> None:
    """Do it in a copy of this process, and wait for its end. There may be no other threads yet, nor connections.

    Should this process be killed, the copy is, too.

    Raises:
        GatewayError, OSError: what `work` raised.
        RuntimeError: it raised something else, which was told as whatever nobody catches, or was killed.
    """
    ours, (heard, said) = os.getpid(), os.pipe()
    child = os.fork()
    if not child:
        os.close(heard)
        _work(work, ours, said)
    os.close(said)
    with open(heard, "rb") as answer:
        raised = answer.read()
    _, status = os.waitpid(child, 0)
    if raised:
        raise pickle.loads(raised)  # noqa: S301 (we wrote it)
    if status:
        raise RuntimeError(f"the process that did it ended with {os.waitstatus_to_exitcode(status)}")


def _work(work: Callable[[], object], parent: int, said: int) -> NoReturn:
    """In the copy, which never goes back into what called this."""
    status = 1
    try:
        _end_with(parent)
        work()
        status = 0
    except (GatewayError, OSError) as error:
        os.write(said, pickle.dumps(error))
    except BaseException as error:  # noqa: BLE001 (whatever it is, it ends here)
        sys.excepthook(type(error), error, error.__traceback__)  # which keeps what it says to itself
    finally:
        os._exit(status)


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when the one that waits for it dies."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before
        os._exit(1)
