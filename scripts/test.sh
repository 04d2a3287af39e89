#!/bin/sh
# Everything that must hold: format, lints, unit tests, examples, and the stories on real kernels with real clients.
#
#   scripts/test.sh              all of it
#   scripts/test.sh --fast       without the stories that need network namespaces
#
# Run it as root (then the rootless way is tried, too, as an ordinary user) or as an ordinary user.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$here"
. scripts/need.sh
fast=${1:-}

step() {
    echo
    echo "== $* ($(date +%T))"
}

need_cargo
need cc build-essential
need_now "building vpclab needs a C compiler for its cryptography"
if [ "$fast" != --fast ]; then
    need curl curl
    need openssl openssl
    need dig bind9-dnsutils
    need ip iproute2
    need ethtool ethtool
    need nft nftables
    need ping iputils-ping
    need tracepath iputils-tracepath
    need newuidmap uidmap
    need setpriv util-linux
    need aws awscli
    need node nodejs
    need npm npm
    need python3 python3 python3-venv
    need_now "the stories' clients and tools"
    # Debian's python3 comes without what makes a venv.
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null && ! /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null; then
        need "python3 -m venv" python3-venv
        need_now "boto3 and moto live in a venv"
    fi
fi

if [ "$fast" != --fast ]; then
    step "SDKs and moto"
    scripts/clients.sh || { [ -z "${CI:-}" ] && echo "skipped: the stories that need them will say so"; }
fi

step "format"
cargo fmt --check

step "lints"
cargo clippy --quiet --locked --all-targets -- -D warnings

step "examples on AWS's own terms (cfn-lint)"
linter=$(command -v cfn-lint || true)
if [ -z "$linter" ]; then
    linter=${CARGO_TARGET_DIR:-target}/cfn-lint/bin/cfn-lint
    if [ ! -x "$linter" ]; then
        { python3 -m venv "${linter%/bin/cfn-lint}" && "${linter%/cfn-lint}/pip" install --quiet cfn-lint==1.51.0; } ||
            linter=""
    fi
fi
if [ -n "$linter" ]; then
    # lab.yaml is ours, not CloudFormation's.
    find examples -name '*.yaml' ! -name 'lab.yaml' ! -name '*.test.yaml' -print | xargs "$linter" --
    echo "clean"
else
    echo "skipped: cfn-lint is not there and can't be had with pip (python3-venv and the network are needed)"
fi

step "what the examples expect holds (the tables alone)"
cargo build --quiet --locked --bin vpclab
vpclab=${CARGO_TARGET_DIR:-target}/debug/vpclab
for example in examples/*.yaml examples/*/; do
    case $example in
    *.test.yaml | examples/files/) continue ;;
    esac
    echo "$example"
    "$vpclab" test --static "$example"
done

step "tests"
if [ "$fast" = --fast ]; then
    exec cargo test --locked --lib --bins --quiet
fi
# The stories last, so that the runner's own last lines close this script.
cargo test --locked --quiet --lib --bins
cargo test --locked --quiet --doc
exec cargo test --locked --test '*' --no-fail-fast
