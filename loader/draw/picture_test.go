package main

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

	"leaklab/loader/chart"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
	"leaklab/loader/verdict"
)

func TestPictures(t *testing.T) {
	for _, count := range []int{1, 4, 12, 450} {
		example := recordtest.Against(count, 1)
		f := chart.New(example, recordtest.Series(example), recordtest.Series(example))
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

func TestPictureOfLiveMemory(t *testing.T) {
	for _, of := range []verdict.Part{verdict.Live, verdict.Outside} {
		example := recordtest.LiveRun(12)
		example.Verdict.Of = of
		f := chart.New(example, recordtest.Series(example), nil)
		var vector, pixels bytes.Buffer
		require.NoError(t, writeSVG(&vector, f))
		text := vector.String()
		assert.Contains(t, text, "live memory, MiB")
		assert.Contains(t, text, "held memory, MiB")
		assert.Contains(t, text, "heap slack")
		assert.Equal(t, 1, strings.Count(text, "leaklab: "), "the title is on top alone")
		assert.Equal(t, of == verdict.Outside, strings.Contains(text, "memory outside the heap, MiB"))
		assert.Less(t, strings.Index(text, "live memory, MiB"), strings.Index(text, "resident memory, MiB"))
		require.NoError(t, writePNG(&pixels, f))
		picture, err := png.Decode(&pixels)
		require.NoError(t, err)
		assert.Equal(t, 960, picture.Bounds().Dx())
		assert.InDelta(t, 758+336*map[verdict.Part]int{verdict.Live: 1, verdict.Outside: 2}[of], picture.Bounds().Dy(), 2)
	}
}

// recorded is the folder of a run of count iterations.
func recorded(t *testing.T, count int) string {
	t.Helper()
	folder := t.TempDir()
	example := recordtest.Run(count)
	require.NoError(t, record.Replace(folder, "run.json", example.Write))
	samples, err := record.CreateSamples(folder, "samples.csv")
	require.NoError(t, err)
	for _, p := range recordtest.Series(example) {
		samples.Take(p.At, 0, memory.Reading{Total: p.Bytes})
	}
	require.NoError(t, samples.Close())
	return folder
}

func TestRunOfAFolderIsDrawn(t *testing.T) {
	folder := recorded(t, 4)
	var out, errors bytes.Buffer
	assert.Zero(t, run([]string{folder}, &out, &errors))
	assert.Empty(t, out.String()+errors.String())
	file, err := os.Open(filepath.Join(folder, "memory.png"))
	require.NoError(t, err)
	defer file.Close()
	_, err = png.Decode(file)
	assert.NoError(t, err)
	assert.FileExists(t, filepath.Join(folder, "memory.svg"))

	assert.Equal(t, 2, run([]string{t.TempDir()}, &out, &errors))
	assert.Contains(t, errors.String(), "draw: cannot draw ")
	assert.Contains(t, errors.String(), "run.json: no such file")
}

func TestHelpAndUsage(t *testing.T) {
	var out, errors bytes.Buffer
	for _, help := range []string{"--help", "-h"} {
		out.Reset()
		assert.Zero(t, run([]string{help}, &out, &errors))
		assert.Contains(t, out.String(), "usage: draw FOLDER\n")
		assert.Empty(t, errors.String())
	}
	out.Reset()
	for _, wrong := range [][]string{nil, {"a", "b"}, {"a", "b", "c", "d"}} {
		errors.Reset()
		assert.Equal(t, 2, run(wrong, &out, &errors))
		assert.Contains(t, errors.String(), "usage: draw FOLDER\n")
	}
	assert.Empty(t, out.String())
}
