#!/bin/sh
# JFR names a thread's stack variable as root of a static list, because that thread runs some method of the list's class.
#
# Expected: the path of an object in a static list ends at the class and its loader. A root "Stack Variable" of a thread
# tells that a frame of that thread refers to the objects.
# Seen (OpenJDK 17 of Debian 12): every frame refers to the class of its method, and the class to its static fields. So a
# thread that waits in a static method without any reference to the list is the root of all samples. Only when no thread
# is in a method of that class does the path go on to the class loader, and ends at a "Global Object Handle".
# Consequence: a leak in a static collection looks like one of a thread, and differently in each dump. What tells is a
# field of a java.lang.Class in the path: it is a static one, whatever the root is.
#
# Output seen:
#   no thread in Cache: 250 samples, KEPT of class Cache, root: Global Object Handle
#   a thread in Cache.idle(): 250 samples, KEPT of class Cache, root: Stack Variable, Thread Name: worker
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

cat >Cache.java <<'END'
import java.util.ArrayList;
import java.util.List;

public class Cache {
    static final List<Object> KEPT = new ArrayList<>();

    static void keep() {
        KEPT.add(new long[200]);
    }

    static void idle() {
        Main.entered.countDown();
        try {
            Main.end.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
END
cat >Main.java <<'END'
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import jdk.jfr.consumer.RecordedClass;
import jdk.jfr.consumer.RecordedObject;
import jdk.jfr.consumer.RecordingFile;

public class Main {
    static final CountDownLatch entered = new CountDownLatch(1), end = new CountDownLatch(1);

    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i < 60000; i++) {
            Cache.keep();
            if (i % 2000 == 0) Thread.sleep(2);
        }
        System.gc();
        System.out.println("no thread in Cache: " + roots());
        new Thread(Cache::idle, "worker").start();
        entered.await();
        System.out.println("a thread in Cache.idle(): " + roots());
        end.countDown();
    }

    /** roots dumps the recording, and counts the new samples of a long[] by the field and the root of their path. */
    static String roots() throws Exception {
        Instant start = Instant.now();
        Process jcmd = new ProcessBuilder(System.getProperty("java.home") + "/bin/jcmd", "" + ProcessHandle.current().pid(),
                "JFR.dump", "path-to-gc-roots=true", "filename=dump.jfr").redirectErrorStream(true).start();
        jcmd.getInputStream().readAllBytes();
        Map<String, Integer> count = new TreeMap<>();
        for (var event : RecordingFile.readAllEvents(Path.of("dump.jfr"))) {
            if (!event.getEventType().getName().equals("jdk.OldObjectSample") || event.getStartTime().isBefore(start)) continue;
            RecordedObject root = event.getValue("root"), object = event.getValue("object");
            if (root == null || !((RecordedClass) object.getValue("type")).getName().equals("[J")) continue;
            String field = "";
            for (RecordedObject at = object; at != null && at.getValue("referrer") != null; ) {
                RecordedObject reference = at.getValue("referrer"), named = reference.getValue("field");
                at = reference.getValue("object");
                String type = at.getString("description");
                if (named != null && type != null && type.startsWith("Class Name:")) {
                    field = named.getString("name") + " of " + type.replace("Class Name:", "class");
                }
            }
            String description = root.getString("description");
            count.merge(field + ", root: " + root.getString("type") + (description == null ? "" : ", " + description), 1, Integer::sum);
        }
        String text = "";
        for (var entry : count.entrySet()) text += (text.isEmpty() ? "" : "; ") + entry.getValue() + " samples, " + entry.getKey();
        return text;
    }
}
END
"$JAVA/javac" Main.java Cache.java
"$JAVA/java" -Xmx256m -Xlog:disable -XX:StartFlightRecording=settings=profile Main | grep samples >found
cat found
if [ "$(sed 's/[0-9]* samples/N samples/' found)" != "no thread in Cache: N samples, KEPT of class Cache, root: Global Object Handle
a thread in Cache.idle(): N samples, KEPT of class Cache, root: Stack Variable, Thread Name: worker" ]; then
    echo "FAIL: the root of a static list no longer depends on a thread in its class"
    exit 1
fi
