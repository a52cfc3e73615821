"""Rails' Action Mailbox behind its relay ingress: an application of one mailbox that saves a row, made in a scratch
folder from Debian's packages. Puma with a process for each core, SQLite, files on disk.

Each process has one thread, and processes a mail before it answers: SQLite's adapter waits for a lock without letting
another thread of its process go on, so that two that write stand still until the lock's time is over.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.bench.servers import await_port, awaited, scratch
from tests.servers.dovecot import end
from tests.servers.ports import free_port

RUBY, PUMA = shutil.which("ruby"), shutil.which("puma")
_INGRESS = "/rails/action_mailbox/relay/inbound_emails"
_DELIVERED = 2  # ActionMailbox::InboundEmail's status of what a mailbox has processed
_PASSWORD = "secret"
_APPLICATION = """\
require "logger"
require "rails"
require "active_record/railtie"
require "active_job/railtie"
require "action_controller/railtie"
require "active_storage/engine"
require "action_mailbox/engine"

class Bench < Rails::Application
  config.root = __dir__
  config.load_defaults 6.1
  config.eager_load = false
  config.cache_classes = true
  config.secret_key_base = "0" * 64
  config.logger = Logger.new(File.join(__dir__, "rails.log"))
  config.log_level = :warn
  config.action_mailbox.ingress = :relay
  config.action_mailbox.incinerate = false  # it would need a queue for the day 30 days from now
  config.active_job.queue_adapter = :inline
  config.active_storage.service = :local
  config.active_storage.service_configurations = {
    "local" => { "service" => "Disk", "root" => File.join(__dir__, "storage") }
  }
end
Rails.application.initialize!

class Message < ActiveRecord::Base; end
class ApplicationMailbox < ActionMailbox::Base
  routing all: :support
end
class SupportMailbox < ApplicationMailbox
  def process
    Message.create!(sender: mail.from.first, subject: mail.subject, body: mail.decoded)
  end
end
"""
_MIGRATE = """\
require_relative "application"
ActiveRecord::Migration.verbose = false
paths = [ActiveStorage::Engine, ActionMailbox::Engine].map { |engine| engine.root.join("db/migrate").to_s }
ActiveRecord::MigrationContext.new(paths, ActiveRecord::SchemaMigration).migrate
ActiveRecord::Base.connection.execute("PRAGMA journal_mode = WAL")
ActiveRecord::Schema.define do
  create_table(:messages) { |t| t.string :sender; t.string :subject; t.text :body; t.timestamps }
end
"""
_DATABASE = """\
production:
  adapter: sqlite3
  database: {folder}/rails.db
  pool: 20
  timeout: 20000
"""


@dataclass(frozen=True, slots=True)
class Rails:
    port: int
    database: Path

    def take(self, mails: Sequence[bytes], clients: int) -> float:
        """Mails per second, from the first request until a mailbox has processed the last."""
        before = self._processed()
        begin = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(self._post, (mails[i::clients] for i in range(clients))))
        awaited(lambda: self._processed() >= before + len(mails), f"{len(mails)} mails through Rails", 300)
        return len(mails) / (time.perf_counter() - begin)

    def _post(self, mails: Sequence[bytes]) -> None:
        proof = base64.b64encode(f"actionmailbox:{_PASSWORD}".encode()).decode()
        headers = {"Content-Type": "message/rfc822", "Authorization": f"Basic {proof}"}
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for raw in mails:
            client.request("POST", _INGRESS, raw, headers)
            answer = client.getresponse()
            answer.read()
            if answer.status != http.HTTPStatus.NO_CONTENT:
                raise RuntimeError(f"Rails answered {answer.status}")
        client.close()

    def _processed(self) -> int:
        with contextlib.closing(sqlite3.connect(self.database, timeout=20)) as database:
            asked = "SELECT count(*) FROM action_mailbox_inbound_emails WHERE status = ?"
            return int(database.execute(asked, (_DELIVERED,)).fetchone()[0])


@contextlib.contextmanager
def rails() -> Iterator[Rails]:
    """The application, ready for mail.

    Raises:
        RuntimeError: it isn't there, or doesn't start.
    """
    if RUBY is None or PUMA is None:
        raise RuntimeError("it isn't installed (Debian: ruby-rails, puma, ruby-sqlite3)")
    with scratch() as folder:
        _write(folder)
        env = {**os.environ, "RAILS_ENV": "production", "RAILS_INBOUND_EMAIL_PASSWORD": _PASSWORD}
        made = subprocess.run(
            [RUBY, "migrate.rb"], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
        )
        if made.returncode:
            raise RuntimeError(made.stderr)
        port = free_port()
        with (folder / "output").open("w") as output:
            command = [
                PUMA,
                "--workers",
                str(os.cpu_count()),
                "--threads",
                "1:1",
                "--bind",
                f"tcp://127.0.0.1:{port}",
            ]
            process = subprocess.Popen(
                [*command, "config.ru"], cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True
            )
        try:
            await_port(port, 60)
            yield Rails(port, folder / "rails.db")
        finally:
            end(process)


def _write(folder: Path) -> None:
    (folder / "config").mkdir()
    (folder / "application.rb").write_text(_APPLICATION)
    (folder / "migrate.rb").write_text(_MIGRATE)
    (folder / "config.ru").write_text('require_relative "application"\nrun Rails.application\n')
    (folder / "config" / "database.yml").write_text(_DATABASE.format(folder=folder))
