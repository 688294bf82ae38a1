package verdict

import (
	"os"
	"testing"

	"leaklab/e2e/internal/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
