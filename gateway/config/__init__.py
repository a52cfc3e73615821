"""gateway.toml → typed values; every problem in one report, with its line.

Read in this order: settings (the shape), values (the kinds of value), loading (find, load), passwords, shape (past
the first fault), rules (between keys), problems (how faults are told), locate (on which line), notes, init.
"""

from gateway.config.loading import find, load
from gateway.config.notes import Note, notes
from gateway.config.settings import Settings

__all__ = ["Note", "Settings", "find", "load", "notes"]
