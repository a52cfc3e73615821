"""Bad input: mails broken on purpose, filed in a process of its own whose time and memory are measured."""
