package lab

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Mode is a value of LEAK, as the demo server lists it.
type Mode struct {
	Name     string
	Leaks    bool
	Shape    string // the plainest SHAPE that finds the leak; empty if there is none
	Protocol string // the PROTOCOL of that load; empty for any of HTTP
}

// Modes returns every value of LEAK.
func Modes(t testing.TB) []Mode {
	t.Helper()
	table, err := exec.Command(Server, "leaks").Output()
	require.NoError(t, err)
	var all []Mode
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (yes|no) \\| .* \\| (?:`(\\w+)` )?(?:with `PROTOCOL=(\\w+)` )?\\|$").FindAllStringSubmatch(string(table), -1) {
		all = append(all, Mode{Name: row[1], Leaks: row[2] == "yes", Shape: row[3], Protocol: row[4]})
	}
	require.Greater(t, len(all), 10, string(table))
	return all
}

// Shapes returns every value of SHAPE, as the loader lists them where it refuses another one.
func Shapes(t testing.TB) []string {
	t.Helper()
	output, err := exec.Command(Loader, "--shape", "none").CombinedOutput()
	var refused *exec.ExitError
	require.True(t, errors.As(err, &refused), "%v: %s", err, output)
	found := regexp.MustCompile(`(?m)^--shape="none": expected one or several of (.*), separated by commas$`).FindSubmatch(output)
	require.NotNil(t, found, string(output))
	return strings.Split(string(found[1]), ", ")
}
