#!/bin/sh
# Builds vpclab when it is missing or older than its source, and runs it: scripts/lab.sh VERB …
#
#   scripts/lab.sh demo
#   scripts/lab.sh up examples/first.yaml
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$here/scripts/need.sh"

target=${CARGO_TARGET_DIR:-$here/target}
vpclab=$target/release/vpclab

outdated() {
    [ -x "$vpclab" ] || return 0
    [ -n "$(find "$here/src" "$here/Cargo.toml" "$here/Cargo.lock" "$here/examples" -newer "$vpclab" -print -quit)" ]
}

if outdated; then
    need_cargo
    need cc build-essential
    need_now "building vpclab needs a C compiler for its cryptography"
    echo "building vpclab; the first time takes a few minutes" >&2
    cargo build --release --locked --bin vpclab --manifest-path "$here/Cargo.toml" >&2
    # Cargo leaves a program that did not change as old as it was.
    touch -c "$vpclab"
fi

if [ "${1:-}" = demo ]; then
    need curl curl
    need dig bind9-dnsutils
    need_now "the demo's clients"
fi

exec "$vpclab" "$@"
