#!/bin/sh
# Threads that write() to one memfd at a time lose writes; to a file in a tmpfs they do not.
#
# Expected: write() moves the position of the open file together with the data, as POSIX asks for regular files. So each
# of N blocks that threads write lies behind the others, and the file has N blocks.
# Seen (Linux 6.18.44): files that open() has opened have the flag FMODE_ATOMIC_POS, so
# that write() locks the position. memfd_create makes its file without it. Threads then write over each other's blocks.
# Consequence: a server whose threads append to one memfd keeps less than what it was sent. Use pwrite() or O_APPEND.
#
# Output seen:
#   tmpfs: 200000 of 200000 blocks
#   memfd: 99730 of 200000 blocks
#   memfd with O_APPEND: 200000 of 200000 blocks
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

cat >check.py <<'END'
import ctypes, fcntl, os, platform, sys, tempfile, threading
THREADS, WRITES, SIZE = 4, 50000, 4096
libc = ctypes.CDLL(None, use_errno=True)  # its calls run without Python's lock
block = ctypes.create_string_buffer(SIZE)
def blocks(descriptor):
    """Has threads write, and returns how many blocks the file has then."""
    def write():
        for _ in range(WRITES):
            if libc.write(descriptor, block, SIZE) != SIZE:
                os._exit(2)
    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    count = os.fstat(descriptor).st_size // SIZE
    os.close(descriptor)
    return count
sys.setswitchinterval(1e-5)
found = {"tmpfs": blocks(os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR, 0o600)), "memfd": blocks(os.memfd_create("blocks"))}
append = os.memfd_create("blocks")
fcntl.fcntl(append, fcntl.F_SETFL, os.O_APPEND)
found["memfd with O_APPEND"] = blocks(append)
print("Linux", platform.release())
for name, count in found.items():
    print(f"{name}: {count} of {THREADS * WRITES} blocks")
if found["tmpfs"] != THREADS * WRITES or found["memfd with O_APPEND"] != THREADS * WRITES:
    sys.exit("FAIL: a regular file has lost writes as well")
if os.cpu_count() > 1 and found["memfd"] == THREADS * WRITES:
    sys.exit("FAIL: a memfd no longer loses writes")
END
python3 check.py
