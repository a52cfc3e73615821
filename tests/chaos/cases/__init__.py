"""The cases, a module per subject, each with its `CASES`."""
