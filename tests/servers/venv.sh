#!/bin/sh
# Make a virtual environment: venv.sh PYTHON FOLDER. Debian keeps ensurepip in a package of its own.
set -eu
python=$1 folder=$2
[ -x "$folder/bin/pip" ] && exit 0
rm -rf "$folder"
if "$python" -c 'import ensurepip' 2>/dev/null; then
    exec "$python" -m venv "$folder"
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing python3-venv ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    exec "$python" -m venv "$folder"
fi
echo "$python has no venv module. On Debian, as root: apt-get install python3-venv" >&2
exit 1
