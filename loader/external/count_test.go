package external

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
)

// ok are n responses of which the tool does not tell the status, and failed as many of which some count as errors.
func ok(n uint64) Counts {
	return Counts{Codes: map[int]uint64{0: n}, Errors: map[load.Reason]uint64{}}
}

func failed(n uint64, reason load.Reason, errors uint64) Counts {
	return Counts{Codes: map[int]uint64{0: n}, Errors: map[load.Reason]uint64{reason: errors}}
}

func refused(reason load.Reason, errors uint64) Counts {
	return Counts{Codes: map[int]uint64{}, Errors: map[load.Reason]uint64{reason: errors}}
}

// mixed are responses of which a fourth are of status 500.
func mixed(n uint64) Counts {
	return Counts{Codes: map[int]uint64{200: n - n/4, 500: n / 4}, Errors: map[load.Reason]uint64{load.Status5xx: n / 4}}
}

// The outputs are real ones, of the versions in the names of the files, or of hey 0.1.5, wrk 4.1.0, and k6 1.8.1 and
// 0.52.0 (legacy). Those of oha are made up in its formats of before and now, and were not compared with real ones.
func TestCount(t *testing.T) {
	const (
		warmUp     = "h2load does not count the requests of its warm-up."
		unanswered = "autocannon does not tell how many requests without a response it has sent."
	)
	for file, want := range map[string]Counts{
		"hey.txt":           {Codes: map[int]uint64{200: 20319}, Errors: map[load.Reason]uint64{}},
		"hey-404.txt":       {Codes: map[int]uint64{404: 200}, Errors: map[load.Reason]uint64{load.Status4xx: 200}},
		"hey-refused.txt":   refused(load.Other, 20),
		"wrk.txt":           ok(35980),
		"wrk-404.txt":       failed(29321, load.Other, 29321),
		"wrk-reset.txt":     refused(load.Reset, 13660),
		"k6.txt":            ok(10743),
		"k6-404.txt":        failed(10719, load.Other, 10719),
		"k6-refused.txt":    failed(14303, load.Other, 14303),
		"k6-legacy.txt":     ok(10472),
		"k6-legacy-404.txt": failed(9867, load.Other, 9867),

		"hey-0.1.5-csv.txt":                    mixed(20),
		"hey-0.1.5-csv-drop.txt":               {Codes: map[int]uint64{200: 20}, Errors: map[load.Reason]uint64{}},
		"hey-0.1.5-redirect.txt":               {Codes: map[int]uint64{200: 20}, Errors: map[load.Reason]uint64{}},
		"k6-1.8.1-threshold.txt":               ok(40),
		"k6-1.8.1-legacy-threshold.txt":        ok(40),
		"k6-1.8.1-failed-threshold.txt":        failed(40, load.Other, 10),
		"k6-1.8.1-legacy-failed-threshold.txt": failed(40, load.Other, 10),
		"k6-1.8.1-full.txt":                    ok(40),
		"k6-1.8.1-full-threshold.txt":          failed(40, load.Other, 10),
		"k6-1.8.1-handle.txt":                  ok(40),
		"k6-1.8.1-handle-indent.txt":           failed(40, load.Other, 10),
		"k6-1.8.1-export.txt":                  ok(40),
		"k6-1.8.1-drop.txt":                    failed(40, load.Other, 3),
		"ab-2.3.txt":                           ok(100),
		"ab-2.3-t.txt":                         ok(6986),
		"ab-2.3-drop.txt":                      ok(100),
		"ab-2.3-no-response.txt":               failed(100, load.Reset, 100),
		"ab-2.3-refused.txt":                   {Codes: map[int]uint64{0: 5}, Errors: map[load.Reason]uint64{load.Reset: 6, load.Other: 3}},
		"h2load-1.52.0.txt":                    failed(100, load.Status5xx, 25),
		"h2load-1.52.0-duration.txt":           ok(5567),
		"h2load-1.52.0-warm-up.txt":            {Codes: map[int]uint64{0: 800}, Errors: map[load.Reason]uint64{}, Partial: true, Notes: []string{warmUp}},
		"h2load-1.52.0-drop.txt":               failed(39, load.Other, 70),
		"h2load-1.52.0-refused.txt":            refused(load.Other, 10),
		"siege-4.0.7.txt":                      failed(100, load.Other, 25),
		"siege-4.0.7-t.txt":                    ok(724),
		"siege-4.0.7-404.txt":                  failed(10, load.Other, 10),
		"siege-4.0.7-redirect.txt":             ok(200),
		"vegeta-12.13.0.txt":                   mixed(20),
		"vegeta-12.13.0-json.txt":              mixed(20),
		"vegeta-12.13.0-refused.txt":           refused(load.Other, 5),
		"vegeta-12.13.0-refused-json.txt":      refused(load.Other, 5),
		"bombardier-1.2.6.txt":                 failed(100, load.Status5xx, 25),
		"bombardier-1.2.6-json.txt":            failed(100, load.Status5xx, 25),
		"bombardier-1.2.6-refused.txt":         refused(load.Other, 10),
		"bombardier-1.2.6-refused-json.txt":    refused(load.Other, 10),
		"autocannon-9.0.0.txt":                 mixed(100),
		"autocannon-9.0.0-table.txt":           ok(100),
		"autocannon-9.0.0-warmup.txt":          {Codes: map[int]uint64{0: 7, 200: 598}, Errors: map[load.Reason]uint64{}},
		"autocannon-9.0.0-drop.txt":            {Codes: map[int]uint64{0: 5, 200: 75}, Errors: map[load.Reason]uint64{}, Partial: true, Notes: []string{unanswered}},
		"autocannon-9.0.0-rate.txt":            {Codes: map[int]uint64{0: 5, 200: 59}, Errors: map[load.Reason]uint64{}, Partial: true, Notes: []string{unanswered}},
		"autocannon-9.0.0-rate-drop.txt":       {Codes: map[int]uint64{}, Errors: map[load.Reason]uint64{load.Reset: 5}, Partial: true, Notes: []string{unanswered}},
		"autocannon-9.0.0-refused.txt":         refused(load.Other, 4),
		"autocannon-9.0.0-table-refused.txt":   refused(load.Other, 4),
		"httperf-0.9.0.txt":                    failed(100, load.Status5xx, 25),
		"httperf-0.9.0-drop.txt":               failed(40, load.Reset, 10),
		"fortio-1.66.5.txt":                    {Codes: map[int]uint64{0: 4, 200: 8}, Errors: map[load.Reason]uint64{}},
		"fortio-1.66.5-t-json.txt":             {Codes: map[int]uint64{0: 4, 200: 8}, Errors: map[load.Reason]uint64{}},
		"fortio-1.66.5-json.txt":               mixed(40),
		"fortio-1.66.5-redirect.txt":           {Codes: map[int]uint64{302: 40}, Errors: map[load.Reason]uint64{}},
		"fortio-1.66.5-follow.txt":             {Codes: map[int]uint64{200: 40}, Errors: map[load.Reason]uint64{}},
		"fortio-1.66.5-drop.txt":               {Codes: map[int]uint64{200: 35}, Errors: map[load.Reason]uint64{load.Other: 5}},
		"loadtest-8.2.1.txt":                   failed(100, load.Other, 25),
		"loadtest-8.2.1-t.txt":                 ok(182),

		"oha-ms.txt": {Codes: map[int]uint64{200: 287588, 503: 12}, Errors: map[load.Reason]uint64{load.Status5xx: 12, load.Other: 4}},
		"oha.txt":    {Codes: map[int]uint64{200: 287590, 503: 12}, Errors: map[load.Reason]uint64{load.Status5xx: 12, load.Other: 4}},
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

// counted is Count of an output in testdata.
func counted(t *testing.T, file string) (string, Counts) {
	t.Helper()
	output, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	counts, told := Count(string(output))
	require.True(t, told, file)
	return string(output), counts
}

// The servers' own counts were noted when the outputs were recorded.
func TestCountIsThatOfTheServer(t *testing.T) {
	for file, served := range map[string]uint64{
		"ab-2.3.txt": 100, "ab-2.3-drop.txt": 100, "autocannon-9.0.0.txt": 100,
		"autocannon-9.0.0-warmup.txt": 605, "autocannon-9.0.0-refused.txt": 0, "autocannon-9.0.0-table-refused.txt": 0, "bombardier-1.2.6.txt": 100,
		"bombardier-1.2.6-json.txt": 100, "fortio-1.66.5.txt": 12, "fortio-1.66.5-json.txt": 40, "fortio-1.66.5-t-json.txt": 12,
		"h2load-1.52.0.txt": 100, "h2load-1.52.0-drop.txt": 39, "h2load-1.52.0-duration.txt": 5567, "h2load-1.52.0-refused.txt": 0,
		"hey-0.1.5-csv.txt": 20, "httperf-0.9.0.txt": 100, "httperf-0.9.0-drop.txt": 40, "k6-1.8.1-full.txt": 40,
		"k6-1.8.1-full-threshold.txt": 40, "k6-1.8.1-threshold.txt": 40, "k6-1.8.1-legacy-threshold.txt": 40, "k6-1.8.1-export.txt": 40,
		"k6-1.8.1-handle.txt": 40, "loadtest-8.2.1.txt": 100, "siege-4.0.7.txt": 100, "siege-4.0.7-404.txt": 10,
		"siege-4.0.7-redirect.txt": 200, "vegeta-12.13.0.txt": 20, "vegeta-12.13.0-json.txt": 20, "vegeta-12.13.0-refused.txt": 0,
	} {
		_, counts := counted(t, file)
		assert.Equal(t, served, counts.Requests(), file)
	}
}

func TestSummariesOfSeveralToolsAddUp(t *testing.T) {
	var all strings.Builder
	want := uint64(0)
	for _, file := range []string{
		"wrk.txt", "k6-1.8.1-full.txt", "hey.txt", "hey-0.1.5-csv.txt", "ab-2.3.txt", "h2load-1.52.0-warm-up.txt", "siege-4.0.7.txt",
		"vegeta-12.13.0-json.txt", "bombardier-1.2.6.txt", "autocannon-9.0.0.txt", "httperf-0.9.0.txt", "fortio-1.66.5.txt", "loadtest-8.2.1.txt",
	} {
		output, counts := counted(t, file)
		all.WriteString(output + "\n")
		want += counts.Requests()
		sum, told := Count(all.String())
		assert.True(t, told)
		assert.Equal(t, want, sum.Requests(), file)
	}
	sum, _ := Count(all.String())
	assert.True(t, sum.Partial)
	assert.Len(t, sum.Notes, 1)
}

func TestOneToolInTwoFormatsIsCountedOnce(t *testing.T) {
	for file, other := range map[string]string{
		"vegeta-12.13.0.txt": "vegeta-12.13.0-json.txt", "bombardier-1.2.6.txt": "bombardier-1.2.6-json.txt",
		"k6-1.8.1-threshold.txt": "k6-1.8.1-handle.txt", "autocannon-9.0.0-table.txt": "autocannon-9.0.0.txt",
	} {
		text, want := counted(t, file)
		object, _ := counted(t, other)
		counts, told := Count(text + object)
		assert.True(t, told)
		assert.Equal(t, want.Requests(), counts.Requests(), file)
	}
}

func TestAutocannonsTableRounds(t *testing.T) {
	output, err := os.ReadFile("testdata/autocannon-9.0.0-rounded.txt")
	require.NoError(t, err)
	counts, told := Count(string(output))
	assert.False(t, told)
	rounds := []string{"autocannon's table rounds the number of requests; with its option -j it prints it exactly."}
	assert.Equal(t, rounds, counts.Notes)

	other, want := counted(t, "vegeta-12.13.0.txt")
	counts, told = Count(string(output) + other)
	assert.True(t, told)
	assert.Equal(t, want.Requests(), counts.Requests())
	assert.True(t, counts.Partial, "those of the table are missing")
	assert.Equal(t, rounds, counts.Notes)
}

func TestAutocannonsTableTellsItsErrors(t *testing.T) {
	output, _ := counted(t, "autocannon-9.0.0-table-refused.txt")
	counts, told := Count(strings.NewReplacer("4 requests in", "10 requests in", "4 errors (0 timeouts)", "4 errors (3 timeouts)").Replace(output))
	assert.True(t, told)
	assert.Equal(t, Counts{Codes: map[int]uint64{0: 6}, Errors: map[load.Reason]uint64{load.Timeout: 3, load.Other: 1}}, counts)
}

func TestVegetasReportsSoFarAreNotCounted(t *testing.T) {
	const clear = "\x1b[2J\x1b[0;0H"
	text, want := counted(t, "vegeta-12.13.0.txt")
	counts, told := Count(clear + text + clear + text + text)
	assert.True(t, told)
	assert.Equal(t, want, counts)
}

func TestTheLastObjectsAreKept(t *testing.T) {
	const first, filler, last = `{"latencies":{},"throughput":1,"status_codes":{"200":1}}`, "\n{}", `{"latencies":{},"throughput":1,"status_codes":{"200":2}}`
	output := func(fillers int) string { return first + strings.Repeat(filler, fillers) + "\n" + last }
	assert.Len(t, objectsOf(output(mostObjects-2)), mostObjects)
	counts, _ := Count(output(mostObjects - 2))
	assert.EqualValues(t, 3, counts.Requests())
	assert.Len(t, objectsOf(output(mostObjects-1)), mostObjects)
	counts, _ = Count(output(mostObjects - 1))
	assert.EqualValues(t, 2, counts.Requests())
}

func TestAbStopsBeforeItsTime(t *testing.T) {
	const stopped = "ab -t ended at 50000 requests, before its time: it does unless -n, with a larger number, follows -t."
	const most = "Complete requests:      50000\n"
	for _, test := range []struct{ command, output, want string }{
		{"ab -k -t 3 -c 10 http://h/", most, stopped},
		{"ab -n 1000000 -t 3 http://h/", most, stopped},
		{"sh -c exec /usr/bin/ab -t3 http://h/", most, stopped},
		{"ab -t 3 -n 1000000 http://h/", most, ""},
		{"ab -n 50000 http://h/", most, ""},
		{"ab -t 3 http://h/", "Complete requests:      49999\n", ""},
		{"grab -t 3", most, ""},
	} {
		assert.Equal(t, test.want, abStopped(test.command, test.output), test.command)
	}
}

func TestCountOfHeysTable(t *testing.T) {
	table := func(rows int) string {
		return heyHeader + "\n" + strings.Repeat("0.0032,0.0004,0.0000,0.0001,0.0025,0.0001,200,0.0011\n", rows)
	}
	counts, told := count("", strings.NewReader(table(heyMost-1)+"done\n0.1,0,0,0,0,0,200,0\n"))
	assert.True(t, told)
	assert.EqualValues(t, heyMost-1, counts.Requests(), "a line after the table is none of it")
	assert.False(t, counts.Partial)
	counts, _ = count("", strings.NewReader(table(heyMost)))
	assert.True(t, counts.Partial)
	assert.Equal(t, []string{"hey -o csv prints no more than the first million responses."}, counts.Notes)
	_, told = Count(strings.Repeat("x", 3*heyLine) + table(1))
	assert.False(t, told, "the header is not at the beginning of a line")
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
		"Complete requests:      -5\n", "Complete requests:      NaN\n", "Complete requests:      1e3\n",
		"requests: 1 total, -1 started, 1 done, 1 succeeded, 0 failed, 0 errored, 0 timeout\n",
		`{"transactions":-1,"successful_transactions":0,"failed_transactions":0}`,
		`{"transactions":1e99,"successful_transactions":0,"failed_transactions":0}`,
		`{"latencies":{},"throughput":1,"status_codes":{"200":-1}}`, `{"latencies":{},"throughput":1,"status_codes":{"many":1}}`,
		`{"latencies":{},"throughput":1,"status_codes":{"12345":1}}`, `{"spec":{},"result":{"req2xx":9007199254740992,"req3xx":1}}`,
		`{"statusCodeStats":{},"requests":{"total":18446744073709551615,"sent":1},"errors":1,"timeouts":0,"connections":1,"pipelining":1}`,
		`{"statusCodeStats":{"200":{"count":1}},"requests":{"total":1,"sent":1},"errors":0,"timeouts":0}`,
		`{"RetCodes":{"200":1},"NumThreads":-4,"Exactly":0}`, `{"metrics":{"http_reqs":{"count":-1}}}`, `{"metrics":{}}`,
		"wrong\n{\"metrics\"", strings.Repeat(`{"a":`, 1000),
	} {
		counts, told := Count(output)
		assert.False(t, told, output)
		assert.Zero(t, counts.Requests())
	}
}

func TestCountOfAHostileOutputEnds(t *testing.T) {
	for _, piece := range []string{"{\"a\":\n", "{\n", "{}\n", "{\"a\":[\n", "  █ GROUP: \n", "Summary:", heyHeader + "\n", "x", "\r", "\n"} {
		output := strings.Repeat(piece, mostOutput/len(piece))
		_, told := Count(output)
		assert.Equal(t, piece == heyHeader+"\n", told, "only an empty table is a summary")
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
