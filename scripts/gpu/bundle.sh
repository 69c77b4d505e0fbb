#!/usr/bin/env bash
# Makes bundle/: all that scripts/gpu/verify.sh needs beside the checkout on a machine with GPUs and without JDK, Maven
# and network. Builds what is missing. Takes a few minutes the first time, most of it compression.
set -euo pipefail

home="$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=../../inflight disable=SC1091 # for fail, find_java and java_home
source "$home/inflight"

most_bytes=$((60 << 20))
# What `inflight` and its libraries use of the JDK; `inflight demo` on the unpacked bundle shows what is missing.
modules=java.base,java.instrument,java.logging,java.management,java.naming,java.net.http,java.sql,java.xml
modules+=,jdk.httpserver,jdk.jfr,jdk.management,jdk.net,jdk.unsupported,jdk.zipfs
# Of JCuda's natives, 25 MB, only those of the driver are used.
unused_entries='lib/libJ(Nv|CudaRuntime).*\.so'

bundle="$home/bundle"
find_java

run_maven() {
  (cd "$home" &&
    JAVA_HOME="$java_home" \
      MAVEN_OPTS="${MAVEN_OPTS:-} --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow" \
      mvn -q -B -Dstyle.color=never ${MAVEN_OFFLINE:+-o} "$@") ||
    fail "mvn $* failed; see above"
}

# Modules with tests that need a GPU.
gpu_modules() {
  (cd "$home" && grep -rlE --include='*.java' '@Tag\("gpu"\)|@NeedsGpus' -- */src/test/java) | cut -d/ -f1 | sort -u
}

compress() {
  echo "bundle: compressing $1 ..." >&2
  tar -C "$2" -cf - . | xz -9 >"$bundle/$1.part"
  mv "$bundle/$1.part" "$bundle/$1"
}

bundle_jdk() {
  # The JDK and this script decide what is in it.
  if [[ "$bundle/jdk.tar.xz" -nt "$java_home/release" && "$bundle/jdk.tar.xz" -nt "${BASH_SOURCE[0]}" ]]; then
    return
  fi
  # Not compressed itself: xz does better over all of it.
  "$java_home/bin/jlink" --add-modules "$modules" --strip-debug --no-header-files --no-man-pages \
    --compress zip-0 --output "$work/jdk"
  compress jdk.tar.xz "$work/jdk"
}

# lib/ as the launcher knows it; test-classes/MODULE, test-lib/ and console/ for the tests.
bundle_libraries() {
  local all="$work/all" module jar
  mkdir -p "$all"/{lib,test-lib,test-classes,console}
  "$java_home/bin/java" "$home/scripts/gpu/StoredJars.java" "$unused_entries" "$all/lib" \
    "$home"/cli/target/cli-*.jar "$home"/cli/target/lib/*.jar
  for module in "${test_modules[@]}"; do
    cp -r "$home/$module/target/test-classes" "$all/test-classes/$module"
  done
  for jar in "$work"/test-lib/*.jar; do
    case "${jar##*/}" in
      junit-* | opentest4j-* | apiguardian-*) ;; # in the console launcher
      *) [[ -e "$all/lib/${jar##*/}" ]] || test_jars+=("$jar") ;;
    esac
  done
  "$java_home/bin/java" "$home/scripts/gpu/StoredJars.java" "$unused_entries" "$all/test-lib" "${test_jars[@]}"
  "$java_home/bin/java" "$home/scripts/gpu/StoredJars.java" "$unused_entries" "$all/console" \
    "$home"/target/console-launcher/*.jar
  (cd "$home" && git describe --always --dirty 2>/dev/null || echo unknown) >"$all/COMMIT"
  compress inflight.tar.xz "$all"
}

mapfile -t test_modules < <(gpu_modules)
((${#test_modules[@]})) || fail "no module has tests tagged gpu"
test_jars=()
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$bundle"

echo "bundle: building with $java_home ..." >&2
run_maven -DskipTests -pl cli,"$(IFS=,; echo "${test_modules[*]}")" -am package dependency:copy-dependencies \
  -DincludeScope=test -DoutputDirectory="$work/test-lib"
run_maven -N dependency:copy@console-launcher
bundle_jdk
bundle_libraries

(cd "$bundle" && du -b -- *.tar.xz)
bytes="$(cat "$bundle"/*.tar.xz | wc -c)"
echo "bundle: $((bytes >> 20)) MiB in $bundle"
((bytes <= most_bytes)) || fail "the bundle has $bytes bytes, more than the $most_bytes that can be sent along"
