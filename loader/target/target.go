// Package target finds the server under test, whichever way it runs, and reads its memory: launched by a command,
// attached to as a process, found as an image's in a shared PID namespace, or remote. It knows nothing of load, of
// iterations or of verdicts.
package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/scrape"
	"leaklab/loader/subject"
)

// Plan says where the server is. The first of Command, Shared and PID that is set decides; else it is the one that
// listens on Address, or one that is remote if Host is not of this machine or MetricsMemory is set.
type Plan struct {
	Who     string // "the server" or "the baseline"
	Prefix  string // of the errors of its readings; may be empty
	Setting string // that names PID or Shared, with its value, for errors
	Host    string
	Port    int
	Address string // host:port

	Command     []string // starts it
	Environment []string // of Command
	Output      string   // file for what it prints
	PID         int      // its process
	Shared      bool     // it is the process of Host's container, in the loader's PID namespace

	StartTimeout time.Duration // to wait until it listens on Address, and until it answers
	MetricsURL   string        // what it says of itself; empty if it says nothing

	// MetricsMemory and MetricsRequests choose what is read there. With the former memory is read there even if a process
	// listens on Address.
	MetricsMemory, MetricsRequests scrape.Selector
}

// Target is a server under test. Its memory can be read until it is stopped.
type Target struct {
	Description string
	Command     string // as it was started; empty if no process can be seen
	PID         int    // 0 if no process can be seen
	Source      string // what is read
	Floor       int64  // how far resident memory may be off, in bytes; 0 where it is exact
	Limit       memory.Limit

	host     string
	address  string
	output   string
	adopted  []func() []int // return what it has put into the background
	read     memory.Reader
	complete []func(context.Context, *memory.Reading)
	process  *subject.Process // nil if it was not started here

	endpoint   *memory.Endpoint // nil without MetricsURL
	processors int              // of the machine; 0 if that is unknown
}

// Open starts the server of plan, or finds it, and waits until somebody listens where it is expected. It writes to
// notes what it waits for. The caller has to Stop what is returned, unless there is an error, which names the setting
// that is wrong.
func Open(ctx context.Context, plan Plan, notes io.Writer) (*Target, error) {
	t, err := open(ctx, plan, notes)
	if err != nil && plan.Command == nil && plan.MetricsURL != "" { // no process can be seen, but the server tells
		t, err = remote(ctx, plan), nil
	}
	if err != nil {
		return nil, err
	}
	t.host, t.address = plan.Host, plan.Address
	if plan.Prefix != "" {
		t.read = prefixed(t.read, plan.Prefix)
	}
	if plan.MetricsURL != "" {
		if t.endpoint == nil {
			t.endpoint = endpointOf(plan)
		}
		t.complete = append(t.complete, t.endpoint.Complete)
	}
	return t, nil
}

func open(ctx context.Context, plan Plan, notes io.Writer) (*Target, error) {
	switch {
	case plan.Command != nil:
		return launch(ctx, plan)
	case plan.Shared:
		return attachToShared(ctx, plan)
	case plan.PID != 0:
		t, err := attach(ctx, plan.PID, plan.Port)
		if err != nil {
			return nil, fmt.Errorf("%s: expected the process of the server: %w", plan.Setting, err)
		}
		return t, nil
	case plan.MetricsMemory.IsZero() && subject.IsLocal(ctx, plan.Host):
		return attachToListener(ctx, plan, notes)
	default:
		return remote(ctx, plan), nil
	}
}

// Launched tells whether the server was started here.
func (t *Target) Launched() bool { return t.process != nil }

// Sampler returns a sampler of the server's memory, which has not read yet.
func (t *Target) Sampler() *memory.Sampler {
	sampler := memory.NewSampler(t.read, t.complete...)
	sampler.Local = t.PID != 0
	return sampler
}

// FilesLimit is how many files the server may have open; 0 if that is unknown.
func (t *Target) FilesLimit() int {
	if t.PID == 0 {
		return 0
	}
	return subject.FilesLimit(t.PID)
}

// Listener is the process that listens, which is not always the one that was started; 0 if no process can be seen.
func (t *Target) Listener(ctx context.Context) int {
	if t.process == nil {
		return t.PID
	}
	if pid, err := subject.FindListener(ctx, t.address); err == nil {
		return pid
	}
	return t.PID
}

// Stop ends the server, if it was started here, also what it has put into the background.
func (t *Target) Stop() error {
	if t.process == nil {
		return nil
	}
	t.followAll() // it may have gone into the background since, or before it answered
	return t.process.Stop()
}

// OrGone adds to an interruption that the server is gone as well: Compose may be told to stop all when one has ended.
func (t *Target) OrGone(err error) error {
	if err == nil || t.PID == 0 || errors.Is(err, memory.ErrGone) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, gone := t.read(ctx); errors.Is(gone, memory.ErrGone) {
		err = fmt.Errorf("%w; %w", err, gone)
	}
	return err
}

// Explain completes an error with how the server has ended, its last words, and what it has left behind, if it has ended;
// and with why it is silent, if it was stopped. The last words are for the terminal alone: Unsaid takes them away.
func (t *Target) Explain(err error) error {
	if errors.Is(err, load.ErrSilent) && t.PID != 0 && subject.IsStopped(t.PID) {
		err = fmt.Errorf("%w; its process %d has been stopped (SIGSTOP)", err, t.PID)
	}
	if err == nil || t.process == nil {
		return err
	}
	if !t.hasExited(err) {
		return err
	}
	var ended *subject.EndedError
	if errors.Is(err, memory.ErrGone) && !errors.As(err, &ended) { // interrupted before it was known how
		err = fmt.Errorf("%w: %w", err, t.process.Err())
	}
	said := "it wrote nothing"
	if lines := subject.Tail(t.output, outputLines); len(lines) > 0 {
		said = fmt.Sprintf("its last output, of %s:\n  %s", filepath.ToSlash(t.output), strings.Join(lines, "\n  "))
	}
	return errors.Join(&lastWords{err, said}, t.stopStray())
}

// hasExited tells whether the server that was started here has exited. If err tells that its memory is gone, it is about to.
func (t *Target) hasExited(err error) bool {
	if errors.Is(err, memory.ErrGone) {
		select {
		case <-t.process.Exited():
		case <-time.After(time.Second):
		}
	}
	select {
	case <-t.process.Exited():
		return true
	default:
		return false
	}
}

// stopStray stops a server that was started here, but has gone into the background. A process that does not descend from
// it is named alone.
func (t *Target) stopStray() error {
	pid, err := subject.FindListener(context.Background(), t.address)
	if err != nil {
		return nil // the usual case: there is none
	}
	if followed, err := t.process.Follow(pid); err != nil || !followed && subject.AdoptsOrphans { // elsewhere it is enough that the port was free before
		return errors.Join(notStarted(pid, t.address), err)
	}
	return errors.Join(
		fmt.Errorf("it has left process %d in the background, which is stopped now; start it in the foreground instead", pid),
		subject.StopTree(pid))
}

// outputLines is how many lines of the server's output are shown when it has ended.
const outputLines = 20

// lastWords is an error with what the server wrote before.
type lastWords struct {
	error
	words string
}

func (e *lastWords) Error() string { return e.error.Error() + "; " + e.words }

func (e *lastWords) Unwrap() error { return e.error }

// Unsaid returns err without what the servers wrote, which may be secret.
func Unsaid(err error) error {
	for said := (*lastWords)(nil); errors.As(err, &said); {
		err = said.error
	}
	return err
}

// prefixed makes errors tell whose they are.
func prefixed(read memory.Reader, prefix string) memory.Reader {
	return func(ctx context.Context) (memory.Reading, error) {
		reading, err := read(ctx)
		if err != nil {
			err = fmt.Errorf("%s: %w", prefix, err)
		}
		return reading, err
	}
}

// endedError is a memory.ErrGone that says more.
type endedError struct{ error }

func (endedError) Is(target error) bool { return target == memory.ErrGone }

func (e endedError) Unwrap() error { return e.error }

// ErrOutOfMemory is part of the error of a server that the kernel has killed for want of memory.
var ErrOutOfMemory = errors.New("it ran out of memory (OOM)")

// tellingOOM is read, but when the process is gone, and killed tells that it was for want of memory, the error does too.
func tellingOOM(read memory.Reader, killed func() bool, limit memory.Limit) memory.Reader {
	return func(ctx context.Context) (memory.Reading, error) {
		reading, err := read(ctx)
		if errors.Is(err, memory.ErrGone) && killed() {
			err = endedError{fmt.Errorf("%w: %w; the limit of %s is %d MiB", err, ErrOutOfMemory, limit.Of, limit.Bytes>>20)}
		}
		return reading, err
	}
}

// watched is a server whose process can be seen, listens on port, and is read by read. adopted are functions that return
// what it has put into the background.
func watched(ctx context.Context, pid, port int, read memory.Reader, adopted ...func() []int) *Target {
	limit := memory.LimitOf(pid)
	return &Target{
		PID:      pid,
		read:     tellingOOM(read, memory.WatchOOM(ctx, pid), limit),
		Source:   memory.TreeSource,
		complete: memory.Completing(pid, port, adopted...),
		Limit:    limit,
		adopted:  adopted,
	}
}
