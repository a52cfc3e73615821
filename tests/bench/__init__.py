"""How fast the gateway is, beside others in the same run: `python -m tests.bench`. No test: it asserts nothing."""
