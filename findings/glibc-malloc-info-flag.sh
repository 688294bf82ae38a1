#!/bin/sh
# glibc's malloc_info reports free chunks one byte larger than they are.
#
# Expected: the sizes are multiples of 16, as malloc's chunks are, and their sum is fordblks of mallinfo2.
# Seen (glibc 2.36-9+deb12u14): the lowest bit of a chunk's size field is a flag, "the chunk before is in use".
# malloc_info's sizes of the bins include it: a free chunk of 32 bytes is shown as 33. The total of an arena
# (<total type="rest">) includes the flags as well. fordblks of mallinfo2 does not.
# Consequence: bytes in use, as a difference of malloc_info's totals, are one byte too small for each free chunk. With
# a million free chunks that is 1 MB. It moves with fragmentation, while the program holds the same.
#
# Output seen:
#   <size from="33" to="33" total="198" count="6"/>
#   1161 free chunks: mallinfo2 2248128 bytes, malloc_info 2249289 bytes, 1161 more
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

get libc6 2.36-9+deb12u14
cat >check.py <<'END'
import ctypes, re, sys
libc = ctypes.CDLL("libc.so.6")
class Information(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
libc.mallinfo2.restype = Information
libc.malloc.restype = ctypes.c_void_p
libc.fdopen.restype = ctypes.c_void_p
libc.gnu_get_libc_version.restype = ctypes.c_char_p
print("glibc", libc.gnu_get_libc_version().decode())
file = open("information.xml", "w+b", buffering=0)
stream = ctypes.c_void_p(libc.fdopen(file.fileno(), b"w+"))
def read():
    """Returns the free bytes by mallinfo2, and the lines of malloc_info."""
    file.seek(0)
    file.truncate()
    free = libc.mallinfo2().fordblks
    libc.malloc_info(0, stream)
    libc.fflush(stream)
    file.seek(0)
    return free, file.read().decode()
read()
# Each second block is freed, so that no free chunk has a free neighbour to merge with.
addresses = (ctypes.c_void_p * 2000)(*[libc.malloc(ctypes.c_size_t(2000)) for _ in range(2000)])
for i in range(0, 2000, 2):
    libc.free(ctypes.c_void_p(addresses[i]))
by_mallinfo, lines = read()
lines = lines.split("</heap>")[0]
by_malloc_info = sum(int(size) for size in re.findall(r'<total type="\w+" count="\d+" size="(\d+)"/>', lines))
sizes = re.findall(r'from="(\d+)" to="\d+" total="\d+" count="(\d+)"', lines)
chunks = sum(int(count) for _, count in sizes)
print(re.search("<size .*>", lines)[0])
print(f"{chunks} free chunks: mallinfo2 {by_mallinfo} bytes, malloc_info {by_malloc_info} bytes, {by_malloc_info - by_mallinfo} more")
if chunks < 900 or abs(by_malloc_info - by_mallinfo - chunks) > 20 or any(int(size) % 16 != 1 for size, _ in sizes):
    sys.exit("FAIL: malloc_info no longer counts a byte too many for each free chunk")
END
LOADER=$(find root/lib root/usr/lib -name 'ld-linux-*.so.*' | head -n 1)
PYTHONHOME="$FOLDER/root/usr" "$LOADER" --library-path "$FOLDER/root/lib/$(uname -m)-linux-gnu:$LIBRARIES:/lib/$(uname -m)-linux-gnu:/usr/lib/$(uname -m)-linux-gnu" \
    "$FOLDER/root/usr/bin/python3.11" -S check.py
