package run

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/live"
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
		"remote":   {nil, nil, "500ms before each reading, 5s of rest in the end"},
		"glibc":    {nil, []live.Allocator{glibc}, "500ms before each reading, 5s of rest in the end"},
		"jemalloc": {nil, []live.Allocator{jemalloc}, "500ms before each reading, 15s of rest in the end (jemalloc gives memory back late)"},
		"Erlang": {
			nil, []live.Allocator{glibc, erlang},
			"500ms before each load, 15s after it, 15s of rest in the end (Erlang gives memory back late)",
		},
		"auto":    {map[string]string{"SETTLE": "auto", "RELEASE": "auto"}, []live.Allocator{jemalloc}, "500ms before each reading, 15s of rest in the end (jemalloc gives memory back late)"},
		"settle":  {map[string]string{"SETTLE": "500ms"}, []live.Allocator{erlang}, "500ms before each reading, 15s of rest in the end (Erlang gives memory back late)"},
		"release": {map[string]string{"RELEASE": "5s"}, []live.Allocator{jemalloc}, "500ms before each reading, 5s of rest in the end"},
		"none":    {map[string]string{"SETTLE": "0", "RELEASE": "0"}, []live.Allocator{erlang}, "0s before each reading"},
		"aligned": {aligned, []live.Allocator{erlang}, "500ms before each reading, 15s of rest in the end (Erlang gives memory back late)"},
	} {
		p := planned(t, test.settings)
		assert.Equal(t, test.want, p.rests(test.allocators).String(), name)
	}
}
