"""What became of a mail of which nobody knows: the operator's program is asked, which looks into the smarthost's log.

It is run as it is configured, without a shell, with the Message-ID (without brackets) as its last argument. It ends
with status 0 where the smarthost took the mail, with 1 where it surely never did, with any other where it can't tell;
the first line that it prints is kept with the answer.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress

from gateway.model import DeliveryState

_PATIENCE = 30.0  # seconds
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_SAID = {0: (DeliveryState.SENT, "it was taken"), 1: (DeliveryState.DEFERRED, "it never came")}


async def ask(program: Sequence[str], message_id: str) -> tuple[DeliveryState, str]:
    """`sent`, `deferred` (it may leave again) or `unknown`; and what was said, in one line. Raises nothing."""
    try:
        process = await _started(program, message_id)
    except OSError as error:
        return DeliveryState.UNKNOWN, f"the look-up can't be run: {error.strerror}"
    try:
        async with asyncio.timeout(_PATIENCE):
            printed, _ = await process.communicate()
    except TimeoutError:
        return DeliveryState.UNKNOWN, f"the look-up didn't end within {_PATIENCE:g} s"
    finally:
        await _end(process)
    state, words = _SAID.get(process.returncode or 0, (DeliveryState.UNKNOWN, "it can't be told"))
    line = " ".join(printed.decode("utf-8", "replace").partition("\n")[0].split())[:200]
    return state, f"looked up: {words}{f' ({line})' if line else ''}"


async def _started(program: Sequence[str], message_id: str) -> Process:
    """The program, once it runs.

    Should we be asked to stop meanwhile, it's ended with all that it started: asyncio would end it alone, and wait
    for the others. Raises OSError.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *program,
            message_id,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):
            await _end(await starting)
        raise


async def _end(process: Process) -> None:
    """With all that it started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
