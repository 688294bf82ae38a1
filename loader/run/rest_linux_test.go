package run

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The test itself is a Go program.
func TestTheAllocatorOfAServer(t *testing.T) {
	assert.Equal(t, "Go", allocatorAtRest(os.Getpid()).Name)
	assert.Empty(t, allocatorAtRest(0).Name, "a server elsewhere")
}
