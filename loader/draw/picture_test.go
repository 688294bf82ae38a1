//go:build pictures

package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPictures(t *testing.T) {
	for _, count := range []int{1, 4, 12, 450} {
		run := exampleAgainst(count, 1)
		f := newFigure(run, exampleCourse(run), exampleCourse(run))
		var vector, pixels bytes.Buffer
		require.NoError(t, writeSVG(&vector, f))
		decoder := xml.NewDecoder(bytes.NewReader(vector.Bytes()))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if !assert.NoError(t, err) {
				break
			}
		}
		assert.Contains(t, vector.String(), "resident memory, MiB")
		assert.Contains(t, vector.String(), "iteration")
		assert.Equal(t, count > 1, strings.Contains(vector.String(), "load of the baseline"))
		require.NoError(t, writePNG(&pixels, f))
		picture, err := png.Decode(&pixels)
		require.NoError(t, err)
		assert.Equal(t, 960, picture.Bounds().Dx())
	}
}

func TestDrawReadsTheFolder(t *testing.T) {
	folder, _ := recorded(t, 4)
	require.NoError(t, Draw(folder))
	file, err := os.Open(filepath.Join(folder, "memory.png"))
	require.NoError(t, err)
	defer file.Close()
	_, err = png.Decode(file)
	assert.NoError(t, err)
	assert.FileExists(t, filepath.Join(folder, "memory.svg"))
	assert.ErrorContains(t, Draw(t.TempDir()), "run.json: no such file")
}
