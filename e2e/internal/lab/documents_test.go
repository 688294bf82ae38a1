package lab

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCodeBlocks(t *testing.T) {
	assert.Equal(t, []string{"one\n\n  two", "three\n    four", "five"}, codeBlocks("Text:\n\n    one\n\n      two\n\nText\n```sh\nthree\n    four\n```\n\n    five"))
	assert.Empty(t, codeBlocks("# Text\n\n- text\n  text\n"))
}
