#!/usr/bin/env bash
# Checks the style of the Python code and runs its tests in python/.venv, or says loudly that it could not.
set -euo pipefail
cd "$(dirname "$0")"
if [[ -f target/python-skipped ]]; then
  echo "************************************************************************"
  echo "*  SKIPPED: the Python tests: $(cat target/python-skipped)"
  echo "************************************************************************"
  exit 0
fi
if [[ ! -x .venv/bin/python ]]; then
  echo "python/run-tests.sh: there is no python/.venv; run python/build-venv.sh first" >&2
  exit 1
fi
.venv/bin/python -m ruff check --no-cache --quiet .
.venv/bin/python -m ruff format --no-cache --check --quiet .
exec .venv/bin/python -m pytest -q "$@"
