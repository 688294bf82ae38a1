#!/bin/sh
# The lab without Docker, on this machine: builds what is missing, and measures a server.
#   ./test-me.sh [flags]                  measures the demo server (or the handler in server/handler.go)
#   ./test-me.sh [flags] COMMAND ARG...   measures the server that COMMAND starts; it must listen on HOST:PORT
#   ./test-me.sh --help                   lists the flags
# Settings come from flags, then from the environment, then from .env.
set -eu

root=$(cd "$(dirname "$0")" && pwd)
case ${1-} in
    -h | --help) exec cat "$root/docs/help.txt" ;; # the same page, before anything is built
esac
command -v go >/dev/null || {
    echo "test-me.sh: Go is missing; it is all that this needs (https://go.dev/doc/install)" >&2
    exit 125
}
mkdir -p "$root/.build"

# Go notes the revision that it builds from, unless git cannot tell it.
vcs=
git -C "$root" rev-parse HEAD >/dev/null 2>&1 || vcs=-buildvcs=false

# build WHAT PACKAGE: says so once something has to be compiled. go build -v names each package that it compiles.
build() {
    { GOWORK="$root/go.work" go build -C "$root" -v $vcs -o .build/ "$2" 2>&1 || echo "go build failed"; } | {
        told='' code=0
        while IFS= read -r line; do
            case $line in
                "go build failed") code=125 ;;
                *[!A-Za-z0-9_./~-]*) printf '%s\n' "$line" >&2 ;;
                *) [ -n "$told" ] || echo "test-me.sh: building $1, which takes longest the first time" >&2; told=yes ;;
            esac
        done
        exit "$code"
    }
}

build "the loader" ./loader || exit
if "$root/.build/loader" needs-demo "$@" >/dev/null 2>&1; then
    build "the demo server" ./server || exit
fi
if ! cmp -s "$root/loader/draw.sh" "$root/.build/draw"; then # replaced at once, since another run may be starting it
    cp "$root/loader/draw.sh" "$root/.build/draw.$$"
    mv "$root/.build/draw.$$" "$root/.build/draw"
fi
exec "$root/.build/loader" run --env-file "$root/.env" --demo "$root/.build/server" "$@"
