#!/bin/sh
# The RSS in /proc/PID/stat stands still while the one in /proc/PID/statm grows, and jumps by 128 KiB.
#
# Expected: the field rss of stat and the second one of statm are the same figure, read at the same moment.
# Seen (Linux 6.18): each CPU collects up to 31 pages before it adds them to the counter that stat shows; more on a machine
# of over 16 CPUs. statm and status add what the CPUs have collected, and are exact. A process that touches a page at a
# time on one CPU grows by 0 pages 31 times in stat, and then by 32.
# Consequence: process_resident_memory_bytes of the Prometheus clients for Go and Python comes from stat. It can be wrong
# by 128 KiB for each CPU, in both directions: 2 MB at 16 CPUs. A slow leak shows as steps, a small one not at all.
#
# Output seen:
#   320 pages touched one by one: statm moved 320 times by at most 1 page; stat moved 10 times by at most 32 pages
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

cat >check.c <<'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char text[4096];

static void text_of(const char *path) {
    int file = open(path, O_RDONLY);
    ssize_t size = read(file, text, sizeof text - 1);
    text[size > 0 ? size : 0] = 0;
    close(file);
}

/* rss_of_stat returns field 24 of stat, which is the 22nd after the name. */
static long rss_of_stat(void) {
    text_of("/proc/self/stat");
    char *at = strrchr(text, ')') + 1;
    for (int field = 0; field < 21; field++) at = strchr(at + 1, ' ');
    return atol(at);
}

static long rss_of_statm(void) {
    text_of("/proc/self/statm");
    return atol(strchr(text, ' '));
}

int main(void) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(sched_getcpu(), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    char *memory = mmap(0, 320 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, 320 * 4096, MADV_NOHUGEPAGE);
    long stat = rss_of_stat(), statm = rss_of_statm(), moves[2] = {0}, most[2] = {0};
    stat = rss_of_stat(), statm = rss_of_statm();
    for (int page = 0; page < 320; page++) {
        memory[page * 4096L] = 1;
        long now[2] = {rss_of_statm(), rss_of_stat()}, step[2] = {now[0] - statm, now[1] - stat};
        statm = now[0], stat = now[1];
        for (int i = 0; i < 2; i++) {
            moves[i] += step[i] != 0;
            if (step[i] > most[i]) most[i] = step[i];
        }
    }
    printf("320 pages touched one by one: statm moved %ld times by at most %ld page; "
           "stat moved %ld times by at most %ld pages\n", moves[0], most[0], moves[1], most[1]);
    if (moves[0] != 320 || most[0] != 1 || moves[1] > 12 || most[1] < 32) {
        printf("FAIL: stat no longer moves in steps, or statm does\n");
        return 1;
    }
    return 0;
}
END
cc -O1 -Wall -o check check.c
uname -r
./check
