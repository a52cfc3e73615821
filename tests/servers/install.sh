#!/bin/sh
# Install the real servers that the tests use, where this can be done: as root on Debian. They aren't started here.
# With the argument "peers": those that `make bench` measures the gateway beside; with "chaos": what sets its clock.
set -eu
wanted=""
if [ "${1-}" = peers ]; then
    [ -x /usr/bin/mbsync ] || wanted="$wanted isync"
    [ -x /usr/bin/getmail ] || wanted="$wanted getmail6"
    [ -x /usr/bin/notmuch ] || wanted="$wanted notmuch"
    [ -x /usr/lib/mailman3/bin/mailman ] || wanted="$wanted mailman3"
    [ -x /usr/bin/rails ] && [ -x /usr/bin/puma ] || wanted="$wanted ruby-rails puma ruby-sqlite3"
fi
if [ "${1-}" = chaos ]; then
    [ -x /usr/bin/faketime ] || wanted="$wanted faketime"
fi
command -v dovecot >/dev/null 2>&1 || [ -x /usr/sbin/dovecot ] || wanted="$wanted dovecot-imapd dovecot-lmtpd"
[ -x /usr/sbin/postfix ] || wanted="$wanted postfix"
[ -x /usr/bin/systemd-analyze ] || wanted="$wanted systemd"
[ -x /usr/bin/chromium ] || wanted="$wanted chromium"
[ -x /usr/sbin/clamd ] || wanted="$wanted clamav-daemon"
[ -x /usr/bin/strace ] || wanted="$wanted strace"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || wanted="$wanted postgresql"
[ -x /usr/sbin/pgbouncer ] || wanted="$wanted pgbouncer"
[ -n "$wanted" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Not installed here:$wanted. The tests that need them are left out; as root on Debian they are installed."
    exit 0
fi
echo "Installing$wanted ..."
# Nothing is to listen on the machine's own ports: the tests start their own, on loopback and high ports.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    made=1
fi
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || true
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $wanted >/dev/null || {
    echo "They could not be installed; the tests that need them are left out."
}
