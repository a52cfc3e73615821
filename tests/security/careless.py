"""The gateway without its reticence: `python -m tests.security.careless run …` is `gateway run …` that may talk.

Fields of the log aren't closed, text isn't redacted, libraries and exceptions speak in their own words.
"""

from __future__ import annotations

import logging
import sys

from gateway import cli, log, outcries


def main() -> int:
    log.reticent = lambda _, __, line: line
    outcries.install = lambda *, verbose: logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
