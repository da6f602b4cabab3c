#!/usr/bin/env bash
# Writes templates with what liquidjs makes of them to the output, for tests/flow_liquid_oracle.rs;
# installs liquidjs into FOLDER in this version.
#
# Usage: tests/interop/liquid.sh FOLDER [SEED] [COUNT]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
version=10.30.1

if ! grep -qs "\"version\": \"$version\"" "$folder/node_modules/liquidjs/package.json"; then
  mkdir -p "$folder"
  (cd "$folder" && npm init -y >/dev/null \
    && npm install --silent --no-audit --no-fund --save-exact "liquidjs@$version" >/dev/null)
fi
cp "$here/liquid.mjs" "$folder/"
node "$folder/liquid.mjs" "${@:2}"
