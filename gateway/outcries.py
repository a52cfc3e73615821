"""What the interpreter and the libraries say by themselves: told by its place, never in its words.

An exception's text, a library's debug line, a warning: each may hold what people wrote, or a password. So each
becomes an event of the mail log that names the type and where it happened: the code is public, the words aren't.
"""

from __future__ import annotations

import logging
import resource
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType

from gateway import log

_FRAMES = 6  # the innermost


def install(*, verbose: bool) -> None:
    """Take over for this process: hooks, the standard library's logging, core files (none)."""
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda told: log.defect(error=_name(told.exc_type), where=place(told.exc_traceback))
    threading.excepthook = lambda told: log.defect(error=_name(told.exc_type), where=place(told.exc_traceback))
    logging.basicConfig(handlers=[_Places()], level=logging.DEBUG if verbose else logging.WARNING, force=True)
    logging.captureWarnings(True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold every mail and key


def place(found: TracebackType | None) -> str:
    """Where an exception came from, outermost first: `file.py:line function`, joined by « > »."""
    frames = traceback.extract_tb(found)[-_FRAMES:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)


def _uncaught(kind: type[BaseException], error: BaseException, found: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    for each in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        _uncaught(type(each), each, each.__traceback__)
    log.defect(error=_name(kind), where=place(found))


def _name(kind: type[BaseException] | None) -> str:
    return kind.__qualname__ if kind is not None else "unknown"


class _Places(logging.Handler):
    """Turns a library's record into an event without its words."""

    def emit(self, record: logging.LogRecord) -> None:
        error, found = record.exc_info[0::2] if record.exc_info else (None, None)
        log.library_spoke(
            logger=record.name,
            severity=record.levelname.lower(),
            where=place(found) or f"{record.filename}:{record.lineno} {record.funcName}",
            error=_name(error) if error else "",
        )
