#!/bin/sh
# glibc's mallinfo2 sums all arenas, although its manual page says that it covers the main one only.
#
# Expected: by mallinfo(3), "Information is returned for only the main memory allocation area. Allocations in other
# arenas are excluded." So 100 MB that another thread allocates in its arena are not in it.
# Seen (glibc 2.36-9+deb12u14, manpages-dev 6.03-2): arena and uordblks include all arenas.
# Consequence: mallinfo2 can be used for a server with threads, where one look at the manual page rules it out.
# Whoever adds the figures of the other arenas from malloc_info counts them twice.
#
# Output seen:
#   manual page: Allocations in other arenas are excluded.
#   a second thread allocated 100 MB in blocks of 1000 bytes: arena +100 MB, uordblks +100 MB, main arena +0 MB
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

get libc6 2.36-9+deb12u14
get manpages-dev 6.03-2
echo "manual page: $(zcat root/usr/share/man/man3/mallinfo.3.gz | grep 'Allocations in other arenas are excluded')"
cat >check.py <<'END'
import ctypes, sys, threading
libc = ctypes.CDLL("libc.so.6")
class Information(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
libc.mallinfo2.restype = Information
libc.malloc.restype = ctypes.c_void_p
def allocate():
    for _ in range(100_000):
        libc.malloc(ctypes.c_size_t(1000))
libc.gnu_get_libc_version.restype = ctypes.c_char_p
print("glibc", libc.gnu_get_libc_version().decode())
before = libc.mallinfo2()
# The main arena lies below the program break, so the growth of that is the main arena's share.
libc.sbrk.restype = ctypes.c_void_p
heap = libc.sbrk(ctypes.c_ssize_t(0))
thread = threading.Thread(target=allocate)
thread.start()
thread.join()
heap = (libc.sbrk(ctypes.c_ssize_t(0)) - heap) // 1_000_000
after = libc.mallinfo2()
arena, used = ((getattr(after, name) - getattr(before, name)) // 1_000_000 for name in ("arena", "uordblks"))
print(f"a second thread allocated 100 MB in blocks of 1000 bytes: arena +{arena} MB, uordblks +{used} MB, main arena +{heap} MB")
if arena < 95 or used < 95 or heap > 10:
    sys.exit("FAIL: mallinfo2 no longer includes the other arenas")
END
LOADER=$(find root/lib root/usr/lib -name 'ld-linux-*.so.*' | head -n 1)
PYTHONHOME="$FOLDER/root/usr" "$LOADER" --library-path "$FOLDER/root/lib/$(uname -m)-linux-gnu:$LIBRARIES:/lib/$(uname -m)-linux-gnu:/usr/lib/$(uname -m)-linux-gnu" \
    "$FOLDER/root/usr/bin/python3.11" -S check.py
