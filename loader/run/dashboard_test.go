package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/exporter"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
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

func TestIterationInWhichARunEnded(t *testing.T) {
	s := &session{plan: &plan{tries: 3}}
	for done, want := range []int{1, 2, 3, 3} { // the last in the rest at the end
		s.record.Iterations = make([]record.Iteration, done)
		assert.Equal(t, want, s.end(t.Context(), errors.New("x")).Iteration)
		assert.Equal(t, done, s.end(t.Context(), nil).Iteration)
	}
}

func TestFinalScrapeIsNotWaitedForLong(t *testing.T) {
	for name, test := range map[string]struct {
		interrupted time.Duration // after the wait has begun; 0 for never
		want        time.Duration
	}{
		"to the limit":         {0, finalScrapeLimit},
		"interrupted at once":  {time.Nanosecond, interruptedScrapeLimit + time.Nanosecond},
		"interrupted later":    {3 * time.Second, 3*time.Second + interruptedScrapeLimit},
		"interrupted too late": {9 * time.Second, finalScrapeLimit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.interrupted > 0 {
					time.AfterFunc(test.interrupted, cancel)
				}
				begin := time.Now()
				waiting, stop := within(ctx, finalScrapeLimit, interruptedScrapeLimit)
				defer stop()
				<-waiting.Done()
				assert.Equal(t, test.want, time.Since(begin))
			})
		})
	}
}
