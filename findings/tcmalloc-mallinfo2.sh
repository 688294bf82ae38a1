#!/bin/sh
# Under tcmalloc, mallinfo counts all memory, and mallinfo2, which replaces it, counts none.
#
# Expected: mallinfo2 is mallinfo with larger fields, so an allocator that answers the one answers the other.
# Seen (gperftools 2.10-1 of Debian, glibc 2.36): tcmalloc defines mallinfo alone. mallinfo2 is then glibc's, which manages
# no memory in this process: 100 MB are 0 bytes in use. glibc's header calls mallinfo deprecated in favour of mallinfo2.
# Consequence: code that moves to mallinfo2 as the compiler tells reports 0 under tcmalloc, without an error. Where
# mallinfo is kept instead, its int fields overflow at 2 GiB.
#
# Output seen:
#   100 MB allocated: glibc: mallinfo +100.8 MB, mallinfo2 +100.8 MB; tcmalloc: mallinfo +102.4 MB, mallinfo2 +0.0 MB
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
get libtcmalloc-minimal4 2.10-1
cat >check.c <<'END'
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    struct mallinfo old = mallinfo();
    struct mallinfo2 new = mallinfo2();
    for (int i = 0; i < 100000; i++) {
        char *block = malloc(1000);
        if (!block) return 1;
        memset(block, 1, 1000);
    }
    double grown_old = mallinfo().uordblks - old.uordblks, grown_new = mallinfo2().uordblks - new.uordblks;
    printf("mallinfo +%.1f MB, mallinfo2 +%.1f MB\n", grown_old / 1e6, grown_new / 1e6);
    return 0;
}
END
cc -O1 -w -fno-builtin -o check check.c
glibc=$(./check)
tcmalloc=$(LD_PRELOAD=$(find "$FOLDER/root" -name 'libtcmalloc_minimal.so.4') ./check)
echo "100 MB allocated: glibc: $glibc; tcmalloc: $tcmalloc"
case "$glibc; $tcmalloc" in
"mallinfo +10"*"mallinfo2 +10"*"; mallinfo +10"*"mallinfo2 +0.0 MB") ;;
*) echo "FAIL: mallinfo2 is no longer 0 under tcmalloc"; exit 1 ;;
esac
