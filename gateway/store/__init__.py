"""What survives a restart: one module per concern, each of plain functions on an open transaction."""
