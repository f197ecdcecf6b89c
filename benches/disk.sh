#!/usr/bin/env bash
# A full disk under load: mounts a small tmpfs, runs `load disk` in it, and unmounts it whatever happens. Needs root.
# Arguments go to `load disk`.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
load=${LOAD:-$target/release/examples/load}
pushgate=${PUSHGATE:-$target/release/pushgate}
[[ -x $load && -x $pushgate ]] || { echo "disk.sh: build first: benches/run.sh build" >&2; exit 2; }
[[ $(id -u) -eq 0 ]] || { echo "disk.sh: only root may mount a tmpfs" >&2; exit 2; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/pushgate-disk-XXXXXX")
leave() {
  if mountpoint -q "$folder"; then umount "$folder"; fi
  rmdir "$folder"
}
trap leave EXIT
mount -t tmpfs -o size=64m,mode=0700 pushgate-disk "$folder"
"$load" --pushgate "$pushgate" --dir "$folder" disk "$@"
