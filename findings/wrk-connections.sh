#!/bin/sh
# wrk with 10 connections and 4 threads opens 8 connections, and reports 10.
#
# Expected: -c is the total number of connections to keep open, as its help and its report say.
# Seen (wrk 4.1.0-3+b2 of Debian): each thread opens the quotient, 2, and the remainder is left out. The report says
# "4 threads and 10 connections" all the same. With 15 connections and 8 threads, 8 are open: hardly over a half.
# Consequence: memory per connection is too small by up to a half, and runs with different numbers of threads differ
# in load. The number of connections must be a multiple of that of the threads.
#
# Output seen:
#   4 threads and 10 connections: 8 connections had requests; 8 threads and 15 connections: 8 connections had requests
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
lock = threading.Lock()
busy = most = 0


def serve(connection):
    global busy, most
    counted = False
    with connection:
        while connection.recv(65536):
            if not counted:
                counted = True
                with lock:
                    busy += 1
                    most = max(most, busy)
                    with open("most", "w") as file:
                        print(most, file=file)
            time.sleep(0.01)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with lock:
        busy -= counted


while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
END

# connections THREADS CONNECTIONS sets result to what wrk reports, and how many connections had requests at a time.
connections() {
    python3 server.py >port 2>server.log &
    SERVER=$!
    while [ ! -s port ]; do sleep 0.1; done
    LD_LIBRARY_PATH="$LIBRARIES" root/usr/bin/wrk -t "$1" -c "$2" -d 2 "http://127.0.0.1:$(cat port)/" >report
    kill "$SERVER"
    SERVER=
    result="$(sed -n 's/^  \([0-9]* threads and [0-9]* connections\)$/\1/p' report): $(cat most) connections had requests"
    rm port
}
connections 4 10
first=$result
connections 8 15
second=$result
echo "$first; $second"
if [ "$first; $second" != "4 threads and 10 connections: 8 connections had requests; 8 threads and 15 connections: 8 connections had requests" ]; then
    echo "FAIL: the remainder is no longer left out"
    exit 1
fi
