package record

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
)

func TestReadCSV(t *testing.T) {
	none := map[verdict.Part]uint64{}
	want := []verdict.Iteration{
		{Requests: 10, StartBytes: 1000000, EndBytes: 2000000, Parts: none}, {Requests: 0, StartBytes: 2000000, EndBytes: 1500000, Parts: none},
	}
	for name, table := range map[string]string{
		"least":            "iteration,requests,rss_start_bytes,rss_end_bytes\n1,10,1000000,2000000\n2,0,2000000,1500000\n",
		"other order":      "rss_end_bytes,requests,iteration,rss_start_bytes\n2000000,10,1,1000000\n1500000,0,2,2000000\n",
		"other columns":    "a,iteration,requests,b,rss_start_bytes,rss_end_bytes\n\"x,y\",1,10,,1000000,2000000\nz,2,0,-1,2000000,1500000",
		"padded numbers":   "iteration, requests, rss_start_bytes, rss_end_bytes\n01, 10, 1000000, 2000000\n02, 0, 2000000, 1500000\n",
		"of a spreadsheet": "\ufeffiteration,requests,rss_start_bytes,rss_end_bytes\r\n1,10,1000000,2000000\r\n3,0,2000000,1500000\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadCSV(strings.NewReader(table), "run.csv")
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestReadCSVReadsWhatIsWritten(t *testing.T) {
	folder := t.TempDir()
	table, err := CreateTable(folder, "iterations.csv")
	require.NoError(t, err)
	i := measured(t)
	require.NoError(t, table.Append(NewIteration(i)))
	require.NoError(t, table.Close())
	content, err := os.ReadFile(filepath.Join(folder, "iterations.csv"))
	require.NoError(t, err)
	got, err := ReadCSV(bytes.NewReader(content), "iterations.csv")
	require.NoError(t, err)
	assert.Equal(t, []verdict.Iteration{NewIteration(i).Evidence()}, got)
	assert.Equal(t, map[verdict.Part]uint64{
		verdict.Anonymous: 100, verdict.File: 20, verdict.Shared: 0, verdict.PageCache: 0, verdict.Sockets: 4096, verdict.OpenFiles: 12,
	}, got[0].Parts, "what is not known is left out")
}

func TestReadCSVReadsParts(t *testing.T) {
	got, err := ReadCSV(strings.NewReader("threads,iteration,requests,rss_start_bytes,rss_end_bytes,file_end_bytes\n3,1,1,1000000,1000000,\n ,2,1,1000000,1000000,0\n"), "run.csv")
	require.NoError(t, err)
	assert.Equal(t, map[verdict.Part]uint64{verdict.Threads: 3}, got[0].Parts)
	assert.Equal(t, map[verdict.Part]uint64{verdict.File: 0}, got[1].Parts)
	_, err = ReadCSV(strings.NewReader("iteration,requests,rss_start_bytes,rss_end_bytes,threads\n1,1,1,1,many\n"), "run.csv")
	assert.EqualError(t, err, `run.csv:2:9: threads is "many"; expected a whole number from 0 to 9007199254740992`)
}

func TestReadCSVErrors(t *testing.T) {
	const header = "iteration,requests,rss_start_bytes,rss_end_bytes\n"
	const number = "expected a whole number from 0 to 9007199254740992"
	for table, want := range map[string]string{
		"":                                     "run.csv:1:1: the file is empty; expected a table with a header line",
		"iteration,requests,rss_start_bytes\n": `run.csv:1:1: column "rss_end_bytes" is missing; expected iteration, requests, rss_start_bytes, rss_end_bytes`,
		"iteration;requests;rss_start_bytes;rss_end_bytes\n":                            `run.csv:1:1: column "iteration" is missing; expected iteration, requests, rss_start_bytes, rss_end_bytes`,
		"iteration,requests,requests,rss_start_bytes,rss_end_bytes\n":                   `run.csv:1:20: column "requests" is there twice`,
		header + "1,10,1000,x\n":                                                        `run.csv:2:11: rss_end_bytes is "x"; ` + number,
		header + "1,10,1000,2000\n2,-1,1000,2000\n":                                     `run.csv:3:3: requests is "-1"; ` + number,
		header + "1,1e6,1000,2000\n":                                                    `run.csv:2:3: requests is "1e6"; ` + number,
		header + "1,,1000,2000\n":                                                       `run.csv:2:3: requests is ""; ` + number,
		header + "1,10,1000,9007199254740993\n":                                         `run.csv:2:11: rss_end_bytes is "9007199254740993"; ` + number,
		header + "0,10,1000,2000\n":                                                     `run.csv:2:1: iteration is 0 after 0; expected a higher number`,
		header + "2,10,1000,2000\n2,10,1000,2000\n":                                     `run.csv:3:1: iteration is 2 after 2; expected a higher number`,
		header + "1,10,1000\n":                                                          `run.csv:2:1: wrong number of fields`,
		header + "1,10,1000,2000,5\n":                                                   `run.csv:2:1: wrong number of fields`,
		header + "1,10,\"1000,2000\n":                                                   `run.csv:2:17: extraneous or missing " in quoted-field`,
		header + "1,1\"0,1000,2000\n":                                                   `run.csv:2:4: bare " in non-quoted-field`,
		header + "1,10,1000,2000\n\n\n3,10,1000,2000\n4,10,1000,99999999999999999999\n": `run.csv:6:11: rss_end_bytes is "99999999999999999999"; ` + number,
	} {
		_, err := ReadCSV(strings.NewReader(table), "run.csv")
		assert.EqualError(t, err, want, "%q", table)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add("iteration,requests,rss_start_bytes,rss_end_bytes\n1,10,1000,2000\n2,0,2000,1500\n")
	f.Add("iteration,requests,rss_start_bytes,rss_end_bytes\n1,\"10\n\",1000,2000\n")
	f.Add("\ufeffa,b\n")
	f.Fuzz(func(t *testing.T, table string) {
		iterations, err := ReadCSV(strings.NewReader(table), "run.csv")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "run.csv:") || iterations != nil {
				t.Fatalf("%v with %v", err, iterations)
			}
			return
		}
		verdict.Judge(iterations, verdict.Options{Tolerance: 4})
	})
}
