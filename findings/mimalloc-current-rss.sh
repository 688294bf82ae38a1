#!/bin/sh
# mimalloc's mi_process_info returns as current_rss memory that was never touched.
#
# Expected: current_rss is the "current resident memory (touched pages)", as its header says, like VmRSS.
# Seen (mimalloc 2.0.9, Debian 2.0.9+ds-2): on Linux it is the memory that mimalloc has committed. 200 MB that were
# only allocated count, and the rest of the process does not: current_rss is below and above the kernel's RSS in turn.
# peak_rss comes from getrusage, so the current value exceeds the peak by nearly 200 MB.
# Consequence: a server that reports it shows a jump where nothing was used, and nothing of what lies outside mimalloc.
#
# Output seen:
#   200 MB allocated, not touched: current_rss 205 MB, peak_rss 10 MB, VmRSS 10 MB
set -eu

VERSION=3.11.2-6+deb12u8
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
get python3.11-minimal "$VERSION"
get libpython3.11-minimal "$VERSION"
get libpython3.11-stdlib "$VERSION"
get libffi8 3.4.4-1
LIBRARIES="$FOLDER/root/usr/lib/$(uname -m)-linux-gnu"
python() {
    PYTHONHOME="$FOLDER/root/usr" PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH="$LIBRARIES" \
        "$FOLDER/root/usr/bin/python3.11" -S "$@"
}

get libmimalloc2.0 2.0.9+ds-2
cat >check.py <<'END'
import ctypes, resource, sys
mimalloc = ctypes.CDLL("libmimalloc.so.2.0")
mimalloc.mi_malloc.restype = ctypes.c_void_p
def information():
    values = [ctypes.c_size_t() for _ in range(8)]
    mimalloc.mi_process_info(*map(ctypes.byref, values))
    return values[3].value // 1_000_000, values[4].value // 1_000_000
block = mimalloc.mi_malloc(ctypes.c_size_t(200_000_000))
current, peak = information()
with open("/proc/self/statm") as statm:
    rss = int(statm.read().split()[1]) * resource.getpagesize() // 1_000_000
print(f"200 MB allocated, not touched: current_rss {current} MB, peak_rss {peak} MB, VmRSS {rss} MB")
if not block or current < 200 or peak > 100 or rss > 100:
    sys.exit("FAIL: current_rss no longer counts memory that was not touched")
END
python check.py
