"""Which inbox, and why; who is who. Pure: the directory is a value."""
