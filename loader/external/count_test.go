package external

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
)

// The outputs of hey 0.1.5, wrk 4.1.0, and k6 1.8.1 and 0.52.0 (legacy) are real ones. k6's number of responses is what
// the demo server counted. Those of oha are made up in its formats of before and now, and were not compared with real
// ones.
func TestCount(t *testing.T) {
	for file, want := range map[string]Counts{
		"hey.txt":           {Codes: map[int]uint64{200: 20319}, Errors: map[load.Reason]uint64{}},
		"hey-404.txt":       {Codes: map[int]uint64{404: 200}, Errors: map[load.Reason]uint64{load.Status4xx: 200}},
		"hey-refused.txt":   {Codes: map[int]uint64{}, Errors: map[load.Reason]uint64{load.Other: 20}},
		"wrk.txt":           {Codes: map[int]uint64{0: 35980}, Errors: map[load.Reason]uint64{}},
		"wrk-404.txt":       {Codes: map[int]uint64{0: 29321}, Errors: map[load.Reason]uint64{load.Other: 29321}},
		"wrk-reset.txt":     {Codes: map[int]uint64{0: 0}, Errors: map[load.Reason]uint64{load.Reset: 13660}},
		"k6.txt":            {Codes: map[int]uint64{0: 10743}, Errors: map[load.Reason]uint64{}},
		"k6-404.txt":        {Codes: map[int]uint64{0: 10719}, Errors: map[load.Reason]uint64{load.Other: 10719}},
		"k6-refused.txt":    {Codes: map[int]uint64{0: 14303}, Errors: map[load.Reason]uint64{load.Other: 14303}},
		"k6-legacy.txt":     {Codes: map[int]uint64{0: 10472}, Errors: map[load.Reason]uint64{}},
		"k6-legacy-404.txt": {Codes: map[int]uint64{0: 9867}, Errors: map[load.Reason]uint64{load.Other: 9867}},
		"oha-ms.txt":        {Codes: map[int]uint64{200: 287588, 503: 12}, Errors: map[load.Reason]uint64{load.Status5xx: 12, load.Other: 4}},
		"oha.txt":           {Codes: map[int]uint64{200: 287590, 503: 12}, Errors: map[load.Reason]uint64{load.Status5xx: 12, load.Other: 4}},
	} {
		t.Run(file, func(t *testing.T) {
			output, err := os.ReadFile("testdata/" + file)
			require.NoError(t, err)
			for _, text := range []string{string(output), "before\n" + strings.ReplaceAll(string(output), "\n", "\r\n") + "after"} {
				counts, told := Count(text)
				assert.True(t, told)
				assert.Equal(t, want, counts)
			}
			counts, told := Count(string(output) + string(output))
			assert.True(t, told)
			assert.Equal(t, 2*want.Requests(), counts.Requests(), "two runs of it")
		})
	}
}

func TestCountOfMoreThanHeyKeeps(t *testing.T) {
	const output = `
Summary:
  Total:	30.0010 secs
  Requests/sec:	50000.1234

Status code distribution:
  [200]	1000000 responses

Error distribution:
  [7]	Get "http://127.0.0.1:3030/": EOF
`
	counts, told := Count(output)
	assert.True(t, told)
	assert.InDelta(t, 30.001*50000.1234-7, counts.Requests(), 1)
}

func TestCountKnowsWhatItDoesNotKnow(t *testing.T) {
	for _, output := range []string{
		"", "done\n", "Summary:\n", "12345 requests in 1s\n", "Status code distribution:\n  [200]\t5 responses\n",
		"unable to connect to 127.0.0.1:3030 Connection refused\n",
		"  99999999999999999999 requests in 1.00s, 1B read\n",
		strings.Repeat("  9007199254740992 requests in 1.00s, 1B read\n", 3000),
		"http_reqs: many 1/s\n",
	} {
		counts, told := Count(output)
		assert.False(t, told, output)
		assert.Zero(t, counts.Requests())
	}
}

func FuzzCount(f *testing.F) {
	files, err := os.ReadDir("testdata")
	require.NoError(f, err)
	for _, file := range files {
		if output, err := os.ReadFile("testdata/" + file.Name()); err == nil {
			f.Add(string(output))
		}
	}
	f.Fuzz(func(t *testing.T, output string) {
		counts, told := Count(output)
		if n := counts.Requests(); n > mostRequests || !told && n > 0 {
			t.Fatalf("%d requests, told: %v", n, told)
		}
	})
}
