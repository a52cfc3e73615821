"""gateway.toml and what it includes → typed values; every problem in one report, with its file and line.

Read in this order: settings (the shape), values and hours (the kinds of value), loading (find, load), include (all
the files), reading, sheet (CSV), passwords, shape (past the first fault), rules (between keys), problems (faults in
words), sources (from which file), locate (on which line), notes, init.
"""

from gateway.config.include import uncollected
from gateway.config.loading import find, load
from gateway.config.notes import Note, notes
from gateway.config.settings import Settings

__all__ = ["Note", "Settings", "find", "load", "notes", "uncollected"]
