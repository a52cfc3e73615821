"""The commands, one module per subject. Each takes what was typed and returns what is to be shown."""
