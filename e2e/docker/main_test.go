package docker

import (
	"os"
	"testing"

	"leaklab/e2e/internal/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.MainUnbuilt(m)) }
