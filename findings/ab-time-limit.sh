#!/bin/sh
# ab -n 50 -t 1 does not stop after 50 requests, while ab -t 1 -n 50 does.
#
# Expected: the order of options does not matter, and a run ends at the first of the two limits: 50 requests or 1 second.
# Seen (ab of apache2-utils 2.4.71): -t sets the number of requests to 50000 when it is read. So a -n before it is
# forgotten without a word, and a -n after it holds.
# Consequence: -t as a guard against a server that hangs turns a short run into one of up to 50000 requests.
#
# Output seen:
#   -n 50 -t 1: more than 50 requests; -t 1 -n 50: 50 requests
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
get apache2-utils 2.4.71-1~deb12u1
get libapr1
get libaprutil1
LD_LIBRARY_PATH=$(dirname "$(find "$FOLDER/root/usr/lib" -name 'libapr-1.so.0')")
export LD_LIBRARY_PATH
cat >server.py <<'END'
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
    connection.close()
END
python3 server.py >port 2>server.log &
SERVER=$!
while [ ! -s port ]; do sleep 0.1; done
# complete OPTION... prints the number of complete requests.
complete() {
    root/usr/bin/ab -q "$@" "http://127.0.0.1:$(cat port)/" >report 2>ab.log || { cat ab.log >&2; exit 1; }
    sed -n 's/^Complete requests: *//p' report
}
before=$(complete -n 50 -t 1)
after=$(complete -t 1 -n 50)
more=$before
if [ "$before" -gt 50 ]; then more="more than 50"; fi
echo "-n 50 -t 1: $more requests; -t 1 -n 50: $after requests"
if [ "$before" -le 50 ] || [ "$after" -ne 50 ]; then
    echo "FAIL: the order of -n and -t no longer matters"
    exit 1
fi
