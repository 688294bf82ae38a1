package lab

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// verdictLine is the line of the terminal that says the verdict. All tests that read it there do so by this file.
var verdictLine = regexp.MustCompile(`(?m)^ *(leak|no leak|inconclusive)(?:  (?:live memory |memory outside the heap )?[-+\d.,]+ bytes/(?:request|iteration) \(.+; tolerance [\d.,]+\)(?:: .+)?)?$`)

// exitCodes are those that belong to the verdicts.
var exitCodes = map[string]int{"no leak": 0, "leak": 1, "inconclusive": 125}

// Verdicts returns the verdicts that a run has printed, one for each shape of load.
func Verdicts(output string) []string {
	var verdicts []string
	for _, match := range verdictLine.FindAllStringSubmatch(output, -1) {
		verdicts = append(verdicts, match[1])
	}
	return verdicts
}

// AssertVerdict checks the one verdict that a run has printed.
func AssertVerdict(t testing.TB, want, output string) {
	t.Helper()
	assert.Equal(t, []string{want}, Verdicts(output), output)
}

// VerdictCode is the exit code that belongs to the one verdict that a run has printed.
func VerdictCode(t testing.TB, output string) int {
	t.Helper()
	verdicts := Verdicts(output)
	require.Len(t, verdicts, 1, output)
	return exitCodes[verdicts[0]]
}

// KindCode is the exit code of a verdict by its kind.
func KindCode(t testing.TB, kind string) int {
	t.Helper()
	require.Contains(t, exitCodes, kind)
	return exitCodes[kind]
}

// AssertComparison checks the comparison of two servers or runs that a run has printed.
func AssertComparison(t testing.TB, want, output string) {
	t.Helper()
	assert.Regexp(t, `(?m)^ *Comparison: `+want+`$`, output)
}

// Words is text without its line ends: prose of the terminal is wrapped.
func Words(output string) string {
	return strings.Join(strings.Fields(output), " ")
}
