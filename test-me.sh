#!/bin/sh
# The lab without Docker, on this machine: builds the demo server and the loader, and runs the loader.
#   ./test-me.sh                  measures the demo server (or the handler in server/handler.go)
#   ./test-me.sh COMMAND ARG...   measures the server that COMMAND starts; it must listen on HOST:PORT
# Settings come from the environment, and from .env where the environment has none.
set -eu

root=$(cd "$(dirname "$0")" && pwd)

while IFS= read -r line || [ -n "$line" ]; do
    case $line in
        '' | '#'*) continue ;;
    esac
    name=${line%%=*}
    case $name in
        '' | *[!A-Za-z0-9_]* | [0-9]*)
            echo "test-me.sh: .env: expected NAME=VALUE, found: $line" >&2
            exit 2 ;;
    esac
    eval "exported=\${$name+yes}"
    [ -n "$exported" ] || export "$name=${line#*=}"
done <"$root/.env"

command -v go >/dev/null || {
    echo "test-me.sh: Go is missing; it is all that this needs (https://go.dev/doc/install)" >&2
    exit 125
}
mkdir -p "$root/.build"
# With the revision that they are built from, if git tells it.
build() (cd "$root" && GOWORK="$root/go.work" go build "$@" -tags pictures -o .build/ ./server ./loader/draw &&
    GOWORK="$root/go.work" go build "$@" -o .build/ ./loader)
build 2>/dev/null || build -buildvcs=false || exit 125

if [ $# = 0 ]; then
    export TLS_INSECURE="${TLS_INSECURE:-true}" # the demo server signs its certificate itself
    set -- "$root/.build/server"
    case $HOST in *:*) host="[$HOST]" ;; *) host=$HOST ;; esac
    export METRICS_URL="${METRICS_URL:-http://$host:9101/metrics}" # where it tells its live heap
fi
exec "$root/.build/loader" -- "$@"
