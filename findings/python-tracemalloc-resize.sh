#!/bin/sh
# Python's tracemalloc moves a whole list to the line that happened to resize it last.
#
# Expected: a line that appends one number to a list of 10 million is charged with what the list grew by.
# Seen (CPython 3.11.2 and 3.11.7): a reallocation is traced as a new block with the traceback of that moment. The
# line that made the list shows -80 MB, as if it had been freed, and the line that appended once shows +90 MB.
# Consequence: in a comparison of two snapshots, the top line is the one which crossed a limit of growth, not the one
# which fills the list. If the list is older than tracemalloc.start(), all of it appears as new: +90 MB, count +1.
#
# Output seen:
#   Python 3.11.7: line that made the list: -80 MB; line that appended one number: +90 MB; traced in all: +10 MB
set -eu

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

cat >check.py <<'END'
import platform
import sys
import tracemalloc

tracemalloc.start()
numbers = [0] * 10_000_000  # the line that makes the list
before = tracemalloc.take_snapshot()
total = tracemalloc.get_traced_memory()[0]
numbers.append(0)  # the line that appends
total = tracemalloc.get_traced_memory()[0] - total
changes = {}
for change in tracemalloc.take_snapshot().compare_to(before, "lineno"):
    if change.traceback[0].filename == __file__:
        changes[change.traceback[0].lineno] = change.size_diff / 1e6
made, appended = changes.get(6, 0), changes.get(9, 0)
print(f"Python {platform.python_version()}: line that made the list: {made:+.0f} MB; "
      f"line that appended one number: {appended:+.0f} MB; traced in all: {total / 1e6:+.0f} MB")
if made > -75 or appended < 75:
    sys.exit("FAIL: a list that is resized stays with the line that made it")
END
python3 check.py
