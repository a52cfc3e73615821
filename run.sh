#!/bin/bash
# groups of timing-sensitive files under load on one core
cd /tmp/hunt
for i in 1 2 3; do taskset -c 0 timeout 1500 sh -c 'while :; do :; done' & echo $! >> /tmp/hunt/burners; done
for round in 1 2; do
for f in tests/unit/test_inspecting.py tests/unit/test_inspection_clamd.py tests/integration/test_imap_liar.py tests/unit/test_outbound.py tests/unit/test_settling.py tests/unit/test_peers.py tests/unit/test_relay_outage.py tests/unit/test_mail_looks.py tests/integration/test_smtp_faults.py tests/integration/test_smtp_dialogue.py tests/integration/test_smtp_tls.py tests/unit/test_antivirus.py tests/unit/test_waiting.py tests/unit/test_clocks.py tests/unit/test_imap_rounds.py tests/unit/test_imap_wire.py tests/unit/test_relay_smtp.py tests/contract/test_store_turns.py tests/contract/test_store_holders.py tests/contract/test_store_database.py tests/unit/test_reading.py tests/unit/test_together.py tests/contract/test_store_journal.py tests/integration/test_imap_dovecot.py tests/unit/test_daemon_reload.py tests/unit/test_systemd.py tests/unit/test_rounds.py tests/unit/test_inbound.py tests/contract/test_store_sharing.py; do
taskset -c 0 .venv/bin/python -m pytest -q $f 2>&1 | grep -E "^(FAILED|ERROR)|passed|failed" | sed "s|^|$f: |"
done; done
kill $(cat /tmp/hunt/burners)
echo END
