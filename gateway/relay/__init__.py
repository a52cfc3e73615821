"""Where mail leaves: `plan` says which mails, `texts` with which words, `compose` in which octets. All pure.

`overrides` reads an instance's own templates; `maildir` and `smtp` deliver.
"""
