#!/bin/sh
# Says hello to everyone who is named; --version tells which hello this is.
set -eu

if [ "${1:-}" = --version ]; then
    echo "hello 1.1.0"
    exit 0
fi
[ $# -gt 0 ] || set -- world
for name in "$@"; do
    printf 'Hello, %s!\n' "$name"
done
