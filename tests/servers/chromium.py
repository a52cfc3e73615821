"""A browser that shows a page, and tells what the page fetches.

Chromium is spoken to by its DevTools protocol, over a pipe (--remote-debugging-pipe): nothing else is needed for it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
WIDTH = 360  # CSS pixels of a small telephone


class Chromium:
    """A headless browser, and one page in it. `requests`: what the page fetched since it was last shown something."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "--disable-background-networking"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', CHROMIUM, *flags],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self._last, self._session = 0, ""
        self.requests: list[str] = []

    def open(self) -> None:
        """Its one page, as wide as a telephone."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Network.enable")
        self.call("Page.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=640, deviceScaleFactor=2, mobile=True)

    def close(self) -> None:
        """It ends when its pipe does."""
        self._out.close()
        self._in.close()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and wait for its result; requests of the page are noted on the way."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        octets = bytearray()
        while (octet := self._in.read(1)) != b"\0":
            assert octet, "the browser is gone"
            octets += octet
        message: dict[str, Any] = json.loads(octets)
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message

    def show(self, page: Path) -> None:
        """Load a file, and wait until it is all there."""
        self.requests.clear()
        self.call("Page.navigate", url=page.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str, *, wait: bool = False) -> Any:
        """Its value; with `wait`, that of the promise which it is."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=wait)
        return told["result"].get("value")

    def picture(self, file: Path) -> None:
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))
