// Package prometheus tests the dashboard's queries with a real Prometheus and real runs, without Docker and Grafana.
package prometheus

import (
	"os"
	"testing"

	"leaklab/e2e/internal/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
