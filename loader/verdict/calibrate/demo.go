package main

import "fmt"

// demo are modes of the demo server whose truth is known, started by the loader, so that live memory is read.
func demo() suite {
	s := suite{
		name: "demo", head: "Modes of the demo server, %d iterations of 1 s, tolerance %g bytes/request:",
		iterations: 12, settings: []string{"TRIES=12", "DURATION=1s", "RELEASE=0", "LIVE=auto", "PPROF_URL=http://127.0.0.1:{admin}/debug/pprof/"},
	}
	add := func(leak string, size int, truth float64, settings ...string) {
		s.subjects = append(s.subjects, subject{
			name: fmt.Sprintf("%s-%d", leak, size), title: fmt.Sprintf("LEAK=%s, %d", leak, size), truth: truth,
			command:  []string{"env", "METRICS_PORT={admin}", "{programs}/server"},
			settings: append([]string{"LEAK=" + leak, fmt.Sprintf("LEAK_BYTES=%d", size)}, settings...),
		})
	}
	add("none", 64, 0)
	add("cache", 64, 0)
	add("burst", 64, 0)
	add("expire", 64, 0, "LEAK_TTL=3s")
	for _, size := range []int{16, 64, 256} {
		add("heap", size, float64(size)+goReference)
	}
	add("log", 8, 8)
	return s
}
