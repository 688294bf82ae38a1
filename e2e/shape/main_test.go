package shape

import (
	"fmt"
	"os"
	"testing"

	"leaklab/e2e/internal/lab"
)

// TestMain runs the tests, or the server that they start.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "keep" {
		fmt.Fprintln(os.Stderr, serveKeeping(os.Args[2]))
		os.Exit(1)
	}
	os.Exit(lab.Main(m))
}
