#!/usr/bin/env bash
# Makes the PTX of gpu-worker/src/main/cuda, which is committed beside it: builds need no CUDA. Needs Debian's clang 14
# (apt-get install clang), and no CUDA. If ptxas is there, it checks the PTX and prints registers and spills.
#
# sm_70 with PTX ISA 6.0 is taken by the driver of every GPU since Volta, and compiled for the GPU when it is loaded.
set -euo pipefail

home="$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
clang="${CLANG:-clang-14}"
resources="$home/gpu-worker/src/main/resources/dev/inflight/worker/cuda"

for source in "$home"/gpu-worker/src/main/cuda/*.cu; do
  name="$(basename "$source" .cu)"
  ptx="$resources/$name.ptx"
  # The compiler proper: its driver would let a CUDA that it finds choose the PTX ISA.
  "$clang" -cc1 -triple nvptx64-nvidia-cuda -target-cpu sm_70 -target-feature +ptx60 -fcuda-is-device \
    -x cuda -std=c++14 -O3 -Wall -Wextra -Werror -S "$source" -o "$ptx"
  echo "$ptx: $(grep -m1 '^\.version' "$ptx"), $(grep -m1 '^\.target' "$ptx")"
  if command -v ptxas >/dev/null; then
    for arch in ${ARCHS:-sm_75 sm_80 sm_90 sm_100}; do
      echo "$arch:"
      ptxas -v -arch "$arch" "$ptx" -o /dev/null
    done
  fi
done
