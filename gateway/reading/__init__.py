"""Reading where it can't take the daemon down: in processes of its own, which hostile mail may end.

question    what is asked of a mail, and of its files
answering   how it is answered, wherever it is read: all that is known of mails, which the daemon needn't load
searching   its files, for what they mustn't tell; likewise
frames      questions and answers as octets
worker      the process that reads: `python -m gateway.reading`; limited, without files, network or secrets
readers     the daemon's side: a few workers, each mail with its time
"""
