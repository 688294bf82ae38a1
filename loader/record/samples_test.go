package record

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

func TestSamples(t *testing.T) {
	folder := t.TempDir()
	samples, err := CreateSamples(folder, "samples.csv")
	require.NoError(t, err)
	written := func() string {
		content, err := os.ReadFile(filepath.Join(folder, "samples.csv"))
		require.NoError(t, err)
		return string(content)
	}
	const header = "time,iteration,rss_bytes,anonymous_bytes,file_bytes,shared_bytes\n"
	assert.Equal(t, header, written(), "also of a run that is killed at once")

	at := time.Date(2026, 11, 23, 9, 0, 1, 250e6, time.FixedZone("", 3600))
	samples.Take(at, 0, memory.Reading{Total: 120, Parts: &memory.Parts{Anonymous: 100, File: 20}})
	samples.Take(at.Add(100*time.Millisecond), 3, memory.Reading{Total: 130})
	samples.Take(at.Add(900*time.Millisecond), 0, memory.Reading{Total: 125})
	const rows = header + "2026-11-23T08:00:01.250Z,,120,100,20,0\n2026-11-23T08:00:01.350Z,3,130,,,\n2026-11-23T08:00:02.150Z,,125,,,\n"
	assert.Equal(t, rows, written(), "on disk within a second")
	samples.Take(at.Add(time.Second), 0, memory.Reading{Total: 126})
	assert.Equal(t, rows, written(), "but not each by itself")

	require.NoError(t, samples.Flush())
	require.NoError(t, samples.Close())
	assert.Equal(t, rows+"2026-11-23T08:00:02.250Z,,126,,,\n", written())
	assert.Len(t, samples.Series(), 4)
	samples.Take(at.Add(time.Hour), 0, memory.Reading{Total: 126})
	assert.Error(t, samples.Flush(), "it is closed")
}

// setBack is a moment as a clock tells it that was set back by an hour before. What has passed since another moment is
// the same: the first word of a Time that time.Now has made holds the seconds of the clock from its bit 30 on, and the
// other what time.Since counts.
func setBack(moment time.Time) time.Time {
	*(*uint64)(unsafe.Pointer(&moment)) -= 3600 << 30
	return moment
}

func TestSamplesWhenTheClockIsSetBack(t *testing.T) {
	at := time.Now()
	later := setBack(at.Add(100 * time.Millisecond))
	require.Equal(t, 100*time.Millisecond, later.Sub(at))
	require.Negative(t, later.Round(0).Sub(at.Round(0)))

	folder := t.TempDir()
	samples, err := CreateSamples(folder, "samples.csv")
	require.NoError(t, err)
	samples.Take(at, 0, memory.Reading{Total: 120})
	samples.Take(later, 0, memory.Reading{Total: 130})
	require.NoError(t, samples.Close())
	content, err := os.ReadFile(filepath.Join(folder, "samples.csv"))
	require.NoError(t, err)
	_, rows, _ := strings.Cut(string(content), "\n")
	assert.Equal(t, fmt.Sprintf("%s,,120,,,\n%s,,130,,,\n", at.UTC().Format(timeFormat), at.Add(100*time.Millisecond).UTC().Format(timeFormat)), rows)
	assert.Equal(t, 100*time.Millisecond, samples.Series()[1].At.Round(0).Sub(at.Round(0)))
}

func TestSeriesStaysSmallAndKeepsWhatStandsOut(t *testing.T) {
	begin := time.Unix(0, 0)
	for _, count := range []int{1, mostPoints - 1, mostPoints, 3 * mostPoints, 100_000} {
		var s series
		for i := range count {
			bytes := int64(1000)
			if i == count/3 {
				bytes = 9000
			}
			if i == count/2 {
				bytes = 10
			}
			s.add(Point{begin.Add(time.Duration(i) * time.Second), bytes})
		}
		assert.LessOrEqual(t, len(s.points), mostPoints)
		assert.GreaterOrEqual(t, len(s.points), min(count, mostPoints/2-1))
		low, high := int64(1000), int64(1000)
		for i, p := range s.points {
			low, high = min(low, p.Bytes), max(high, p.Bytes)
			assert.True(t, i == 0 || p.At.After(s.points[i-1].At) || p == s.points[i-1], "in the order of time")
		}
		if count > 1 {
			assert.EqualValues(t, []int64{10, 9000}, []int64{low, high}, "of %d", count)
		}
	}
}

func TestSamplesThatCannotBeRead(t *testing.T) {
	const header = "time,iteration,rss_bytes,anonymous_bytes,file_bytes,shared_bytes\n"
	const good = "2026-11-23T08:00:01.250Z,,120,100,20,0\n"
	for text, want := range map[string]string{
		header + "2026-11-23T08:00:01.250Z,,120\n":      "samples.csv:2: 3 columns; expected 6",
		header + good + "yesterday,,120,100,20,0\n":     `samples.csv:3: time is "yesterday"; expected one like 2006-01-02T15:04:05.000Z07:00`,
		header + "2026-11-23T08:00:01.250Z,,-1,100,,\n": `samples.csv:2: rss_bytes is "-1"; expected a number of bytes`,
	} {
		_, err := readSamples(strings.NewReader(text), "samples.csv")
		assert.EqualError(t, err, want)
	}
	points, err := readSamples(strings.NewReader(header+good+"2026-11-23T08:00"), "samples.csv")
	require.NoError(t, err, "a run that was killed")
	assert.Len(t, points, 1)
}
