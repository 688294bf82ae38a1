package shell

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A shell splits the same lines alike.
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
		byShell, err := exec.Command("sh", "-c", `printf '%s\0' `+strings.TrimSpace(strings.ReplaceAll(line, "\n", " "))).Output()
		require.NoError(t, err, line)
		assert.Equal(t, want, strings.Split(strings.TrimSuffix(string(byShell), "\x00"), "\x00"), line)
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

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"./a-b_c/d.go": "./a-b_c/d.go",
		"":             "''",
		"a b":          "'a b'",
		"it's":         `'it'\''s'`,
		"$HOME":        "'$HOME'",
		"a\nb":         "'a\nb'",
	} {
		assert.Equal(t, want, Quote(word))
		byShell, err := exec.Command("sh", "-c", "printf %s "+want).Output()
		require.NoError(t, err)
		assert.Equal(t, word, string(byShell))
	}
	assert.Equal(t, "a 'b c' ''", QuoteAll([]string{"a", "b c", ""}))
}

func FuzzSplit(f *testing.F) {
	f.Add(`hey -H "a b" '{url}'`)
	f.Add(`\`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Split(line)
		if (err == nil) != (len(words) > 0) {
			t.Fatalf("%q: %q, %v", line, words, err)
		}
		if err != nil {
			return
		}
		again, err := Split(QuoteAll(words))
		if err != nil || !slices.Equal(words, again) {
			t.Fatalf("%q: %q, then %q, %v", line, words, again, err)
		}
	})
}
