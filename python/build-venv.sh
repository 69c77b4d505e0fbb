#!/usr/bin/env bash
# Makes python/.venv with what the tests and the torch engine need. Does nothing when it is complete already.
# Without a usable Python it says so loudly, leaves target/python-skipped behind and succeeds.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p target
exec 9>target/venv.lock
if command -v flock >/dev/null; then flock 9; fi

# 3.10 is the oldest that the package supports; ensurepip is missing where Debian's python3-venv is.
usable='import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))'
python=
for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
  if command -v "$candidate" >/dev/null && "$candidate" -c "$usable" 2>/dev/null; then
    python=$(command -v "$candidate")
    break
  fi
done

if [[ -z $python ]]; then
  echo "no Python 3.10 or later with venv and ensurepip" >target/python-skipped
  cat <<'BANNER'
************************************************************************
*  SKIPPED: the Python tests and the torch engine.                     *
*  No Python 3.10 or later with the venv module was found.             *
*  Install one (Debian, Ubuntu: apt install python3 python3-venv)      *
*  and build again.                                                    *
************************************************************************
BANNER
  exit 0
fi
rm -f target/python-skipped

stamp=$( { sha256sum <requirements-test.txt; "$python" -VV; pwd; } | sha256sum | cut -d' ' -f1)
if [[ -x .venv/bin/python && $(cat .venv/complete 2>/dev/null) == "$stamp" ]]; then
  exit 0
fi

echo "Preparing python/.venv with $("$python" -V); the first time takes a minute or more."
"$python" -m venv --clear .venv
# pip looks long for packages that an index does not have.
if ! PIP_RETRIES=0 PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install -q -r requirements-test.txt; then
  echo "python/build-venv.sh: pip could not install python/requirements-test.txt; see above" >&2
  exit 1
fi
# So that "python -m inflight.engine" runs from anywhere with this interpreter.
pwd >"$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/inflight.pth"
echo "$stamp" >.venv/complete
