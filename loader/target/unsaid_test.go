package target

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What the server and the baseline have written is for the terminal alone.
func TestWhatServersHaveWrittenIsNotInTheReport(t *testing.T) {
	ended := errors.New("the baseline ended")
	both := &lastWords{errors.Join(&lastWords{ended, "its last output: hunter2"}, errors.New("a process was left")), "its last output: hunter3"}
	assert.ErrorContains(t, both, "hunter2")
	assert.Equal(t, ended, Unsaid(both))
	assert.Equal(t, ended, Unsaid(ended))
	assert.NoError(t, Unsaid(nil))
}
