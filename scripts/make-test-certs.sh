#!/usr/bin/env bash
# Makes an authority and one certificate for each host, for tests and first steps with --profile tls.
#
#   scripts/make-test-certs.sh DIR [HOST...]       default host: localhost
#
# HOST is a name or an IP address that others reach the host at. DIR gets ca.crt (which everybody trusts), and for each
# host HOST.crt and HOST.key, good for 90 days for both ends of a connection. ca.key signs more of them on a later call:
# whoever has it can make itself a member, so keep it off the hosts. For a fleet that matters use your own authority.
set -euo pipefail

fail() {
  echo "make-test-certs: $*" >&2
  exit 1
}

[[ $# -ge 1 && "$1" != -* ]] || fail "usage: $0 DIR [HOST...]"
command -v openssl >/dev/null || fail "no openssl on PATH; install it"
directory="$1"
shift
[[ $# -ge 1 ]] || set -- localhost

umask 077
mkdir -p "$directory"
cd "$directory"

quietly() {
  local said
  said="$("$@" 2>&1)" || fail "$1 $2 failed: $said"
}

if [[ ! -e ca.key ]]; then
  quietly openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 90 -subj "/CN=Inflight test authority" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
  chmod 644 ca.crt
fi

for host in "$@"; do
  [[ "$host" =~ ^[A-Za-z0-9.:_-]+$ ]] || fail "\"$host\" is neither a host name nor an IP address"
  kind=DNS
  [[ "$host" =~ ^[0-9.]+$ || "$host" == *:* ]] && kind=IP
  # All share the name "inflight": a member talks only to those whose certificate has a name that its own has too.
  names="DNS:inflight,$kind:$host,DNS:localhost,IP:127.0.0.1"
  quietly openssl req -newkey rsa:2048 -nodes -keyout "$host.key" -out "$host.csr" -subj "/CN=$host"
  quietly openssl x509 -req -in "$host.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -out "$host.crt" \
    -extfile <(printf '%s\n' "subjectAltName=$names" "basicConstraints=critical,CA:FALSE" \
      "keyUsage=critical,digitalSignature,keyEncipherment" "extendedKeyUsage=serverAuth,clientAuth")
  rm "$host.csr"
  chmod 644 "$host.crt"
  echo "$directory/$host.crt"
done
