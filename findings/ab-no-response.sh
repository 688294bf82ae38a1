#!/bin/sh
# ab reports no failed request when the server closes every connection without a response.
#
# Expected: a request without a response is a failed one, and not complete.
# Seen (ab of apache2-utils 2.4.71): 100 connections that are closed after the request are 100 complete requests, 0
# failed. A request fails if its response is of another length than the first, and all are of length 0.
# Consequence: a server that has stopped answering looks fast and free of errors. Look at "Total transferred".
#
# Output seen:
#   complete 100, failed 0, transferred 0 bytes
set -eu

FOLDER=$(mktemp -d)
SERVER=
trap '[ -z "$SERVER" ] || kill "$SERVER"; rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

apt-get download apache2-utils=2.4.71-1~deb12u1 libapr1 libaprutil1 >get.log 2>&1 || { cat get.log; exit 1; }
for package in *.deb; do dpkg -x "$package" .; done
LD_LIBRARY_PATH=$(dirname "$(find "$FOLDER/usr/lib" -name 'libapr-1.so.0')")
export LD_LIBRARY_PATH
cat >server.py <<'END'
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.close()
END
python3 server.py >port 2>server.log &
SERVER=$!
while [ ! -s port ]; do sleep 0.1; done
usr/bin/ab -q -n 100 -c 2 "http://127.0.0.1:$(cat port)/" >report 2>ab.log || { cat ab.log; exit 1; }
figure() { sed -n "s/^$1: *\([0-9]*\).*/\1/p" report; }
complete=$(figure "Complete requests") failed=$(figure "Failed requests") transferred=$(figure "Total transferred")
echo "complete $complete, failed $failed, transferred $transferred bytes"
if [ "$complete $failed $transferred" != "100 0 0" ]; then
    echo "FAIL: requests without a response are no longer complete and free of failures"
    exit 1
fi
