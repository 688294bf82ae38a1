#!/bin/sh
# glibc's malloc_trim reports each time that it has released memory, even when there is nothing left to release.
#
# Expected: as in malloc_trim(3), "returns 1 if memory was actually released back to the system, or 0 if it was not
# possible to release any memory". So a second call at once returns 0.
# Seen (glibc 2.36 of Debian 12): it returns 1 as long as any free chunk holds a whole page, since it advises the kernel
# on that chunk again. The first call takes the RSS down by the 100 MB that were freed, the others by nothing.
# Consequence: a loop that trims until the result is 0 does not end, and a server that logs the result reports success
# for ever. Each call also advises all free chunks once more. Only the RSS tells what a trim has released.
#
# Output seen:
#   glibc 2.36, freed 100 MB: trim 1 returns 1, RSS -100 MB; trim 2 returns 1, RSS -0 MB; trim 3 returns 1, RSS -0 MB
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

cat >check.py <<'END'
import ctypes
import os
import sys

libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.malloc_trim.argtypes = [ctypes.c_size_t]
libc.gnu_get_libc_version.restype = ctypes.c_char_p


def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


blocks = [libc.malloc(50_000) for _ in range(2000)]
for block in blocks:
    ctypes.memset(block, 1, 50_000)
last = libc.malloc(50_000)  # what is freed is not at the top of the heap
for block in blocks:
    libc.free(block)
results, falls = [], []
for _ in range(3):
    before = rss()
    results.append(libc.malloc_trim(0))
    falls.append(max(0, before - rss()) // 1_000_000)
print(f"glibc {libc.gnu_get_libc_version().decode()}, freed 100 MB:",
      "; ".join(f"trim {number + 1} returns {results[number]}, RSS -{falls[number]} MB" for number in range(3)))
if results != [1, 1, 1] or falls[0] < 90 or falls[1] > 5 or falls[2] > 5:
    sys.exit("FAIL: malloc_trim no longer returns 1 when it has released nothing")
END
python3 check.py
