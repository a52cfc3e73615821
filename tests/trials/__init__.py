"""Trials: what is promised, counted beside a control that lacks the defence. `tests.security`, `tests.chaos`."""
