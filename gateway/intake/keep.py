"""What every source of mail is given: where to put a mail, and how to tell whose an address is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.model import Incoming

Keep = Callable[[Incoming], Awaitable[None]]
"""Keep one mail. Durable once it returns: only then may the source be told (RFC 5321 §4.2.5, §6.1).

Raises `errors.Temporary` when the mail can't be kept now; it may then be offered again, as often as needed.
"""

Accepts = Callable[[str], bool]
"""Is this envelope recipient ours? Pure and quick. The address comes in lower case, without brackets."""
