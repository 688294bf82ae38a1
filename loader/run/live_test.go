package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/config"
	"leaklab/loader/lab"
	"leaklab/loader/live"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/target"
)

func TestKindsOfLive(t *testing.T) {
	setting, known := config.Named("LIVE")
	require.True(t, known)
	var kinds []string
	for _, kind := range live.Kinds() {
		kinds = append(kinds, string(kind))
	}
	assert.Equal(t, kinds, setting.Choices)
}

func TestLivePlan(t *testing.T) {
	assert.Equal(t, livePlan{kind: live.Auto}, livePlanOf("", true))
	assert.Equal(t, livePlan{kind: live.Off}, livePlanOf("", false))
	assert.Equal(t, livePlan{kind: live.JVM, set: true}, livePlanOf("jvm", false))
	assert.Equal(t, livePlan{kind: live.Auto, set: true}, livePlanOf("auto", false))
}

func TestLiveThatIsNotAvailable(t *testing.T) {
	l := &liveReader{plan: livePlan{kind: live.Auto}}
	require.NoError(t, l.unavailable(errors.New("it is closed\x1b[2J")))
	assert.Equal(t, []record.Line{{Name: "Live", Value: "not known: it is closed\\x1b[2J"}}, l.lines())
	assert.Empty(t, l.recorded().Sentences(), "the block at the top has said so")
	l.record.Said = []string{"environment: NODE_OPTIONS=--inspect=127.119.1.2:0"}
	assert.Contains(t, l.lines(), record.Line{Name: "Set", Value: "NODE_OPTIONS=--inspect=127.119.1.2:0"}, "it was set all the same")
	l = &liveReader{plan: livePlan{kind: live.JVM, set: true}}
	err := l.unavailable(errors.New("it is closed"))
	require.ErrorIs(t, err, errSettings)
	assert.ErrorContains(t, err, `LIVE="jvm": expected a server whose live memory can be read: it is closed`)
	l = &liveReader{plan: livePlan{kind: live.Off}}
	require.NoError(t, l.unavailable(errors.New("remote")))
	assert.Nil(t, l.recorded())
	assert.Empty(t, l.lines())
}

// A server that cannot be prepared is measured all the same, unless LIVE names a runtime.
func TestLiveOfAServerThatCannotBePrepared(t *testing.T) {
	temporary := filepath.Join(t.TempDir(), "a:b") // which PYTHONPATH cannot have
	t.Setenv("TMPDIR", temporary)
	prepare := func(how livePlan) (*liveReader, error) {
		s := &session{plan: &plan{live: how}, target: &target.Target{PID: os.Getpid()}}
		t.Cleanup(func() { assert.NoError(t, s.close()) })
		l, err := s.prepareLive(&side{target: target.Plan{Command: []string{"python3"}}})
		if err == nil {
			require.NoError(t, s.openLive(t.Context(), l, s.target, nil, ""))
			assert.Nil(t, l.source)
		}
		return l, err
	}
	l, err := prepare(livePlan{kind: live.Auto})
	require.NoError(t, err)
	assert.Contains(t, l.record.Failed, "no such file", "there is no folder for temporary files")
	require.NoError(t, os.Mkdir(temporary, 0o700))
	l, err = prepare(livePlan{kind: live.Auto})
	require.NoError(t, err)
	assert.Contains(t, l.record.Failed, "PYTHONPATH")
	_, err = prepare(livePlan{kind: live.Python, set: true})
	require.ErrorIs(t, err, errSettings)
	assert.ErrorContains(t, err, "LIVE=\"python\"")
}

func iterationAt(number int, rate uint64, stopped time.Duration) lab.Iteration {
	return lab.Iteration{
		Number: number, Load: load.Result{Totals: load.Totals{Requests: rate}, Elapsed: time.Second},
		Live: &lab.Live{Live: memory.Live{Stopped: stopped, Forced: "GC.class_histogram"}},
	}
}

func TestCostOfLive(t *testing.T) {
	l := &liveReader{source: failing{}}
	for number, rate := range []uint64{1000, 900, 940} {
		l.add(iterationAt(number+1, rate, time.Duration(number+1)*20*time.Millisecond))
	}
	l.add(lab.Iteration{Number: 4, Load: load.Result{Totals: load.Totals{Requests: 1}, Elapsed: time.Second}})
	assert.Equal(t, []string{"Live memory was read after each iteration (GC.class_histogram): the server stood still for up to 60ms each time. " +
		"The rate of requests was 8% lower afterwards than in the first iteration, before any reading."}, l.recorded().Sentences())
}

// failing is a source that fails.
type failing struct {
	asked *int
	err   error
}

func (f failing) Live(context.Context) (memory.Live, error) { *f.asked++; return memory.Live{}, f.err }
func (f failing) Close(context.Context) error               { return f.err }
func (failing) Said() []string                              { return nil }
func (failing) Runtimes() []string                          { return []string{"jvm", "native"} }

func TestLiveThatFailsIsToldOnce(t *testing.T) {
	var notes bytes.Buffer
	asked := 0
	l := &liveReader{source: failing{&asked, errors.New("it answers nothing")}, notes: &notes}
	l.record.Runtimes = []string{"jvm"}
	for range 3 {
		assert.Nil(t, l.read(t.Context()))
	}
	assert.Equal(t, 2, asked, "one may be missed")
	assert.Equal(t, "loader: no live memory after this iteration: it answers nothing\n"+
		"loader: live memory cannot be read any more: it answers nothing (going on with resident memory)\n", notes.String())
	assert.Equal(t, []string{"Live memory could not be read any more (it answers nothing): the verdict rests on resident memory."}, l.recorded().Sentences())
	l.close(l.source)
	assert.Contains(t, notes.String(), "may still be open: it answers nothing")
}

func TestLiveOfAServerThatIsGone(t *testing.T) {
	var notes bytes.Buffer
	asked := 0
	l := &liveReader{source: failing{&asked, fmt.Errorf("process 7: %w", memory.ErrGone)}, notes: &notes}
	assert.Nil(t, l.read(t.Context()))
	assert.Empty(t, notes.String(), "the next reading tells")
}

func TestLiveOfBothServersOrOfNeither(t *testing.T) {
	server, baseline := &liveReader{source: failing{}}, &liveReader{}
	baseline.record.Failed = "python: it has no hook"
	bothOrNeither(server, baseline)
	assert.Nil(t, server.source)
	assert.Equal(t, "that of the other server cannot be read, and both are compared: python: it has no hook", server.record.Failed)
	assert.Equal(t, "python: it has no hook", baseline.record.Failed)
	asked := 0
	server, baseline = &liveReader{source: failing{asked: &asked}}, &liveReader{source: failing{&asked, errors.New("it answers nothing")}, notes: io.Discard}
	bothOrNeither(server, baseline)
	assert.NotNil(t, server.source)
	server.record.Runtimes = []string{"native"}
	assert.NotNil(t, server.read(t.Context()))
	assert.Equal(t, []string{"jvm", "native"}, server.record.Runtimes, "one was still starting when it was opened")
	for range missesInARow {
		assert.Nil(t, baseline.read(t.Context()))
	}
	assert.Nil(t, server.read(t.Context()), "a collection in one alone would be taken for a difference")
	assert.Equal(t, 1+missesInARow, asked)
}

func TestWhatWasSetBeforeIsNotShown(t *testing.T) {
	before := []string{"PATH=/bin", "JAVA_TOOL_OPTIONS=-Dpassword=secret", "NODE_OPTIONS="}
	assert.Equal(t, "JAVA_TOOL_OPTIONS=-XX:NativeMemoryTracking=summary ...",
		added("JAVA_TOOL_OPTIONS=-XX:NativeMemoryTracking=summary -Dpassword=secret", before))
	assert.Equal(t, "NODE_OPTIONS=--inspect=127.119.1.2:0", added("NODE_OPTIONS=--inspect=127.119.1.2:0", before))
}
