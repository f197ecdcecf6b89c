#!/usr/bin/env bash
# Builds the release binary and the proof rig, then runs every proof, shortened to about fifteen minutes in all.
#
#   benches/run.sh          everything, shortened
#   benches/run.sh full     everything at its full length: about an hour
#   benches/run.sh build    only builds
#
# Exit status 0 when every check passed. JSON=1 prints a JSON object for each run.
set -euo pipefail
cd "$(dirname "$0")/.."

length=${1:-short}
case $length in short | full | build) ;; *) echo "usage: benches/run.sh [short|full|build]" >&2; exit 2 ;; esac
cargo build --release --locked --package pushgate --bin pushgate --example load
[[ $length == build ]] && exit 0

target=${CARGO_TARGET_DIR:-target}
export PUSHGATE=$target/release/pushgate LOAD=$target/release/examples/load
json=()
if [[ -n ${JSON:-} ]]; then json=(--json); fi
failed=()

# prove NAME FULL-ARGUMENTS -- SHORT-ARGUMENTS
prove() {
  local name=$1 full=() short=() into=full
  shift
  for argument in "$@"; do
    if [[ $argument == -- ]]; then into=short; elif [[ $into == full ]]; then full+=("$argument"); else short+=("$argument"); fi
  done
  local arguments=("${full[@]}")
  if [[ $length == short ]]; then arguments=("${short[@]}"); fi
  local status=0
  if [[ $name == disk ]]; then
    benches/disk.sh "${json[@]}" "${arguments[@]}" || status=$?
  else
    "$LOAD" --pushgate "$PUSHGATE" "${json[@]}" "$name" "${arguments[@]}" || status=$?
  fi
  # 130 is an interrupt: whoever interrupts wants an end of it all.
  if [[ $status -eq 130 ]]; then exit 130; fi
  if [[ $status -ne 0 ]]; then failed+=("$name"); fi
}

prove crash -- --rounds 5
prove outage -- --tenants 300 --backoff-max 10s
if [[ $length == full ]]; then prove outage --tenants 10000 --down 60s; fi
prove steady -- --seconds 30
if [[ $(id -u) -eq 0 ]]; then
  prove disk -- --full 10
else
  echo "disk: left out: only root may mount a tmpfs" >&2
  failed+=("disk (not run)")
fi
prove slow -- --before 60 --during 20
prove cells -- --deliveries 1000000 --seconds 5
prove tenants -- --tenants 2000 --settle 5 --idle 30
prove journal -- --seconds 3
prove acks -- --tenants 1000 --step 3 --seconds 5
prove acks --flood -- --flood --tenants 1000 --seconds 5
prove resumers -- --subscribers 1000 --seconds 5
prove replay -- --pushes 20000 --seconds 5 --within 20
prove stalled -- --reading 200 --stalled 20 --before 10 --during 45
prove hostile -- --slow-heads 500 --seconds 12 --burst 5
prove restart -- --streams 500
prove soak -- --tenants 200 --minutes 1

if [[ ${#failed[@]} -gt 0 ]]; then
  echo "not passed: ${failed[*]}" >&2
  exit 1
fi
