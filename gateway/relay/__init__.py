"""Where mail leaves. `texts`, `plan`, `scrub`, `compose`, `schedule` are pure; `maildir` and `smtp` deliver."""
