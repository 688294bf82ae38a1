package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/exporter"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/subject"
	"leaklab/loader/target"
)

func TestEndOfARun(t *testing.T) {
	running := t.Context()
	signalled := func(text string) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New(text))
		return ctx
	}
	gone := fmt.Errorf("iteration 5 of 10: process 7: %w", memory.ErrGone)
	for _, test := range []struct {
		ctx    context.Context
		err    error
		state  exporter.State
		reason string
	}{
		{running, nil, "", "complete"},
		{running, gone, exporter.Died, "process gone"},
		{running, fmt.Errorf("iteration 5 of 10: %w", &subject.EndedError{Signal: syscall.SIGKILL}), exporter.Died, "killed (SIGKILL)"},
		{running, &subject.EndedError{Code: 3}, exporter.Died, "exit code 3"},
		{running, fmt.Errorf("%w: %w; secret", gone, target.ErrOutOfMemory), exporter.Died, "out of memory"},
		{signalled("interrupted (terminated)"), fmt.Errorf("%w: %w", gone, target.ErrOutOfMemory), exporter.Died, "out of memory"},
		{signalled("interrupted (terminated)"), gone, exporter.Interrupted, "SIGTERM"},
		{signalled("interrupted (interrupt)"), errors.New("x"), exporter.Interrupted, "SIGINT"},
		{signalled("interrupted (hangup)"), errors.New("x"), exporter.Interrupted, "SIGHUP"},
		{signalled("hunter2"), errors.New("x"), exporter.Interrupted, "signal"},
		{running, fmt.Errorf("%w for 3s (hunter2)", load.ErrSilent), exporter.Failed, "no response"},
		{running, &fs.PathError{Op: "write", Path: "hunter2", Err: syscall.ENOSPC}, exporter.Failed, "disk full"},
		{running, &fs.PathError{Op: "write", Path: "hunter2", Err: syscall.ENOENT}, exporter.Failed, "file not written"},
		{running, errors.New("hunter2"), exporter.Failed, "see the report"},
	} {
		assert.Equal(t, exporter.End{State: test.state, Reason: test.reason}, endOf(test.ctx, test.err), "%v", test.err)
	}
}

func TestAddressOfGrafana(t *testing.T) {
	for address, want := range map[string]string{
		"": "", "http://127.0.0.1:3000": "http://127.0.0.1:3000", "http://0.0.0.0:3001/": "http://localhost:3001", "http://[::]:80": "http://localhost:80",
		"http://0.0.0.0": "http://localhost", "https://me:hunter2@grafana.example/lab/?token=hunter2": "https://grafana.example/lab",
	} {
		assert.Equal(t, want, grafanaAddress(address), address)
	}
}
