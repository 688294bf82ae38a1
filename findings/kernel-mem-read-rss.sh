#!/bin/sh
# Reading the memory of another process makes that process larger, and can allocate memory for good.
#
# Expected: /proc/PID/mem copies bytes out. The process that is read has the same RSS before and after.
# Seen (Linux 6.18): the kernel faults the pages in on behalf of the process that is read. Pages of a mapped file that it
# never touched enter its RSS, and a shared mapping (MAP_SHARED|MAP_ANONYMOUS) that was never written gets real pages of
# zeros. Private memory that was never touched stays away. VmHWM rises as well.
# Consequence: a dump of a process by gcore or a debugger can move the figure that it is to explain. A dump between two
# readings looks like a leak of the server, and the pages of the shared mapping remain.
#
# Output seen (100 MB each, never touched by the process):
#   after another process read a mapped file: RssFile +104 MB; a shared mapping: RssShmem +104 MB; a private one: RssAnon +0 MB
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

cat >check.py <<'END'
import ctypes
import mmap
import os
import re
import subprocess
import sys

SIZE = 100 << 20
READ = """
import sys
file = open(f"/proc/{sys.argv[1]}/mem", "rb", buffering=0)
file.seek(int(sys.argv[2]))
left = int(sys.argv[3])
while left > 0:
    left -= len(file.read(1 << 20))
"""


def growth(kind, address):
    """By how many MB the kind of RSS grows while another process reads the memory at an address."""
    def rss():
        with open("/proc/self/status") as file:
            return int(re.search(rf"{kind}:\s*(\d+)", file.read())[1])
    before = rss()
    subprocess.run([sys.executable, "-c", READ, str(os.getpid()), str(address), str(SIZE)], check=True)
    return (rss() - before) * 1024 // 1_000_000


def address(memory):
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


with open("data", "w+b") as file:
    for _ in range(SIZE >> 20):
        file.write(bytes(1 << 20))
    file.flush()
    mapped = mmap.mmap(file.fileno(), SIZE)
shared = mmap.mmap(-1, SIZE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
private = mmap.mmap(-1, SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
pages = (growth("RssFile", address(mapped)), growth("RssShmem", address(shared)), growth("RssAnon", address(private)))
print("after another process read a mapped file: RssFile +%d MB; a shared mapping: RssShmem +%d MB; a private one: RssAnon +%d MB"
      % pages)
if pages[0] < 90 or pages[1] < 90 or pages[2] > 10:
    sys.exit("FAIL: reading the memory of a process no longer makes it larger")
END
uname -r
python3 check.py
