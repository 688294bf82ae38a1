package subject

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLocalAddresses(t *testing.T) {
	local := localAddresses(os.Getpid())
	assert.Contains(t, local, "127.0.0.1")
	assert.NotContains(t, local, "127.0.0.0", "that is a network")
	assert.NotContains(t, local, "127.255.255.255", "that is for all")
	assert.Empty(t, localAddresses(1<<22), "there is no such process")
}
