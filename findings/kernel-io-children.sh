#!/bin/sh
# /proc/PID/io of a process grows by all that its children have read and written, at the moment it waits for them.
#
# Expected: /proc/PID/io counts the I/O of that process. Times and faults of children stand apart (cutime, cminflt).
# Seen (Linux 6.18): when a child is reaped, its rchar, wchar, syscr, syscw, read_bytes and write_bytes are added to the
# parent's own, and nothing tells them apart. A process that has written nothing has then written 100 MB.
# Consequence: bytes per request of a server that runs a child per request (CGI, a converter), or of a pre-forking
# master, jump when the child ends. A sum over the process tree counts the child twice, while it is read and after.
#
# Output seen:
#   the child copied 100 MiB; before wait: rchar +0 MiB, wchar +0 MiB; after wait: rchar +100 MiB, wchar +100 MiB
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

cat >check.py <<'END'
import os
import subprocess
import sys


def figures():
    with open("/proc/self/io") as file:
        return {name: int(value) >> 20 for name, value in (line.split(": ") for line in file)}


start = figures()
child = subprocess.Popen(["dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=100"], stderr=subprocess.DEVNULL)
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not yet reaped
ended = figures()
child.wait()
reaped = figures()
print("the child copied 100 MiB; before wait:",
      ", ".join(f"{name} +{ended[name] - start[name]} MiB" for name in ("rchar", "wchar")) + "; after wait:",
      ", ".join(f"{name} +{reaped[name] - start[name]} MiB" for name in ("rchar", "wchar")))
if ended["wchar"] - start["wchar"] > 1 or reaped["wchar"] - start["wchar"] < 99:
    sys.exit("FAIL: the I/O of a child that was waited for no longer counts as its parent's")
END
uname -r
python3 check.py
