#!/usr/bin/env bash
# Plays the loop, and every form of write-back, with programs that nobody here wrote; installs them
# into FOLDER, or into a temporary one, in these versions.
#
# Usage: tests/interop/run.sh APPOINTD [FOLDER]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
appointd=$1
folder=${2:-}
if [[ -z $folder ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi

if ! cmp -s "$here/requirements.txt" "$folder/venv/requirements.txt"; then
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$folder/venv/"
fi
if [[ ! -d $folder/node/node_modules/node-hl7-client ]]; then
  mkdir -p "$folder/node"
  (cd "$folder/node" && npm init -y >/dev/null \
    && npm install --silent --no-audit --no-fund --save-exact node-hl7-client@3.2.0)
fi
"$folder/venv/bin/python" "$here/loop.py" "$appointd" "$folder/node"
"$folder/venv/bin/python" "$here/write_back.py" "$appointd"
