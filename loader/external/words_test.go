package external

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A shell splits these lines in the same way.
func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		`wrk -t2 {url}`:                    {"wrk", "-t2", "{url}"},
		"  a\t b\n c  ":                    {"a", "b", "c"},
		`hey -H "Accept: text/html" {url}`: {"hey", "-H", "Accept: text/html", "{url}"},
		`sh -c 'echo "a  b"; exit 3'`:      {"sh", "-c", `echo "a  b"; exit 3`},
		`a ''  "" b`:                       {"a", "", "", "b"},
		`a\ b 'c\d' "e\"f\\g\h"`:           {"a b", `c\d`, `e"f\g\h`},
		`x'y'"z"w`:                         {"xyzw"},
		"ü 'é'":                            {"ü", "é"},
	} {
		got, err := Split(line)
		require.NoError(t, err, line)
		assert.Equal(t, want, got, line)
		shell, err := exec.Command("sh", "-c", `printf '%s\0' `+strings.TrimSpace(strings.ReplaceAll(line, "\n", " "))).Output()
		require.NoError(t, err, line)
		assert.Equal(t, want, strings.Split(strings.TrimSuffix(string(shell), "\x00"), "\x00"), line)
	}
	for line, want := range map[string]string{
		"":       "expected a command",
		" \n":    "expected a command",
		`'' a`:   "expected a command",
		`a 'b`:   "expected a ' at the end of what it quotes",
		`a "b\"`: `expected a " at the end of what it quotes`,
		`a b\`:   "expected something after the last backslash",
	} {
		_, err := Split(line)
		assert.EqualError(t, err, want, line)
	}
}

func TestPlaceholders(t *testing.T) {
	words := []string{"{duration}", "-d{seconds}s", "{workers}", "{url}", "{requests}/{rate}", "{}", "{ x }", "{1}"}
	require.NoError(t, Check(words))
	assert.True(t, Uses(words, "{rate}"))
	assert.False(t, Uses([]string{"rate"}, "{rate}"))
	assert.EqualError(t, Check([]string{"a", "b{time}"}),
		"{time} is no placeholder; expected {duration}, {seconds}, {workers}, {url}, {requests}, {rate}")

	values := Values{Duration: 90 * time.Second, Workers: 10, URL: "http://127.0.0.1:3030/a {rate}", Requests: 7, Rate: 1e6}
	assert.Equal(t, []string{"90s", "-d90s", "10", "http://127.0.0.1:3030/a {rate}", "7/1000000", "{}", "{ x }", "{1}"}, Fill(words, values),
		"no word becomes two, and no value is filled in turn")
	for length, want := range map[time.Duration][2]string{
		time.Second: {"1s", "1"}, 1500 * time.Millisecond: {"1500ms", "1.5"}, 90 * time.Second: {"90s", "90"}, time.Microsecond: {"1µs", "0.000001"},
	} {
		assert.Equal(t, want[:], Fill([]string{"{duration}", "{seconds}"}, Values{Duration: length}))
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(`hey -H "a b" '{url}'`)
	f.Add(`\`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Split(line)
		if (err == nil) != (len(words) > 0) {
			t.Fatalf("%q: %q, %v", line, words, err)
		}
	})
}
