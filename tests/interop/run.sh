#!/usr/bin/env bash
# Plays the loop, over HL7 v2 and FHIR, every form of write-back, the phones and Studio, with programs that
# nobody here wrote; installs them into FOLDER, or into a temporary one, in these versions.
#
# Usage: tests/interop/run.sh APPOINTD [FOLDER]
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
appointd=$1
folder=${2:-}
if [[ -z $folder ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi

if ! cmp -s "$here/requirements.txt" "$folder/venv/requirements.txt"; then
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$folder/venv/"
fi
if [[ ! -d $folder/node/node_modules/node-hl7-client ]]; then
  mkdir -p "$folder/node"
  (cd "$folder/node" && npm init -y >/dev/null \
    && npm install --silent --no-audit --no-fund --save-exact node-hl7-client@3.2.0)
fi
"$folder/venv/bin/python" "$here/loop.py" "$appointd" "$folder/node"
"$folder/venv/bin/python" "$here/write_back.py" "$appointd"
"$folder/venv/bin/python" "$here/phones.py" "$appointd"
"$folder/venv/bin/python" "$here/studio.py" "$appointd"

peer=$(realpath -m "$here/../../../shared/tools/fhir-peer/server.mjs")
if [[ ! -e $peer ]]; then
  echo "skipped: the loop over FHIR; there is no $peer"
  exit 0
fi
if ! cmp -s "$here/package.json" "$folder/fhir/installed.json"; then
  mkdir -p "$folder/fhir"
  cp "$here/package.json" "$folder/fhir/"
  # The server needs Node.js 22, which comes along.
  (cd "$folder/fhir" && npm install --silent --no-audit --no-fund --ignore-scripts)
  cp "$here/package.json" "$folder/fhir/installed.json"
fi
cp "$peer" "$here/validate.mjs" "$folder/fhir/"
"$folder/venv/bin/python" "$here/fhir_loop.py" "$appointd" "$folder/fhir"
