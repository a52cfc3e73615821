"""structlog's set-up, and the mail log: one function per event.

The name of a function is the name of its event, its parameters are the fields that may stand in it: whatever else a
line would hold is left out. No content, no secrets and no whole addresses: `mail` is the beginning of the raw mail's
SHA-256 and ties together all events of one mail, in and out; free text is redacted (`gateway.redaction`).
"""

from __future__ import annotations

import inspect
import logging
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from json import JSONEncoder
from typing import Any, TextIO

from gateway.redaction import pseudonym, redacted

_ENCODER = JSONEncoder(ensure_ascii=False)  # made once: making one costs more than using it
_OWN = frozenset({"event", "level", "timestamp"})  # what structlog adds


def set_up(*, json: bool, verbose: bool = False) -> None:
    """Log to standard error: JSON for the journal, readable lines for a terminal.

    It is done with the first line: structlog is long to import, and most commands have nothing to say.
    """
    with _BEFORE_A_LINE:
        _made.clear()
        _to_do[:] = [partial(_configure, json=json, verbose=verbose)]


_BEFORE_A_LINE = threading.Lock()
_to_do: list[Callable[[], None]] = []
_made: list[Any] = []  # the logger, once it is set up: making one costs as much as a line


def _logger() -> Any:
    for logger in _made:
        return logger
    structlog = _structlog()  # not under the lock: what is warned of meanwhile is a line, too
    with _BEFORE_A_LINE:  # nobody's line is written as structlog would by itself
        while _to_do:
            _to_do.pop()()
    return structlog.get_logger()


def _structlog() -> Any:
    """Without rich, which it would load to draw what was raised: 4 MB of a daemon whose lines hold none of that."""
    if "structlog" in sys.modules:
        return import_module("structlog")
    without = _Without("rich")
    sys.meta_path.insert(0, without)
    try:
        return import_module("structlog")
    finally:
        sys.meta_path.remove(without)


class _Without:
    """Keeps this thread from finding a package; another may import it at the same time, to draw a table."""

    def __init__(self, package: str) -> None:
        self._package, self._thread = package, threading.get_ident()

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name == self._package and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(name)


def _configure(*, json: bool, verbose: bool) -> None:
    structlog = _structlog()
    renderer: Any = _as_json
    if not json:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            reticent,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=partial(_Lines, sys.stderr),
        cache_logger_on_first_use=False,
    )
    _made[:] = [structlog.get_logger().bind()]


class _Lines:
    """Whole lines, each in one go, on a stream whose trouble is nobody else's: a log on a full disk, or read by
    nobody, mustn't end the daemon."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        with self._lock, suppress(OSError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = write


def _as_json(_: Any, __: str, line: Mapping[str, Any]) -> str:
    return _ENCODER.encode(line)


def reticent(_: Any, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A line with the fields of its event alone, their text redacted. `left_out`: how many it had besides."""
    allowed = _FIELDS.get(line["event"], frozenset())
    kept = {n: v if n in _OWN else _plain(v) for n, v in line.items() if n in allowed or n in _OWN}
    left_out = len(line) - len(kept)
    return {**kept, "left_out": left_out} if left_out else kept


def _plain(value: Any) -> Any:
    """Numbers as they are, text redacted; of anything else its type."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return redacted(value) if isinstance(value, str) else f"<{type(value).__name__}>"


def mail_id(digest: str) -> str:
    """The correlation id of a mail: the beginning of its raw digest."""
    return digest[:16]


def _debug(event: str, **fields: Any) -> None:
    _logger().debug(event, **fields)


def _info(event: str, **fields: Any) -> None:
    _logger().info(event, **fields)


def _warning(event: str, **fields: Any) -> None:
    _logger().warning(event, **fields)


def _error(event: str, **fields: Any) -> None:
    _logger().error(event, **fields)


# --- intake: smtp, lmtp ----------------------------------------------------------------------------------


def connection_refused(source: str, peer: str, because: str) -> None:
    """Nobody else may come in now; they were told 421."""
    _warning("connection_refused", source=source, peer=peer, because=because)


def session_ended(source: str, peer: str, because: str) -> None:
    """We ended a session: time, errors, places, bad octets, TLS, our end. `because`: what the peer was told."""
    _info("session_ended", source=source, peer=peer, because=because)


def session_failed(source: str, peer: str, error: str) -> None:
    """A fault of ours in the middle of a session; the peer was told 451."""
    _error("session_failed", source=source, peer=peer, error=error)


def recipient_refused(source: str, peer: str, recipient: str, because: str) -> None:
    """`recipient` is a pseudonym."""
    _info("recipient_refused", source=source, peer=peer, recipient=recipient, because=because)


def content_refused(source: str, peer: str, because: str) -> None:
    """A mail was not taken, whatever it says: too big, too much at once, malformed."""
    _warning("content_refused", source=source, peer=peer, because=because)


def mail_kept(mail: str, source: str, size: int, recipients: int, ms: float) -> None:
    """A mail is durable, and acknowledged. `ms`: what keeping it took."""
    _info("mail_kept", mail=mail, source=source, size=size, recipients=recipients, ms=round(ms, 1))


def keep_failed(mail: str, source: str, error: str) -> None:
    """A mail could not be kept; the peer was told 451 and will come back. `error` is an exception's type."""
    _error("keep_failed", mail=mail, source=source, error=error)


def keeping_paused(*, reason: str) -> None:
    """The disk, the database or the object storage takes no mail; whoever brings some is told to come again."""
    _error("keeping_paused", reason=reason)


def keeping_resumed() -> None:
    """Mail is kept again."""
    _info("keeping_resumed")


def mail_taken_up(*, mails: int) -> None:
    """Mails that were acknowledged by a daemon that ended before it could enter them in the database."""
    _warning("mail_taken_up", mails=mails)


def pack_not_read(*, pack: str, reason: str) -> None:
    """A pack may hold mail that was acknowledged, and that the database doesn't know; it can't be had now."""
    _error("pack_not_read", pack=pack, reason=reason)


def pack_ends_early(*, pack: str, offset: int) -> None:
    """What a pack holds from there on is no whole mail: the power failed while it was written, or it is damaged."""
    _warning("pack_ends_early", pack=pack, offset=offset)


# --- intake: imap ----------------------------------------------------------------------------------------


def imap_caught_up(mailbox: str, count: int, seconds: float) -> None:
    """A round brought mail in: how many, and how long it took."""
    _info("imap_caught_up", mailbox=mailbox, count=count, seconds=round(seconds, 3))


def imap_trouble(mailbox: str, reason: str, retry_in: float) -> None:
    """The connection ended or mail couldn't be kept; a new connection is made in `retry_in` seconds."""
    _warning("imap_trouble", mailbox=mailbox, reason=reason, retry_in=round(retry_in, 1))


def imap_uidvalidity_changed(mailbox: str, before: int, after: int) -> None:
    """The server has renumbered the mailbox: all of it is looked at again."""
    _warning("imap_uidvalidity_changed", mailbox=mailbox, before=before, after=after)


def imap_too_large(mailbox: str, uid: int, size: int, limit: int) -> None:
    """A mail over `max_size` stays on the server. Said once while the daemon runs."""
    _error("imap_too_large", mailbox=mailbox, uid=uid, size=size, limit=limit)


def imap_missing(mailbox: str, count: int, uids: list[int]) -> None:
    """Mails lay in a mailbox that had been passed over, and weren't kept: they are fetched now."""
    _error("imap_missing", mailbox=mailbox, count=count, uids=uids)


def imap_size_differs(mailbox: str, uid: int, announced: int, received: int) -> None:
    """The server counts a mail's octets wrongly (RFC822.SIZE). The mail came whole and is kept."""
    _warning("imap_size_differs", mailbox=mailbox, uid=uid, announced=announced, received=received)


def imap_mail_out_of_reach(mailbox: str, uid: int, reason: str) -> None:
    """A mail couldn't be had in three attempts. It stays there and is tried again in the next round."""
    _error("imap_mail_out_of_reach", mailbox=mailbox, uid=uid, reason=reason)


def imap_after_refused(mailbox: str, action: str, reason: str) -> None:
    """The mails are kept, but the server won't move or delete them. Tried again in the next round."""
    _warning("imap_after_refused", mailbox=mailbox, action=action, reason=reason)


# --- a mail's way in -------------------------------------------------------------------------------------


def mail_inspected(*, mail: str, results: str, ms: float) -> None:
    """We checked a mail that came directly: `method=result` of each check, "" where nobody is its sure author."""
    _info("mail_inspected", mail=mail, results=results, ms=round(ms, 1))


def inspection_put_off(*, mail: str, retry_in: float) -> None:
    """The DNS didn't answer about a mail's domain; asked again in `retry_in` seconds, for some minutes."""
    _warning("inspection_put_off", mail=mail, retry_in=round(retry_in, 1))


def inspection_failed(*, mail: str, reason: str) -> None:
    """A mail's checks failed by a defect of ours; it is filed as one that nothing is known about."""
    _error("inspection_failed", mail=mail, reason=reason)


def mail_filed(
    *, mail: str, arrival: int, conversation: str, inbox: str, nature: str, proof: str, deliveries: int
) -> None:
    """A mail became a message of a conversation, and caused so many deliveries."""
    _info(
        "mail_filed",
        mail=mail,
        arrival=arrival,
        conversation=conversation,
        inbox=inbox,
        nature=nature,
        proof=proof,
        deliveries=deliveries,
    )


def cap_reached(*, mail: str, arrival: int, cap: str) -> None:
    """A mail was filed, and a limit kept us from writing by ourselves because of it. `cap` is its key in [limits]."""
    _info("cap_reached", mail=mail, arrival=arrival, cap=cap)


def loop_ended(*, mail: str, arrival: int) -> None:
    """A mail passed more servers than any needs: it is kept, and causes nothing."""
    _warning("loop_ended", mail=mail, arrival=arrival)


def confirmation_asked(*, mail: str, conversation: str, to: str) -> None:
    """A mail in an agent's name isn't proven: she (`to`, a pseudonym) is asked whether it is hers."""
    _warning("confirmation_asked", mail=mail, conversation=conversation, to=to)


def confirmation_answered(*, mail: str, conversation: str, state: str, problem: str) -> None:
    """An agent was asked, and answered: `state` is what it is now, `problem` why the answer changed nothing."""
    _info("confirmation_answered", mail=mail, conversation=conversation, state=state, problem=problem)


def mail_duplicate(*, mail: str, arrival: int) -> None:
    """The same mail was filed before; nothing more came of it."""
    _info("mail_duplicate", mail=mail, arrival=arrival)


def mail_set_aside(*, mail: str, arrival: int, reason: str) -> None:
    """A mail couldn't be filed and waits for a person: `gateway aside list`."""
    _error("mail_set_aside", mail=mail, arrival=arrival, reason=reason)


def filed_one_by_one(*, mails: int, reason: str) -> None:
    """So many mails couldn't be filed together: each is filed by itself, and comes to what it would have come to."""
    _warning("filed_one_by_one", mails=mails, reason=reason)


def mail_unreadable(*, mail: str, arrival: int, attempts: int, reason: str) -> None:
    """Reading a mail failed. It's tried again, at the third attempt by its header alone."""
    _warning("mail_unreadable", mail=mail, arrival=arrival, attempts=attempts, reason=reason)


def filing_paused(*, reason: str) -> None:
    """The store failed; filing waits and tries again. Nothing is lost."""
    _error("filing_paused", reason=reason)


# --- a mail's way out ------------------------------------------------------------------------------------


def delivery_attempted(
    *, mail: str, delivery: int, purpose: str, to: str, state: str, attempts: int, reply_code: str
) -> None:
    """One try to hand a mail over, and what became of it. `to` is a pseudonym; `reply_code` its first word."""
    event = "delivery_attempted"
    fields = {"mail": mail, "delivery": delivery, "purpose": purpose, "to": to, "state": state, "attempts": attempts}
    (_info if state == "sent" else _warning)(event, **fields, reply_code=reply_code)


def delivery_uncertain(*, deliveries: int, held: bool) -> None:
    """Deliveries were at their last step when the process ended: held for a person, or sent again."""
    _warning("delivery_uncertain", deliveries=deliveries, held=held)


def delivery_looked_up(*, delivery: int, state: str) -> None:
    """The operator's program was asked what became of an uncertain delivery; `unknown`: it couldn't tell."""
    _info("delivery_looked_up", delivery=delivery, state=state)


def relay_failing(*, reply_code: str) -> None:
    """The smarthost can't be reached, or takes nothing: mail waits, and one connection tries again now and then."""
    _error("relay_failing", reply_code=reply_code)


def relay_back() -> None:
    """The smarthost takes mail again; what waits leaves now."""
    _info("relay_back")


def relay_paused(*, reason: str) -> None:
    """The store failed, or the outbox couldn't be read; the relay waits and tries again."""
    _error("relay_paused", reason=reason)


# --- the desk --------------------------------------------------------------------------------------------


def round_made(*, deliveries: int) -> None:
    """Something fell due with time: so many notifications, digests and reminders were planned."""
    _info("round_made", deliveries=deliveries)


def volume_jumped(*, most: int, usual: float) -> None:
    """Far more acknowledgements than usual left within an hour, `most`: there are none until an hour later."""
    _error("volume_jumped", most=most, usual=round(usual, 1))


def volume_calm() -> None:
    """The brake is off: acknowledgements leave again."""
    _info("volume_calm")


def round_failed(*, reason: str, to: str = "") -> None:
    """What fell due for one conversation, or one agent's digest, couldn't be done. The others' was; tried again."""
    _error("round_failed", reason=reason, to=pseudonym(to))


def virus_found(*, mail: str, name: str) -> None:
    """The antivirus found something in a mail: its attachments are sent to nobody."""
    _warning("virus_found", mail=mail, name=name)


def attachments_held(*, mails: int, reason: str) -> None:
    """The antivirus said nothing of so many mails: their attachments are held, and it is asked again."""
    _warning("attachments_held", mails=mails, reason=reason)


def antivirus_paused(*, reason: str) -> None:
    """The store failed, or a defect; what is held stays held, and is asked about later."""
    _error("antivirus_paused", reason=reason)


def rounds_paused(*, reason: str) -> None:
    """The store failed; what falls due with time waits and is done later."""
    _error("rounds_paused", reason=reason)


def clock_put_right(*, rows: int) -> None:
    """The clock had been ahead: so much waited for a time that nobody meant, and waits no longer."""
    _warning("clock_put_right", rows=rows)


def alarm_raised(*, kind: str, count: int, since: str, examples: tuple[str, ...]) -> None:
    """Something is wrong, and was at two looks: `gateway health` says what it means, and what to do."""
    _error("alarm_raised", kind=kind, count=count, since=since, examples=examples)


def alarm_over(*, kind: str, minutes: float) -> None:
    """It is so no more."""
    _info("alarm_over", kind=kind, minutes=round(minutes, 1))


def canary_passed(*, mail: str, arrival: int, back: bool) -> None:
    """A test mail came through as far as filing; `back`: after it had left by the relay."""
    _info("canary_passed", mail=mail, arrival=arrival, back=back)


def canary_refused(*, reason: str) -> None:
    """A test mail couldn't be handed in, or taken out of the relay's folder."""
    _warning("canary_refused", reason=reason)


def health_paused(*, reason: str) -> None:
    """The gateway couldn't look after itself: the store failed, or the file of the metrics can't be written."""
    _error("health_paused", reason=reason)


def template_failed(*, template: str, line: int, reason: str) -> None:
    """A template of the instance's own couldn't be filled in; the mail left in our words."""
    _error("template_failed", template=template, line=line, reason=reason)


# --- the daemon ------------------------------------------------------------------------------------------


def daemon_gone(*, daemon: str) -> None:
    """Another daemon on this store has shown no sign of life for ten seconds: what it held was taken over."""
    _warning("daemon_gone", daemon=daemon)


def daemon_was_missed(*, daemon: str) -> None:
    """This daemon was silent for so long that another may have taken over what it held. It goes on with the rest."""
    _warning("daemon_was_missed", daemon=daemon)


def mailbox_attended(*, mailbox: str) -> None:
    """This daemon polls the mailbox from now on, and no other does."""
    _info("mailbox_attended", mailbox=mailbox)


def daemon_ready(*, sources: list[str], version: str) -> None:
    """Everything is open; mail is taken."""
    _info("daemon_ready", sources=sources, version=version)


def daemon_stopping(*, signal: str) -> None:
    """A signal asked for the end; what is under way is finished."""
    _info("daemon_stopping", signal=signal)


def daemon_stopped() -> None:
    """All is closed."""
    _info("daemon_stopped")


def configuration_reloaded(*, restart_needed: list[str]) -> None:
    """The configuration was read again. Changes in the tables of `restart_needed` wait for a restart."""
    _info("configuration_reloaded", restart_needed=restart_needed)


def keys_taken(*, keys: list[int]) -> None:
    """The file of the token keys is another one, and is in force: their ids, the one that signs first."""
    _info("keys_taken", keys=keys)


def keys_missing(*, keys: list[int]) -> None:
    """They belong to the store, and the file of this machine lacks them."""
    _error("keys_missing", keys=keys)


def keys_kept(*, problems: str) -> None:
    """The file of the token keys was changed and can't be used; those before go on."""
    _error("keys_kept", problems=problems)


def configuration_kept(*, problems: str) -> None:
    """The new configuration is faulty; the old one goes on."""
    _error("configuration_kept", problems=problems)


def defect(*, error: str, where: str) -> None:
    """Nobody caught an exception: a fault of ours. `error` is its type, `where` the way it took through the code."""
    _error("defect", error=error, where=where)


def library_spoke(*, logger: str, severity: str, where: str, error: str) -> None:
    """A library logged something. Its words may hold anything, so only their place is told."""
    say = {"debug": _debug, "info": _debug, "warning": _warning}.get(severity, _error)
    say("library_spoke", logger=logger, severity=severity, where=where, error=error)


_FIELDS = {
    name: frozenset(inspect.signature(function).parameters)
    for name, function in list(globals().items())
    if inspect.isfunction(function) and function.__module__ == __name__ and not name.startswith("_")
}
