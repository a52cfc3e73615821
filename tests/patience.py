"""How long tests wait for what must come, before they say that it didn't.

It is no measure of speed: nothing is faster for it, and a machine that is busy with ten other things must not be
taken for a fault. What waits for a thing that must *not* come has its own, short time.
"""

PATIENCE = 100.0  # seconds
