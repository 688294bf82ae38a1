#!/bin/sh
# siege counts a response of status 404 neither as successful nor as failed, and reports an availability of 100%.
#
# Expected, as in siege's manual: a status of 400 or above is a failed transaction.
# Seen (siege 4.0.7): 20 responses of status 404 are 20 transactions, 0 successful and 0 failed, availability 100.00.
# Consequence: a load on a path that does not exist looks flawless. Compare "transactions" with
# "successful_transactions", not with "failed_transactions".
#
# Output seen:
#   transactions 20, availability 100.00, successful 0, failed 0
set -eu

FOLDER=$(mktemp -d)
SERVER=
trap '[ -z "$SERVER" ] || kill "$SERVER"; rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"
export HOME="$FOLDER" PATH="$FOLDER/usr/bin:$PATH"

apt-get download siege=4.0.7-1+b1 >get.log 2>&1 || { cat get.log; exit 1; }
dpkg -x siege_*.deb .
mkdir empty
cat >server.py <<'END'
import functools, http.server
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="empty")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
END
python3 server.py >port 2>server.log &
SERVER=$!
while [ ! -s port ]; do sleep 0.1; done
siege -q -b -c 2 -r 10 "http://127.0.0.1:$(cat port)/none" >report 2>/dev/null
figure() { sed -n "s/.*\"$1\":[[:space:]]*\([0-9.]*\).*/\1/p" report; }
transactions=$(figure transactions) availability=$(figure availability)
successful=$(figure successful_transactions) failed=$(figure failed_transactions)
echo "transactions $transactions, availability $availability, successful $successful, failed $failed"
if [ "$transactions $availability $successful $failed" != "20 100.00 0 0" ]; then
    echo "FAIL: responses of status 404 are no longer left out of both"
    exit 1
fi
