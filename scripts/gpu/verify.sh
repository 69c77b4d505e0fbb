#!/usr/bin/env bash
# Runs all that needs a GPU, on a machine that has bundle/ (from scripts/gpu/bundle.sh) and neither JDK nor Maven.
# Ends with one line per step and the figures; fails if a step failed.
set -euo pipefail

# Seconds a step may take. Steps that hang use all of theirs, and then not all fit into the ten minutes that one command
# has on a lent machine: run those with --only.
declare -A bound=(
  [launcher]=40
  [tests]=220
  [sanitizer]=200
  [python]=170
  [tp]=150
  [loss]=160
  [nccl]=300
  [bench]=220
  [variants]=240
  [exchange]=400
  [joins]=150
)
steps=(launcher tests sanitizer python tp loss nccl bench variants exchange joins)

usage="usage: scripts/gpu/verify.sh [--out DIR] [--only STEP]...
  --out DIR    where logs and JSON go (default: \$OUT, else a new temporary directory)
  --only STEP  run this step; may be repeated (default: all of ${steps[*]})"

home="$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=../../inflight disable=SC1091 # for fail and jvm_flags
source "$home/inflight"

out="${OUT:-}"
only=()
while (($#)); do
  case "$1" in
    --out) out="${2:?$usage}"; shift 2 ;;
    --only)
      [[ -n "${bound[${2:-none}]:-}" ]] || fail "$usage"
      only+=("$2"); shift 2 ;;
    --help) echo "$usage"; exit 0 ;;
    *) fail "$usage" ;;
  esac
done
((${#only[@]})) && steps=("${only[@]}")
[[ -n "$out" ]] || out="$(mktemp -d)"
mkdir -p "$out"
out="$(cd "$out" && pwd)"

unpacked="$(mktemp -d)"
trap 'rm -rf "$unpacked"' EXIT

unpack() {
  mkdir -p "$2"
  [[ -r "$1" ]] || fail "$1 is not there; make it with scripts/gpu/bundle.sh"
  if command -v xz >/dev/null; then
    tar -C "$2" -xJf "$1"
  else
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$1" "$2"
  fi
}

# How many GPUs there are.
gpus() {
  { nvidia-smi -L 2>/dev/null || true; } | grep -c '^GPU' || true
}

has_torch() {
  python3 -c 'import torch' 2>/dev/null
}

run_launcher() {
  "$home/inflight" --help
  "$home/inflight" demo --size 64MiB --json
}

# Sets `launcher` to what runs the tests tagged gpu and puts its report into a directory; filters may follow it. Tests are
# named as they begin and end, so that a log shows which one hung; a hung one does not stop the others.
test_launcher() {
  local class_path module roots=()
  class_path="$(printf '%s:' "$unpacked"/test-classes/* "$unpacked"/lib/*.jar "$unpacked"/test-lib/*.jar)"
  for module in "$unpacked"/test-classes/*; do
    roots+=(--scan-classpath "$module")
  done
  launcher=("$unpacked/jdk/bin/java" "${jvm_flags[@]}" -Xmx4g
    -cp "${class_path%:}:$(echo "$unpacked"/console/*.jar)" org.junit.platform.console.ConsoleLauncher execute
    --disable-banner --disable-ansi-colors --details=testfeed --fail-if-no-tests
    --config junit.jupiter.execution.timeout.testable.method.default=90s
    --config junit.jupiter.execution.timeout.thread.mode.default=separate_thread
    --class-path "${class_path%:}" "${roots[@]}" --include-engine junit-jupiter --include-tag gpu
    --include-classname '.*' --reports-dir "$1")
}

# No test at all is a failure, and so are only skipped ones beside a GPU.
run_tests() {
  local launcher
  test_launcher "$unpacked/reports"
  "${launcher[@]}" | tee "$unpacked/tests.log"
  if (($(gpus) > 0)) && grep -qE ' 0 tests started ' "$unpacked/tests.log"; then
    echo "nvidia-smi lists GPUs, but every test was skipped"
    return 1
  fi
}

find_sanitizer() {
  command -v compute-sanitizer ||
    find /usr/local /opt -name compute-sanitizer -perm -u+x ! -type d -print -quit 2>/dev/null
}

# The same tests again, with every access of a kernel or copy to device memory checked. Without those of NCCL, which is not
# ours to check and of which some ranks are processes of their own. Errors that calls return are not counted, since tests
# provoke them.
run_sanitizer() {
  local sanitizer launcher status=0
  sanitizer="$(find_sanitizer || true)"
  [[ -n "$sanitizer" ]] || { echo "skipped: there is no compute-sanitizer"; return; }
  (($(gpus) > 0)) || { echo "skipped: nvidia-smi lists no GPU"; return; }
  rm -f "$out/sanitizer-memcheck.log"
  test_launcher "$unpacked/sanitizer-reports"
  "$sanitizer" --version || true
  "$sanitizer" --tool memcheck --target-processes application-only --report-api-errors no \
    --log-file "$out/sanitizer-memcheck.log" \
    "${launcher[@]}" --exclude-classname '.*Nccl.*' || status=$?
  echo "compute-sanitizer ended with $status"
  python3 "$home/scripts/gpu/sanitizer_report.py" "$status" \
    "$unpacked/sanitizer-reports/TEST-junit-jupiter.xml" "$out/sanitizer-memcheck.log" | tee "$out/sanitizer.json"
}

run_python() {
  has_torch || { echo "skipped: python3 has no torch"; return; }
  export PYTHONPATH="$home/python${PYTHONPATH:+:$PYTHONPATH}"
  if [[ -e "$home/python/tests/gpu_checks.py" ]]; then
    (cd "$home/python" && PYTHONUNBUFFERED=1 python3 tests/gpu_checks.py)
  elif python3 -c 'import pytest' 2>/dev/null; then
    # 5: there was nothing to run.
    (cd "$home/python" && python3 -m pytest tests -m gpu -q) || (($? == 5))
  else
    echo "skipped: neither python/tests/gpu_checks.py nor pytest"
  fi
}

# Torch engines that share a model, in both modes; without GPUs, or with an odd one, in host memory. A failure of one
# mode does not hide the other.
run_tp() {
  has_torch || { echo "skipped: python3 has no torch"; return; }
  local mode status=0 flags=(--device cuda --size 2GiB)
  if (($(gpus) < 2)); then
    flags=(--engine torch --size 64MiB)
  fi
  for mode in in-place shadow; do
    "$home/inflight" demo --tp 2 --workers 2 --mode "$mode" --json "${flags[@]}" || status=1
  done
  return "$status"
}

# Without GPUs it still shows what happens, in host memory. Its own limit leaves it time to stop what it started.
run_loss() {
  has_torch || { echo "skipped: python3 has no torch"; return; }
  local flags=(--device cuda --bytes 4GiB)
  if (($(gpus) == 0)); then
    flags=(--device host --bytes 512MiB)
  fi
  PYTHONUNBUFFERED=1 python3 "$home/scripts/gpu/loss.py" "${flags[@]}" --out "$out" --limit 145
}

# Two worker hosts with a GPU each: what auto then chooses must be NCCL. Last, a host is killed in mid-broadcast.
run_nccl() {
  has_torch || { echo "skipped: python3 has no torch"; return; }
  (($(gpus) >= 2)) || { echo "skipped: two GPUs are needed"; return; }
  local mode
  for mode in in-place shadow; do
    "$home/inflight" demo --device cuda --workers 2 --hosts 2 --size 4GiB --mode "$mode" --json \
      >"$out/nccl-$mode.json" || { cat "$out/nccl-$mode.json"; return 1; }
    cat "$out/nccl-$mode.json"
    grep -q '"exchange":"nccl"' "$out/nccl-$mode.json" || { echo "$mode: not exchanged by NCCL"; return 1; }
  done
  PYTHONUNBUFFERED=1 python3 "$home/scripts/gpu/loss.py" --nccl --device cuda --bytes 8GiB --only 'worker host' \
    --out "$out/nccl" --limit 170
}

run_bench() {
  if ! "$home/inflight" bench --help | grep -qE '^  gpu '; then
    echo "skipped: there is no bench gpu"
    return
  fi
  bench_to "$out/bench-gpu.json" --joins 5 --trace "$out"
}

# The same with FP8 and scales, and with engines that hold a half each.
run_variants() {
  local status=0
  bench_as fp8 --model qwen3-8b-fp8 --runs 5 --repeat 0 --trace "$out/fp8" || status=1
  if (($(gpus) >= 2)); then
    bench_as tp2 --tp 2 --runs 5 --repeat 0 --trace "$out/tp2" || status=1
  fi
  return "$status"
}

# How buckets come from GPU to GPU: copied within one process, broadcast by NCCL within one and between two, over TCP.
run_exchange() {
  (($(gpus) >= 2)) || { echo "skipped: two GPUs are needed"; return; }
  local status=0 flags=(--mode in-place --repeat 0)
  bench_as copies-1-host "${flags[@]}" --runs 5 --hosts 1 --exchange transfers || status=1
  bench_as nccl-1-host "${flags[@]}" --runs 5 --hosts 1 --exchange nccl || status=1
  bench_as nccl-2-hosts "${flags[@]}" --runs 5 --hosts 2 --exchange nccl || status=1
  # Ten seconds each.
  bench_as tcp-2-hosts "${flags[@]}" --warm-ups 2 --runs 2 --hosts 2 --exchange transfers || status=1
  return "$status"
}

# Engines in host memory, which need no GPU: here they do not share two cores with all the rest of a fleet.
run_joins() {
  local path status=0
  for path in tcp mapped own; do
    "$home/inflight" demo --scenario join --size 1GiB --path "$path" --json || status=1
  done
  return "$status"
}

bench_as() {
  bench_to "$out/bench-gpu-$1.json" "${@:2}"
}

# Shows the report of a bench also if it failed.
bench_to() {
  local status=0
  "$home/inflight" bench gpu --json "${@:2}" >"$1" || status=1
  cat "$1"
  return "$status"
}

# Runs in a shell of its own, so that `timeout` can bound a function and end what it started.
run_step() {
  local step="$1" started=$SECONDS status
  echo "== $step (at most ${bound[$step]} s)"
  set +e
  timeout --kill-after=10 "${bound[$step]}" "${BASH:-bash}" -c "
    set -euo pipefail
    $(declare -p home unpacked out jvm_flags)
    $(declare -f gpus has_torch test_launcher find_sanitizer bench_as bench_to "run_$step")
    run_$step" 2>&1 | tee "$out/$step.log"
  status=${PIPESTATUS[0]}
  set -e
  local outcome=ok
  case "$status" in
    0) grep -q '^skipped: ' "$out/$step.log" && outcome="$(grep -m1 '^skipped: ' "$out/$step.log")" ;;
    124 | 137) outcome="FAILED (not done in time)" ;;
    *) outcome="FAILED ($status)" ;;
  esac
  [[ "$outcome" != FAILED* ]] || failed=1
  summary+=("$(printf '%-9s %4d s  %s' "$step" $((SECONDS - started)) "$outcome")")
}

# The lines of a log that say how it went.
figures() {
  case "$1" in
    tests)
      grep -E 'tests (successful|failed|skipped|aborted) ' "$out/tests.log" | tr -s ' []' ' '
      # The reasons of skipped tests, and how many have each.
      grep -o '<skipped><!\[CDATA\[[^]]*' "$out/tests.xml" | cut -d[ -f3 | sort | uniq -c
      sed -n '/^Failures (/,/^Test run finished/p' "$out/tests.log" | grep -E '=>|MethodSource' | head -40 ;;
    sanitizer) cat "$out/sanitizer.json" && grep -A8 -m3 'Invalid\|ERROR SUMMARY' "$out/sanitizer-memcheck.log" ;;
    python) tail -n 20 "$out/python.log" ;;
    tp | joins) grep -E '^\{|^inflight' "$out/$1.log" ;;
    loss) grep -E '^(ok|FAILED|[0-9]+ passed) ' "$out/loss.log" ;;
    nccl) grep -E '^(\{|ok|FAILED|[0-9]+ passed|.*not exchanged) ?' "$out/nccl.log" ;;
    bench) tail -c 3000 "$out/bench.log" ;;
    variants | exchange) grep -E '^\{|^inflight' "$out/$1.log" ;;
  esac
}

unpack "$home/bundle/jdk.tar.xz" "$unpacked/jdk"
unpack "$home/bundle/inflight.tar.xz" "$unpacked"
export INFLIGHT_BUNDLE="$unpacked"
# Torch engines need a Python that has torch; without a network none can be built.
if [[ -z "${INFLIGHT_PYTHON:-}" ]] && has_torch; then
  INFLIGHT_PYTHON="$(command -v python3)"
  export INFLIGHT_PYTHON
fi
failed=0
summary=("commit    $(cat "$unpacked/COMMIT")")
if command -v nvidia-smi >/dev/null; then
  summary+=("$(nvidia-smi --query-gpu=index,name,uuid,driver_version --format=csv,noheader 2>&1 || true)")
fi
for step in "${steps[@]}"; do
  run_step "$step"
done
if [[ -e "$unpacked/reports/TEST-junit-jupiter.xml" ]]; then
  cp "$unpacked/reports/TEST-junit-jupiter.xml" "$out/tests.xml"
fi
if [[ -e "$unpacked/sanitizer-reports/TEST-junit-jupiter.xml" ]]; then
  cp "$unpacked/sanitizer-reports/TEST-junit-jupiter.xml" "$out/sanitizer-tests.xml"
fi

{
  echo "== summary"
  printf '%s\n' "${summary[@]}"
  for step in "${steps[@]}"; do
    echo "-- $step"
    figures "$step" || true
  done
} | tee "$out/summary.txt"
echo "logs: $out"
exit "$failed"
