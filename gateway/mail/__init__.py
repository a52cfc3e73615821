"""One mail's bytes to what is known from them. Pure: no clock, sockets or store; never raises, whatever the bytes.

read            the way through all of them: `read.read`
headers, params, charsets, names         fields and characters as they really come
parts, contents                          the tree of parts; what TNEF, uuencode, S/MIME and other mails hold
bodies, html, attachments                what is shown of it
ids, subjects, thread_index              what it belongs with
addresses, dates, authentication, tokens who wrote it, when, and how far that is proven
nature, reports                          a person, or a machine of which kind; what a bounce says
quotes, notices, forwards                the author's own words; the platform's; the mail that is passed on
scrub, views                             addresses that mustn't leave, however they are written
phrases, language                        words of many languages; which one a text is in
"""
