"""The daemon itself: a second one on its store, and a mail that ends the process whenever it is filed."""

from __future__ import annotations

import subprocess

from tests.chaos import careless
from tests.chaos.aftermath import done
from tests.servers.clients import letter
from tests.servers.crowd import offer
from tests.servers.gateway import COMMAND, Gateway, configuration, octets
from tests.servers.ports import free_ports
from tests.trials.case import Case, Counted, scratch

_STARTS = 6
_OTHERS = 5


def _second(program: careless.Program) -> Counted:
    """Another daemon, listening elsewhere, on the store of one that runs. Wrong is that it gets ready."""
    with scratch() as folder, Gateway(folder, configuration(), program) as gateway:
        gateway.start()
        (port,) = free_ports(1)
        other = folder / "other.toml"
        other.write_text(configuration().replace("{smtp}", str(port)))
        other.chmod(0o600)
        process = subprocess.Popen(
            [*program, "run", "--config", other], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder
        )
        assert process.stdout is not None
        try:
            ready = process.stdout.readline().startswith(b"gateway is ready")
        finally:
            process.kill()
            _, said = process.communicate()
        assert ready or b"another gateway runs on this store" in said, said
        gateway.kill()
        return Counted(1, int(ready), "daemons")


def _poison(program: careless.Program) -> Counted:
    """Wrong are mails beside it that aren't filed, and itself, if it isn't set aside after three attempts."""
    with scratch() as folder, Gateway(folder, configuration(), program) as gateway:
        gateway.start()
        names = ["poison", *(f"Question {number}" for number in range(_OTHERS))]
        letters = [octets(letter("u@usager.example.net", f"{name} ?", subject=name)) for name in names]
        for mail in letters[1:]:
            assert offer(gateway.port, mail).startswith("2")
        gateway.until(lambda: done(folder), "the others filed")
        assert offer(gateway.port, letters[0]).startswith("2")
        starts = 1
        while not _survives(gateway) and starts < _STARTS:
            gateway.ended()
            gateway.start()
            starts += 1
        if not gateway.running:
            gateway.ended()
            return Counted(_OTHERS + 1, 1, "mails")
        wrong = int(len(gateway.aside()) != 1) + int(offer(gateway.port, letters[1])[:1] != "2")
        gateway.kill()
        return Counted(_OTHERS + 1, wrong, "mails")


def _survives(gateway: Gateway) -> bool:
    """Wait for it to end, or to have nothing more to do."""
    gateway.until(lambda: not gateway.running or done(gateway.folder), "an end, or nothing more to do")
    return gateway.running


CASES = (
    Case(
        key="second-daemon",
        trial="a second daemon is started on the store of one that runs (SQLite)",
        promise="it ends, and says why",
        defended=lambda: _second((COMMAND,)),
        control=lambda: _second(careless.program("alone")),
        removed="the lock",
    ),
    Case(
        key="poison",
        trial="a mail that kills the process (SIGKILL) whenever it is filed",
        promise="it is set aside after three attempts, and the daemon goes on",
        defended=lambda: _poison(careless.program("poison")),
        control=lambda: _poison(careless.program("uncounted")),
        removed="counting the attempt before the work begins",
    ),
)
