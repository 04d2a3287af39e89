#!/bin/sh
# Installs the SDKs and the backend that the stories use, pinned, under target/clients; quick when they are there.
# Prints that folder. Needs python3 with venv, npm, and the network the first time.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$here/target}
mkdir -p "$target/clients"
clients=$(CDPATH='' cd -- "$target/clients" && pwd)

boto3=boto3==1.44.8
moto='moto[server,dynamodb,kms,s3,secretsmanager,sqs]==5.2.5'
javascript=@aws-sdk/client-s3@3.1175.0

# Debian's own Python first: another one may lie where only its owner can look.
python=python3
for candidate in /usr/bin/python3 python3; do
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        python=$candidate
        break
    fi
done

# There, and of this version: the stamp is written last.
there() {
    [ "$(cat "$clients/$1/version" 2>/dev/null)" = "$2" ]
}

in_venv() {
    there "$1" "$2" && return 0
    echo "installing $2" >&2
    rm -rf "${clients:?}/$1"
    "$python" -m venv "$clients/$1" >&2
    "$clients/$1/bin/pip" install --quiet --disable-pip-version-check "$2" >&2
    echo "$2" >"$clients/$1/version"
}

in_venv boto3 "$boto3"
in_venv moto "$moto"
if ! there node "$javascript"; then
    echo "installing $javascript" >&2
    rm -rf "${clients:?}/node"
    mkdir "$clients/node"
    (cd "$clients/node" && npm install --silent --no-audit --no-fund --prefix . "$javascript") >&2
    echo "$javascript" >"$clients/node/version"
fi
echo "$clients"
