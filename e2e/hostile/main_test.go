package hostile

import (
	"fmt"
	"os"
	"testing"

	"leaklab/e2e/internal/lab"
)

// TestMain runs the tests, or one of the servers that they start.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "hostile" {
		fmt.Fprintln(os.Stderr, serveHostile(os.Args[2]))
		os.Exit(1)
	}
	if len(os.Args) == 2 && os.Args[1] == "swallow" {
		fmt.Fprintln(os.Stderr, serveSwallowing())
		os.Exit(1)
	}
	os.Exit(lab.Main(m))
}
