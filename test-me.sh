#!/bin/sh
# The lab without Docker, on this machine: builds what is missing, and measures a server.
#   ./test-me.sh [flags]                  measures the demo server (or the handler in server/handler.go)
#   ./test-me.sh [flags] COMMAND ARG...   measures the server that COMMAND starts; it must listen on HOST:PORT
#   ./test-me.sh --help                   lists the flags
# Settings come from flags, then from the environment, then from .env.
set -eu

# The server inherits what the user has exported, so no other variables than leaklab_* are set here.
leaklab_root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
case ${1-} in
    -h | --help) exec cat "$leaklab_root/docs/help.txt" ;; # the same page, before anything is built
esac
command -v go >/dev/null || {
    echo "test-me.sh: Go is missing; it is all that this needs (https://go.dev/doc/install)" >&2
    exit 125
}
mkdir -p "$leaklab_root/.build"

# Go notes the revision that it builds from, unless git cannot tell it.
leaklab_vcs=
git -C "$leaklab_root" rev-parse HEAD >/dev/null 2>&1 || leaklab_vcs=-buildvcs=false

# build WHAT PACKAGE: says so once something has to be compiled. go build -v names each package that it compiles.
build() {
    { GOWORK="$leaklab_root/go.work" go build -C "$leaklab_root" -v $leaklab_vcs -o .build/ "$2" 2>&1 || echo "go build failed"; } | {
        leaklab_told='' leaklab_code=0
        while IFS= read -r leaklab_line; do
            case $leaklab_line in
                "go build failed") leaklab_code=125 ;;
                *[!A-Za-z0-9_./~-]*) printf '%s\n' "$leaklab_line" >&2 ;;
                *) [ -n "$leaklab_told" ] || echo "test-me.sh: building $1, which takes longest the first time" >&2; leaklab_told=yes ;;
            esac
        done
        exit "$leaklab_code"
    }
}

build "the loader" ./loader || exit
if "$leaklab_root/.build/loader" needs-demo "$@" >/dev/null 2>&1; then
    build "the demo server" ./server || exit
fi
if ! cmp -s "$leaklab_root/loader/draw.sh" "$leaklab_root/.build/draw"; then # replaced at once, since another run may be starting it
    cp "$leaklab_root/loader/draw.sh" "$leaklab_root/.build/draw.$$"
    mv "$leaklab_root/.build/draw.$$" "$leaklab_root/.build/draw"
fi
exec "$leaklab_root/.build/loader" run --env-file "$leaklab_root/.env" --demo "$leaklab_root/.build/server" "$@"
