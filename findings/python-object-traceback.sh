#!/bin/sh
# In CPython 3.11 tracemalloc has no traceback of an instance of an ordinary class.
#
# Expected: "the traceback where the Python object obj was allocated", as in 3.8 to 3.10, and again in 3.12 and 3.13.
# Seen (CPython 3.11.2-6+deb12u6 of Debian; 3.11.7 is the same): None, as for memory that is not traced. Since 3.11 two
# pointers lie before the header of the collector, and get_object_traceback looks for the block behind them. An instance
# of a class with __slots__ has no such pointers, and has its traceback. The memory itself is traced, and in the
# statistics.
# Consequence: who asks which line made the objects that leak, learns nothing of exactly those of his own classes. Compare
# snapshots instead.
#
# Output seen:
#   3.11: an instance None, one with __slots__ check.py:14, in the statistics 2001 instances
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
get python3.11-minimal 3.11.2-6+deb12u6
get libpython3.11-minimal 3.11.2-6+deb12u6
get libpython3.11-stdlib 3.11.2-6+deb12u6
cat >check.py <<'END'
import sys
import tracemalloc


class Plain:
    pass


class Slotted:
    __slots__ = ("a",)


tracemalloc.start()
plain, slotted = Plain(), Slotted()
found = [tracemalloc.get_object_traceback(what) for what in (plain, slotted)]
many = [Plain() for _ in range(1000)]
counted = sum(s.count for s in tracemalloc.take_snapshot().statistics("lineno") if s.traceback[0].lineno == 16)
version = "%d.%d" % sys.version_info[:2]
print(f"{version}: an instance {found[0]}, one with __slots__ {str(found[1]).split('/')[-1]}, in the statistics {counted} instances")
if found[0] is not None or found[1] is None or counted < 1000:
    sys.exit("FAIL: tracemalloc now knows where an instance of an ordinary class was made")
END
PYTHONHOME="$FOLDER/root/usr" PYTHONDONTWRITEBYTECODE=1 "$FOLDER/root/usr/bin/python3.11" check.py
