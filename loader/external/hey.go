package external

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"leaklab/loader/load"
)

var (
	heyTotal  = regexp.MustCompile(`(?m)^ +Total:\s+([0-9.]+) (\S+)\r?$`) // in oha's the unit is that of the slowest response
	heyRate   = regexp.MustCompile(`(?m)^ +Requests/sec:\s+([0-9.]+)\r?$`)
	heyStatus = regexp.MustCompile(`(?m)^ +\[(\d{3})\]\s+(\d+) responses\r?$`)
	heyErrors = regexp.MustCompile(`(?m)^ +\[(\d+)\]\s+(\S.*?)\r?$`)
)

// heyMost is how many statuses hey keeps. Of more responses it reports only the rate.
const heyMost = 1_000_000

// readHey parses the summary of hey, or that of oha, which has the same format.
func readHey(output string, counts *Counts) outcome {
	known := false
	for _, summary := range strings.Split(output, "Summary:")[1:] {
		statuses, failures, _ := strings.Cut(summary, "\nError distribution:")
		total, rate := heyTotal.FindStringSubmatch(summary), heyRate.FindStringSubmatch(summary)
		if total == nil || rate == nil || !strings.Contains(statuses, "\nStatus code distribution:") {
			continue
		}
		known = true
		var answers, failed uint64
		for _, match := range heyStatus.FindAllStringSubmatch(statuses, -1) {
			code, _ := strconv.Atoi(match[1])
			if !counts.answered(code, match[2]) {
				return implausible
			}
			n, _ := number(match[2])
			answers += n
		}
		for _, match := range heyErrors.FindAllStringSubmatch(failures, -1) {
			// Requests that oha cancels at the end of its duration are no errors of the server.
			if n, ok := number(match[1]); ok && match[2] != "aborted due to deadline" {
				failed += n
				counts.note(load.Other, n)
			}
		}
		if all := math.Round(figure(rate[1]) * figure(total[1])); answers == heyMost && total[2] == "secs" && all > heyMost && all <= mostRequests {
			counts.Codes[0] += uint64(max(0, all-float64(answers)-float64(failed)))
		}
	}
	return is(known)
}

func figure(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return value
}

const (
	// heyHeader is the first line of what hey -o csv prints, without the end of the line.
	heyHeader = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset"
	// heyLine is longer than a line of such a table, in bytes.
	heyLine = 4096
)

// readTable counts the lines of each table that hey -o csv printed: one for each response. It holds one line at a time.
func readTable(table io.Reader, counts *Counts) outcome {
	lines := bufio.NewReaderSize(table, heyLine)
	inTable, any, inLine, rows := false, false, false, 0
	for {
		line, err := lines.ReadSlice('\n')
		line = bytes.TrimRight(line, "\r\n")
		code := 0
		if inTable = inTable && !inLine; inTable {
			code, inTable = statusOf(line)
		}
		if !inLine && string(line) == heyHeader {
			inTable, any, rows = true, true, 0
		} else if inTable {
			if rows++; !counts.got(code, 1) {
				return implausible
			}
			if rows == heyMost {
				counts.Partial = true
				counts.say("hey -o csv prints no more than the first million responses.")
			}
		}
		inLine = err == bufio.ErrBufferFull
		if err != nil && !inLine { // nothing is lost: the tool has ended
			return is(any)
		}
	}
}

// statusOf returns the status code of a line of hey's table.
func statusOf(line []byte) (code int, ok bool) {
	fields := bytes.Split(line, []byte(","))
	if len(fields) != 8 || len(fields[6]) != 3 {
		return 0, false
	}
	code, err := strconv.Atoi(string(fields[6]))
	return code, err == nil && code >= 100
}
