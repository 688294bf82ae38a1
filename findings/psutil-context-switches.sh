#!/bin/sh
# psutil's num_ctx_switches leaves out all threads but the main one on Linux.
#
# Expected: "the number voluntary and involuntary context switches performed by this process", so close to getrusage.
# Seen (psutil 5.9.4-1+b1 of Debian, Linux 6.18): it reads /proc/PID/status. There memory is that of the process, but the
# two counters of context switches are those of the main thread. 1000 sleeps of another thread do not count.
# Consequence: a server that works in threads looks idle, whatever it switches. On Linux getrusage has all threads, the
# ended ones too, and the sum over /proc/PID/task/*/status those that live.
#
# Output seen:
#   another thread slept 1000 times: num_ctx_switches +1, getrusage +1003
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

# get PACKAGE [VERSION] unpacks a package. A later update is taken when apt no longer offers the version.
get() {
    apt-get -q -o APT::Sandbox::User=root download "$1${2:+=$2}" >get.log 2>&1 ||
        apt-get -q -o APT::Sandbox::User=root download "$1" >get.log 2>&1 ||
        { cat get.log; echo "FAIL: $1 cannot be fetched (apt-get update?)"; exit 1; }
    dpkg -x "$1"_*.deb root
}
get python3-psutil 5.9.4-1+b1
cat >check.py <<'END'
import resource
import sys
import threading
import time

import psutil


def figures():
    return psutil.Process().num_ctx_switches().voluntary, resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


def work():
    for _ in range(1000):
        time.sleep(0.0005)


before = figures()
thread = threading.Thread(target=work)
thread.start()
thread.join()
after = figures()
switches, usage = (after[i] - before[i] for i in range(2))
print(f"another thread slept 1000 times: num_ctx_switches +{switches}, getrusage +{usage}")
if switches > 300 or usage < 1000:
    sys.exit("FAIL: num_ctx_switches now includes the other threads")
END
PYTHONPATH="$FOLDER/root/usr/lib/python3/dist-packages" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 check.py
