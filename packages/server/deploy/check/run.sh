#!/usr/bin/env bash
# run.sh: holds every file of deploy/ against a tool that knows its format, and does what the Dockerfile says. Exit code 77
# where Python's tools cannot be installed.
set -euo pipefail
cd "$(dirname "$0")"

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
if ! { python3 -m venv "$tools" && "$tools/bin/pip" install -q -r requirements.txt && "$tools/bin/pip" install -q --no-deps -r kserve.txt; } >"$tools.log" 2>&1; then
  tail -n 3 "$tools.log"
  echo 'deploy: skipped, for its tools cannot be installed from PyPI'
  exit 77
fi

"$tools/bin/hadolint" ../Dockerfile
"$tools/bin/check-jsonschema" --builtin-schema vendor.compose-spec ../compose.yaml
"$tools/bin/kubernetes-validate" --strict ../kubernetes/server.yaml ../kubernetes/batch-job.yaml
"$tools/bin/python" inference_service.py ../kubernetes/inference-service.yaml
node image.mjs
