#!/bin/sh
# Java's non-heap memory counts the memory of classes twice, where it lies in the compressed class space.
#
# Expected: the pools of MemoryMXBean.getNonHeapMemoryUsage are disjoint, so used is what lies outside the heap.
# Seen (OpenJDK 17 of Debian 12): the pool Metaspace includes the pool Compressed Class Space, and the sum includes both.
# jcmd VM.metaspace has the parts apart, and what it has "in all" is the pool Metaspace alone.
# Consequence: jvm_memory_used_bytes{area="nonheap"}, and any sum over the pools, is too large by all classes' own
# structures. A leak of class loaders seems larger than it is, by the share of the class space.
#
# Output seen:
#   2000 loaders: class space +7 MB, pool Metaspace +8 MB, non-heap +16 MB; jcmd: 8 MB of class space, 10 MB in all
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

# The classes inherit 400 methods, and so have large tables of methods in the class space.
{
    echo "public class Parent {"
    for i in $(seq 400); do echo "    public int method$i() { return $i; }"; done
    echo "}"
} >Parent.java
echo "public class Child extends Parent { }" >Child.java
cat >Main.java <<'END'
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

public class Main {
    static final List<Class<?>> kept = new ArrayList<>();

    static class Loader extends ClassLoader {
        Class<?> define(byte[] code) {
            return defineClass("Child", code, 0, code.length);
        }
    }

    static long[] used() {
        long[] used = new long[3];
        for (var pool : ManagementFactory.getMemoryPoolMXBeans()) {
            if (pool.getName().equals("Compressed Class Space")) used[0] = pool.getUsage().getUsed();
            if (pool.getName().equals("Metaspace")) used[1] = pool.getUsage().getUsed();
        }
        used[2] = ManagementFactory.getMemoryMXBean().getNonHeapMemoryUsage().getUsed();
        return used;
    }

    public static void main(String[] arguments) throws Exception {
        byte[] code = Files.readAllBytes(Path.of("Child.class"));
        long[] before = used();
        for (int i = 0; i < 2000; i++) kept.add(new Loader().define(code));
        long[] after = used();
        String pid = "" + ProcessHandle.current().pid();
        Process jcmd = new ProcessBuilder(System.getProperty("java.home") + "/bin/jcmd", pid, "VM.metaspace", "scale=1").start();
        String text = new String(jcmd.getInputStream().readAllBytes());
        System.out.printf("%d %d %d %d %d%n", after[0] - before[0], after[1] - before[1], after[2] - before[2],
                part(text, "Class"), part(text, "Both"));
    }

    /** part returns the used bytes of one line of jcmd VM.metaspace. */
    static long part(String text, String name) {
        for (String line : text.split("\n")) {
            if (line.matches(" *" + name + ": .* used,.*")) {
                return Long.parseLong(line.replaceAll(".*?(\\d+) bytes[^,]* used,.*", "$1"));
            }
        }
        throw new IllegalStateException("no line " + name + " in " + text);
    }
}
END
"$JAVA/javac" Main.java Parent.java Child.java
"$JAVA/java" -Xmx256m -Xshare:auto Main >figures
awk '{
    printf "2000 loaders: class space +%.0f MB, pool Metaspace +%.0f MB, non-heap +%.0f MB; jcmd: %.0f MB of class space, %.0f MB in all\n",
        $1 / 1e6, $2 / 1e6, $3 / 1e6, $4 / 1e6, $5 / 1e6
    exit !($1 > 4e6 && $3 >= $1 + $2 && $5 - $2 < 3e6 && $5 > $4 && $5 < $3)
}' figures || { cat figures; echo "FAIL: the pools of non-heap memory no longer overlap"; exit 1; }
