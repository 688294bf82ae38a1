package run

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/lab"
	"leaklab/loader/live"
	"leaklab/loader/verdict"
)

func TestIdleTimesSuitTheAllocators(t *testing.T) {
	glibc := live.Allocator{Name: "glibc's malloc"}
	jemalloc := live.Allocator{Name: "jemalloc", Rest: 15 * time.Second}
	erlang := live.Allocator{Name: "Erlang", Rest: 15 * time.Second, Settle: 15 * time.Second}
	aligned := map[string]string{"ALIGN": "true", "METRICS_URL": "http://127.0.0.1:9101/metrics"}
	for name, test := range map[string]struct {
		settings   map[string]string
		allocators []live.Allocator
		want       string
	}{
		"remote":   {nil, nil, "500ms before each reading, at most 5s of rest in the end"},
		"glibc":    {nil, []live.Allocator{glibc}, "500ms before each reading, at most 5s of rest in the end"},
		"jemalloc": {nil, []live.Allocator{jemalloc}, "500ms before each reading, at most 15s of rest in the end (jemalloc gives memory back late)"},
		"Erlang": {
			nil, []live.Allocator{glibc, erlang},
			"500ms before each load, 15s after it, at most 15s of rest in the end (Erlang gives memory back late)",
		},
		"auto":    {map[string]string{"SETTLE": "auto", "RELEASE": "auto"}, []live.Allocator{jemalloc}, "500ms before each reading, at most 15s of rest in the end (jemalloc gives memory back late)"},
		"settle":  {map[string]string{"SETTLE": "500ms"}, []live.Allocator{erlang}, "500ms before each reading, at most 15s of rest in the end (Erlang gives memory back late)"},
		"release": {map[string]string{"RELEASE": "5s"}, []live.Allocator{jemalloc}, "500ms before each reading, 5s of rest in the end"},
		"none":    {map[string]string{"SETTLE": "0", "RELEASE": "0"}, []live.Allocator{erlang}, "0s before each reading"},
		"aligned": {aligned, []live.Allocator{erlang}, "500ms before each reading, at most 15s of rest in the end (Erlang gives memory back late)"},
	} {
		p := planned(t, test.settings)
		assert.Equal(t, test.want, p.rests(test.allocators, false).String(), name)
	}
}

// A full collection leaves nothing to settle, in a run that may end at any iteration.
func TestIdleTimesWithLiveMemory(t *testing.T) {
	erlang := []live.Allocator{{Name: "Erlang", Rest: 15 * time.Second, Settle: 15 * time.Second}}
	for name, test := range map[string]struct {
		settings   map[string]string
		allocators []live.Allocator
		want       string
	}{
		"auto":     {nil, nil, "200ms after each load, at most 16s of rest in the end"},
		"fresh":    {map[string]string{"CONNECTIONS": "fresh"}, nil, "200ms after each load, at most 15s of rest in the end"},
		"Erlang":   {nil, erlang, "500ms before each load, 15s after it, at most 30s of rest in the end (Erlang gives memory back late)"},
		"fixed":    {map[string]string{"TRIES": "10"}, nil, "500ms before each reading, at most 16s of rest in the end"},
		"settle":   {map[string]string{"SETTLE": "1s"}, nil, "1s before each reading, at most 16s of rest in the end"},
		"release":  {map[string]string{"RELEASE": "7s"}, nil, "200ms after each load, 7s of rest in the end, twice if connections are open"},
		"baseline": {map[string]string{"BASELINE": "old"}, nil, "500ms before each reading, 5s of rest in the end, twice if connections are open"},
	} {
		p := planned(t, test.settings)
		assert.Equal(t, test.want, p.rests(test.allocators, true).String(), name)
	}
}

func TestRestInTheEnd(t *testing.T) {
	jemalloc := []live.Allocator{{Name: "jemalloc", Rest: 15 * time.Second}}
	both := func(length time.Duration) lab.RestLength { return lab.RestLength{Live: length, Total: length} }
	leak := func(of verdict.Part) verdict.Verdict {
		return verdict.Verdict{Kind: verdict.Leak, Estimated: true, Of: of}
	}
	clean := verdict.Verdict{Kind: verdict.NoLeak, Estimated: true, Of: verdict.Resident}
	unsure := verdict.Verdict{Kind: verdict.Inconclusive, Estimated: true, Of: verdict.Resident}
	for name, test := range map[string]struct {
		settings   map[string]string
		allocators []live.Allocator
		verdict    verdict.Verdict
		grew       time.Duration
		want       lab.RestLength
	}{
		"no leak":                    {verdict: clean},
		"too few readings":           {verdict: verdict.Judge(nil, verdict.Options{})},
		"inconclusive":               {verdict: unsure, want: both(5 * time.Second)},
		"resident":                   {verdict: leak(verdict.Resident), grew: time.Hour, want: both(5 * time.Second)},
		"held, jemalloc":             {allocators: jemalloc, verdict: leak(verdict.Held), want: both(15 * time.Second)},
		"outside, jemalloc":          {allocators: jemalloc, verdict: leak(verdict.Outside), want: both(15 * time.Second)},
		"live, short":                {verdict: leak(verdict.Live), grew: 4 * time.Second, want: lab.RestLength{Live: 2 * time.Second, Total: time.Second}},
		"live, longer":               {verdict: leak(verdict.Live), grew: 20 * time.Second, want: lab.RestLength{Live: 5 * time.Second, Total: time.Second}},
		"live, long, jemalloc":       {allocators: jemalloc, verdict: leak(verdict.Live), grew: time.Hour, want: lab.RestLength{Live: 15 * time.Second, Total: time.Second}},
		"fixed, no leak":             {settings: map[string]string{"TRIES": "10"}, verdict: clean},
		"chosen, no leak":            {settings: map[string]string{"RELEASE": "3s"}, verdict: clean, want: both(3 * time.Second)},
		"chosen, live":               {settings: map[string]string{"RELEASE": "3s"}, verdict: leak(verdict.Live), grew: time.Hour, want: both(3 * time.Second)},
		"none chosen, live":          {settings: map[string]string{"RELEASE": "0"}, verdict: leak(verdict.Live), grew: time.Hour},
		"no leak, beside a baseline": {settings: map[string]string{"BASELINE": "old"}, verdict: clean, want: both(5 * time.Second)},
		"too few, beside a baseline": {settings: map[string]string{"BASELINE": "old"}, verdict: verdict.Judge(nil, verdict.Options{}), want: both(5 * time.Second)},
	} {
		p := planned(t, test.settings)
		assert.Equal(t, test.want, p.rests(test.allocators, true).end(test.verdict, test.grew), name)
	}
}
