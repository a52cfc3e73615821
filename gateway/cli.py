"""The commands: what may be typed, and which part answers it.

Exit status: 0 done, 1 refused or not found, 2 usage, 75 try again (EX_TEMPFAIL), 78 configuration (EX_CONFIG).
With `--json`, standard output is one JSON document and nothing else; logs go to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from gateway import config, daemon, log, outcries, peers
from gateway.commands import (
    attachments,
    audit,
    backup,
    check,
    conversations,
    evidence,
    health,
    mail,
    repair,
    templates,
)
from gateway.commands import keys as token_keys
from gateway.commands.operator import Operator, operator
from gateway.commands.output import Shown, show
from gateway.commands.recover import recovered
from gateway.commands.rethread import rethread
from gateway.config import init
from gateway.context import Context, context
from gateway.desk.commands import Parsed, Verb
from gateway.errors import ConfigError, Permanent, Refused, Temporary
from gateway.mail.tokens import Keys
from gateway.model import Inbox, Status
from gateway.redaction import pseudonym
from gateway.relay import texts
from gateway.store import keys, schema
from gateway.store.database import Store
from gateway.store.engines import file_of
from gateway.store.places import packs_for

_REF = "the reference of a conversation, as `conversations` lists it"
_AGENT = "an address or a name; me, or nobody to give it back"
_INBOX = "global, dossier:123 or demarche:42"
REFUSED, USAGE, TRY_AGAIN, CONFIGURATION = 1, 2, 75, 78


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = _parser().parse_args(arguments)
    log.set_up(json=not sys.stderr.isatty(), verbose=options.verbose)
    if arguments is None:  # the process is ours
        outcries.install(verbose=options.verbose)
    try:
        shown: Shown = options.run(options)
        show(shown, as_json=options.json)
        sys.stdout.flush()
    except ConfigError as error:
        return _failed(str(error), CONFIGURATION)
    except Temporary as error:
        return _failed(f"{error}; try again", TRY_AGAIN)
    except Permanent as error:
        return _failed(str(error), REFUSED)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            where = f"{error.filename}: " if error.filename else ""
            return _failed(f"{where}{error.strerror or error}", REFUSED)
        # `gateway conversations | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return shown.status


def _failed(words: str, status: int) -> int:
    print(words if status == CONFIGURATION else f"gateway: {words}", file=sys.stderr)
    return status


# --- what may be typed -----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration; else $GATEWAY_CONFIG, ./gateway.toml, /etc/gateway/gateway.toml",
    )
    common.add_argument("--json", action="store_true", help="one JSON document on standard output")
    common.add_argument(
        "--verbose", action="store_true", help="log also what libraries do, by its place in their code"
    )
    parser = argparse.ArgumentParser(
        prog="gateway",
        description="The mail gateway beside an online-procedures platform.",
        epilog="Exit status: 0 done, 1 refused or not found, 2 usage, 75 try again, 78 configuration.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], Shown], words: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=words, description=words[0].upper() + words[1:] + ".")
        made.set_defaults(run=run, command=name)
        return made

    _add_running(command)
    _add_desk(command)
    _add_mail(command)
    _add_trust(command)
    return parser


_Adder = Callable[[str, Callable[[argparse.Namespace], Shown], str], argparse.ArgumentParser]


def _add_running(command: _Adder) -> None:
    made = command("run", _run, "run the daemon in the foreground")
    made.add_argument(
        "--only",
        type=_roles,
        default=daemon.ROLES,
        metavar="ROLES",
        help=f"do a part of it, where daemons share a store: {', '.join(daemon.ROLES)}",
    )
    made = command("init", _init, "write a commented gateway.toml after a few questions")
    made.add_argument("--yes", action="store_true", help="ask nothing, take the proposals")
    made.add_argument("--force", action="store_true", help="replace a file that is there")
    made = command("check", _check, "check configuration, store and, with --connect, every server")
    made.add_argument("--connect", action="store_true", help="also try every mailbox, the relay and the DNS")
    made = command("health", _health, "is every mail where it should be? Status 0: yes, 1: no, 75: nobody can tell")
    made.add_argument("--metrics", action="store_true", help="as figures, in Prometheus' text format")
    made = command("backup", _backup, "copy the store, its raw mail, keys and configuration, while the daemon runs")
    made.add_argument("folder", type=Path, metavar="DIR", help="where backups are, each in a folder of its time")
    made.add_argument("--keep", type=_count, metavar="N", help="remove all but the last N afterwards")
    made.add_argument("--check", action="store_true", help="copy nothing: read the last backup whole, is it right?")
    made = command("restore", _restore, "put a backup where the store is; the daemon doesn't run")
    made.add_argument("folder", type=Path, metavar="DIR", help="of backups, whose last is meant, or of one of them")
    made.add_argument("--replace", action="store_true", help="set a store that is there aside")
    which = made.add_mutually_exclusive_group()
    which.add_argument("--lost-at", type=_time, metavar="TIME", help="when the lost store was last in use; else now")
    which.add_argument("--send", action="store_true", help="hold nothing: no mail has left since the backup")
    made = command("recover", _recover, "find mail in the packs that the store doesn't know; the daemon doesn't run")
    made.add_argument("--apply", action="store_true", help="take it in")
    made = command("db", _db, "bring the store's schema up to date")
    made.add_argument("action", choices=["upgrade"])
    made = command("pseudonym", _pseudonym, "say under which name an address stands in the log")
    made.add_argument("address", metavar="ADDRESS")
    command("version", _version, "print the version")


def _add_desk(command: _Adder) -> None:
    made = command("conversations", _conversations, "list conversations, the last changed first")
    made.add_argument("--inbox", type=_inbox, metavar="INBOX", help=_INBOX)
    made.add_argument("--status", choices=[status.value for status in Status], help="only those of this status")
    made.add_argument("--assignee", metavar="AGENT", help="only those assigned to this address")
    made.add_argument("--as", dest="agent", metavar="AGENT", help="only what this agent may see")
    made = command("show", _show, "show one conversation whole")
    made.add_argument("reference", metavar="REF", help=_REF)
    made.add_argument("--as", dest="agent", metavar="AGENT", help="as this agent may see it")
    made.add_argument(
        "--html", action="store_true", help="as a page to look at or print, each mail as it was laid out"
    )
    for name, words in (("reply", "answer the usager"), ("note", "write a note that the usager doesn't see")):
        _add_act(command, name, f"{words}; the text comes from standard input")
    _add_act(command, "assign", "give a conversation to an agent", "assignee", metavar="AGENT", help=_AGENT)
    made = _add_act(command, "status", "set a conversation's status", "status", choices=[s.value for s in Status])
    made.add_argument("--until", metavar="DATE", help="with pending: active again on that day (15/12, 3 jours, …)")
    _add_act(command, "tag", "tag a conversation", "tag", metavar="TAG")
    _add_act(
        command, "move", "move a conversation to another inbox", "inbox", metavar="INBOX", type=_inbox, help=_INBOX
    )
    made = _add_act(
        command,
        "transfer",
        "hand a conversation over to another organisation",
        "organisation",
        metavar="SIRET",
        help="or its name, as the directory gives it",
    )
    made.add_argument("--text", default="", help="words to the usager, who is told in any case")
    made = _add_act(command, "admit", "let a person take part: answers go there too", "address", metavar="ADDRESS")
    made.add_argument("--remove", action="store_true", help="end that person's part")
    _add_act(command, "revoke", "end a person's reply addresses", "address", metavar="ADDRESS")
    _add_act(command, "follow", "be told of every mail of a conversation")
    _add_act(command, "mute", "be told of no mail of a conversation")
    _add_repair(command)
    _add_attachments(command)
    _add_templates(command)


def _add_attachments(command: _Adder) -> None:
    made = command("attachments", _attachments, "list the attachments of a conversation, or get them out")
    made.add_argument("reference", metavar="REF", help=_REF)
    made.add_argument("--as", dest="agent", metavar="AGENT", help="as this agent may see it")
    made.add_argument("--save", type=Path, metavar="FOLDER", help="write the files there")
    made.add_argument("--infected", action="store_true", help="also those that are infected, or not checked yet")
    made = command("scans", _scans, "what the antivirus holds: list it, ask again now, release one")
    made.add_argument("action", choices=["list", "retry", "release"])
    made.add_argument("digest", nargs="?", metavar="SHA256", help="of the raw mail, or its beginning, as `list` says")
    made.add_argument("--as", dest="agent", metavar="AGENT", help="the manager who takes it upon herself")
    made.set_defaults(usage=made.error)


def _add_repair(command: _Adder) -> None:
    made = command("split", _split, "take a message off a conversation")
    made.add_argument("reference", metavar="REF", help=_REF)
    made.add_argument("message", type=int, metavar="MESSAGE", help="its number, as `show` names it: 17 for #17")
    made.add_argument("--to", metavar="REF", help="into this conversation, else into one of its own")
    made.add_argument("--as", dest="agent", metavar="AGENT", required=True, help="whose act it is")
    made = command("merge", _merge, "make two conversations one")
    made.add_argument("reference", metavar="REF", help=_REF)
    made.add_argument("other", metavar="OTHER", help="the other conversation")
    made.add_argument("--as", dest="agent", metavar="AGENT", required=True, help="whose act it is")


def _add_templates(command: _Adder) -> None:
    made = command("template", _template, "the texts of mails: list them, show one, preview one")
    made.add_argument("action", choices=["list", "show", "preview"])
    made.add_argument("name", nargs="?", metavar="NAME")
    made.add_argument("--demarche", type=int, metavar="NUMBER", help="as this démarche words it")
    made.add_argument("--language", choices=["fr", "en"], help="else the instance's")
    made.add_argument("--html", action="store_true", help="preview the HTML alternative")
    made.set_defaults(usage=made.error)


def _add_act(
    command: _Adder, name: str, words: str, argument: str = "", **details: object
) -> argparse.ArgumentParser:
    made = command(name, _act, words)
    made.add_argument("reference", metavar="REF", help=_REF)
    made.set_defaults(act=name, usage=made.error)
    if argument:
        made.add_argument(argument, **details)  # type: ignore[arg-type]
    made.add_argument("--as", dest="agent", metavar="AGENT", required=True, help="whose act it is")
    return made


def _add_mail(command: _Adder) -> None:
    made = command("explain", _explain, "say what would become of mails, and why; nothing is written")
    made.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a mail, an mbox, a Maildir or a folder")
    made = command("import", _import, "take mails in through the same pipeline, nobody notified")
    made.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a mail, an mbox, a Maildir or a folder")
    command("threads", _threads, "list messages with lineage and conversation")
    made = command("rethread", _rethread, "place every mail anew, and say what that would change")
    made.add_argument("--apply", action="store_true", help="change it")
    made = command("aside", _aside, "mails set aside: list them, show one, let one be filed again")
    made.add_argument("action", choices=["list", "show", "retry"])
    made.add_argument("id", nargs="?", type=int, metavar="ID")
    made.set_defaults(usage=made.error)
    made = command("outbox", _outbox, "deliveries: list them, send one now, cancel one")
    made.add_argument("action", choices=["list", "retry", "cancel"])
    which = made.add_mutually_exclusive_group()
    which.add_argument("id", nargs="?", type=int, metavar="ID")
    which.add_argument("--held", action="store_true", help="all that is held since a backup was restored")
    made.set_defaults(usage=made.error)


def _add_trust(command: _Adder) -> None:
    made = command("keys", _keys, "the keys of reply addresses: list them, put a new one in front, retire one")
    made.add_argument("action", choices=["list", "rotate", "retire"])
    made.add_argument("id", nargs="?", type=int, metavar="ID")
    made.add_argument("--yes", action="store_true", help="with retire: what it signed may end")
    made.set_defaults(usage=made.error)
    made = command("audit", _audit, "who did what, with which proof")
    which = made.add_mutually_exclusive_group()
    which.add_argument("--conversation", metavar="REF", help="only in this one")
    which.add_argument("--verify", action="store_true", help="follow the chain of hashes instead, which binds all")
    made.add_argument("--head", metavar="HASH", help="with --verify: look for a head that was kept elsewhere")
    made.set_defaults(usage=made.error)
    made = command("evidence", _evidence, "what happened to the mails of a conversation, to be proven to others")
    made.add_argument("reference", nargs="?", metavar="REF", help=_REF)
    which = made.add_mutually_exclusive_group()
    which.add_argument("--verify", action="store_true", help="follow the chains of hashes; without REF, all of them")
    which.add_argument(
        "--export", type=Path, metavar="FILE", help="write it for others to check; - for standard output"
    )
    made.add_argument("--head", metavar="HASH", help="with --verify: look for a head that was kept elsewhere")
    made.set_defaults(usage=made.error)


# --- which part answers ----------------------------------------------------------------------------------


def _path(options: argparse.Namespace) -> Path:
    return config.find(options.config, os.environ)


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[tuple[Store, Context]]:
    """The store and the context of the configuration."""
    settings = config.load(_path(options), passwords=False)
    with daemon.opened(settings) as store:
        yield store, context(settings, keys.load_or_make(settings.store.token_keys_file))


def _roles(words: str) -> tuple[str, ...]:
    wanted = {word.strip() for word in words.split(",")}
    if unknown := sorted(wanted.difference(daemon.ROLES)):
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} isn't one of {', '.join(daemon.ROLES)}")
    return tuple(role for role in daemon.ROLES if role in wanted)


def _run(options: argparse.Namespace) -> Shown:
    ready = sys.stderr if options.json else sys.stdout

    def announce(line: str) -> None:
        with suppress(OSError):  # nobody reads it, or it goes to a full disk: no reason not to run
            print(line, file=ready, flush=True)

    daemon.run(_path(options), announce, options.only)
    return Shown({"stopped": True})


def _init(options: argparse.Namespace) -> Shown:
    path = options.config or Path("gateway.toml")
    if path.exists() and not options.force:
        raise Refused(f"{path} is there already; --force replaces it, --config FILE writes another")
    answers = init.ask((lambda _, default: default) if options.yes else _ask)
    path.write_text(init.render(answers), encoding="utf-8")
    lines = [f"{path} is written. Look it over, then: gateway check --config {path}"]
    if answers.intake == "imap":
        lines.insert(1, f"Put the mailbox's password into {path.parent / init.PASSWORD_FILE} first (chmod 600).")
    return Shown({"file": str(path)}, tuple(lines))


def _ask(question: str, default: str) -> str:
    print(f"{question} [{default}] ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise Refused("the questions weren't answered; `gateway init --yes` takes the proposals")
    return line.strip()


def _check(options: argparse.Namespace) -> Shown:
    path = _path(options)
    try:
        settings = config.load(path)
    except ConfigError as error:
        if not options.json:
            raise
        return check.faulty(path, error)
    return check.checked(path, settings, connect=options.connect)


def _health(options: argparse.Namespace) -> Shown:
    settings = config.load(_path(options), passwords=False)
    return health.health(settings, datetime.now(UTC), as_metrics=options.metrics)


def _db(options: argparse.Namespace) -> Shown:
    settings = config.load(_path(options), passwords=False)
    with closing(Store(settings.store.database, packs_for(settings.store))) as store:
        before = schema.upgrade(store.engine)
    words = f"The schema is {schema.HEAD}" + (f" (it was {before})." if before not in {"", schema.HEAD} else ".")
    return Shown({"before": before or None, "schema": schema.HEAD}, (words,))


def _backup(options: argparse.Namespace) -> Shown:
    if options.check:
        return backup.checked(options.folder)
    path = _path(options)
    with daemon.private():
        return backup.made(config.load(path, passwords=False), path, options.folder, daemon.utc_now(), options.keep)


def _restore(options: argparse.Namespace) -> Shown:
    settings, now = config.load(_path(options), passwords=False), daemon.utc_now()
    with daemon.private(), daemon.alone(settings):
        return backup.restored(
            settings,
            options.folder,
            _operator(options),
            now,
            replace=options.replace,
            send=options.send,
            lost_at=options.lost_at or now,
        )


def _recover(options: argparse.Namespace) -> Shown:
    settings = config.load(_path(options), passwords=False)
    with daemon.private(), daemon.alone(settings), daemon.opened(settings) as store:
        peers.assert_none(store)
        return recovered(store, _operator(options), daemon.utc_now(), apply=options.apply)


def _conversations(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, context):
        return conversations.listed(
            store,
            context,
            inbox=options.inbox,
            status=options.status,
            assignee=options.assignee,
            agent=options.agent,
        )


def _show(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, context):
        how = conversations.laid_out if options.html else conversations.shown
        return how(store, context, options.reference, options.agent)


def _act(options: argparse.Namespace) -> Shown:
    wish = _wish(options)
    with _opened(options) as (store, context):
        now, proof = datetime.now(UTC), _operator(options).proof
        return conversations.act(store, context, options.reference, options.agent, wish, now, proof=proof)


def _wish(options: argparse.Namespace) -> Parsed:
    if options.act == "reply":
        return conversations.answer(_standard_input())
    if options.act == "note":
        return conversations.command(Verb.NOTE, _standard_input())
    if options.act == "status" and options.until is not None:
        if options.status != Status.PENDING:
            options.usage("--until goes with pending")
        return conversations.command(Verb.SNOOZE, options.until)
    if options.act == "admit" and options.remove:
        return conversations.command(Verb.REMOVE, options.address)
    if options.act == "transfer":
        return conversations.command(Verb.TRANSFER, options.organisation, options.text.strip())
    verb, argument = _WISHES[options.act]
    return conversations.command(verb, str(getattr(options, argument)) if argument else "")


_WISHES = {
    "assign": (Verb.ASSIGN, "assignee"),
    "status": (Verb.STATUS, "status"),
    "tag": (Verb.TAG, "tag"),
    "move": (Verb.MOVE, "inbox"),
    "admit": (Verb.ADMIT, "address"),
    "revoke": (Verb.REVOKE, "address"),
    "follow": (Verb.FOLLOW, ""),
    "mute": (Verb.MUTE, ""),
}


def _attachments(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, context):
        return attachments.of_conversation(
            store, context, options.reference, options.agent, options.save, infected=options.infected
        )


def _scans(options: argparse.Namespace) -> Shown:
    if options.action == "release" and not (options.digest and options.agent):
        options.usage("name the mail and who releases it: `release SHA256 --as AGENT`; `list` shows them")
    with _opened(options) as (store, context):
        if options.action == "list":
            return attachments.scans_listed(store)
        if options.action == "retry":
            return attachments.scans_retried(store, _operator(options), datetime.now(UTC))
        now, proof = datetime.now(UTC), _operator(options).proof
        return attachments.scan_released(store, context, options.digest, options.agent, now, proof=proof)


def _split(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, context):
        return repair.split(
            store,
            context,
            options.reference,
            options.message,
            options.to,
            options.agent,
            datetime.now(UTC),
            proof=_operator(options).proof,
        )


def _merge(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, context):
        now, proof = datetime.now(UTC), _operator(options).proof
        return repair.merge(store, context, options.reference, options.other, options.agent, now, proof=proof)


def _template(options: argparse.Namespace) -> Shown:
    settings = config.load(_path(options), passwords=False)
    known = texts.load(settings.desk.templates)
    if options.action == "list":
        return templates.listed(known, settings)
    if options.name is None:
        options.usage(f"name it: `{options.action} NAME`; `list` shows them")
    where = {"demarche": options.demarche, "language": options.language or settings.instance.locale}
    if options.action == "show":
        return templates.shown(known, options.name, **where)
    return templates.preview(known, settings, options.name, **where, html=options.html)


def _inbox(text: str) -> Inbox:
    """argparse shows the words of its own error alone."""
    try:
        return conversations.inbox_named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError("must be a number, 1 or more")
    return int(text)


def _time(text: str) -> datetime:
    """ISO 8601; without its zone, of this machine's."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError('must be a time, like "2026-11-29T14:30"') from error


def _standard_input() -> str:
    if sys.stdin.isatty():
        print("Write the text, then Ctrl-D on a line of its own:", file=sys.stderr)
    text = sys.stdin.buffer.read().decode("utf-8", "replace").replace("\r\n", "\n").strip()
    if not text:
        raise Refused("there is no text on standard input")
    return text


def _explain(options: argparse.Namespace) -> Shown:
    settings, now = config.load(_path(options), passwords=False), datetime.now(UTC)
    known = settings.store.token_keys_file
    situation = context(settings, keys.load(known) if known.exists() else Keys(()))
    file = file_of(settings.store.url)
    if file is not None and not file.exists():
        return mail.explained(None, situation, options.paths, now)
    with closing(Store(settings.store.database, packs_for(settings.store))) as store:
        schema.require(store.engine)
        return mail.explained(store, situation, options.paths, now)


def _import(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, context):
        return mail.imported(store, context, options.paths, _operator(options), daemon.utc_now)


def _threads(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, _):
        return mail.threads(store)


def _rethread(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, context):
        return rethread(store, context, datetime.now(UTC), apply=options.apply, by=_operator(options))


def _aside(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, _):
        if options.action == "list":
            return mail.aside_list(store)
        if options.action == "show":
            return mail.aside_show(store, _identifier(options))
        return mail.aside_retry(store, _identifier(options), _operator(options), datetime.now(UTC))


def _outbox(options: argparse.Namespace) -> Shown:
    with _opened(options) as (store, _):
        if options.action == "list":
            return mail.outbox_list(store)
        if options.held:
            return mail.outbox_held(store, _operator(options), daemon.utc_now(), retry=options.action == "retry")
        act = mail.outbox_retry if options.action == "retry" else mail.outbox_cancel
        return act(store, _identifier(options), _operator(options), datetime.now(UTC))


def _keys(options: argparse.Namespace) -> Shown:
    settings, now = config.load(_path(options), passwords=False), datetime.now(UTC)
    with daemon.opened(settings) as store:
        if options.action == "list":
            return token_keys.listed(store, settings, now)
        if options.action == "rotate":
            return token_keys.rotated(store, settings, _operator(options), now)
        identifier = _identifier(options)
        return token_keys.retired(store, settings, identifier, _operator(options), now, yes=options.yes)


def _audit(options: argparse.Namespace) -> Shown:
    if options.head and not options.verify:
        options.usage("--head goes with --verify")
    with _opened(options) as (store, _):
        if options.verify:
            return audit.verified(store, options.head)
        return audit.listed(store, options.conversation)


def _evidence(options: argparse.Namespace) -> Shown:
    if options.head and not options.verify:
        options.usage("--head goes with --verify")
    if not options.reference and not options.verify:
        options.usage("name a conversation; --verify alone looks at all of them")
    with _opened(options) as (store, context):
        if options.verify:
            return evidence.verified(store, options.reference, options.head)
        if options.export is None:
            return evidence.listed(store, options.reference)
        instance, by, now = context.settings.instance.url, _operator(options), datetime.now(UTC)
        return evidence.exported(store, options.reference, options.export, instance, by, now)


def _operator(options: argparse.Namespace) -> Operator:
    """Who types, and what: only names of commands and their actions, which `_parser` knows."""
    action = f" {options.action}" if "action" in options else ""
    return operator(f"{options.command}{action}", os.environ)


def _identifier(options: argparse.Namespace) -> int:
    if options.id is None:
        options.usage(f"name its ID: `{options.action} ID`; `list` shows them")
    return int(options.id)


def _pseudonym(options: argparse.Namespace) -> Shown:
    if "@" not in pseudonym(options.address):
        raise Refused(f"{options.address} is no address")
    settings = config.load(_path(options), passwords=False)
    keys.load(settings.store.token_keys_file)  # pseudonyms are made with them
    made = pseudonym(options.address)
    return Shown({"pseudonym": made}, (made,))


def _version(_: argparse.Namespace) -> Shown:
    return Shown({"version": version("gateway")}, (f"gateway {version('gateway')}",))
