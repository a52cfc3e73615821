"""Mail by SMTP and LMTP: listening, and stopping without losing what is on its way.

A client's connection is in `smtp_connection`, what it asks for in `smtp_session`, how that is written in
`smtp_syntax`, a mail's octets in `smtp_body`, bounds in `smtp_limits`, what is shared in `smtp_service`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.config.settings import SmtpIntake
from gateway.config.values import host_and_port
from gateway.errors import ConfigError
from gateway.intake.keep import Accepts, Keep
from gateway.intake.smtp_connection import GOING
from gateway.intake.smtp_limits import Limits, Room, networks
from gateway.intake.smtp_service import Service
from gateway.intake.smtp_session import LmtpSession, SmtpSession

GRACE = 8.0
BACKLOG = 512
DEFAULTS = Limits()


@dataclass(frozen=True, slots=True)
class Listener:
    """An open door. `address` is where it really is: `host:port`, or the path of a unix socket."""

    address: str
    _server: asyncio.Server
    _service: Service
    _path: Path | None

    async def close(self, grace: float = GRACE) -> None:
        """Let nobody in, let mails in flight be finished for `grace` seconds, tell everyone else 421.

        What isn't kept by then was never acknowledged: its sender has it still.
        """
        self._server.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        sessions = [guest for guest in self._service.room.guests if isinstance(guest, SmtpSession)]
        for session in sessions:
            session.retire()
        until = asyncio.get_running_loop().time() + grace
        await _wait({session.gone for session in sessions if session.gone}, until)
        for session in sessions:
            session.leave(GOING)
        keeping = self._service.keeping.copy()
        await _wait(keeping, until)
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


async def serve(
    settings: SmtpIntake,
    *,
    hostname: str,
    keep: Keep,
    accepts: Accepts,
    now: Callable[[], datetime],
    handed: socket.socket | None = None,
    limits: Limits = DEFAULTS,
) -> Listener:
    """Listen, and hand every mail that comes in to `keep`.

    `hostname` is how we greet. `accepts` is asked at each RCPT, and may change with the configuration.
    `handed` is the socket that systemd opened. Raises ConfigError, or OSError where listening isn't possible.
    """
    tls = _tls(settings.tls_certificate, settings.tls_key)
    sock = _listening(settings.listen, handed)
    address = _name(sock)
    service = Service(
        source=f"{settings.protocol}:{address}",
        hostname=hostname,
        max_size=settings.max_size,
        trusted=networks(settings.trusted_peers),
        authserv_id=settings.authserv_id,
        verify=settings.verify,
        tls=tls,
        keep=keep,
        accepts=accepts,
        now=now,
        limits=limits,
        room=Room(limits, settings.max_size),
    )
    session = LmtpSession if settings.protocol == "lmtp" else SmtpSession
    loop = asyncio.get_running_loop()
    create = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
    server = await create(lambda: session(service), sock=sock, backlog=BACKLOG)
    own_path = settings.listen.startswith("unix:")
    return Listener(address, server, service, Path(address) if own_path else None)


async def _wait(tasks: Collection[asyncio.Future[Any]], until: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=max(0, until - asyncio.get_running_loop().time()))


def _listening(listen: str, handed: socket.socket | None) -> socket.socket:
    if listen == "systemd":
        if handed is None:
            raise ConfigError('intake.smtp: listen = "systemd", but systemd has handed over no socket')
        return handed
    if listen.startswith("unix:"):
        return _unix(Path(listen.removeprefix("unix:")))
    host, port = host_and_port(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")


def _unix(path: Path) -> socket.socket:
    """A unix socket for owner and group. One that a dead process left behind is removed."""
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        path.chmod(0o660)  # nobody can connect before listen()
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise ConfigError(f'intake.smtp: listen = "unix:{path}": there is a file of that name')
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()


def _name(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return os.fsdecode(name)
    return f"[{name[0]}]:{name[1]}" if sock.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"intake.smtp: tls_certificate, tls_key: {error}") from None
    return context
