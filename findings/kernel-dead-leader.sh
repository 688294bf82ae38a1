#!/bin/sh
# A server whose main thread has ended has an RSS of 0 in /proc/PID/statm, while its other threads still serve.
#
# Expected: the threads share the memory, so /proc/PID/statm, status and smaps_rollup show it while a thread lives.
# Seen (Linux 6.18): /proc/PID follows the main thread. After pthread_exit in main, which POSIX allows, statm is
# all zeros, status has no VmRSS line and the state Z, and smaps_rollup cannot be read (ESRCH).
# /proc/PID/task/TID/statm of a living thread shows the memory.
# Consequence: an exporter shows a fall to 0, ps shows <defunct> with RSS 0, and the server answers as before.
#
# Output seen:
#   before: /proc/PID/statm 122 MB, state S; main thread ended: /proc/PID/statm 0 MB, state Z, smaps_rollup ESRCH
#   it still answers "served"; /proc/PID/task/TID/statm 122 MB
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
python() {
    PYTHONHOME="$FOLDER/root/usr" PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH="$LIBRARIES" \
        "$FOLDER/root/usr/bin/python3.11" -S "$@"
}

cat >server.py <<'END'
import ctypes, http.server, sys, threading
memory = bytearray(100_000_000)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"served")
        if self.path == "/end": main_ends.set()
    def log_message(self, *arguments): pass
main_ends = threading.Event()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever).start()
print(server.server_port, flush=True)
main_ends.wait()
ctypes.CDLL(None).pthread_exit(None)
END
cat >check.py <<'END'
import http.client, os, resource, subprocess, sys, time
server = subprocess.Popen([sys.executable, "-S", "server.py"], stdout=subprocess.PIPE)
try:
    port = int(server.stdout.readline())
    process = f"/proc/{server.pid}"
    def get(path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    def rss(folder):
        with open(folder + "/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize() // 1_000_000
    def state():
        with open(process + "/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    before = rss(process)
    print(f"before: /proc/PID/statm {before} MB, state {state()}; ", end="")
    get("/end")
    until = time.monotonic() + 30
    while state() != "Z" and time.monotonic() < until:
        time.sleep(0.05)
    try:
        with open(process + "/smaps_rollup") as rollup:
            rollup.read()
        error = "readable"
    except ProcessLookupError:
        error = "ESRCH"
    after, answer = rss(process), get("/")
    threads = max(rss(f"{process}/task/{thread}") for thread in os.listdir(process + "/task"))
    print(f"main thread ended: /proc/PID/statm {after} MB, state {state()}, smaps_rollup {error}")
    print(f'it still answers "{answer}"; /proc/PID/task/TID/statm {threads} MB')
    if before < 100 or after != 0 or state() != "Z" or error != "ESRCH" or answer != "served" or threads < 100:
        sys.exit("FAIL: /proc/PID no longer follows the main thread")
finally:
    server.kill()
    server.wait()
END
uname -r
python check.py
