#!/bin/sh
# /proc/PID/smaps that was opened before an exec is empty for ever, while the status opened beside it follows the program.
#
# Expected: files of one /proc/PID directory behave alike: all show the process as it is when they are read, or all fail.
# Seen (Linux 6.18): maps, smaps, pagemap and environ are tied to the address space at open. Once the process has called
# exec, each reads as 0 bytes without an error. status, statm, stat and cmdline show the new program.
# Consequence: a monitor that opens a child's files right after fork and keeps them reads an RSS from statm, and an empty
# smaps, as if the process had no mapping or had ended. The same happens when a server executes itself again to upgrade.
#
# Output seen:
#   opened before exec, read after it: maps 0 bytes, smaps 0 bytes, pagemap 0 bytes, environ 0 bytes, status: sleep,
#   cmdline: sleep; opened after it: maps not empty, smaps not empty, pagemap not empty, environ not empty
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

cat >check.py <<'END'
import os
import sys
import time

BOUND = ("maps", "smaps", "pagemap", "environ")
FOLLOWING = ("status", "cmdline")

ready, go = os.pipe()
child = os.fork()
if child == 0:
    os.close(go)
    os.read(ready, 1)
    os.execvp("sleep", ["sleep", "60"])
os.close(ready)


def opened():
    return {name: open(f"/proc/{child}/{name}", "rb", buffering=0) for name in BOUND + FOLLOWING}


try:
    before = opened()
    os.write(go, b"x")
    while open(f"/proc/{child}/comm").read() != "sleep\n":
        time.sleep(0.01)
    time.sleep(0.2)
    old = {name: file.read(4096) for name, file in before.items()}
    new = {name: file.read(4096) for name, file in opened().items()}
finally:
    os.kill(child, 9)
    os.waitpid(child, 0)
name = old["status"].split(b"\n")[0].split()[1].decode()
command = old["cmdline"].split(b"\0")[0].decode()
print("opened before exec, read after it:", ", ".join(f"{name} {len(old[name])} bytes" for name in BOUND) +
      f", status: {name}, cmdline: {command}; opened after it:",
      ", ".join(f"{name} {'not empty' if new[name] else 'empty'}" for name in BOUND))
if any(old[name] for name in BOUND) or not all(new[name] for name in BOUND) or (name, command) != ("sleep", "sleep"):
    sys.exit("FAIL: files that were opened before an exec are no longer empty")
END
uname -r
python3 check.py
