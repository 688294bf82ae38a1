#!/bin/sh
# Java counts 105 MB of live arrays as 210 MB of used heap, right after a full collection.
#
# Expected: after a full collection, used heap is what live objects take, as in jcmd's class histogram.
# Seen (OpenJDK 17 of Debian 12, G1 with its regions of 1 MB): an array of 1 MiB needs 16 bytes more than a region, and
# gets two. G1 counts the second one as used to its end. The histogram shows 105 MB, and the serial collector uses 105 MB.
# Consequence: heap that a leak keeps per request can be twice of what is in the heap dump. The excess is neither
# garbage nor an object, and depends on the size of a region, thus on -Xmx.
#
# Output seen:
#   100 arrays of 1 MiB: histogram +104.9 MB; used heap of G1 +209.7 MB, of the serial collector +104.9 MB
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
get openjdk-17-jre-headless 17.0.21.1+2-1~deb12u1
get openjdk-17-jdk-headless 17.0.21.1+2-1~deb12u1
# Java's package has absolute links to its settings.
find root/usr/lib/jvm -type l | while IFS= read -r link; do
    target=$(readlink "$link")
    case $target in /etc/*) ln -sf "$FOLDER/root$target" "$link" ;; esac
done
JAVA=$(echo "$FOLDER"/root/usr/lib/jvm/java-17-openjdk-*/bin)

cat >Main.java <<'END'
public class Main {
    static byte[][] kept = new byte[100][];

    static long used() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    static long histogram() throws Exception {
        String pid = "" + ProcessHandle.current().pid();
        Process jcmd = new ProcessBuilder(System.getProperty("java.home") + "/bin/jcmd", pid, "GC.class_histogram").start();
        String text = new String(jcmd.getInputStream().readAllBytes());
        for (String line : text.split("\n")) {
            if (line.contains(" [B ")) return Long.parseLong(line.trim().split("\\s+")[2]);
        }
        throw new IllegalStateException("no byte[] in the histogram: " + text);
    }

    public static void main(String[] arguments) throws Exception {
        used();
        long arrays = histogram();
        long used = used();
        for (int i = 0; i < kept.length; i++) kept[i] = new byte[1 << 20];
        used = used() - used;
        System.out.printf("%.1f %.1f%n", (histogram() - arrays) / 1e6, used / 1e6);
    }
}
END
"$JAVA/javac" Main.java
# measure COLLECTOR prints the growth of the histogram's byte[] and of the used heap, in MB.
measure() { LC_ALL=C "$JAVA/java" -Xms512m -Xmx512m "-XX:+Use$1GC" -XX:-UsePerfData Main; }
g1=$(measure G1)
serial=$(measure Serial)
echo "100 arrays of 1 MiB: histogram +${g1% *} MB; used heap of G1 +${g1#* } MB, of the serial collector +${serial#* } MB"
echo "$g1 $serial" | awk '{ exit !($1 > 100 && $1 < 112 && $2 > 190 && $4 > 95 && $4 < 120) }' || {
    echo "FAIL: G1's used heap is no longer twice the arrays"
    exit 1
}
