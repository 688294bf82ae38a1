#!/bin/sh
# wrk's --timeout ends no request: late responses are requests without a latency, and requests never answered no timeouts.
#
# Expected: after --timeout a request is given up, its connection closed, and one timeout is counted.
# Seen (wrk 4.1.0-3+b2 of Debian): wrk waits on. A response that comes later counts as a request and as a timeout, but in
# no latency. A request that is never answered is no timeout, nor any other error: the report has no line of errors.
# Consequence: a server that hangs gives a report without errors. With some late responses the latencies are those of the
# quick ones only, so the slower a server is, the better its percentiles can look.
#
# Output seen:
#   timeout 1 s, each response after 1.5 s: requests 2, maximum latency 0.00us, timeouts 2
#   timeout 1 s, no response at all: requests 0, maximum latency 0.00us, no errors
set -eu

FOLDER=$(mktemp -d)
SERVER=
trap '[ -z "$SERVER" ] || kill "$SERVER"; rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

# get PACKAGE [VERSION] unpacks a package. A later update is taken when apt no longer offers the version.
get() {
    apt-get -q -o APT::Sandbox::User=root download "$1${2:+=$2}" >get.log 2>&1 ||
        apt-get -q -o APT::Sandbox::User=root download "$1" >get.log 2>&1 ||
        { cat get.log; echo "FAIL: $1 cannot be fetched (apt-get update?)"; exit 1; }
    dpkg -x "$1"_*.deb root
}
get wrk 4.1.0-3+b2
get libluajit-5.1-2
get libluajit-5.1-common
get libssl3
LIBRARIES="$FOLDER/root/usr/lib/$(uname -m)-linux-gnu"
cat >server.py <<'END'
import socket, threading, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)


def serve(connection):
    while request := connection.recv(65536):
        if b"/late" in request:
            time.sleep(1.5)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
END
python3 server.py >port 2>server.log &
SERVER=$!
while [ ! -s port ]; do sleep 0.1; done

# load PATH prints what wrk reports.
load() {
    LD_LIBRARY_PATH="$LIBRARIES" root/usr/bin/wrk -t 1 -c 1 -d 4 --timeout 1 "http://127.0.0.1:$(cat port)/$1" >report
    errors=$(sed -n 's/.*Socket errors:.* timeout \([0-9]*\)/timeouts \1/p' report)
    echo "requests $(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' report)," \
        "maximum latency $(awk '$1 == "Latency" { print $4 }' report), ${errors:-no errors}"
}
late=$(load late)
never=$(load never)
echo "timeout 1 s, each response after 1.5 s: $late"
echo "timeout 1 s, no response at all: $never"
if [ "$late" != "requests 2, maximum latency 0.00us, timeouts 2" ] || [ "$never" != "requests 0, maximum latency 0.00us, no errors" ]; then
    echo "FAIL: a timeout now ends a request"
    exit 1
fi
