"""Attacks, each against the gateway as it is and against one whose defence is taken out: `make security`."""
