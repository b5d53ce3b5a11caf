#!/usr/bin/env bash
# Fetches what end-to-end.mjs trains on into bench/training/data: `data.sh digits` (scikit-learn, from PyPI), `data.sh clipart`
# (openclipart-png, from Debian's archive; half a gigabyte while it works). Needs python3 with venv; clip art apt-get and dpkg-deb.
set -euo pipefail
wanted=${1:?digits or clipart}
cd "$(dirname "$0")"
mkdir -p data
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install -q scikit-learn pillow
if [ "$wanted" = digits ] && [ ! -d data/digits ]; then .venv/bin/python pictures.py digits data/digits; fi
if [ "$wanted" = clipart ] && [ ! -d data/clipart ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get download -qq openclipart-png && dpkg-deb -x openclipart-png_*.deb .)
  .venv/bin/python pictures.py clipart data/clipart "$work/usr/share/openclipart/png"
fi
