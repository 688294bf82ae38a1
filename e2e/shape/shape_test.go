package shape

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// Each shape of load finds the leak that is planted on its path, and plain load does not.
func TestPlantedLeaksAreFoundByTheFittingShape(t *testing.T) {
	lab.Quiet(t)
	for _, planted := range lab.Modes(t) {
		if !planted.Leaks || planted.Shape == "keepalive" && planted.Protocol == "" {
			continue
		}
		t.Run(planted.Name, func(t *testing.T) {
			settings := []string{"LEAK=" + planted.Name, "BODY_BYTES=8192", "WORKERS=20"}
			if lab.Long() {
				settings = append(settings, "TRIES=10", "DURATION=500ms", "LEAK_BYTES=1024", "SETTLE=200ms")
			} else {
				settings = append(settings, "TRIES=10", "REQUESTS=1500", "LEAK_BYTES=4096", "TOLERANCE=512")
			}
			found := lab.StartLive(t, append(settings, "SHAPE="+planted.Shape, "PROTOCOL="+planted.Protocol)...)
			assert.Equal(t, 1, found.ExitCode(), "%s%s", &found.Out, &found.Err)
			plain := lab.StartLive(t, append(settings, "SHAPE=keepalive")...)
			assert.NotEqual(t, 1, plain.ExitCode(), "%s%s", &plain.Out, &plain.Err)
			for _, row := range append(found.Rows(t), plain.Rows(t)...) {
				assert.Zero(t, lab.Number(t, row, lab.ColumnErrors))
			}
		})
	}
}

// A call of gRPC that its client leaves is found by that, and not by calls that end.
func TestCallsThatAreLeftAreFound(t *testing.T) {
	lab.Quiet(t)
	settings := []string{"LEAK=stream", "PROTOCOL=grpc", "WORKERS=20", "TRIES=10", "REQUESTS=1500", "LEAK_BYTES=8192", "TOLERANCE=512"}
	left := lab.StartLive(t, append(settings, "SHAPE=abort")...)
	assert.Equal(t, 1, left.ExitCode(), "%s%s", &left.Out, &left.Err)
	ended := lab.StartLive(t, append(settings, "SHAPE=keepalive")...)
	assert.NotEqual(t, 1, ended.ExitCode(), "%s%s", &ended.Out, &ended.Err)
	for _, row := range append(left.Rows(t), ended.Rows(t)...) {
		assert.Zero(t, lab.Number(t, row, lab.ColumnErrors))
	}
}

// What a server keeps on a connection until it closes adds up only if it stays open.
func TestWhatHangsOnAConnectionIsFoundIfItIsKept(t *testing.T) {
	lab.Quiet(t)
	for _, protocol := range []string{"http1", "h2c", "ws"} {
		t.Run(protocol, func(t *testing.T) {
			settings := []string{"LEAK=session", "PROTOCOL=" + protocol, "WORKERS=20", "TRIES=10", "REQUESTS=1500", "LEAK_BYTES=4096", "TOLERANCE=512"}
			kept := lab.StartLive(t, settings...)
			assert.Equal(t, 1, kept.ExitCode(), "%s%s", &kept.Out, &kept.Err)
			fresh := lab.StartLive(t, append(settings, "CONNECTIONS=fresh")...)
			assert.NotEqual(t, 1, fresh.ExitCode(), "%s%s", &fresh.Out, &fresh.Err)
			for _, row := range append(kept.Rows(t), fresh.Rows(t)...) {
				assert.Zero(t, lab.Number(t, row, lab.ColumnErrors))
			}
		})
	}
}

// The run of the first shape, which leaks, decides the exit code of both.
func TestALeakInOneShapeIsALeak(t *testing.T) {
	lab.Quiet(t)
	r := lab.StartLive(t, "TRIES=10", "REQUESTS=1500", "LEAK=conn", "LEAK_BYTES=4096", "TOLERANCE=512", "SHAPE=churn,keepalive")
	assert.Equal(t, 1, r.ExitCode(), "%s%s", &r.Out, &r.Err)
	verdicts := lab.Verdicts(r.Out.String())
	require.Len(t, verdicts, 2, "one for each shape")
	assert.Equal(t, "leak", verdicts[0])
	assert.NotEqual(t, "leak", verdicts[1])
}
