#!/bin/sh
# Java's "committed virtual memory" is the address space: 7 GB for a program of 40 MB.
#
# Expected: OperatingSystemMXBean.getCommittedVirtualMemorySize is "the amount of virtual memory that is guaranteed to be
# available to the running process". So it is about what HotSpot has committed, and not what it has only reserved.
# Seen (OpenJDK 17 of Debian 12, Linux): it is VmSize of /proc/self/status. That has the reserved part of the heap, 1 GB
# reserved for classes and 240 MB for code. With -Xmx4g it is 4 GB larger than with -Xmx64m, while 16 MB are committed.
# Consequence: JConsole and JMX exporters show it under this name. It follows -Xmx, and
# says nothing about the memory in use.
#
# Output seen:
#   -Xmx4g: heap committed 16 MB, "committed virtual memory" as VmSize; -Xmx64m: heap committed 16 MB, "committed
#   virtual memory" as VmSize; difference 4.4 GB
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
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

public class Main {
    public static void main(String[] arguments) throws Exception {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long committed = system.getCommittedVirtualMemorySize();
        String status = Files.readString(Path.of("/proc/self/status"));
        long size = Long.parseLong(status.replaceAll("(?s).*VmSize:\\s+(\\d+) kB.*", "$1")) * 1024;
        long heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getCommitted();
        // The class files of this check are mapped between the two readings.
        String as = Math.abs(committed - size) < size / 10 ? "as VmSize" : "not as VmSize";
        System.out.println(committed + " " + heap / 1000000 + " " + as);
    }
}
END
"$JAVA/javac" Main.java
large=$("$JAVA/java" -Xms16m -Xmx4g -XX:+UseG1GC Main)
small=$("$JAVA/java" -Xms16m -Xmx64m -XX:+UseG1GC Main)
echo "$large $small" | awk '{
    printf "-Xmx4g: heap committed %s MB, \"committed virtual memory\" %s VmSize; -Xmx64m: heap committed %s MB, \"committed\n", $2, $3, $6
    printf "virtual memory\" %s VmSize; difference %.1f GB\n", $7, ($1 - $5) / 1e9
    exit !($2 < 50 && $6 < 50 && $3 == "as" && $7 == "as" && $1 - $5 > 3.5e9)
}' || { echo "FAIL: the committed virtual memory is no longer the address space"; exit 1; }
