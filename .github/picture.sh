#!/usr/bin/env bash
# Makes .github/run.png: runs the lab of the last commit twice in a terminal, with the demo server's leak and without, and
# draws what the terminal shows in the end, with its colours. Of each run the iterations in the middle are left out, and a
# mark says so. Fails if a run ends with another verdict than it should.
#
# Needs Go, git, script (util-linux), awk and Chromium, and a machine with nothing else to do. Takes two minutes.
#   .github/picture.sh            writes .github/run.png
#   .github/picture.sh FILE.png   writes FILE.png
set -euo pipefail
here=$(pwd)
cd "$(dirname "$0")/.."
picture=$PWD/.github/run.png
[ $# = 0 ] || case $1 in /*) picture=$1 ;; *) picture=$here/$1 ;; esac

for command in go git script awk chromium; do
    command -v "$command" >/dev/null || { echo "$0 needs $command" >&2; exit 2; }
done
lab=${TMPDIR:-/tmp}/leaklab # the path of the server is in the picture
mkdir "$lab" || { echo "$0 makes a clone there: remove it first" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$lab" "$work"' EXIT
git clone -q . "$lab"

# The first start builds the programs, which is not to be in the picture.
cd "$lab"
TRIES=1 DURATION=100ms RELEASE=0 RESULTS=$work/results ./test-me.sh >/dev/null 2>"$work/first" || [ $? = 125 ] || { cat "$work/first"; exit 1; }

# record NAME EXIT COMMAND: what COMMAND shows in a terminal of 80 columns. It has to end with the exit code EXIT.
record() {
    local code=0
    env -u NO_COLOR TERM=xterm-256color script -qefc "stty cols 80 rows 50; $3" "$work/$1" </dev/null >/dev/null || code=$?
    [ "$code" = "$2" ] || { tail -n 30 "$work/$1"; echo "$0: $3: exit code $code; expected $2" >&2; exit 1; }
    printf '%s\n' "$3" >"$work/$1.command"
}
record leak 1 ./test-me.sh
record clean 0 'LEAK=none ./test-me.sh'

# lines NAME: what is on the screen in the end, as lines of HTML: what a carriage return has overwritten is gone, and
# colours are spans. The first and the last line are script's. Iterations but the first and the last one are left out.
lines() {
    sed -e '1d' -e '/^Script done/d' -e 's/\r$//' -e 's/^.*\r//' "$work/$1" | awk '
    BEGIN { escape = sprintf("%c", 27) }
    function text(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); gsub(/>/, "\\&gt;", s); return s }
    function classes(codes,   n, part, i, c) {
        n = split(codes, part, ";"); c = ""
        for (i = 1; i <= n; i++) if (part[i] + 0 > 0) c = c " c" part[i] + 0
        return c
    }
    # html turns the escape sequences of a line into spans: SGR (those that end with m) sets classes, others move nothing
    # that is still on the screen.
    function html(line,   out, rest, before, codes, last) {
        out = ""; rest = line
        while (match(rest, escape "\\[[0-9;?]*[A-Za-z]")) {
            before = substr(rest, 1, RSTART - 1)
            codes = substr(rest, RSTART + 2, RLENGTH - 3); last = substr(rest, RSTART + RLENGTH - 1, 1)
            out = out (class == "" ? text(before) : "<span class=\"" class "\">" text(before) "</span>")
            if (last == "m") class = classes(codes) == "" ? "" : class classes(codes)
            rest = substr(rest, RSTART + RLENGTH)
        }
        return out (class == "" || rest == "" ? text(rest) : "<span class=\"" class "\">" text(rest) "</span>")
    }
    { plain = $0; gsub(escape "\\[[0-9;?]*[A-Za-z]", "", plain) }
    # A block begins with a thick rule; it is held back until its second line tells which one it is.
    plain ~ /^=+$/ && !held { held = 1; rule = $0; next }
    held {
        held = 0
        if (plain ~ /^Iteration: /) {
            split(plain, word, " ")
            number = word[2] + 0; of = word[4] + 0
            skip = number > 1 && number < of
            if (skip && !marked) { printf "<i>iterations 2 to %d are left out of this picture</i>\n", of - 1; marked = 1 }
        } else skip = 0
        if (!skip) print html(rule)
    }
    !skip { print html($0) }
    END { if (held) print html(rule) }'
}

for name in leak clean; do printf '%s\n' "$(lines "$name")" >"$work/$name.html"; done # without empty lines in the end
rows=$(wc -l "$work/leak.html" "$work/clean.html" | awk '$2 != "total" && $1 > most { most = $1 } END { print most + 1 }')
{
    cat <<'END'
<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #010409; color: #e6edf3; display: flex; gap: 16px; padding: 16px;
    font: 14px/18px "DejaVu Sans Mono", "Liberation Mono", monospace }
pre { margin: 0; font: inherit; flex: 1; padding: 14px; background: #0d1117; border: 1px solid #30363d; border-radius: 6px }
b { color: #7d8590; font-weight: normal }
i { display: inline-block; width: 100%; text-align: center; color: #7d8590; font-size: 12px }
.c1 { font-weight: bold } .c2 { opacity: .7 }
.c31, .c91 { color: #ff7b72 } .c32, .c92 { color: #3fb950 } .c33, .c93 { color: #d29922 }
.c34, .c94 { color: #79c0ff } .c35, .c95 { color: #d2a8ff } .c36, .c96 { color: #56d4dd }
</style>
END
    for name in leak clean; do
        printf '<pre><b>$ %s</b>\n' "$(cat "$work/$name.command")"
        cat "$work/$name.html"
        printf '</pre>'
    done
} >"$work/page.html"

sandbox=()
[ "$(id -u)" != 0 ] || sandbox=(--no-sandbox) # Chromium has none for root
chromium --headless "${sandbox[@]}" --disable-gpu --hide-scrollbars --window-size="1440,$((rows * 18 + 62))" \
    --screenshot="$work/run.png" "file://$work/page.html" >"$work/chromium.log" 2>&1 || { cat "$work/chromium.log" >&2; exit 1; }
cp "$work/run.png" "$picture"
