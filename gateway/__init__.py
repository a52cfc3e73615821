"""The mail gateway. Read it in the order in which a mail passes:

model      the values that travel
config     gateway.toml → Settings
intake     where mail enters: smtp (and lmtp), imap; kept first, acknowledged after
inspecting what the DNS says of mail that came to us directly (inspection), before it is read
waiting    what waits is claimed, read in processes of their own (reading), and filed in order
inbound    read (mail) → recall (store) → place (threading) → route (routing) → plan (desk, relay) → file (store)
explaining what becomes of one mail, by what the store knows of it; together: of several, asked and written at once
decision   what becomes of one mail, and why, by who wrote it; pure
acting     what an agent's answer and commands become, by mail or from the command line
context    what every decision depends on besides the mail: the configuration, the directory, the texts
outbound   due (store) → compose (`composing`) → deliver (relay) → settle (`settling`, for all connections at once)
antivirus  asks clamd (inspection) about attachments, before filing and again; `releasing` lets go what was held
rounds     what happens with time alone: bursts, closing; `digests`, `alarm`; `telling` puts mail before agents
health     is every mail where it should be by now? Gaps, alarms, metrics
sharing    filing beside other daemons on one PostgreSQL: what mails may touch is named and held first
peers      other daemons on the store: known, missed, taken over; bells ring in all of them
daemon     wires it all: mail is taken first; what works on it (working) is loaded then, and reloaded by signal
cli        the commands: what may be typed; `commands` answers them
"""
