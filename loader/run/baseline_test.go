package run

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A server beside another shows its profiles where it listens for requests, if that one does, or at the same port.
func TestPortOfProfilesBeside(t *testing.T) {
	for url, want := range map[string]int{
		"http://127.0.0.1:3030/debug/pprof/": 3031, "http://server:6060/debug/pprof/": 6060, "http://server/debug/pprof/": 3031, "http://[::1": 3031,
	} {
		assert.Equal(t, want, portBeside(url, 3030, 3031), url)
	}
}
