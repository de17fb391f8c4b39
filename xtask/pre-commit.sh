#!/bin/sh
# Runs `db-check --staged` for pre-commit, from its own clone of this repository, in the checkout that is committed to.
# pre-commit clones once for each `rev`; the first commit after that builds the binary, and later ones only run it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
xtask=$root/target/release/xtask
if [ ! -x "$xtask" ]; then
    echo "building xtask, once for this version" >&2
    # From its own folder: the checkout's .cargo/config.toml and rust-toolchain.toml are not for this build.
    (cd "$root" && CARGO_TARGET_DIR=$root/target cargo build --quiet --release --locked --package xtask)
fi
exec "$xtask" db-check --staged
