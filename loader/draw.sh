#!/bin/sh
# Draws recorded runs. ./test-me.sh copies this to .build/draw: the drawing program takes longer to build than all the
# rest of the lab, so it is built when it is first needed, and again when its source has changed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
program=$root/.build/draw-program
if [ ! -x "$program" ] || [ -n "$(find "$root/loader" -newer "$program" \( -name '*.go' -o -name 'go.*' \) ! -name '*_test.go')" ]; then
    echo "draw: building the drawing program, which takes longest the first time" >&2
    GOWORK="$root/go.work" go build -C "$root" -buildvcs=false -o "$program.$$" ./loader/draw
    mv "$program.$$" "$program"
fi
exec "$program" "$@"
