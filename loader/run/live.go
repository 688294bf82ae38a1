package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/live"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/target"
	"leaklab/loader/text"
)

// livePlan is how live memory is read.
type livePlan struct {
	kind live.Kind
	set  bool // by LIVE, not by default
}

// livePlanOf is that of a setting; empty if it is not set: a server that is started for the run is opened then, and one
// that was running before is not.
func livePlanOf(setting string, started bool) livePlan {
	switch {
	case setting != "":
		return livePlan{kind: live.Kind(setting), set: true}
	case started:
		return livePlan{kind: live.Auto}
	default:
		return livePlan{kind: live.Off}
	}
}

// liveSource is a source that tells what it has opened or sent.
type liveSource interface {
	live.Source
	Said() []string
	Runtimes() []string
}

// liveReader reads live memory after each iteration, for as long as that works.
type liveReader struct {
	plan    livePlan
	notes   io.Writer
	options live.Options
	source  liveSource // nil if live memory is not read
	record  record.Live
	missed  int         // readings in a row
	first   float64     // requests per second of the first iteration, which comes before any reading
	later   float64     // the sum of those of the iterations that follow
	follow  int         // how many these are
	other   *liveReader // of the server that this one is compared with; nil without one
}

// prepareLive has a server that the run starts get what it needs to be asked. It adds to the environment of the plan.
func (s *session) prepareLive(server *side) (*liveReader, error) {
	l := &liveReader{plan: s.plan.live, notes: s.screen.Notes, options: live.Options{
		Kind: s.plan.live.kind, NoSites: s.plan.sites.off, Snapshot: s.plan.sites.snapshot, PprofURL: s.plan.metrics.pprof, // both sides are sampled alike
	}}
	l.record.Setting = string(l.plan.kind)
	if l.plan.kind == live.Off || server.target.Command == nil {
		return l, nil
	}
	folder, err := newScratch(os.TempDir())
	if err != nil {
		return l, l.unavailable(err)
	}
	s.onClose(folder.remove)
	l.options.Folder = folder.path
	variables, err := live.Environment(server.target.Environment, l.options)
	if err != nil && l.named() {
		return nil, unmeasured(err)
	}
	if err != nil {
		return l, l.unavailable(err)
	}
	for _, variable := range variables {
		l.record.Said = append(l.record.Said, ofEnvironment+added(variable, server.target.Environment))
	}
	server.target.Environment = slices.Concat(server.target.Environment, variables)
	return l, nil
}

// added is a variable, NAME=VALUE, with "..." in place of what it has in environment already, which may be secret.
func added(variable string, environment []string) string {
	name, value, _ := strings.Cut(variable, "=")
	for _, before := range environment {
		if given, found := strings.CutPrefix(before, name+"="); found && given != "" {
			value = strings.ReplaceAll(value, given, "...")
		}
	}
	return name + "=" + value
}

// openLive has l open a server. It fails if LIVE names a runtime that cannot be asked. pprofURL is that of a Go server;
// empty if it has none.
func (s *session) openLive(ctx context.Context, l *liveReader, server *target.Target, sampler *memory.Sampler, pprofURL string) error {
	if server.PID == 0 {
		return l.unavailable(errors.New("no process of the server can be seen"))
	}
	processes := server.Processes()
	if l.plan.kind == live.Off {
		if !l.plan.set {
			l.record.Offer = live.Offer(processes, sampler.Latest().Total)
		}
		return nil
	}
	if l.record.Failed != "" { // when the server was prepared
		return nil
	}
	l.options.PprofURL = pprofURL
	tree, err := live.Open(ctx, processes, l.options)
	if err != nil {
		return l.unavailable(err)
	}
	s.onClose(func() error { l.close(tree); return nil })
	l.source = tree
	l.record.Runtimes = tree.Runtimes()
	return nil
}

// ofTheOther begins why live memory is not read though it could be. Why that of the other server is not follows.
const ofTheOther = "that of the other server cannot be read, and both are compared: "

// bothOrNeither has live memory read of two servers that are compared, or of neither: a collection in one of them alone
// would be taken for a difference.
func bothOrNeither(server, baseline *liveReader) {
	server.other, baseline.other = baseline, server
	if (server.source == nil) == (baseline.source == nil) {
		return
	}
	for _, l := range []*liveReader{server, baseline} {
		if l.source != nil { // it was opened all the same
			l.record.Said = append(l.record.Said, l.source.Said()...)
		}
		l.source, l.record.Runtimes, l.record.Failed = nil, nil, cmp.Or(l.record.Failed, ofTheOther+l.other.record.Failed)
	}
}

// named tells whether LIVE names a runtime.
func (l *liveReader) named() bool {
	return l.plan.set && l.plan.kind != live.Auto && l.plan.kind != live.Off
}

// unavailable keeps why live memory is not read; it is an error if LIVE names a runtime.
func (l *liveReader) unavailable(err error) error {
	switch {
	case l.plan.kind == live.Off:
		return nil
	case l.named():
		return unmeasured(fmt.Errorf("LIVE=%q: expected a server whose live memory can be read: %w", string(l.plan.kind), err))
	}
	l.record.Failed = text.Printable(err.Error())
	return nil
}

// ofEnvironment begins what is said of a variable.
const ofEnvironment = "environment: "

// missesInARow is how many readings in a row may fail before no more is tried.
const missesInARow = 2

// read is lab.Server's Live. A failure is told. The second in a row ends the reading; the run goes on with resident memory.
func (l *liveReader) read(ctx context.Context) *memory.Live {
	if !l.reads() {
		return nil
	}
	if l.other != nil && l.other.record.Failed != "" { // in the middle of the run, which it has told
		l.record.Failed = ofTheOther + l.other.record.Failed
		return nil
	}
	read, err := l.source.Live(ctx)
	switch {
	case err == nil:
		l.missed, l.record.Runtimes = 0, l.source.Runtimes() // some may have come since
		return &read
	case ctx.Err() != nil, errors.Is(err, memory.ErrGone):
		return nil
	}
	if l.missed++; l.missed < missesInARow {
		note(l.notes, "loader: no live memory after this iteration:", err)
		return nil
	}
	l.record.Failed = text.Printable(err.Error())
	note(l.notes, "loader: live memory cannot be read any more:", err, "(going on with resident memory)")
	return nil
}

// reads tells whether live memory is read, as far as is known.
func (l *liveReader) reads() bool { return l.source != nil && l.record.Failed == "" }

// add counts what the reading of an iteration has cost.
func (l *liveReader) add(i lab.Iteration) {
	if i.Live == nil {
		return
	}
	l.record.Forced = i.Live.Forced
	l.record.StoppedSeconds = max(l.record.StoppedSeconds, i.Live.Stopped.Seconds())
	if i.Number == 1 {
		l.first = i.RequestsPerSecond()
		return
	}
	l.later += i.RequestsPerSecond()
	l.follow++
	if l.first > 0 {
		change := l.later/float64(l.follow)/l.first - 1
		l.record.RateChange = &change
	}
}

// recorded is what the record of the run has of it; nil if there is nothing to tell.
func (l *liveReader) recorded() *record.Live {
	if l == nil || l.source == nil && l.record.Failed == "" && l.record.Offer == "" {
		return nil
	}
	recorded := l.record
	if l.source != nil { // processes may have come since
		recorded.Said = append(slices.Clone(recorded.Said), l.source.Said()...)
	}
	return &recorded
}

// close closes what was opened in the server, though the run may have been interrupted.
func (l *liveReader) close(source live.Source) {
	const limit = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := source.Close(ctx); err != nil {
		note(l.notes, "loader: what was opened in the server may still be open:", err)
	}
}

// lines are those of the block at the top.
func (l *liveReader) lines() []record.Line {
	recorded := l.recorded()
	if recorded == nil {
		return nil
	}
	how := "read after each iteration, by " + strings.Join(recorded.Runtimes, ", ")
	switch {
	case recorded.Offer != "":
		how = "not read, since the server was running before; " + recorded.Offer
	case recorded.Failed != "":
		how = "not known: " + recorded.Failed
	}
	lines := []record.Line{{Name: "Live", Value: how}}
	for _, said := range recorded.Said {
		name := "Opened"
		if variable, found := strings.CutPrefix(said, ofEnvironment); found {
			name, said = "Set", variable
		}
		lines = append(lines, record.Line{Name: name, Value: said})
	}
	return lines
}
