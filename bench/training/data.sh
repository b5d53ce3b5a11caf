#!/usr/bin/env bash
# Fetches what end-to-end.mjs trains on, from PyPI and Debian's archive, into bench/training/data: digits (scikit-learn) and clip art
# (openclipart-png). Needs python3 with venv, and apt-get and dpkg-deb as on Debian; a gigabyte while it works.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p data
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install -q scikit-learn pillow
if [ ! -d data/digits ]; then .venv/bin/python pictures.py digits data/digits; fi
if [ ! -d data/clipart ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get download -qq openclipart-png && dpkg-deb -x openclipart-png_*.deb .)
  .venv/bin/python pictures.py clipart data/clipart "$work/usr/share/openclipart/png"
fi
du -sh data/*
