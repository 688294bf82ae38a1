package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/exporter"
	"leaklab/loader/judge"
	"leaklab/loader/lab"
	"leaklab/loader/live"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/target"
	"leaklab/loader/verdict"
)

// namingSource is a source that names what is kept.
type namingSource struct {
	failing
	sites          []memory.Site
	unready, fails error
	class          string // that the readings tell, of what grows; empty for none
	nameless       bool   // Names is false
	hangs          bool   // after the load, until the context ends
	save           string // the name of a file that it saves; empty for none
	missed         int    // how many times it names sites of nothing
	prepared       int
	finished       []error // what the context had ended with
}

// classes are what the readings tell of bytes that have been kept.
func (n *namingSource) classes(bytes int64) []memory.Site {
	if n.class == "" {
		return nil
	}
	return []memory.Site{{Class: n.class, Bytes: 1<<20 + bytes, Objects: 100 + bytes/100}}
}

func (n *namingSource) Names() bool { return !n.nameless }

func (n *namingSource) Name(_ context.Context, save live.Save) (func(context.Context) (live.Naming, error), error) {
	if n.unready != nil {
		return nil, n.unready
	}
	n.prepared++
	return func(ctx context.Context) (live.Naming, error) {
		n.finished = append(n.finished, ctx.Err())
		if n.hangs {
			<-ctx.Done()
			return live.Naming{}, ctx.Err()
		}
		naming := live.Naming{Sites: n.sites, SampledEvery: 1 << 10}
		if n.prepared <= n.missed {
			naming.Sites = nil
		}
		if n.save != "" {
			err := save(n.save, func(out io.Writer) error {
				_, err := io.WriteString(out, "a profile")
				return err
			})
			if err != nil {
				return live.Naming{}, err
			}
			naming.Files = []live.ProfileFile{{Name: n.save, Open: "less " + n.save}}
		}
		return naming, n.fails
	}, nil
}

// growing is a session at its end, whose server keeps as many bytes of each of 10,000 requests; generate makes the load of
// one more iteration.
func growing(t *testing.T, kept int64, source *namingSource, generate lab.Generator) (*session, *bytes.Buffer) {
	t.Helper()
	notes := new(bytes.Buffer)
	read := func(context.Context) (memory.Reading, error) { return memory.Reading{Total: 90 << 20}, nil }
	sampler, meter := memory.NewSampler(read), load.NewMeter()
	s := &session{
		plan: &plan{options: verdict.Options{Tolerance: 4}}, folder: t.TempDir(), screen: Screen{Notes: notes},
		judge:  judge.New(judge.Plan{Options: verdict.Options{Tolerance: 4}, Sites: true}),
		live:   &liveReader{source: source, notes: notes},
		target: &target.Target{}, profiles: &profiler{}, watch: &watch{sampler: sampler}, exporter: exporter.New(exporter.Run{Tries: 9}, sampler, meter),
		record: record.Run{StartedAt: time.Now(), State: record.Running},
	}
	samples, err := record.CreateSamples(s.folder, "samples.csv")
	require.NoError(t, err)
	s.samples = samples
	t.Cleanup(func() { assert.NoError(t, samples.Close()) })
	for n := range int64(9) {
		i := lab.Iteration{
			Number: int(n) + 1, Of: 9, Requests: 10_000, Load: load.Result{Totals: load.NewMeter().Snapshot(), Elapsed: time.Second},
			Start: memory.Reading{Total: 90 << 20}, End: memory.Reading{Total: 90 << 20},
			Live: &lab.Live{Live: memory.Live{Bytes: 4<<20 + 10_000*n*kept, Outside: 20 << 20, Sites: source.classes(10_000 * n * kept)}, Idle: -1},
		}
		row := record.NewIteration(i)
		s.judge.Add(i, row)
		s.record.Iterations = append(s.record.Iterations, row)
		s.last = i
	}
	s.judge.End(nil)
	s.lab = lab.Plan{Tries: 9, Server: lab.Server{Generate: generate, Sampler: sampler, Meter: meter}}
	return s, notes
}

// answers generates that many requests.
func answers(requests uint64) lab.Generator {
	return func(context.Context, int, *load.Meter) (load.Result, error) {
		return load.Result{Totals: load.Totals{Requests: requests}}, nil
	}
}

// keeper are the sites of a server that keeps 100 bytes of each of 5,000 requests.
func keeper() []memory.Site {
	return []memory.Site{{Function: "keep", File: "app.js", Line: 3, InFunction: true, Bytes: 500_000, Objects: 5_000, Sampled: true}}
}

func TestWhatIsKeptIsNamed(t *testing.T) {
	source := &namingSource{sites: keeper(), save: "sites.heapprofile"}
	s, notes := growing(t, 100, source, answers(5_000))
	source.sites[0].Bytes *= 2 // of two iterations, since one has few requests
	s.name(t.Context(), false, nil)
	sites := s.record.Sites
	require.NotNil(t, sites)
	require.Len(t, sites.List, 1)
	assert.Equal(t, "in keep (app.js:3)", sites.List[0].Name())
	assert.InDelta(t, 100, sites.List[0].BytesPerRequest.Estimate, 0.1)
	assert.EqualValues(t, 10_000, sites.NamingRequests)
	assert.Empty(t, sites.Unnamed)
	assert.InDelta(t, 1, *sites.Explained, 0.01)
	assert.Equal(t, []record.ProfileFile{{Name: "sites.heapprofile", Open: "less sites.heapprofile"}}, sites.Files)
	content, err := os.ReadFile(filepath.Join(s.folder, "sites.heapprofile"))
	require.NoError(t, err)
	assert.Equal(t, "a profile", string(content))
	assert.Equal(t, "loader: leak, live memory 100.0 bytes/request (100.0 to 100.0, 95%): one more iteration of load, which is not judged, names what is kept\n", notes.String())
	assert.Equal(t, 9, s.judge.Iterations())
	assert.Len(t, s.record.Iterations, 9)
}

// Chance decides what a runtime samples of a class that the readings tell.
func TestAClassThatNoSampleHeldIsNamedAgain(t *testing.T) {
	for missed, want := range []string{"Item in Shop.keep line 7", "Item in Shop.keep line 7", "Item in Shop.keep line 7", "Item"} {
		t.Run(fmt.Sprint(missed, " missed"), func(t *testing.T) {
			source := &namingSource{sites: []memory.Site{{Class: "Item", Function: "Shop.keep", Line: 7, InFunction: true}}, class: "Item", missed: missed}
			s, notes := growing(t, 100, source, answers(enoughRequests))
			s.name(t.Context(), true, nil)
			require.Len(t, s.record.Sites.List, 1)
			assert.Equal(t, want, s.record.Sites.List[0].Name())
			tries := min(missed+1, mostNamings)
			assert.Equal(t, tries, source.prepared)
			assert.Equal(t, tries, strings.Count(notes.String(), "one more iteration of load"))
			assert.Equal(t, missed == mostNamings, s.record.Sites.Unnamed != "", s.record.Sites.Unnamed)
		})
	}
}

// What the first sample held is not lost.
func TestNamingAgainThatFails(t *testing.T) {
	source := &namingSource{sites: []memory.Site{{Class: "Other", Function: "Shop.serve", Line: 9}}, class: "Item", save: "sites.heapprofile"}
	loads := 0
	s, notes := growing(t, 100, source, func(ctx context.Context, number int, meter *load.Meter) (load.Result, error) {
		if loads++; loads > 1 {
			return load.Result{}, errors.New("no more load")
		}
		return answers(enoughRequests)(ctx, number, meter)
	})
	s.name(t.Context(), false, nil)
	assert.Equal(t, 2, source.prepared)
	assert.Len(t, s.record.Sites.Files, 1)
	assert.EqualValues(t, enoughRequests, s.record.Sites.NamingRequests)
	assert.Contains(t, notes.String(), "loader: nothing more is named: no more load")
	assert.Contains(t, s.record.Sites.Unnamed, "the samples held no such object")
}

// The second load is as long as it takes for enough requests, but no longer than the first.
func TestASecondIterationIsAsLongAsItTakes(t *testing.T) {
	for first, want := range map[uint64]time.Duration{enoughRequests * 3 / 4: time.Second, enoughRequests / 2: 3 * time.Second, 10: 3 * time.Second, enoughRequests - 1: leastExtra} {
		var lengths []time.Duration
		var s *session
		s, _ = growing(t, 100, &namingSource{sites: keeper()}, func(ctx context.Context, number int, meter *load.Meter) (load.Result, error) {
			lengths = append(lengths, s.durationOf(number))
			return answers(first)(ctx, number, meter)
		})
		s.plan.server.load.Duration = 3 * time.Second
		s.name(t.Context(), false, nil)
		assert.Equal(t, []time.Duration{3 * time.Second, want}, lengths)
		assert.Equal(t, 3*time.Second, s.durationOf(1), "of what follows")
		assert.EqualValues(t, 2*first, s.record.Sites.NamingRequests)
	}
}

func TestOneMoreIterationIsEnoughWithManyRequests(t *testing.T) {
	loads := 0
	var s *session
	s, _ = growing(t, 100, &namingSource{sites: keeper()}, func(ctx context.Context, number int, meter *load.Meter) (load.Result, error) {
		loads++
		assert.Equal(t, lab.UsualDuration, s.durationOf(number), "many requests are wanted")
		return answers(enoughRequests)(ctx, number, meter)
	})
	s.plan.growing, s.plan.server.load.Duration = true, lab.UsualDuration
	assert.Equal(t, lab.GrowingDuration(10), s.durationOf(10))
	s.name(t.Context(), false, nil)
	assert.Equal(t, 1, loads)
	assert.EqualValues(t, enoughRequests, s.record.Sites.NamingRequests)
}

// What a server keeps for a connection is not kept for each request: connections are open again before it names.
func TestConnectionsAreOpenBeforeWhatIsKeptIsNamed(t *testing.T) {
	source := &namingSource{sites: keeper()}
	var prepared []string
	loads := func(name string) lab.Generator {
		return func(ctx context.Context, number int, meter *load.Meter) (load.Result, error) {
			prepared = append(prepared, fmt.Sprint(name, source.prepared))
			return answers(enoughRequests)(ctx, number, meter)
		}
	}
	s, _ := growing(t, 100, source, loads("named "))
	s.reopen = loads("opened ")
	s.name(t.Context(), true, nil)
	assert.Equal(t, []string{"opened 0", "named 1"}, prepared)
	assert.EqualValues(t, enoughRequests, s.record.Sites.NamingRequests)
	s.name(t.Context(), false, nil)
	assert.Equal(t, []string{"opened 0", "named 1", "named 2"}, prepared, "they are open")

	s.reopen = func(context.Context, int, *load.Meter) (load.Result, error) {
		return load.Result{}, errors.New("no server")
	}
	source.prepared = 0
	s.name(t.Context(), true, nil)
	assert.Zero(t, source.prepared)
	assert.Equal(t, "no server", s.record.Sites.Unnamed)
}

// A little load may end before all connections are open, and some may fail.
func TestConnectionsAreOpenedUntilNoneIsMissing(t *testing.T) {
	plan := load.Plan{Address: serveFew(t, 100).Listener.Addr().String(), Workers: 8, Duration: 500 * time.Millisecond, Timeout: time.Minute, Kept: new(load.Kept)}
	plan.Behaviour = load.NewBehaviour(load.ShapeNamed("keepalive"), load.Request{Paths: []string{"/"}}, plan.Address)
	source := &namingSource{sites: keeper()}
	s, _ := growing(t, 100, source, answers(enoughRequests))
	s.connections.kept = []*load.Kept{plan.Kept}
	opened := 0
	s.reopen = func(ctx context.Context, _ int, meter *load.Meter) (load.Result, error) {
		opened++
		assert.Zero(t, source.prepared)
		little := plan
		if opened == 1 {
			little.Requests = 1
		}
		result, err := load.Run(ctx, little, meter)
		if opened == 2 {
			result.Errors = map[load.Reason]uint64{load.Timeout: 1}
		}
		return result, err
	}
	s.name(t.Context(), true, nil)
	assert.Equal(t, 3, opened)
	assert.False(t, s.connections.missing())
	assert.Equal(t, 1, source.prepared)

	s.reopen = func(context.Context, int, *load.Meter) (load.Result, error) {
		opened++
		return load.Result{Totals: load.Totals{Requests: 9, Errors: map[load.Reason]uint64{load.Reset: 1}}}, nil
	}
	s.name(t.Context(), true, nil)
	assert.Equal(t, 3+mostOpenings, opened, "a server that always fails is named all the same")
	assert.Equal(t, 2, source.prepared)
}

func TestALittleLoadOpensConnections(t *testing.T) {
	some := reopening(load.Plan{Duration: 3 * time.Second, Requests: 1_000_000, Workers: 7})
	assert.Equal(t, load.Plan{Duration: 300 * time.Millisecond, Workers: 7}, some)
	assert.Equal(t, 100*time.Millisecond, reopening(load.Plan{Duration: 100 * time.Millisecond}).Duration)
	slow := load.Plan{Duration: 3 * time.Second, Rate: 10}
	assert.Equal(t, slow, reopening(slow))
}

func TestNothingIsNamedOfACleanServer(t *testing.T) {
	source := &namingSource{sites: keeper()}
	s, notes := growing(t, 0, source, answers(5_000))
	s.name(t.Context(), false, nil)
	assert.Nil(t, s.record.Sites)
	assert.Zero(t, source.prepared)
	assert.Empty(t, notes.String())
}

// A run has lost nothing if naming fails: the report on disk has the verdict, and one note tells.
func TestNamingThatFails(t *testing.T) {
	lost := func(context.Context, int, *load.Meter) (load.Result, error) {
		return load.Result{}, errors.New("the tool failed")
	}
	for name, test := range map[string]struct {
		source   namingSource
		generate lab.Generator
		unnamed  string
		told     bool
		finished int
	}{
		"not ready":       {namingSource{unready: errors.New("it is busy\x1b[2J")}, answers(1), `it is busy\x1b[2J`, true, 0},
		"no such runtime": {namingSource{nameless: true}, answers(1), "the runtime tells no sites with its live memory; of C, C++ and Rust, LIVE=tcmalloc or LIVE=jemalloc tells them", false, 0},
		"not after all":   {namingSource{unready: fmt.Errorf("%w: it has no such profile", live.ErrNone)}, answers(1), "the runtime tells no sites with its live memory; of C, C++ and Rust, LIVE=tcmalloc or LIVE=jemalloc tells them", false, 0},
		"it fails":        {namingSource{fails: errors.New("cut off")}, answers(1), "cut off", true, 1},
		"the load fails":  {namingSource{}, lost, "the tool failed", true, 1},
		"a hostile name":  {namingSource{save: "../x"}, answers(1), `"../x": expected the name of a file`, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, notes := growing(t, 100, &test.source, test.generate)
			s.name(t.Context(), false, nil)
			require.NotNil(t, s.record.Sites)
			assert.Equal(t, test.unnamed, s.record.Sites.Unnamed)
			assert.Empty(t, s.record.Sites.List)
			assert.Len(t, test.source.finished, test.finished, "the server is left as it was")
			lines := strings.Count(notes.String(), "loader: nothing more is named: ")
			assert.Equal(t, test.told, lines == 1, notes.String())
			assert.Equal(t, test.finished, strings.Count(notes.String(), "one more iteration of load"), notes.String())
			if name == "no such runtime" {
				return // the end of the run writes the report
			}
			written := readRecord(t, s.folder)
			assert.Equal(t, verdict.Leak, written.Verdict.Kind)
			assert.Len(t, written.Iterations, 9)
		})
	}
}

func readRecord(t *testing.T, folder string) record.Run {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "run.json"))
	require.NoError(t, err)
	var run record.Run
	require.NoError(t, json.Unmarshal(content, &run))
	return run
}

func TestNamingThatIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	source := &namingSource{sites: keeper()}
	s, notes := growing(t, 100, source, func(ctx context.Context, _ int, _ *load.Meter) (load.Result, error) {
		cancel(errors.New("interrupted (interrupt)"))
		return load.Result{}, context.Cause(ctx)
	})
	s.name(ctx, false, nil)
	assert.Equal(t, namingInterrupted, s.record.Sites.Unnamed)
	assert.Equal(t, []error{nil}, source.finished, "the server is left as it was, in spite of the interruption")
	assert.Contains(t, notes.String(), "loader: nothing more is named: the run was interrupted")
	assert.Equal(t, verdict.Leak, readRecord(t, s.folder).Verdict.Kind)

	s.name(ctx, false, nil)
	assert.Equal(t, 1, source.prepared, "nothing is begun in a run that was interrupted before")
	assert.Equal(t, namingInterrupted, s.record.Sites.Unnamed)
}

// A server that does not answer after the load holds the run up for as long as the user waits, and no longer.
func TestNamingThatHangsIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	source := &namingSource{sites: keeper(), hangs: true}
	s, _ := growing(t, 100, source, answers(enoughRequests))
	time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("interrupted (interrupt)")) })
	s.name(ctx, false, nil)
	assert.Equal(t, namingInterrupted, s.record.Sites.Unnamed)
	assert.Equal(t, []error{nil}, source.finished)
	assert.Equal(t, verdict.Leak, readRecord(t, s.folder).Verdict.Kind)
}

// The verdict stands if the server does not survive the iteration that names what it keeps.
func TestServerThatDiesWhileItIsNamed(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := fmt.Errorf("the server was killed: %w", memory.ErrGone)
	source := &namingSource{fails: errors.New("no answer")}
	s, notes := growing(t, 100, source, func(ctx context.Context, _ int, _ *load.Meter) (load.Result, error) {
		cancel(gone)
		return load.Result{}, context.Cause(ctx)
	})
	s.name(ctx, false, nil)
	assert.Equal(t, []error{nil}, source.finished)
	assert.Equal(t, gone.Error()+"; no answer", s.record.Sites.Unnamed)
	assert.Equal(t, "loader: leak, live memory 100.0 bytes/request (100.0 to 100.0, 95%): one more iteration of load, which is not judged, names what is kept\n"+
		"loader: nothing more is named: "+gone.Error()+"; no answer\n", notes.String())
	written := readRecord(t, s.folder)
	assert.Equal(t, verdict.Leak, written.Verdict.Kind)
	assert.Len(t, written.Iterations, 9)
}

func TestNamingThatIsNotTried(t *testing.T) {
	source := &namingSource{sites: keeper()}
	s, _ := growing(t, 100, source, answers(1))
	s.plan.sites.off = true
	s.name(t.Context(), false, nil)
	assert.Equal(t, namingIsOff, s.record.Sites.Unnamed)
	source.nameless = true
	s.name(t.Context(), false, nil)
	assert.Equal(t, namingIsOff, s.record.Sites.Unnamed, "the readings may have told more")
	source.nameless = false
	s.plan.sites.off, s.plan.align = false, time.Minute
	s.name(t.Context(), false, nil)
	assert.Equal(t, namingOfAligned, s.record.Sites.Unnamed)
	s.name(t.Context(), false, errors.New("iteration 5: the tool failed"))
	assert.Equal(t, namingEndedEarly, s.record.Sites.Unnamed)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("the server was killed: %w", memory.ErrGone))
	s.name(ctx, false, context.Cause(ctx))
	assert.Equal(t, namingEndedEarly, s.record.Sites.Unnamed, "it was not the user")
	assert.Zero(t, source.prepared)
}

// A snapshot holds the secrets of a server.
func TestASnapshotIsForItsOwnerAlone(t *testing.T) {
	s := &session{folder: t.TempDir()}
	for name, mode := range map[string]os.FileMode{"a.heapsnapshot": 0o600, "a.heapprofile": 0o644} {
		require.NoError(t, s.saveProfile(name, func(out io.Writer) error { return nil }))
		info, err := os.Stat(filepath.Join(s.folder, name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode())
	}
	require.EqualError(t, s.saveProfile("b", func(io.Writer) error { return errors.New("cut off") }), "cannot write "+filepath.Join(s.folder, "b")+": cut off")
	files, err := os.ReadDir(s.folder)
	require.NoError(t, err)
	assert.Len(t, files, 2, "nothing is left of it")
}
