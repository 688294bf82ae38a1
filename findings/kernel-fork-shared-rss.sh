#!/bin/sh
# A forked process starts with an RSS without its parent's shared memory, and grows by all of it as it reads.
#
# Expected: fork copies the page tables, so the child's RSS is that of its parent, and its growth is what it allocates.
# Seen (Linux 6.18): pages of private memory are copied into the child's page tables, those of shared memory are not, as
# they can be faulted in again. The child of a parent with 100 MB of shared memory has none of it in its RSS. When it
# has read 100 MB, it has grown by 100 MB without an allocation, and each PSS is a half of it.
# Consequence: workers that are forked from a server with a shared cache grow request by request, and the PSS of
# the parent falls meanwhile. That is no leak: it ends at the size of the cache.
#
# Output seen:
#   shared: parent RSS 100 MB; child RSS 0 MB, after reading 100 MB, then PSS 50 MB; parent PSS 100 MB, then 50 MB
#   private: parent RSS 100 MB; child RSS 100 MB, after reading 100 MB, then PSS 50 MB; parent PSS 50 MB, then 50 MB
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

cat >check.py <<'END'
import mmap
import os
import sys

SIZE = 100 << 20


def figures(memory):
    """The RSS and PSS of the mapping alone, in MB."""
    result = {}
    inside = False
    for line in open("/proc/self/smaps"):
        if "-" in line.split()[0]:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            inside = end - start >= SIZE
        elif inside and line.startswith(("Rss:", "Pss:")):
            result[line[:3]] = int(line.split()[1]) // 1024
    return result["Rss"], result["Pss"]


def run(name, flags):
    memory = mmap.mmap(-1, SIZE, flags=flags | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for offset in range(0, SIZE, 4096):
        memory[offset] = 1
    parent = figures(memory)[0]
    out, into = os.pipe()
    go, going = os.pipe()
    if os.fork() == 0:
        first = figures(memory)[0]
        os.write(into, bytes([first]))
        os.read(go, 1)
        for offset in range(0, SIZE, 4096):
            memory[offset]
        os.write(into, bytes(figures(memory)))
        os.read(go, 1)
        os._exit(0)
    child = os.read(out, 1)[0]
    before = figures(memory)[1]
    os.write(going, b"x")
    read, share = os.read(out, 2)
    after = figures(memory)[1]
    os.write(going, b"x")
    os.wait()
    print(f"{name}: parent RSS {parent} MB; child RSS {child} MB, after reading {read} MB, then PSS {share} MB; "
          f"parent PSS {before} MB, then {after} MB", flush=True)
    return parent, child, read, share, before, after


shared = run("shared", mmap.MAP_SHARED)
private = run("private", mmap.MAP_PRIVATE)
if shared != (100, 0, 100, 50, 100, 50) or private != (100, 100, 100, 50, 50, 50):
    sys.exit("FAIL: shared and private memory no longer differ in the RSS after a fork")
END
uname -r
python3 check.py
