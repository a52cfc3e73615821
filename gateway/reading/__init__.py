"""Reading mails in a process of its own, so that no mail can take the daemon down with it."""
