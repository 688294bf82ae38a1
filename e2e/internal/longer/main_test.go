package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLonger(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("package p\n"+text), 0o600))
	}
	write("one_test.go", `
		func TestItself() { lab.OnlyLong(t) }
		func TestByOthers() { t.Run("", func() { first() }) }
		func TestOther() { other.Long(); page.lab.Quiet() }
		func first() { second() }`)
	write("two_test.go", `
		func TestMethod(s suite) { s.asks() }
		func (s suite) asks() { if lab.Long() {} }
		func second() { _ = lab.Long }`)
	write("no.go", `func TestNone() { lab.Long() }`)
	tests, err := longer(folder)
	require.NoError(t, err)
	assert.Equal(t, []string{"TestByOthers", "TestItself", "TestMethod"}, tests)

	write("one_test.go", "func {")
	_, err = longer(folder)
	assert.ErrorContains(t, err, "one_test.go:2")
}
