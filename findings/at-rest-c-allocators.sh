#!/bin/sh
# Most C allocators give back nothing of what a program has freed while it rests: jemalloc's thread is the exception.
#
# Expected: a program that has freed all it held is small again some seconds later, if it does nothing else.
# Seen (glibc 2.36-9+deb12u14, jemalloc 5.3.0-1, mimalloc 2.0.9+ds-2, tcmalloc 2.10-1, musl 1.2.3-1): each gives memory
# back while the program calls it, or keeps it. What is resident a second later is so a minute later as well. Only
# jemalloc's background thread, which is off by default, gives it back within 15 s. In glibc the order of the calls to
# free decides: the blocks that it caches for a thread may be the last of the heap, and hold all below them.
# Consequence: that nothing is given back at rest proves no leak. A setting makes resident memory follow what is held.
#
# Output seen (MB resident at most, and 1, 5, 15 and 60 s after 100 MB in small blocks were freed):
#   109    4    4    4    4  glibc
#   109  109  109  109  109  glibc, the last block freed first
#   109    4    4    4    4  glibc, the last block freed first, GLIBC_TUNABLES=...mxfast=0:...tcache_count=0
#   116   70   70   70   70  jemalloc
#   116   64   41   12    8  jemalloc, MALLOC_CONF=background_thread:true
#   116    8    8    8    8  jemalloc, MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0
#   113   90   90   90   90  mimalloc
#   113    5    5    5    5  mimalloc, MIMALLOC_DECOMMIT_DELAY=0
#   116  116  116  116  116  tcmalloc
#   115   34   34   34   34  tcmalloc, TCMALLOC_AGGRESSIVE_DECOMMIT=t
#   119    4    4    4    4  musl
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
get tcc 0.9.27+git20200814.62c30a4a-1
get libc6 2.36-9+deb12u14
get libc6-dev 2.36-9+deb12u14
get musl 1.2.3-1
get musl-dev 1.2.3-1
get libjemalloc2 5.3.0-1
get libmimalloc2.0 2.0.9+ds-2
get libtcmalloc-minimal4 2.10-1
ARCHITECTURE=$(uname -m)
LIBRARIES="$FOLDER/root/usr/lib/$ARCHITECTURE-linux-gnu"
GLIBC="$FOLDER/root/lib/$ARCHITECTURE-linux-gnu"
MUSL="$FOLDER/root/lib/$ARCHITECTURE-linux-musl"

cat >main.c <<'END_OF_C'
/* Takes 100 MB in blocks of 32 to 512 bytes, frees all, the last first if there is an argument, says so, and rests. */
void *malloc(unsigned long);
void free(void *);
void *memset(void *, int, unsigned long);
long write(int, const void *, unsigned long);
unsigned sleep(unsigned);

static void *blocks[4 << 20];

int main(int count, char **words)
{
    unsigned long held = 0, random = 1;
    int n = 0;
    while (held < 100000000) {
        random = (random * 1103515245 + 12345) & 0x7fffffff;
        unsigned long size = 32 + (random >> 8) % 481;
        blocks[n] = malloc(size);
        memset(blocks[n++], 1, size);
        held += size;
    }
    for (int i = 0; i < n; i++)
        free(blocks[count > 1 ? n - 1 - i : i]);
    write(1, "freed\n", 6);
    sleep(70);
    return 0;
}
END_OF_C
# compile NAME FOLDER LIBRARY
compile() {
    root/usr/bin/tcc -B"$LIBRARIES/tcc" -nostdinc -nostdlib -o "$1" \
        "$2/crt1.o" "$2/crti.o" main.c "$3" "$LIBRARIES/tcc/libtcc1.a" "$2/crtn.o"
}
compile with-glibc "$LIBRARIES" "$GLIBC/libc.so.6"
compile with-musl "root/usr/lib/$ARCHITECTURE-linux-musl" "$MUSL/libc.so"

resident() { awk '/^Rss:/ { printf " %4d", $2 * 1024 / 1e6 }' "/proc/$1/smaps_rollup"; }
# watch NAME COMMAND... notes the resident memory of a program that says when it has freed what it held.
watch() {
    name=$1
    shift
    "$@" >"$name.out" 2>&1 &
    program=$!
    until grep -qs freed "$name.out"; do
        kill -0 "$program" 2>/dev/null || { cat "$name.out" >&2; return 1; }
        sleep 0.2
    done
    for length in 1 4 10 45; do
        sleep "$length"
        resident "$program" >>"$name.seen"
    done
    echo "$(awk '/^VmHWM:/ { printf "%4d", $2 * 1024 / 1e6 }' "/proc/$program/status")$(cat "$name.seen")" >"$name.row"
    kill "$program"
}
# of NAME LIBRARY VARIABLE [backwards] notes that of the program with glibc, below a preloaded library, empty for none.
of() {
    watch "$1" env "LD_PRELOAD=${2:+$LIBRARIES/$2}" "$3" "$GLIBC/ld-linux-x86-64.so.2" \
        --library-path "$GLIBC:$LIBRARIES:/lib/$ARCHITECTURE-linux-gnu:/usr/lib/$ARCHITECTURE-linux-gnu" \
        ./with-glibc ${4:+"$4"} &
}
of glibc "" NONE=
of glibc-backwards "" NONE= backwards
of glibc-tuned "" GLIBC_TUNABLES=glibc.malloc.mxfast=0:glibc.malloc.tcache_count=0 backwards
of jemalloc libjemalloc.so.2 NONE=
of jemalloc-thread libjemalloc.so.2 MALLOC_CONF=background_thread:true
of jemalloc-tuned libjemalloc.so.2 MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0
of mimalloc libmimalloc.so.2 NONE=
of mimalloc-tuned libmimalloc.so.2 MIMALLOC_DECOMMIT_DELAY=0
of tcmalloc libtcmalloc_minimal.so.4 NONE=
of tcmalloc-tuned libtcmalloc_minimal.so.4 TCMALLOC_AGGRESSIVE_DECOMMIT=t
watch musl "$MUSL/libc.so" ./with-musl &
wait

failed=0
# expect WHAT NAME TEXT prints a row, and fails unless what is resident after 1 s is "kept" for a minute, most of it is
# "gone" by then, or that comes "late": within 15 s.
expect() {
    [ -s "$2.row" ] || { echo "FAIL: no reading of $3"; cat "$2.out"; failed=1; return; }
    echo "$(cat "$2.row")  $3"
    awk -v what="$1" '{
        kept = $5 > 0.4 * $1 && $5 > 0.9 * $2
        gone = $2 < 0.4 * $1
        late = $2 > 0.4 * $1 && $4 < 0.3 * $1
        exit !(what == "kept" && kept || what == "gone" && gone || what == "late" && late)
    }' "$2.row" || { echo "FAIL: it is no longer $1"; failed=1; }
}
expect gone glibc "glibc"
expect kept glibc-backwards "glibc, the last block freed first"
expect gone glibc-tuned "glibc, the last block freed first, GLIBC_TUNABLES=glibc.malloc.mxfast=0:glibc.malloc.tcache_count=0"
expect kept jemalloc "jemalloc"
expect late jemalloc-thread "jemalloc, MALLOC_CONF=background_thread:true"
expect gone jemalloc-tuned "jemalloc, MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0"
expect kept mimalloc "mimalloc"
expect gone mimalloc-tuned "mimalloc, MIMALLOC_DECOMMIT_DELAY=0"
expect kept tcmalloc "tcmalloc"
expect gone tcmalloc-tuned "tcmalloc, TCMALLOC_AGGRESSIVE_DECOMMIT=t"
expect gone musl "musl"
exit "$failed"
