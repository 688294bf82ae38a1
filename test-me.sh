#!/bin/sh
# The lab without Docker, on this machine: builds the demo server and the loader, and runs the loader.
#   ./test-me.sh                  measures the demo server (or the handler in server/handler.go)
#   ./test-me.sh COMMAND ARG...   measures the server that COMMAND starts; it must listen on HOST:PORT
# Settings come from the environment, and from .env where the environment has none.
set -eu

root=$(cd "$(dirname "$0")" && pwd)

# NAME=VALUE in each line. Quotes and comments, which Compose would take away, are refused. Values may be secret.
wrong() {
    printf 'test-me.sh: .env:%d: expected %s, found: %s\n' "$number" "$1" "${line%%=*}" >&2
    failed=yes
}
number=0 failed='' seen=' ' cr=$(printf '\r')
while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line%"$cr"}
    case $line in
        '' | '#'*) continue ;;
    esac
    name=${line%%=*} value=${line#*=}
    case $line in *=*) ;; *) name='' ;; esac
    case $name in '' | *[!A-Za-z0-9_]* | [0-9]*) wrong NAME=VALUE; continue ;; esac
    case $seen in *" $name "*) wrong "each NAME once"; continue ;; esac
    seen="$seen$name "
    case $value in [\"\']* | *' #'*) wrong "no quotes around a VALUE, and no comment after it"; continue ;; esac
    eval "exported=\${$name+yes}"
    [ -n "$exported" ] || export "$name=$value"
done <"$root/.env"
[ -z "$failed" ] || exit 2

command -v go >/dev/null || {
    echo "test-me.sh: Go is missing; it is all that this needs (https://go.dev/doc/install)" >&2
    exit 125
}
mkdir -p "$root/.build"
# With the revision that they are built from, if git tells it.
build() (cd "$root" && GOWORK="$root/go.work" go build "$@" -o .build/ ./server ./loader ./loader/draw)
build 2>/dev/null || build -buildvcs=false || exit 125

if [ $# = 0 ]; then
    export TLS_INSECURE="${TLS_INSECURE:-true}" # the demo server signs its certificate itself
    set -- "$root/.build/server"
    host=${HOST:-127.0.0.1}
    case $host in *:*) host="[$host]" ;; esac
    export METRICS_URL="${METRICS_URL:-http://$host:9101/metrics}" # where it tells its live heap
fi
exec "$root/.build/loader" -- "$@"
