"""`python -m gateway.reading`: a process that reads mails. Started by the daemon; nothing for people."""

from gateway.reading.worker import main

main()
